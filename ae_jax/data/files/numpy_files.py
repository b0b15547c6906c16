"""Files of NumPy's, from which nothing is ever unpickled."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from ae_jax.data.contents import Contents
from ae_jax.data.files.damage import reading
from ae_jax.errors import InvalidInput, unknown


def read_npy(path: Path) -> dict[str, Contents]:
    """The array of a ``.npy`` file, in memory, under ``"all"``.

    Raises:
      InvalidInput: a file that is damaged, of objects, or no ``.npy`` file.
    """
    with reading(path, "an array written by numpy.save"), path.open("rb") as file:
        _require_start(file, b"\x93NUMPY")
        return {"all": Contents(np.load(file, allow_pickle=False))}


def read_npz(path: Path, *, key: str | None = None, label: str | None = None) -> dict[str, Contents]:
    """Two arrays of a ``.npz`` archive.

    Args:
      path: of the archive.
      key: name of the examples; by default ``x`` or ``X``, or else the only array there is.
      label: name of the labels; by default ``y`` or ``Y``, where there is one.

    Returns:
      The contents, under ``"all"``.

    Raises:
      InvalidInput: a file that is damaged, of objects, or no archive; a name that is not there.
    """
    with reading(path, "an array written by numpy.savez"), path.open("rb") as file:
        _require_start(file, b"PK")
        archive = np.load(file, allow_pickle=False)
        examples, labels = _names(archive.files, key, label, path)
        x, y = (None if name is None else _array(archive[name], name) for name in (examples, labels))
    return {"all": Contents(x, y)}


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
