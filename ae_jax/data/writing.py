"""Writes examples and tables to files: arrays, separated values, Parquet, folders of pictures."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ae_jax.atomic import replacing
from ae_jax.data.frames import is_number
from ae_jax.errors import InvalidInput, import_extra
from ae_jax.types import Shape

SUFFIXES = (".npy", ".csv", ".tsv", ".parquet")
"""Endings of the files that can be written; a name without an ending is that of a folder of pictures."""


def require_writable(path: str | Path, *, shape: Shape | None = None) -> None:
    """Raises where a path names no known format or no place that can be written; called before work is done.

    Args:
      path: ending in one of :data:`SUFFIXES`; or, of images, a folder: a name without an ending, or ending in ``/``.
      shape: of one example; None for a table.

    Raises:
      InvalidInput: the path cannot be written, or not in that format.

    Example:
      >>> require_writable("codes.txt")
      Traceback (most recent call last):
      ae_jax.errors.InvalidInput: codes.txt has an unknown ending: expected .npy, .csv, .tsv or .parquet.
    """
    place, endings, suffix = Path(path), f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}", Path(path).suffix.lower()
    pictures = shape is not None and (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3)))
    try:
        if is_folder_name(path) and not pictures:
            what = "a table" if shape is None else f"examples of shape {' x '.join(map(str, shape))}"
            raise InvalidInput(
                f"{place} has no ending and names a folder of pictures, which {what} cannot be: expected a name ending "
                f"in {endings}."
            )
        if is_folder_name(path) and place.exists() and not place.is_dir():
            raise InvalidInput(f"{place} is a file: expected a new folder for pictures, or a name with an ending.")
        if is_folder_name(path) and place.is_dir() and any(place.iterdir()):
            raise InvalidInput(f"the folder {place} is not empty: expected a new or an empty one for pictures.")
        if not is_folder_name(path) and suffix not in SUFFIXES:
            images = "" if shape is None else ", or none, for a folder of pictures"
            raise InvalidInput(f"{path} has an unknown ending: expected {endings}{images}.")
        if not is_folder_name(path) and place.is_dir():
            raise InvalidInput(f"{path} is a folder: expected the name of a file.")
        if suffix == ".parquet":
            import_extra("pyarrow.parquet", "tables", place)
        existing = next(parent for parent in place.absolute().parents if parent.exists())
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:  # a name that is too long, a folder that cannot be listed or written to
        reason = error.strerror or error
        raise InvalidInput(f"{path} cannot be written ({reason}): choose another place.") from error


def write_examples(
    path: str | Path,
    x: np.ndarray,
    *,
    columns: Sequence[str] | None = None,
    labels: np.ndarray | None = None,
    label: str = "label",
    before: Mapping[str, np.ndarray] = {},
    bounds: tuple[float, float] | None = None,
) -> str:
    """Writes examples in the format that a path names, completely or not at all.

    A ``.npy`` file holds the array as it is, without labels. A ``.csv``, ``.tsv`` or ``.parquet`` file has a row for
    each example, a column for each feature (the last axis fastest) and one for labels. A folder holds pictures,
    ``000000.png`` and so on, without labels.

    Args:
      path: as :func:`require_writable` takes it.
      x: ``[n, *shape]``.
      columns: names of the features; by default x0, x1 and so on.
      labels: ``[n]``, or None.
      label: name of their column.
      before: further columns of a table, ``[n]`` each, that name the rows; those named as a feature are left out.
      bounds: values that are black and white in a picture; by default 0 and 255, to which values are rounded and
        clipped as bytes.

    Returns:
      A short description of the file: type and shape, and how numbers became bytes.

    Raises:
      InvalidInput: another number of names than of features, or a label with the name of a feature.
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
    table = {name: column for name, column in before.items() if name not in names} | dict(
        zip(names, rows.T, strict=True)
    )
    if labels is not None and label in table:
        raise InvalidInput(f"{path} would have two columns named {label}: expected another name of the label.")
    return write_table(place, table | ({} if labels is None else {label: labels}))


def write_table(path: str | Path, table: Mapping[str, np.ndarray]) -> str:
    """Writes columns of one length in the format that a path names, completely or not at all.

    A ``.npy`` file holds one structured array, whose fields are the columns. In a ``.csv`` or ``.tsv`` file, names and
    texts that a spreadsheet would run as a formula (they begin with =, +, -, @, a tab or a carriage return, and are no
    numbers) have an apostrophe in front.

    Args:
      path: ending in one of :data:`SUFFIXES`.
      table: name -> column, ``[rows]`` each.

    Returns:
      A short description of the file: the number of rows and the names of the columns.
    """
    require_writable(path)
    place, names = Path(path), list(table)
    columns = {name: np.asarray(column) for name, column in table.items()}
    lengths = {column.shape for column in columns.values()}
    if len(lengths) != 1 or len(next(iter(lengths))) != 1:
        raise InvalidInput(f"{path} was given columns of the shapes {sorted(lengths)}: expected one axis and length.")
    frame, suffix = pd.DataFrame(columns), place.suffix.lower()
    with replacing(place) as scratch:
        if suffix == ".npy":
            plain = [column.astype(str) if column.dtype.kind in "OS" else column for column in columns.values()]
            kinds = [(name, column.dtype) for name, column in zip(names, plain, strict=True)]
            with scratch.open("wb") as file:
                np.save(file, np.rec.fromarrays(plain, dtype=kinds), allow_pickle=False)
        elif suffix == ".parquet":
            frame.to_parquet(scratch, index=False)
        else:
            separator = "\t" if suffix == ".tsv" else ","
            frame.columns = [_as_text(name) for name in names]
            texts = frame.select_dtypes(exclude=["number", "bool"]).columns
            frame[texts] = frame[texts].map(_as_text)
            frame.to_csv(scratch, sep=separator, index=False, lineterminator="\n", encoding="utf-8")
    shown = ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:3])}, ..., {', '.join(names[-2:])}"
    return f"{len(frame):,} rows of {shown}"


def _as_text(value: Any) -> Any:
    formula = isinstance(value, str) and value[:1] in tuple("=+-@\t\r") and not is_number(value)
    return f"'{value}" if formula else value


def is_folder_name(path: str | Path) -> bool:
    """Whether a path names a folder of pictures rather than a file.

    Example:
      >>> is_folder_name("samples"), is_folder_name("version.2/"), is_folder_name("samples.csv")
      (True, True, False)
    """
    return str(path).endswith(("/", os.sep)) or not Path(path).suffix


def keeps_labels(path: str | Path) -> bool:
    """Whether examples are written with their labels, as in a table."""
    return not is_folder_name(path) and Path(path).suffix.lower() != ".npy"


def _write_pictures(folder: Path, x: np.ndarray, bounds: tuple[float, float] | None) -> str:
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
