"""The uses of a saved run: ``evaluate``, ``encode``, ``reconstruct``, ``sample``."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from ae_jax.cli.options import WHOLE, Json, one
from ae_jax.cli.printing import print_json, print_table
from ae_jax.cli.saving import writable_array, write_array
from ae_jax.errors import InvalidInput, unknown

if TYPE_CHECKING:
    from ae_jax.data import Dataset
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
Member = Annotated[int | None, WHOLE, arg(help_behavior_hint="(default: all, on a leading axis)")]
Out = Annotated[Path, one(Path, "FILE.npy")]


def evaluate(
    run: RunFolder,
    *,
    data: Source = None,
    label: Label = None,
    split: Annotated[str, one(str, "NAME")] = "test",
    json: Json = False,
) -> int:
    """Asks a saved run every question of the comparison.

    Args:
      run: a folder that train wrote, or one in runs/ of a comparison or sweep.
      data: a data set by its name, tfds:NAME, or a file or folder; probes learn from its training split.
      label: name of the label column of a table, or of the labels in a .npz or .mat file.
      split: which the questions are about: train, validation or test.
      json: print the results as JSON instead of a table.
    """
    from ae_jax import evaluation
    from ae_jax.studies import summarise
    from ae_jax.training import load

    loaded = load(run)
    dataset = dataset_of(loaded, data, label)
    rows = evaluation.evaluate(loaded, dataset, split=split)
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
    write_array(path, loaded.encode(examples_of(loaded, data, split)))
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
    write_array(path, loaded.reconstruct(examples_of(loaded, data, split)))
    return 0


def sample(
    run: RunFolder,
    *,
    n: Annotated[int, WHOLE] = 16,
    seed: Annotated[int, WHOLE] = 0,
    member: Member = None,
    out: Out = Path("samples.npy"),
) -> int:
    """Writes new data from the prior of a variational autoencoder, in the units of the data.

    Args:
      run: a folder that train wrote, or one in runs/ of a comparison or sweep.
      n: how many.
      seed: of the latents.
      member: number of one member, from 0.
      out: file for the samples, [n, *shape].
    """
    path = writable_array(out)
    write_array(path, load_members(run, member).sample(n, seed=seed))
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
    from ae_jax.data import Reading, load
    from ae_jax.data.sources import is_named, parse_path, reading_of

    if source is None:
        if not is_named(run.data.name):
            raise InvalidInput(f"the run was trained on {run.data.name}, which has no name here: name it with --data.")
        source = run.data.name
    if is_named(source):
        reading = Reading(label=label, budget=run.data.reading.budget)
        return load(source, reading, scaling=run.scaling)
    reading = reading_of(parse_path(source)[0], run.data)
    if label is not None:
        reading = dataclasses.replace(reading, label=label)
    return load(source, reading, scaling=run.scaling)


def examples_of(run: "Run", source: str | None, split: str | None) -> Any:
    """Rows of a file as they stand, or those of a split of a data set.

    Raises:
      InvalidInput: an unknown or empty split, or data that cannot be loaded.
    """
    import numpy as np

    from ae_jax.data.sources import examples

    if source is not None and split is None and (found := examples(source, run.data)) is not None:
        return found
    dataset = dataset_of(run, source)
    if split not in (None, "all", "train", "validation", "test"):
        raise unknown("split", split, ("all", "train", "validation", "test"))
    if split == "all":
        return np.concatenate([part.x for part in (dataset.train, dataset.validation, dataset.test)])
    return dataset.split(split or "test").x
