"""The options that several commands share."""

import dataclasses
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
from tyro.conf import Positional, arg

from ae_jax.cli.session import say
from ae_jax.data import Dataset, ReadOptions, load
from ae_jax.errors import InvalidInput
from ae_jax.training import Callback, Checkpoints, TrainConfig, distributed, initialize, provide_cpu_devices


def option(metavar: str, default: str = "none", help: str | None = None) -> Any:
    """Returns how the help of a command shows an option: its metavariable, default and, if shared, its meaning."""
    return arg(metavar=metavar, help=help, help_behavior_hint=f"(default: {default})")


RunFolder = Annotated[
    Positional[Path], arg(metavar="RUN", help="a folder that train wrote, or one in runs/ of a comparison or sweep.")
]
_SOURCES = "a data set by its name, tfds:NAME, a file or folder, or a single image."
Source = Annotated[str | None, option("NAME|PATH", "the data trained on", _SOURCES)]
_LABEL = "name of the label column of a table, or of the labels in a .npz or .mat file."
Label = Annotated[str | None, option("NAME", "as the run was trained", _LABEL)]
_ID = "name of the column of a table that names the examples in results."
Id = Annotated[str | None, option("NAME", "as the run was trained", _ID)]
_SPLIT = option("SPLIT", "test of a data set by name, all of a file", "train, validation, test or all.")
SplitName = Annotated[Literal["train", "validation", "test", "all"] | None, _SPLIT]
Member = Annotated[int | None, option("INT", "the first that did not diverge", "number of the member, from 0.")]
_SAMPLER = "of samples: prior, or one that is fitted to codes: normal, gmm, hypersphere, maf or two-stage."
Sampler = Annotated[str, arg(metavar="NAME", help=_SAMPLER)]
Picture = Annotated[Path | None, option("FILE.png")]
Folder = Annotated[Path | None, option("DIR", "in runs/")]
_ABNORMAL = option("LABEL [LABEL ...]", "1, of labels 0 and 1", "labels of the abnormal examples.")
Labels = Annotated[tuple[str, ...] | None, _ABNORMAL]
_IMPORTS = "Python files that define components of the run (penalties, networks, optimisers); they are executed."
Imports = Annotated[
    tuple[Path, ...],
    arg(name="import", metavar="FILE.py [FILE.py ...]", help=_IMPORTS, help_behavior_hint="(default: none)"),
]
Json = Annotated[bool, arg(help="print results as JSON.")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputData:
    """What a run is used on: data, the names of their labels and ids, their split, and the member of the run."""

    data: Source = None
    label: Label = None
    id: Id = None
    split: SplitName = None
    member: Member = None


FROM_RUN = InputData()
"""The data that a run was trained on."""


def parse_size(text: str) -> int:
    """Returns a number of bytes from text such as 512MB or 2GB.

    Example:
      >>> parse_size("512MB"), parse_size("100")
      (536870912, 100)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise InvalidInput(f"--device-budget was given {text!r}: expected a size such as 512MB or 2GB.")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """Data to train on.

    Attributes:
      data: a data set by its name (ae-jax data list); tfds:NAME[:CONFIG], prepared by TensorFlow Datasets; a file:
        .npy, .npz, .csv, .tsv (also .gz), .parquet, .feather, .xlsx, .mat, .h5, .zarr, idx, followed by :KEY where it
        holds several arrays or sheets; or a folder of images (class subfolders are labels), of idx files, or of .npy or
        .parquet shards.
      label: name of the label column of a table, or of the labels in a file of several arrays.
      id: name of the column of a table that names the examples in all results.
      columns: names of the feature columns of a table.
      header: the first line of a .csv or .tsv file is an example, and the columns are named 0, 1 and so on.
      separator: of the values of a .csv or .tsv file.
      image_size: side in pixels, or height and width, to which images of a folder are resized.
      color: grey or rgb, to which images of a folder are converted.
      channel_axis: first or last, the axis of the channels of images.
      shape: height, width and any channels of an example, where a file holds it as a row of numbers.
      transpose: the examples are the columns of a matrix, or lie along the last axis of an array.
      scaling: unit maps values to [0, 1], standard to mean 0 and standard deviation 1 of each feature, bytes divides
        by 255.
      device_budget: memory for examples on the device; larger .npy and .parquet sources are streamed in chunks.
    """

    data: Annotated[str, arg(metavar="NAME|PATH")] = "digits"
    label: Annotated[str | None, option("NAME")] = None
    id: Annotated[str | None, option("NAME", "an index that pandas wrote; names of image files")] = None
    columns: Annotated[tuple[str, ...] | None, option("NAME [NAME ...]")] = None
    header: bool = True
    separator: Annotated[str | None, option("CHARACTER", "found in the first line")] = None
    image_size: Annotated[tuple[int, ...] | None, option("INT [INT]")] = None
    color: Annotated[Literal["grey", "rgb"] | None, option("{grey,rgb}", "that of the images")] = None
    channel_axis: Annotated[Literal["first", "last"] | None, option("{first,last}", "first where that is certain")] = (
        None
    )
    shape: Annotated[tuple[int, ...] | None, option("H W [C]")] = None
    transpose: bool = False
    scaling: Annotated[
        Literal["unit", "standard", "bytes", "none"] | None,
        option("{unit,standard,bytes,none}", "unit for bytes, standard for tables that leave [0, 1]"),
    ] = None
    device_budget: Annotated[str, arg(metavar="SIZE")] = "1GB"

    def read_options(self) -> ReadOptions:
        """Returns how the source is read."""
        size = self.image_size
        if size is not None and (len(size) not in (1, 2) or min(size) < 1):
            raise InvalidInput(f"--image-size was given {size}: expected a side, or height and width, in pixels.")
        return ReadOptions(
            label=self.label,
            id=self.id,
            columns=self.columns,
            header=self.header,
            separator=self.separator,
            color=self.color,
            channels=self.channel_axis,
            image_size=None if size is None else (size[0], size[-1]),
            transpose=self.transpose,
            shape=self.shape,
            budget=parse_size(self.device_budget),
        )

    def load(self) -> Dataset:
        """Loads the data set, and says what was guessed of it."""
        dataset = load(self.data, self.read_options(), scaling=self.scaling)
        for note in dataset.notes if is_leader() else ():
            say(f"note: {note}")
        return dataset


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """How to train.

    Attributes:
      seeds: number of seeds; the members have the seeds 0 to N-1.
      epochs: passes over the training examples, at most.
      batch_size: examples in a step.
      patience: epochs without a lower validation loss after which a member stops.
      fixed_split: train and evaluate every seed on one split; by default each has its own, drawn at random, where the
        data have no official one.
      on_divergence: what to do about a loss or gradient that is NaN or infinite: stop ends the member with its last
        good parameters, skip leaves out the step, rollback goes back an epoch at half the learning rate.
      precision: bfloat16 computes the networks with numbers of 16 bits in training; the rest stays in 32 bits.
      mesh: devices along two axes, such as data=4 or member=2,data=4: data divides every batch, member the members; a
        CPU counts as so many devices. By default a population is divided over the accelerators of this process.
      distributed: train together with other processes of the same command. Under Slurm or Open MPI, no value is needed;
        elsewhere, give the address of the first process, the number of this one and their count. The first process
        alone prints and writes.
      resume: continue the interrupted training of the same command, to the same results.
      extend: with --resume, allow more --epochs than before.
      checkpoint_minutes: minutes between checkpoints, which are written beside the folder of --out.
      checkpoint_epochs: epochs between checkpoints.
      checkpoint_steps: steps between checkpoints.
      keep: number of checkpoints that are kept.
      track: send every training to tensorboard (files in runs/tensorboard), wandb, mlflow or trackio; each takes its
        server and project from its own environment variables. Needs pip install 'ae_jax[tracking]'.
    """

    seeds: int = 5
    epochs: int = 200
    batch_size: int = 64
    patience: Annotated[int | None, option("INT")] = None
    fixed_split: bool = False
    on_divergence: Literal["stop", "skip", "rollback"] = "stop"
    precision: Literal["float32", "bfloat16"] = "float32"
    mesh: Annotated[str | None, option("AXIS=N[,AXIS=N]")] = None
    distributed: Annotated[tuple[str, ...] | None, option("[HOST:PORT,INDEX/COUNT]")] = None
    resume: bool = False
    extend: bool = False
    checkpoint_minutes: float = 1.0
    checkpoint_epochs: Annotated[int | None, option("INT")] = None
    checkpoint_steps: Annotated[int | None, option("INT")] = None
    keep: int = 2
    track: Annotated[Literal["tensorboard", "wandb", "mlflow", "trackio"] | None, option("NAME")] = None

    def join(self) -> None:
        """Makes the CPU as many devices as the mesh needs, or joins other processes; call it before JAX computes."""
        if self.distributed is None:
            if self.mesh is not None:
                provide_cpu_devices(self.mesh)
            return
        address = parse_distributed(self.distributed)
        _keep_standard_output()
        initialize(*address)
        distributed.signal_of_any(None)  # CPUs meet here: a process that comes half a minute later is not waited for
        if not is_leader():
            warnings.simplefilter("ignore")  # the first process shows them

    def trackers(self) -> list[Callback]:
        """Returns the tracker that was asked for, if any."""
        if self.track is None:
            return []
        from ae_jax.trackers import tracker

        return [tracker(self.track)]

    def config(self) -> TrainConfig:
        """Returns the settings of training."""
        names = ("epochs", "batch_size", "patience", "on_divergence", "precision", "mesh")
        resplit = False if self.fixed_split else None
        return TrainConfig(**{name: getattr(self, name) for name in names}, resplit=resplit)

    def study_options(self, checkpoints: Path) -> dict[str, Any]:
        """Returns all arguments of a study, with its checkpoints in a folder."""
        if self.extend and not self.resume:
            raise InvalidInput("--extend was given without --resume: expected both, to continue to more --epochs.")
        where = Checkpoints(
            folder=checkpoints,
            every_minutes=self.checkpoint_minutes,
            every_epochs=self.checkpoint_epochs,
            every_steps=self.checkpoint_steps,
            keep=self.keep,
        )
        return {
            "seeds": range(self.seeds),
            "checkpoints": where,
            "resume": "extend" if self.extend else self.resume,
            "config": self.config(),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chunks:
    """Parts of a sweep.

    Attributes:
      chunks: number of parts of the grid, each trained by itself.
      submit: where the chunks are trained, by submitit (pip install 'ae_jax[slurm]').
      submit_options: parameters of submitit's executor, such as slurm_partition=gpu gpus_per_node=1.
      collect: merge the finished chunks; trains nothing.
    """

    chunks: Annotated[int | None, option("INT", "one for each structure")] = None
    submit: Annotated[
        Literal["slurm", "local", "debug"] | None, option("{slurm,local,debug}", "trains in this process")
    ] = None
    submit_options: Annotated[tuple[str, ...], option("KEY=VALUE", "timeout_min=60 cpus_per_task=4")] = ()
    collect: bool = False

    @property
    def on_cluster(self) -> bool:
        """Whether the chunks are jobs, to be submitted or collected."""
        if self.submit_options and self.submit is None and not self.collect:
            raise InvalidInput("--submit-options was given without --submit: expected both, or neither.")
        return self.submit is not None or self.collect


def parse_distributed(given: tuple[str, ...]) -> tuple[str | None, int | None, int | None]:
    """Returns the address of the first process, their count and the number of this one; None, to be found.

    Example:
      >>> parse_distributed(("node1:8476,0/2",)), parse_distributed(())
      (('node1:8476', 2, 0), (None, None, None))
    """
    if not given:
        return None, None, None
    match = re.fullmatch(r"([^,]+:\d+),(\d+)/(\d+)", " ".join(given))
    if match is None or int(match[2]) >= int(match[3]):
        raise InvalidInput(
            f"--distributed was given {' '.join(given)!r}: expected HOST:PORT,INDEX/COUNT, such as node1:8476,0/2."
        )
    return match[1], int(match[3]), int(match[2])


def is_leader() -> bool:
    """Whether this process prints and writes: the first of those that train together."""
    return jax.process_index() == 0


def _keep_standard_output() -> None:
    """Leaves the standard output to Python: Gloo, which joins CPUs, would write its own messages there."""
    sys.stdout.flush()
    own = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    sys.stdout = os.fdopen(own, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
