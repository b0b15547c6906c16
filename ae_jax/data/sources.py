"""Data sets by name or path, as ``--data`` takes them."""

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ae_jax.data import files
from ae_jax.data.arrays import RawData, are_allowed_missing
from ae_jax.data.dataset import Dataset, remember
from ae_jax.data.downloads import read_prepared
from ae_jax.data.files.numpy_files import array_shape
from ae_jax.data.frames import left_out
from ae_jax.data.prepared import prepared_rows
from ae_jax.data.published import PUBLISHED
from ae_jax.data.scaling import Scaling
from ae_jax.data.shards import ArrayRows, NpyRows, ParquetRows
from ae_jax.data.spec import DataSpec, ReadOptions
from ae_jax.data.splits import from_arrays, from_raw, from_rows, from_splits
from ae_jax.data.streaming import Rows, bytes_of, read_all
from ae_jax.errors import InvalidInput, unknown
from ae_jax.public import public


@public
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


_EXPANSION = 4
"""How much larger than their file examples can be on the device: 8-bit integers become 32-bit floats."""

EMBEDDED: dict[str, Callable[..., Dataset]] = {"digits": digits}
"""Data sets that come with the installation."""


@public
def load(
    source: str | Path, reading: ReadOptions = ReadOptions(), *, scaling: Scaling | str | None = None, seed: int = 0
) -> Dataset:
    """Loads a data set by name, or from a file or folder.

    Args:
      source: ``"digits"``; the name of a data set that ``ae-jax data prepare`` prepared (:data:`PUBLISHED`);
        ``tfds:NAME[:CONFIG]`` of any data set that TensorFlow Datasets has prepared as array_record; or a path
        (:data:`ae_jax.data.files.KINDS`), followed by ``:KEY`` where a file holds several arrays or sheets; or the path
        of a folder of ``.npy`` or ``.parquet`` shards.
      reading: how the source is read; a ``.npy`` or ``.parquet`` file (of its own shape), a folder of shards, or a
        prepared data set that takes more bytes than the budget is streamed.
      scaling: as of :func:`ae_jax.data.from_arrays`; by default, vectors of numbers in a file count as a table.
      seed: of the split into train, validation and test.

    Returns:
      The data set, split 70 / 10 / 20, or as the source splits it. ``origin`` has the source and the seed.

    Raises:
      InvalidInput: an unknown name, data that are not prepared, a file that cannot be read or used, or an option that
        the source does not have.
    """
    dataset = _loaded(str(source), reading, scaling=scaling, seed=seed)
    object.__setattr__(dataset, "origin", (str(source), int(seed)))  # without another check of all values
    return dataset


def _loaded(source: str, reading: ReadOptions, *, scaling: Scaling | str | None, seed: int) -> Dataset:
    if is_named(source):
        if reading != _only(reading, ()):
            raise InvalidInput(
                f"{source} was given options such as a label or shape: expected none, as a named data set has its own."
            )
        if source not in EMBEDDED:
            return _prepared(source, reading, scaling=scaling, seed=seed)
        data = EMBEDDED[source](seed=seed)
        if scaling is None or (scaling == "unit" and data.spec.unit_interval):
            return data
        scaled = from_splits(data.train, validation=data.validation, test=data.test, name=data.name, scaling=scaling)
        return remember(scaled, data.drawn)
    path, key = parse_path(source)
    name = path.stem if path.is_file() else path.resolve().name
    if is_named(name):
        name = path.name if path.is_file() else f"{name}-folder"
    rows = None if key else rows_of(path, reading)
    if rows is not None and bytes_of(rows) > reading.budget:
        return from_rows(rows, name=name, scaling=scaling, reading=reading, seed=seed)
    contents = _contents(path, reading, key)
    if reading.shape is not None:  # then columns name no features any more; the reading remembers them
        reading = dataclasses.replace(reading, columns=next(iter(contents.values())).columns)
        contents = {split: raw._replace(columns=None) for split, raw in contents.items()}
    dataset = from_raw(contents, name=name, scaling=scaling, reading=reading, seed=seed)
    if (size := dataset.train.x.nbytes) > reading.budget:
        warnings.warn(
            f"{source} takes {size:,} bytes on the device, more than its budget of {reading.budget:,}, and is of a "
            "kind that cannot be streamed; .npy and .parquet files and folders of them can, in their own shape.",
            stacklevel=3,
        )
    return dataset


def examples(
    source: str, data: DataSpec, *, label: str | None = None, id: str | None = None, labelled: bool = True
) -> RawData | None:
    """Reads all examples of a file or folder, before scaling, as the training data of a run were read.

    Rows that cannot be used are left out, with a warning that names them; ``rows`` tells which are there.

    Args:
      source: as :func:`load` takes it, or the path of a single image.
      data: the training data of the run; the columns of a table are taken by their names.
      label: name of the labels; by default that of the training labels, where the source has it.
      id: name of the column of ids; by default likewise.
      labelled: whether labels are read.

    Returns:
      Examples ``[n, *shape]``, with labels and ids where the source has them; None for a source that has splits or
      is a named data set.

    Raises:
      InvalidInput: as :func:`load`, and examples of another shape or range than trained on, or none that can be used.
    """
    if is_named(source):
        return None
    path, key = parse_path(source)
    is_image = files.is_image_file(path)
    for option, name in (("label", label), ("id", id)):
        if name is not None and path.exists() and (is_image or option not in _options(path)):
            raise InvalidInput(f"{path} was given --{option}, which a source of its kind does not use: leave it out.")
    if is_image:
        found = files.read_image(path, image_size=data.reading.image_size, color=_color(data))
        return found._replace(x=data.raw(found.x, source))
    reading = reading_of(path, data)
    if id is not None:
        reading = dataclasses.replace(reading, id=id)
    if labelled and label is not None:
        reading = dataclasses.replace(reading, label=label)
    if not labelled and (key is not None or "key" not in _options(path)):
        reading = dataclasses.replace(reading, label=None)  # without a key, the label tells the examples from labels
    found = _contents(path, reading, key, leave_out=True).get("all")
    if found is None:
        return None
    found = _usable(found, source)
    return found._replace(x=data.raw(found.x, source))


def _usable(raw: RawData, source: str) -> RawData:
    """The examples without those that hold NaN or infinity, of which it warns."""
    x = np.asarray(raw.x)
    if are_allowed_missing():
        return raw
    fits = np.isfinite(x).reshape(len(x), -1).all(axis=1) if x.dtype.kind == "f" else np.ones(len(x), bool)
    if fits.all() or not fits.any():
        return raw
    warnings.warn(
        f"{left_out(np.flatnonzero(~fits), len(fits), source)}: they hold NaN or infinity; correct them.", stacklevel=3
    )
    labels, ids = (None if each is None else each[fits] for each in (raw.labels, raw.ids))
    return raw._replace(x=x[fits], labels=labels, ids=ids, rows=np.flatnonzero(fits))


def is_named(source: str) -> bool:
    """Whether a source is the name of a data set rather than a path.

    Example:
      >>> is_named("digits"), is_named("tfds:mnist"), is_named("digits.csv")
      (True, True, False)
    """
    return source in EMBEDDED or source in PUBLISHED or source.startswith("tfds:")


def same_source(one: str, other: str) -> bool:
    """Whether two names or paths are of the same data."""
    if is_named(one) or is_named(other):
        return one == other
    (path, key), (other_path, other_key) = parse_path(one), parse_path(other)
    return (path.resolve(), key) == (other_path.resolve(), other_key)


def reading_of(path: Path, data: DataSpec) -> ReadOptions:
    """The options of the training data of a run, as far as another source uses them and has their label.

    A ``.npy`` file whose examples already have the shape of the training data is read as it is.
    """
    then = dataclasses.replace(data.reading, columns=data.columns or data.reading.columns)
    if not path.exists():
        return then
    if files.suffix_of(path) == ".npy" and path.is_file() and array_shape(path)[1:] == data.shape:
        return _only(then, ())
    lacks = [option for option in ("label", "id") if not has_name(path, getattr(then, option), then)]
    used = _only(then, [option for option in _options(path) if option not in lacks])
    return dataclasses.replace(used, color=_color(data)) if "color" in _options(path) else used


def _color(data: DataSpec) -> Any:
    return data.reading.color or {(): "grey", (3,): "rgb"}.get(data.shape[2:])


def _only(reading: ReadOptions, used: Sequence[str]) -> ReadOptions:
    """A reading with only these options, and the budget."""
    return ReadOptions(**{option: getattr(reading, option) for option in ("budget", *used) if option != "key"})


def _options(path: Path) -> Sequence[str]:
    """Names of the options that a file, a folder or a folder of shards uses."""
    if path.is_dir() and _shards(path, ".parquet"):
        return ("label", "columns")
    return () if path.is_dir() and _shards(path, ".npy") else files.options(path)


def _contents(path: Path, reading: ReadOptions, key: str | None, *, leave_out: bool = False) -> dict[str, RawData]:
    rows = rows_of(path, reading) if path.is_dir() else None
    return files.read(path, reading, key=key, leave_out=leave_out) if rows is None else {"all": read_all(rows)}


def parse_path(source: str) -> tuple[Path, str | None]:
    """Path and key (or None) of ``PATH[:KEY]``.

    Example:
      >>> parse_path("mine.npz:images")
      (PosixPath('mine.npz'), 'images')

    Raises:
      InvalidInput: neither a name nor a path that can be read.
    """
    try:
        path, key = Path(source).expanduser(), None
        before, colon, after = source.rpartition(":")
        if colon and after and not path.exists():
            path, key = Path(before).expanduser(), after
        if "\0" in source:
            raise ValueError("embedded null byte")
        known = path.exists() or files.readable(path)
        if path.is_dir():
            next(path.iterdir(), None)
    except (OSError, RuntimeError, ValueError) as error:  # a name too long or with NUL, no access, an unknown home
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error).rstrip(".")
        raise InvalidInput(f"{source} cannot be read ({reason}): expected {files.KINDS}.") from error
    if not known:
        raise unknown("data set", source, [*EMBEDDED, *PUBLISHED, "tfds:NAME", "FILE.npy", "FILE.npz", "FILE.csv"])
    return path, key


def has_name(path: Path, name: str | None, how: ReadOptions = ReadOptions()) -> bool:
    """Whether a file, or a folder of tables, has a column or an array of that name."""
    tables = _shards(path, ".parquet")
    return name is not None and name in files.names_in(tables[0] if tables else path, how)


def rows_of(path: Path, reading: ReadOptions = ReadOptions()) -> Rows | None:
    """The rows of a ``.npy`` or ``.parquet`` file, or of a folder of such shards alone, which can be streamed.

    Returns:
      The rows; None for other sources, and for a ``.npy`` file that is much smaller than the budget.
    """
    arrays, tables = (_shards(path, suffix) for suffix in (".npy", ".parquet"))
    if not (arrays or tables) or (path.is_file() and reading.shape is not None):
        return None
    if path.is_dir():
        kind, used = (".npy" if arrays else ".parquet"), _options(path)
        if other := [entry for entry in _visible(path) if entry not in (arrays or tables)]:
            raise InvalidInput(
                f"{path} holds {kind} files beside {other[0].name}: expected shards of one kind and nothing else, or "
                "no such files; move the others."
            )
        if reading != _only(reading, used):
            expected = " and ".join(f"--{option}" for option in used) or "no options"
            raise InvalidInput(
                f"{path} was given an option that a folder of {kind} shards does not use: expected {expected}."
            )
    if tables:
        return ParquetRows(tables, columns=reading.columns, label=reading.label)
    fits = path.is_file() and _EXPANSION * path.stat().st_size <= reading.budget
    return None if fits or reading != _only(reading, ()) else NpyRows(arrays)


def _prepared(source: str, reading: ReadOptions, *, scaling: Scaling | str | None, seed: int) -> Dataset:
    """A prepared data set in its own splits; the training split is streamed where it takes more than the budget."""
    name = source.removeprefix("tfds:").replace(":", "/").replace("/", "-")
    if source in PUBLISHED:
        rows: dict[str, Rows] = {
            split: ArrayRows(raw.x, raw.labels, name=f"the {split} split of {source}")
            for split, raw in read_prepared(source).items()
        }
    else:
        rows = dict(prepared_rows(source))
    for split in {"validation", "test"} & set(rows):
        if (size := bytes_of(rows[split])) > reading.budget:
            raise InvalidInput(
                f"the {split} split of {source} takes {size:,} bytes: expected at most the device budget of "
                f"{reading.budget:,}, as held-out examples are not streamed; raise the budget."
            )
    held = {split: read_all(rows[split]) for split in ("validation", "test") if split in rows}
    if bytes_of(rows["train"]) > reading.budget:
        return from_rows(rows["train"], held, name=name, scaling=scaling, reading=reading, seed=seed)
    contents = {"train": read_all(rows["train"])} | held
    return from_raw(contents, name=name, scaling=scaling, reading=reading, seed=seed)


def _shards(path: Path, suffix: str) -> list[Path]:
    if path.is_dir():
        return [file for file in _visible(path) if file.suffix.lower() == suffix and file.is_file()]
    return [path] if path.suffix.lower() == suffix and path.is_file() else []


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
