"""Where results go: looked at before anything is trained, written whole or not at all."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ae_jax.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure
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
    from ae_jax.data.writing import write_examples

    print(f"{path}: {write_examples(path, array)}")


def writable_picture(path: Path | None) -> Path | None:
    """The path of a picture to write, if there is one, it ends in ``.png`` and can be written.

    Raises:
      InvalidInput: it cannot.
    """
    if path is None:
        return None
    if path.suffix.lower() != ".png":
        raise InvalidInput(f"--picture was given {path}: expected the name of a file that ends in .png.")
    if path.is_dir():
        raise InvalidInput(f"--picture was given {path}, a folder: expected the name of a file.")
    writable(path.parent)
    return path


def write_picture(path: Path, figure: "Figure") -> str:
    """Writes a figure whole or not at all, and says what it is.

    Raises:
      InvalidInput: it cannot be written.
    """
    from ae_jax.data.writing import whole
    from ae_jax.report.canvas import to_png

    png = to_png(figure)
    with whole(path) as scratch:
        scratch.write_bytes(png)
    return "a picture"


def refused(path: Path, error: OSError) -> InvalidInput:
    """The sentence for a place that cannot be written."""
    return InvalidInput(f"{path} cannot be written ({error.strerror}): choose another place with --out.")
