"""Where results go: looked at before anything is trained, written whole or not at all."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ae_jax.errors import InvalidInput

if TYPE_CHECKING:
    from numpy import ndarray


def writable(folder: Path) -> Path:
    """The folder, if files can be written there; leaves everything as it was.

    Raises:
      InvalidInput: it cannot be made, or nothing can be written in it.
    """
    made: list[Path] = []
    try:
        for part in reversed((folder, *folder.parents)):
            if not part.exists():
                part.mkdir()
                made.append(part)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise refused(folder, error) from error
    finally:
        for part in reversed(made):
            part.rmdir()
    return folder


def writable_array(path: Path) -> Path:
    """The path of an array to write, if it ends in ``.npy`` and can be written.

    Raises:
      InvalidInput: it cannot.
    """
    if path.suffix != ".npy":
        raise InvalidInput(f"--out was given {path}: expected the name of a file that ends in .npy.")
    if path.is_dir():
        raise InvalidInput(f"--out was given {path}, a folder: expected the name of a file.")
    writable(path.parent)
    return path


def write_array(path: Path, array: "ndarray") -> None:
    """Writes an array whole or not at all, and prints what is where.

    Raises:
      InvalidInput: it cannot be written.
    """
    import numpy as np

    scratch = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        scratch.replace(path)
    except OSError as error:
        raise refused(path, error) from error
    finally:
        scratch.unlink(missing_ok=True)
    print(f"{path}: {array.dtype}, shape {array.shape}")


def refused(path: Path, error: OSError) -> InvalidInput:
    """The sentence for a place that cannot be written."""
    return InvalidInput(f"{path} cannot be written ({error.strerror}): choose another place with --out.")
