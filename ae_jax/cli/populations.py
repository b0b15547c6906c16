"""A saved run as a whole: ``evaluate``, ``encode``, ``reconstruct``; and the choice of members and data."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from ae_jax.cli.options import WHOLE, Json, one, several
from ae_jax.cli.printing import print_json, print_table
from ae_jax.cli.questions import run_tasks_command
from ae_jax.cli.saving import writable_array, write_array
from ae_jax.errors import InvalidInput, unknown

if TYPE_CHECKING:
    from ae_jax.data import Dataset, RawData
    from ae_jax.training import Run

RunFolder = Annotated[Positional[Path], arg(metavar="RUN")]
Source = Annotated[
    str | None,
    one(str, "NAME|PATH"),
    arg(help_behavior_hint="(default: what the run was trained on, if that has a name)"),
]
Label = Annotated[str | None, one(str, "NAME"), arg(help_behavior_hint="(default: as the run was trained)")]
Rows = Annotated[
    str | None, one(str, "NAME"), arg(help_behavior_hint="(default: test of a data set by name, all of a file)")
]
Tasks = Annotated[Any, several(str, "all|NAME", least=1), arg(help_behavior_hint="(default: the comparison's)")]
Abnormal = Annotated[
    Any, several(str, "LABEL", least=1), arg(help_behavior_hint="(default: 1, where labels are 0 and 1)")
]
AnswersFolder = Annotated[Path | None, one(Path, "DIR"), arg(help_behavior_hint="(default: runs/evaluate-NAME-DATA)")]
Member = Annotated[int | None, WHOLE, arg(help_behavior_hint="(default: all, on a leading axis)")]
Out = Annotated[Path, one(Path, "FILE.npy")]


def evaluate(
    run: RunFolder,
    *,
    data: Source = None,
    label: Label = None,
    split: Annotated[str, one(str, "NAME")] = "test",
    tasks: Tasks = None,
    abnormal: Abnormal = None,
    out: AnswersFolder = None,
    json: Json = False,
) -> int:
    """Asks a saved run every question of the comparison, or those of uses.

    With --tasks, tables are printed for each task, and results.json and report.html are written.

    Args:
      run: a folder that train wrote, or one in runs/ of a comparison or sweep.
      data: a data set by its name, tfds:NAME, or a file or folder; probes learn from its training split.
      label: name of the label column of a table, or of the labels in a .npz or .mat file.
      split: which the questions are about: train, validation or test.
      tasks: all, or some of reconstruction, representation, anomaly, retrieval, denoising, generation and likelihood,
        each beside its baselines.
      abnormal: for anomaly, the labels that count as abnormal.
      out: folder for results.json and report.html of --tasks.
      json: print the results as JSON instead of a table.
    """
    from ae_jax import evaluation
    from ae_jax.studies import summarise
    from ae_jax.training import load

    for option, given in (("--abnormal", abnormal), ("--out", out)):
        if given is not None and tasks is None:
            raise InvalidInput(f"{option} was given without --tasks, which alone uses it: name some, or all.")
    loaded = load(run)
    dataset = dataset_of(loaded, data, label)
    if tasks is not None:
        return run_tasks_command(
            loaded, dataset, tasks, source=run, split=split, abnormal=abnormal, out=out, as_json=json
        )
    rows = evaluation.evaluate(loaded, dataset, split=split).rows
    if json:
        print_json(
            {"study": "evaluate", "run": str(run), "data": dataset.describe(), **loaded.configuration(), "rows": rows}
        )
    else:
        rows_are = "autoencoder" if len(set(map(repr, loaded.members))) == 1 else "member"
        print_table(summarise(rows, by=(rows_are,), split=split), rows_are)
    return 0


def encode(
    run: RunFolder, *, data: Source = None, split: Rows = None, member: Member = None, out: Out = Path("codes.npy")
) -> int:
    """Writes the codes of data; of a variational autoencoder, the means of the posterior.

    Args:
      run: a folder that train wrote, or one in runs/ of a comparison or sweep.
      data: a data set by its name, tfds:NAME, or a file or folder; of a table, the columns that the run was trained on.
      split: train, validation, test or all.
      member: number of one member, from 0.
      out: file for the codes, [examples, code].
    """
    path = writable_array(out)
    loaded = load_members(run, member)
    write_array(path, loaded.encode(examples_of(loaded, data, split, labelled=False).x))
    return 0


def reconstruct(
    run: RunFolder,
    *,
    data: Source = None,
    split: Rows = None,
    member: Member = None,
    out: Out = Path("reconstructions.npy"),
) -> int:
    """Writes what the autoencoder makes of data, in the units of the data.

    Args:
      run: a folder that train wrote, or one in runs/ of a comparison or sweep.
      data: a data set by its name, tfds:NAME, or a file or folder; of a table, the columns that the run was trained on.
      split: train, validation, test or all.
      member: number of one member, from 0.
      out: file for the reconstructions, [examples, *shape].
    """
    path = writable_array(out)
    loaded = load_members(run, member)
    write_array(path, loaded.reconstruct(examples_of(loaded, data, split, labelled=False).x))
    return 0


def load_members(folder: Path, member: int | None) -> "Run":
    """A saved run, or one member of it.

    Raises:
      InvalidInput: no run there, or no such member.
    """
    from ae_jax.training import load

    run = load(folder)
    try:
        return run if member is None else run[member]
    except IndexError as error:
        raise InvalidInput(str(error)) from None


def dataset_of(run: "Run", source: str | None, label: str | None = None) -> "Dataset":
    """The data set that was asked for, read and scaled as the run's was, or the one by name that it was trained on.

    Raises:
      InvalidInput: it has no name, or cannot be loaded.
    """
    from ae_jax.data import ReadOptions, load
    from ae_jax.data.sources import is_named, parse_path, reading_of

    if source is None:
        if not is_named(run.data.name):
            raise InvalidInput(f"the run was trained on {run.data.name}, which has no name here: name it with --data.")
        source = run.data.name
    if is_named(source):
        reading = ReadOptions(label=label, budget=run.data.reading.budget)
        return load(source, reading, scaling=run.scaling)
    reading = reading_of(parse_path(source)[0], run.data)
    if label is not None:
        reading = dataclasses.replace(reading, label=label)
    return load(source, reading, scaling=run.scaling)


def examples_of(
    run: "Run",
    source: str | None,
    split: str | None,
    *,
    label: str | None = None,
    labelled: bool = True,
    by_default: str = "test",
) -> "RawData":
    """Rows of a file as they stand, or those of a split of a data set.

    Args:
      run: what was trained.
      source: name or path; None for what the run was trained on.
      split: train, validation, test or all; None for all rows of a file, and the usual split of others.
      label: name of the labels; by default as the run was trained.
      labelled: whether labels are looked for in a file.
      by_default: the usual split.

    Raises:
      InvalidInput: an unknown or empty split, or data that cannot be loaded.
    """
    import numpy as np

    from ae_jax.data import RawData
    from ae_jax.data.sources import examples

    if source is not None and split is None:
        found = examples(source, run.data, label=label, labelled=labelled)
        if found is not None:
            return found
    dataset = dataset_of(run, source, label)
    if split not in (None, "all", "train", "validation", "test"):
        raise unknown("split", split, ("all", "train", "validation", "test"))
    if split != "all":
        part = dataset.split(split or by_default)
        return RawData(part.x, part.labels)
    parts = [part for part in (dataset.train, dataset.validation, dataset.test) if len(part.x)]
    labels = [part.labels for part in parts if part.labels is not None]
    joined = np.concatenate(labels) if len(labels) == len(parts) else None
    return RawData(np.concatenate([part.x for part in parts]), joined)
