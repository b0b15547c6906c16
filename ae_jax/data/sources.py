"""Data by name or path: what ``--data`` understands."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ae_jax.data import files
from ae_jax.data.builders import RECIPES
from ae_jax.data.contents import Contents
from ae_jax.data.dataset import Dataset
from ae_jax.data.description import Description, Reading
from ae_jax.data.prepared import prepared_records
from ae_jax.data.scaling import Scaling, Statistics, fitted
from ae_jax.data.shards import NpyRows, ParquetRows
from ae_jax.data.splits import from_arrays, from_contents, from_rows
from ae_jax.data.streaming import DEVICE_BUDGET, Rows, bytes_of, read_all
from ae_jax.errors import InvalidInput, unknown


def digits(*, seed: int = 0) -> Dataset:
    """Scikit-learn's bundled handwritten digits: 1,797 images of 8 x 8, counts 0 to 16, ten classes.

    Split 70 / 10 / 20 by the seed, stratified. Needs no network.

    Example:
      >>> data = digits()
      >>> data.shape, data.train.x.dtype, len(data.test.x)
      ((8, 8), dtype('uint8'), 359)

    References:
      Alpaydin and Kaynak, *Optical recognition of handwritten digits*, UCI Machine Learning Repository, 1998.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return from_arrays(
        images.reshape(-1, 8, 8).astype(np.uint8), labels, name="digits", scaling=Scaling(scale=16.0), seed=seed
    )


EMBEDDED: dict[str, Callable[..., Dataset]] = {"digits": digits}
"""Data sets that come with the installation."""


def load(
    source: str,
    reading: Reading = Reading(),
    *,
    scaling: Scaling | str | None = None,
    budget: int = DEVICE_BUDGET,
    seed: int = 0,
) -> Dataset:
    """The data set of that name, or of that file or folder.

    Args:
      source: ``"digits"``; the name of a data set that ``ae-jax data prepare`` prepared (:data:`RECIPES`);
        ``tfds:NAME[:CONFIG]`` of any data set that TensorFlow Datasets has prepared as array_record; or a path
        (:data:`ae_jax.data.files.KINDS`), with ``:KEY`` behind it where a file holds several arrays; or the path of a
        folder of ``.npy`` or ``.parquet`` shards.
      reading: label column, feature columns, image size.
      scaling: a :class:`Scaling`; or ``"unit"``, ``"standard"`` or ``"none"``, fitted on the training split; by default
        bytes above 1 are divided by 255 and anything else stays as it is.
      budget: bytes of examples that the device may hold; a ``.npy`` or ``.parquet`` file, a folder of shards, or a
        prepared data set that has more is streamed.
      seed: of the split into train, validation and test.

    Returns:
      The data set, split 70 / 10 / 20, or as the source splits it.

    Raises:
      InvalidInput: an unknown name, data that are not prepared, a file that is missing or cannot be read, one whose
        arrays cannot be used, or a choice that the source does not offer.
    """
    if is_named(source):
        if reading != Reading():
            raise InvalidInput(
                f"{source} was given a label, columns or an image size: expected none, as it says itself what they are."
            )
        if source in EMBEDDED:
            return rescaled(EMBEDDED[source](seed=seed), scaling)
        return _prepared(source, scaling=scaling, budget=budget, seed=seed)
    path, key = parse_path(source)
    name = path.stem if path.is_file() else path.name
    rows = None if key else rows_of(path, reading)
    if rows is not None and bytes_of(rows) > budget:
        dataset = from_rows(rows, name=name, scaling=scaling, budget=budget, seed=seed)
    else:
        contents = {"all": read_all(rows)} if rows is not None and path.is_dir() else _read(path, key, reading)
        dataset = from_contents(contents, name=name, scaling=scaling, seed=seed)
    return dataclasses.replace(dataset, reading=reading)


def examples(source: str, data: Description) -> np.ndarray | None:
    """All examples of a file or folder as they stand there, read as those were that a run was trained on.

    Args:
      source: as :func:`load` takes it.
      data: what the run was trained on; of a table, its columns are taken by their names.

    Returns:
      ``[n, *shape]``; None of a source that has splits, or that is a data set by name.

    Raises:
      InvalidInput: as :func:`load`, and examples of another shape or range than trained on.
    """
    if is_named(source):
        return None
    path, key = parse_path(source)
    reading = dataclasses.replace(data.reading, columns=data.columns, label=None)
    rows = rows_of(path, reading) if path.is_dir() else None
    contents = _read(path, key, reading) if rows is None else {"all": read_all(rows)}
    return data.stored(contents["all"].x, source) if "all" in contents else None


def is_named(source: str) -> bool:
    """Whether a source is a data set by its name rather than a path.

    Example:
      >>> is_named("digits"), is_named("tfds:mnist"), is_named("digits.csv")
      (True, True, False)
    """
    return source in EMBEDDED or source in RECIPES or source.startswith("tfds:")


def parse_path(source: str) -> tuple[Path, str | None]:
    """Path and key (or None) of ``PATH[:KEY]``.

    Example:
      >>> parse_path("mine.npz:images")
      (PosixPath('mine.npz'), 'images')

    Raises:
      InvalidInput: neither a name nor a path that can be read.
    """
    path = Path(source).expanduser()
    before, colon, key = source.rpartition(":")
    if colon and key and not path.exists():
        path = Path(before).expanduser()
    else:
        key = None
    if not path.exists() and not files.readable(path):
        raise unknown("data set", source, [*EMBEDDED, *RECIPES, "tfds:NAME", "FILE.npy", "FILE.npz", "FILE.csv"])
    return path, key


def rows_of(path: Path, reading: Reading = Reading()) -> Rows | None:
    """What can be read in pieces: a ``.npy`` or ``.parquet`` file, or a folder of such shards; else None.

    Raises:
      InvalidInput: shards of both kinds in one folder, or that cannot be read.
    """
    shards = {suffix: _shards(path, suffix) for suffix in (".npy", ".parquet")}
    if all(shards.values()):
        raise InvalidInput(f"{path} holds .npy and .parquet files: expected shards of one kind; move the others.")
    if shards[".npy"] and reading == Reading():
        return NpyRows(shards[".npy"])
    if shards[".parquet"] and reading.image_size is None:
        return ParquetRows(shards[".parquet"], columns=reading.columns, label=reading.label)
    return None


def rescaled(dataset: Dataset, scaling: Scaling | str | None) -> Dataset:
    """The data set with another scaling; ``"unit"`` is its own where that brings it to [0, 1].

    Example:
      >>> round(rescaled(digits(), "standard").scaling.offset, 3)
      4.884
    """
    if scaling is None or (scaling == "unit" and dataset.description.unit_interval):
        return dataset
    if isinstance(scaling, Scaling):
        return dataclasses.replace(dataset, scaling=scaling)
    train = dataset.train.x
    statistics = Statistics.of([train], moments=scaling == "standard")
    return dataclasses.replace(dataset, scaling=fitted(scaling, statistics, of_bytes=train.dtype == np.uint8))


def _prepared(source: str, *, scaling: Scaling | str | None, budget: int, seed: int) -> Dataset:
    """A data set that TFDS has prepared, in its own splits."""
    name = source.removeprefix("tfds:").replace(":", "/").replace("/", "-")
    splits = prepared_records(source)
    if "train" not in splits:
        raise InvalidInput(f"{source} has the splits {', '.join(splits) or 'none'}: expected one named train.")
    if bytes_of(splits["train"]) <= budget:
        contents = {split: records.all() for split, records in splits.items()}
        return from_contents(contents, name=name, scaling=scaling, seed=seed)
    held_out = {split: records.all() for split, records in splits.items() if split != "train"}
    return from_rows(splits["train"], held_out, name=name, scaling=scaling, budget=budget, seed=seed)


def _read(path: Path, key: str | None, reading: Reading) -> dict[str, Contents]:
    return files.read(path, key=key, label=reading.label, columns=reading.columns, image_size=reading.image_size)


def _shards(path: Path, suffix: str) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix.lower() == suffix and file.is_file())
    return [path] if path.suffix.lower() == suffix and path.is_file() else []
