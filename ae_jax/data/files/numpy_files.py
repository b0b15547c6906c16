"""Reads ``.npy`` and ``.npz`` files; nothing is ever unpickled."""

import math
from io import BufferedIOBase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ae_jax.data.arrays import RawData
from ae_jax.data.damage import reading
from ae_jax.errors import InvalidInput, unknown
from ae_jax.types import Shape

_MAGIC = b"\x93NUMPY"
_ARRAY, _ARCHIVE = "an array written by numpy.save", "an array written by numpy.savez"
_AXES = 32
"""The most axes that an array of NumPy 1 can have."""


def read_npy(path: Path, *, transpose: bool = False) -> dict[str, RawData]:
    """Reads the array of a ``.npy`` file; where ``transpose``, its examples are along its last axis."""
    with reading(path, _ARRAY), path.open("rb") as file:
        read_header(file, path.stat().st_size)
        file.seek(0)
        return {"all": RawData(examples_first(np.load(file, allow_pickle=False), transpose))}


def read_npz(
    path: Path, *, key: str | None = None, label: str | None = None, transpose: bool = False
) -> dict[str, RawData]:
    """Reads examples and labels of a ``.npz`` archive.

    Args:
      path: of the archive.
      key: name of the examples; by default ``x`` or ``X``, or else the only array.
      label: name of the labels; by default ``y`` or ``Y``, where there is one.
      transpose: whether the examples are along the last axis.
    """
    with reading(path, _ARCHIVE), path.open("rb") as file:
        _require_start(file, b"PK")
        archive = np.load(file, allow_pickle=False)
        examples, labels = names_of(archive.files, key, label, path)
        x, y = _array(archive, examples), None if labels is None else _array(archive, labels)
    return {"all": RawData(examples_first(x, transpose), y)}


class Header(NamedTuple):
    """Shape, order and type of the array in a ``.npy`` file, and the offset of its first value in bytes."""

    shape: Shape
    fortran_order: bool
    dtype: np.dtype
    offset: int


def read_header(file: BufferedIOBase, size: int) -> Header:
    """Reads the header of a ``.npy`` file of ``size`` bytes.

    NumPy allocates any size that a header announces, and takes a negative number of examples for all of them.

    Raises:
      ValueError: there is no header, or it announces objects or more values than the file holds.
    """
    _require_start(file, _MAGIC)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded")
    if len(shape) > _AXES or any(length < 0 for length in shape):
        raise ValueError(f"it announces the shape {shape!s:.100}")
    if (announced := math.prod(shape) * dtype.itemsize) > size - file.tell():
        raise ValueError(f"it holds {size - file.tell():,} bytes of values of the {announced:,} that it announces")
    return Header(shape, fortran_order, dtype, file.tell())


def array_shape(path: Path) -> Shape:
    """The shape of the array of a ``.npy`` file, from its header."""
    with reading(path, _ARRAY), path.open("rb") as file:
        return read_header(file, path.stat().st_size).shape


def array_names(path: Path) -> tuple[str, ...]:
    """Names of the arrays of a ``.npz`` archive."""
    with reading(path, _ARCHIVE), path.open("rb") as file:
        _require_start(file, b"PK")
        return tuple(np.load(file, allow_pickle=False).files)


def _array(archive: Any, name: str) -> np.ndarray:
    """An array of an archive, after a check of its header."""
    member = f"{name}.npy" if f"{name}.npy" in archive.zip.namelist() else name
    with archive.zip.open(member) as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError(f"{name} is not an array")
    with archive.zip.open(member) as file:
        read_header(file, archive.zip.getinfo(member).file_size)
    return archive[name]


def examples_first(array: np.ndarray, transpose: bool) -> np.ndarray:
    """The array with its last axis first, where the examples are along it."""
    return np.moveaxis(array, -1, 0) if transpose and array.ndim > 1 else array


def _require_start(file: BufferedIOBase, start: bytes) -> None:
    """Raises if a file starts with other bytes: numpy.load would take it for a pickle and suggest allow_pickle."""
    if file.read(len(start)) != start:
        raise ValueError(f"its first bytes are not {start!r}")
    file.seek(0)


def names_of(there: list[str], key: str | None, label: str | None, path: Path) -> tuple[str, str | None]:
    """Names of the examples and of the labels (or None) among those of a file's arrays."""
    for name in (key, label):
        if name is not None and name not in there:
            raise unknown(f"array of {path}", name, there)
    examples = key or next((name for name in ("x", "X") if name in there and name != label), None)
    if examples is None and len(there) == 1 and label is None:
        examples = there[0]
    if examples is None:
        raise InvalidInput(
            f"{path} holds {', '.join(there) or 'nothing'}: expected the examples under x or X and any labels under y; "
            f"name them as {path.name}:NAME and with --label."
        )
    return examples, label or next((name for name in ("y", "Y") if name in there and name != examples), None)
