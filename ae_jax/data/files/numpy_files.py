"""Files of NumPy's, from which nothing is ever unpickled."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from ae_jax.data.contents import Contents
from ae_jax.data.files.damage import reading
from ae_jax.data.files.layout import examples_first
from ae_jax.errors import InvalidInput, unknown
from ae_jax.types import Shape


def read_npy(path: Path, *, transpose: bool = False) -> dict[str, Contents]:
    """The array of a ``.npy`` file, in memory, under ``"all"``.

    Args:
      path: of the file.
      transpose: the examples are along the last axis.

    Raises:
      InvalidInput: a file that is damaged, of objects, or no ``.npy`` file.
    """
    with reading(path, "an array written by numpy.save"), path.open("rb") as file:
        _require_start(file, b"\x93NUMPY")
        return {"all": Contents(examples_first(np.load(file, allow_pickle=False), transpose=transpose))}


def read_npz(
    path: Path, *, key: str | None = None, label: str | None = None, transpose: bool = False
) -> dict[str, Contents]:
    """Two arrays of a ``.npz`` archive.

    Args:
      path: of the archive.
      key: name of the examples; by default ``x`` or ``X``, or else the only array there is.
      label: name of the labels; by default ``y`` or ``Y``, where there is one.
      transpose: the examples are along the last axis.

    Returns:
      The contents, under ``"all"``.

    Raises:
      InvalidInput: a file that is damaged, of objects, or no archive; a name that is not there.
    """
    with reading(path, "an array written by numpy.savez"), path.open("rb") as file:
        _require_start(file, b"PK")
        archive = np.load(file, allow_pickle=False)
        examples, labels = _names(archive.files, key, label, path)
        x, y = _array(archive[examples], examples), None if labels is None else _array(archive[labels], labels)
    return {"all": Contents(examples_first(x, transpose=transpose), y)}


def array_shape(path: Path) -> Shape:
    """The shape of the array of a ``.npy`` file, of which only the beginning is read.

    Raises:
      InvalidInput: a file that is damaged, of objects, or no ``.npy`` file.
    """
    with reading(path, "an array written by numpy.save"):
        with path.open("rb") as file:
            _require_start(file, b"\x93NUMPY")
        return np.load(path, mmap_mode="r", allow_pickle=False).shape


def array_names(path: Path) -> tuple[str, ...]:
    """Names of the arrays of a ``.npz`` archive.

    Raises:
      InvalidInput: a file that is damaged or no archive.
    """
    with reading(path, "an array written by numpy.savez"), path.open("rb") as file:
        _require_start(file, b"PK")
        return tuple(np.load(file, allow_pickle=False).files)


def _array(member: np.ndarray | bytes, name: str) -> np.ndarray:
    if isinstance(member, bytes):
        raise ValueError(f"{name} is no array")
    return member


def _require_start(file: BinaryIO, start: bytes) -> None:
    """Raises where a file starts otherwise, which numpy.load takes for a pickle and advises to trust."""
    if file.read(len(start)) != start:
        raise ValueError(f"its first bytes are not {start!r}")
    file.seek(0)


def _names(there: list[str], key: str | None, label: str | None, path: Path) -> tuple[str, str | None]:
    """Names of the examples and of the labels (or None)."""
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
