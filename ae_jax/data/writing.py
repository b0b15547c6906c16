"""Examples and tables to files: arrays, separated values, Parquet, folders of pictures; whole or not at all."""

import csv
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ae_jax.atomic import replacing
from ae_jax.data.files.tables import import_reader, is_number
from ae_jax.errors import InvalidInput
from ae_jax.types import Shape

SUFFIXES = (".npy", ".csv", ".tsv", ".parquet")
"""How the names of files end that can be written; a name without an ending is that of a folder of pictures."""

_PICTURES = "or none, for a folder of pictures"


def require_writable(path: str | Path, *, shape: Shape | None = None) -> None:
    """Raises a sentence where a path names no format or no place that can be written; asked before work is done.

    Args:
      path: ending in one of :data:`SUFFIXES`; or, of images, a folder: a name without an ending, or ending in ``/``.
      shape: of one example; None for a table.

    Raises:
      InvalidInput: another ending; a folder for a table or for examples that are no images; a folder that holds
        something; a file where a folder is; or a place where nothing can be written; or Parquet without PyArrow.

    Example:
      >>> require_writable("codes.txt")
      Traceback (most recent call last):
      ae_jax.errors.InvalidInput: codes.txt has an unknown ending: expected .npy, .csv, .tsv or .parquet.
    """
    try:
        _require_writable(Path(path), is_folder_name(path), shape)
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise _refused(Path(path), error) from error


def _require_writable(path: Path, folder: bool, shape: Shape | None) -> None:
    if not folder and path.suffix.lower() not in SUFFIXES:
        images = "" if shape is None else f", {_PICTURES}"
        raise InvalidInput(
            f"{path} has an unknown ending: expected {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}{images}."
        )
    if folder:
        _require_pictures(path, shape)
    elif path.is_dir():
        raise InvalidInput(f"{path} is a folder: expected the name of a file.")
    if path.suffix.lower() == ".parquet":
        import_reader("pyarrow.parquet", path)
    _require_place(path)


def write_examples(
    path: str | Path,
    x: np.ndarray,
    *,
    columns: Sequence[str] | None = None,
    labels: np.ndarray | None = None,
    label: str = "label",
    bounds: tuple[float, float] | None = None,
) -> str:
    """Writes examples in the format that a path names, whole or not at all.

    A ``.npy`` file holds the array as it is, without labels. A ``.csv``, ``.tsv`` or ``.parquet`` file has a row for
    each example, a column for each feature (the last axis fastest) and one for labels. A folder holds pictures,
    ``000000.png`` and so on, without labels.

    Args:
      path: as :func:`require_writable` takes it.
      x: ``[n, *shape]``.
      columns: names of the features; by default x0, x1 and so on.
      labels: ``[n]``, or None.
      label: name of their column.
      bounds: values that are black and white in a picture; by default 0 and 255, to which values are rounded and
        clipped as bytes.

    Returns:
      What was written, for people: type and shape, and what was done to make bytes of numbers.

    Raises:
      InvalidInput: a path that :func:`require_writable` refuses, as many names as are no features, or a label that has
        the name of a feature.
    """
    require_writable(path, shape=x.shape[1:])
    place = Path(path)
    if is_folder_name(path):
        return _write_pictures(place, x, bounds)
    if place.suffix.lower() == ".npy":
        with replacing(place) as scratch, scratch.open("wb") as file:
            np.save(file, x, allow_pickle=False)
        return f"{x.dtype}, shape {x.shape}"
    rows = x.reshape(len(x), -1)
    names = [f"x{place}" for place in range(rows.shape[1])] if columns is None else list(columns)
    if len(names) != rows.shape[1]:
        raise InvalidInput(f"{path} was given {len(names)} names for {rows.shape[1]} features: expected one each.")
    table = dict(zip(names, rows.T, strict=True))
    if labels is not None and label in table:
        raise InvalidInput(f"{path} would have two columns named {label}: expected another name of the label.")
    return write_table(place, table | ({} if labels is None else {label: labels}))


def write_table(path: str | Path, table: Mapping[str, np.ndarray]) -> str:
    """Writes columns of one length in the format that a path names, whole or not at all.

    Numbers in text have the fewest digits that read back as the same number of their type, and names stand in quotes
    where one of them is a number. A ``.npy`` file holds one structured array, whose fields are the columns.

    Args:
      path: ending in one of :data:`SUFFIXES`.
      table: name -> column, ``[rows]`` each.

    Returns:
      What was written, for people: how many rows of which columns.

    Raises:
      InvalidInput: a path that :func:`require_writable` refuses, or columns of different lengths.
    """
    require_writable(path)
    place = Path(path)
    columns = {name: np.asarray(column) for name, column in table.items()}
    lengths = {column.shape for column in columns.values()}
    if len(lengths) != 1 or len(next(iter(lengths))) != 1:
        raise InvalidInput(f"{path} was given columns of the shapes {sorted(lengths)}: expected one axis and length.")
    with replacing(place) as scratch:
        _WRITERS[place.suffix.lower()](scratch, columns)
    [(rows,)] = lengths
    names = list(columns)
    shown = ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:3])}, ..., {', '.join(names[-2:])}"
    return f"{rows:,} rows of {shown}"


def is_folder_name(path: str | Path) -> bool:
    """Whether a path names a folder of pictures rather than a file.

    Example:
      >>> is_folder_name("samples"), is_folder_name("version.2/"), is_folder_name("samples.csv")
      (True, True, False)
    """
    return str(path).endswith(("/", os.sep)) or not Path(path).suffix


def keeps_labels(path: str | Path) -> bool:
    """Whether examples are written with their labels.

    Example:
      >>> keeps_labels("codes.csv"), keeps_labels("codes.npy"), keeps_labels("pictures/")
      (True, False, False)
    """
    return not is_folder_name(path) and Path(path).suffix.lower() != ".npy"


def _require_pictures(path: Path, shape: Shape | None) -> None:
    if shape is None or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))):
        what = "a table" if shape is None else f"examples of shape {' x '.join(map(str, shape))}"
        raise InvalidInput(
            f"{path} has no ending, as a folder of pictures, which {what} cannot be: expected a name that ends in "
            f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}."
        )
    if path.exists() and not path.is_dir():
        raise InvalidInput(f"{path} is a file: expected a new folder for pictures, or a name with an ending.")
    if path.is_dir() and any(path.iterdir()):
        raise InvalidInput(f"the folder {path} holds something already: expected a new or an empty one for pictures.")


def _require_place(path: Path) -> None:
    """Raises a sentence where nothing can be written; leaves everything as it was."""
    made: list[Path] = []
    try:
        for part in reversed((path.parent, *path.parent.parents)):
            if not part.exists():
                part.mkdir()
                made.append(part)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        for part in reversed(made):
            part.rmdir()


def _refused(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput(f"{path} cannot be written ({error.strerror or error}): choose another place.")


def _write_pictures(folder: Path, x: np.ndarray, bounds: tuple[float, float] | None) -> str:
    """Pictures of 8 bits, grey or RGB, in a folder."""
    from PIL import Image

    low, high = bounds or (0.0, 255.0)
    if not low < high:
        raise InvalidInput(f"{folder} was given the bounds {low:g} and {high:g}: expected a lower and a higher value.")
    pixels = np.rint(np.clip((x.astype(np.float64) - low) * (255.0 / (high - low)), 0.0, 255.0)).astype(np.uint8)
    if pixels.ndim == 4 and pixels.shape[3] == 1:
        pixels = pixels[..., 0]
    with replacing(folder) as scratch:
        scratch.mkdir()
        for place, picture in enumerate(pixels):
            Image.fromarray(picture).save(scratch / f"{place:06d}.png")
    size = f"{len(x):,} picture{'s' if len(x) != 1 else ''} of {pixels.shape[1]} x {pixels.shape[2]}"
    if bounds is None:
        return size if x.dtype == np.uint8 else f"{size}, rounded and clipped to bytes"
    return f"{size}, {low:g} black and {high:g} white, clipped"


def _write_npy(path: Path, columns: dict[str, np.ndarray]) -> None:
    length = len(next(iter(columns.values())))
    plain = {name: _plain(column) for name, column in columns.items()}
    table = np.empty(length, [(name, column.dtype) for name, column in plain.items()])
    for name, column in plain.items():
        table[name] = column
    with path.open("wb") as file:
        np.save(file, table, allow_pickle=False)


def _write_separated(path: Path, columns: dict[str, np.ndarray]) -> None:
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    with path.open("w", encoding="utf-8", newline="") as file:
        lines, quoting = _UnixLines(file), csv.QUOTE_ALL if any(map(is_number, columns)) else csv.QUOTE_MINIMAL
        csv.writer(lines, delimiter=separator, quoting=quoting).writerow(columns)
        rows = zip(*(_text(column) for column in columns.values()), strict=True)
        csv.writer(lines, delimiter=separator).writerows(rows)


class _UnixLines:
    """A file whose lines end in a line feed, for a writer that quotes carriage returns only where its own have one."""

    def __init__(self, file: TextIO):
        self.file = file

    def write(self, line: str) -> int:
        return self.file.write(line.removesuffix("\r\n") + "\n")


def _write_parquet(path: Path, columns: dict[str, np.ndarray]) -> None:
    parquet = import_reader("pyarrow.parquet", path)
    arrow = import_reader("pyarrow", path)
    parquet.write_table(arrow.table({name: arrow.array(_plain(column)) for name, column in columns.items()}), path)


def _plain(column: np.ndarray) -> np.ndarray:
    """A column of NumPy's own types, text where it held objects."""
    return column.astype(str) if column.dtype.kind in "OS" else np.ascontiguousarray(column)


def _text(column: np.ndarray) -> list[Any]:
    """What stands in a file: of floats the fewest digits that tell them from others of their type."""
    return (column.astype(np.uint8) if column.dtype == bool else column).astype(str).tolist()


_WRITERS = {".npy": _write_npy, ".csv": _write_separated, ".tsv": _write_separated, ".parquet": _write_parquet}
