"""The commands that use a saved run: ``encode``, ``reconstruct``, ``reduce``, ``sample``; and what all uses share."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from tyro.conf import arg

from ae_jax.atomic import replacing
from ae_jax.cli.options import (
    FROM_RUN,
    InputData,
    Json,
    Member,
    Picture,
    RunFolder,
    Sampler,
    Source,
    SplitName,
    option,
)
from ae_jax.cli.printing import print_json
from ae_jax.cli.session import say
from ae_jax.data import Dataset, RawData, ReadOptions, load, sources, writing
from ae_jax.errors import InvalidInput, printable, require_known
from ae_jax.training import Run
from ae_jax.training import load as load_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 2000
"""Number of examples that a map shows, at most."""

ArrayFile = Annotated[str, arg(metavar="FILE.npy")]
AnyMember = Annotated[
    int | None,
    option("INT", "all, on a leading axis", "number of one member, from 0."),
]


def encode(
    run: RunFolder,
    *,
    data: Source = None,
    split: SplitName = None,
    member: AnyMember = None,
    out: ArrayFile = "codes.npy",
) -> int:
    """Writes the codes of data; of a variational autoencoder, the means of the posterior.

    Args:
      out: file for the codes, [examples, code].
    """
    return _write_array(Run.encode, run, data, split, member, out)


def reconstruct(
    run: RunFolder,
    *,
    data: Source = None,
    split: SplitName = None,
    member: AnyMember = None,
    out: ArrayFile = "reconstructions.npy",
) -> int:
    """Writes reconstructions of data, in the units of the data.

    Args:
      out: file for the reconstructions, [examples, *shape].
    """
    return _write_array(Run.reconstruct, run, data, split, member, out)


def _write_array(
    method: Callable[..., np.ndarray], folder: Path, data: str | None, split: str | None, member: int | None, out: str
) -> int:
    """Writes what a method of a run returns for data as an array, of all members or one."""
    if Path(out).suffix != ".npy":
        raise InvalidInput(f"--out was given {out}: expected the name of a file that ends in .npy.")
    writing.require_writable(out)
    run = load_members(folder, member)
    examples = examples_of(run, data, split, labelled=run.autoencoder.conditional)
    written = writing.write_examples(out, method(run, examples.x, condition_of(run, examples.labels)))
    print(printable(f"{out}: {written}"))
    return 0


def reduce(
    run: RunFolder,
    data: InputData = FROM_RUN,
    *,
    out: str = "codes.csv",
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Writes the codes of one member as a table, and a map of them.

    Args:
      data: what the run is used on.
      out: .csv, .tsv or .parquet with columns z0, z1, ... and label; or .npy, [examples, code].
      picture: file for a map of the codes of at most 2,000 examples in two dimensions, by label.
    """
    from ae_jax.evaluation import subsample
    from ae_jax.report import code_map

    use = Use.open("reduce", run, data.member, out, picture)
    examples = examples_of(use.run, data.data, data.split, label=data.label)
    codes = use.encode(examples)
    use.summary.update({"examples": len(codes), "code": codes.shape[1]})
    use.lines.append(f"{len(codes):,} examples, {codes.shape[1]} numbers each")
    rows = subsample(len(codes), _POINTS)
    labels = None if examples.labels is None else examples.labels[rows]
    use.draw(lambda: code_map(use.run, examples.x[rows], labels))
    if examples.labels is not None and not writing.keeps_labels(out):
        say(f"note: {out} is written without labels, which a .csv, .tsv or .parquet file keeps.")
    names = [f"z{unit}" for unit in range(codes.shape[1])]
    return use.finish(json, writing.write_examples(out, codes, columns=names, labels=examples.labels))


def export(
    run: RunFolder,
    *,
    to: Literal["onnx", "jax"] = "onnx",
    member: Member = None,
    out: Annotated[Path, arg(metavar="DIR")] = Path("exported"),
) -> int:
    """Writes the encoder and the decoder of one member, each as a file that needs no part of this package.

    Args:
      to: onnx, for every ONNX runtime (pip install 'ae_jax[onnx]'), or jax, by jax.export.
      out: folder for encoder and decoder.
    """
    for path in _one_of(load_members(run, member), member)[0].export(out, to):
        print(path)
    return 0


def sample(
    run: RunFolder,
    *,
    n: int = 16,
    seed: int = 0,
    condition: Annotated[str | None, option("LABEL")] = None,
    sampler: Sampler = "prior",
    data: Source = None,
    member: Member = None,
    out: str = "samples.npy",
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Writes new data, in the units of the data, from the prior of a generative autoencoder or from a fitted sampler.

    A sampler is fitted to the codes of the training split, and saved with the run, when it is first asked for.

    Args:
      n: number of samples.
      seed: of the latents.
      condition: label of the samples, for a conditional autoencoder.
      out: .npy, .csv, .tsv or .parquet; of images also a folder for pictures 000000.png, and so on.
      picture: file for the samples in a grid.
    """
    from ae_jax.report import example_grid

    if sampler != "prior":
        _fit_sampler(run, sampler, data)
    use = Use.open("sample", run, member, out, picture, examples=True)
    classes = {str(each): each for each in use.run.data.classes or ()}
    if condition is not None and use.run.autoencoder.conditional:
        require_known("label", condition, classes)
    given = classes.get(str(condition), condition)
    samples = use.run.sample(n, seed=check_seed(seed), condition=given, sampler=sampler)
    use.summary.update({"samples": n, "latent_seed": seed, "sampler": sampler})
    use.draw(lambda: example_grid(samples))
    return use.finish(json, use.write_examples(samples, None))


def _fit_sampler(folder: Path, name: str, source: str | None) -> None:
    """Fits a sampler of all members, and saves it with the run, unless the run has it."""
    run = load_run(folder)
    if name not in run.samplers:
        run.sampler(name, dataset_of(run, source))
        run.save_sampler(folder, name)


def check_seed(seed: int) -> int:
    """Returns the seed, or raises where JAX makes no key of it."""
    if not 0 <= seed < 2**32:
        raise InvalidInput(f"--seed was given {seed}: expected a whole number from 0 to {2**32 - 1}.")
    return seed


@dataclasses.dataclass
class Use:
    """One use of one member of a saved run: where its results go, and what they are.

    Attributes:
      run: the member, as a single run.
      out: path of the results.
      picture: path of the picture, if one is asked for.
      summary: settings and numbers, ready for JSON.
      lines: the same numbers, for people.
      png: the picture, drawn before anything is written.
    """

    run: Run
    out: str
    picture: Path | None
    summary: dict[str, Any]
    lines: list[str] = dataclasses.field(default_factory=list)
    png: bytes = b""

    @classmethod
    def open(
        cls, name: str, folder: Path, member: int | None, out: str, picture: Path | None, *, examples: bool = False
    ) -> "Use":
        """Checks that the results can be written, and loads a member of a run: by default the first that is finite.

        Results that are examples can also go into a folder of pictures, where they are images.
        """
        if picture is not None:
            _require_picture(picture, out)
        if not examples:
            writing.require_writable(out)
        run, member = _one_of(load_members(folder, member), member)
        if examples:
            writing.require_writable(out, shape=run.shape)
        about = {"use": name, "run": str(folder), "autoencoder": run.name, "member": member}
        return cls(run, out, picture, about | {"seed": int(run.seeds[0]), "metrics": {}})

    def encode(self, examples: RawData) -> np.ndarray:
        """Returns the codes of examples as rows."""
        codes = self.run.encode(examples.x, condition_of(self.run, examples.labels))
        return codes.reshape(len(codes), -1)

    def report(self, line: str, **metrics: float | int) -> None:
        """Adds numbers to the summary, and a line that shows them to people."""
        self.summary["metrics"].update(metrics)
        self.lines.append(line)

    def draw(self, figure: "Callable[[], Figure]") -> None:
        """Draws the picture, if one is asked for."""
        from ae_jax.report import to_png

        if self.picture is not None:
            self.png = to_png(figure())

    def write_examples(self, x: np.ndarray, labels: np.ndarray | None) -> str:
        """Writes examples in the units of the data, with the columns that the run was trained on."""
        data = self.run.data
        columns = data.columns or (data.reading.columns if data.reading.shape is not None else None)
        bounds = None if data.dtype == "uint8" else (data.low, data.high)
        name = data.reading.label or "label"
        return writing.write_examples(self.out, x, columns=columns, labels=labels, label=name, bounds=bounds)

    def finish(self, json: bool, written: str) -> int:
        """Writes the picture, and prints the summary with the description of the written results."""
        files = {self.out: written}
        if self.picture is not None:
            with replacing(self.picture) as scratch:
                scratch.write_bytes(self.png)
            files[str(self.picture)] = "a picture"
        if json:
            print_json(self.summary | {"written": files})
        else:
            lines = *self.lines, *(f"{place}: {what}" for place, what in files.items())
            print(*map(printable, lines), sep="\n")
        return 0


def _require_picture(path: Path, out: str) -> None:
    """Raises where a picture cannot be written: another ending than .png, or inside the folder of other pictures."""
    if path.suffix.lower() != ".png":
        raise InvalidInput(f"--picture was given {path}: expected the name of a file that ends in .png.")
    writing.require_writable(path.with_suffix(".csv"))
    if path.is_dir():
        raise InvalidInput(f"--picture was given {path}, a folder: expected the name of a file.")
    if writing.is_folder_name(out) and path.resolve().is_relative_to(Path(out).resolve()):
        raise InvalidInput(f"--picture was given {path}, inside the folder {out}: expected a place outside of it.")


def _one_of(run: Run, member: int | None) -> tuple[Run, int]:
    """Returns the first finite member of a run and its number, or the only one that was loaded."""
    if member is not None:
        return run, member
    member, count = next((place for place, finite in enumerate(run.finite) if finite), 0), len(run)
    if count > 1:
        say(f"note: the run has {count} members; this is member {member}, of seed {run.seeds[member]}.")
    return run[member], member


def load_members(folder: Path, member: int | None) -> Run:
    """Loads a saved run, or one member of it."""
    run = load_run(folder)
    try:
        return run if member is None else run[member]
    except IndexError as error:
        raise InvalidInput(str(error)) from None


def condition_of(run: Run, labels: Any) -> Any:
    """Returns labels as the condition of a conditional run, and None for any other run."""
    return labels if run.autoencoder.conditional else None


def dataset_of(run: Run, source: str | None, label: str | None = None) -> Dataset:
    """Loads a data set, read and scaled as the run's was, with the splits of a single member.

    By default it is the one that the run was trained on.
    """
    if source is None:
        if not sources.is_named(run.data.name):
            raise InvalidInput(f"the run was trained on {run.data.name}, which has no name here: give it as --data.")
        source = run.data.name
    if sources.is_named(source):
        reading = ReadOptions(label=label, budget=run.data.reading.budget)
    else:
        reading = sources.reading_of(sources.parse_path(source)[0], run.data)
        reading = reading if label is None else dataclasses.replace(reading, label=label)
    dataset = load(source, reading, scaling=run.scaling)
    return run.own_split(dataset) if run.single else dataset


def examples_of(
    run: Run,
    source: str | None,
    split: str | None,
    *,
    label: str | None = None,
    labelled: bool = True,
    by_default: str = "test",
) -> RawData:
    """Returns all rows of a file, or a split of a data set.

    Args:
      run: what was trained.
      source: name or path; None for the data that the run was trained on.
      split: train, validation, test or all; None for all rows of a file, and of others the split ``by_default``.
      label: name of the labels; by default as the run was trained.
      labelled: whether labels are looked for in a file.
      by_default: a split.
    """
    if source is not None and split is None:
        found = sources.examples(source, run.data, label=label, labelled=labelled)
        if found is not None:
            return found
    dataset = dataset_of(run, source, label)
    if split != "all":
        if not run.single and run.has_own_splits(dataset):
            say(
                "note: members were trained on splits of their own; this split is of no member: choose one by --member."
            )
        part = dataset.split(split or by_default)
        return RawData(part.x, part.labels)
    parts = [part for part in (dataset.train, dataset.validation, dataset.test) if len(part.x)]
    labels = [part.labels for part in parts if part.labels is not None]
    joined = np.concatenate(labels) if len(labels) == len(parts) else None
    return RawData(np.concatenate([part.x for part in parts]), joined)
