"""Where results go: looked at before anything is trained, written whole or not at all."""

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ae_jax.errors import InvalidInput

if TYPE_CHECKING:
    from numpy import ndarray


def writable(folder: Path, option: str = "--out") -> Path:
    """The folder, if files can be written there; leaves everything as it was.

    Args:
      folder: that is there or can be made.
      option: that named it, for the sentence.

    Raises:
      InvalidInput: it cannot be made, or nothing can be written in it.
    """
    made: list[Path] = []
    try:
        for part in reversed((folder, *folder.parents)):
            if not part.exists():
                with suppress(FileExistsError):  # by another process, meanwhile
                    part.mkdir()
                    made.append(part)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise refused(folder, error, option) from error
    finally:
        with suppress(OSError):  # another process has use for them
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
    _require_file(path, "--out")
    return path


def write_array(path: Path, array: "ndarray") -> None:
    """Writes an array whole or not at all, and prints what is where.

    Raises:
      InvalidInput: it cannot be written.
    """
    from ae_jax.data.writing import write_examples

    print(f"{path}: {write_examples(path, array)}")


def writable_picture(path: Path | None, out: str) -> Path | None:
    """The path of a picture to write, if there is one, it ends in ``.png`` and can be written.

    Args:
      path: of the picture.
      out: what else is written; the picture of a use is none of a folder of pictures.

    Raises:
      InvalidInput: it cannot.
    """
    if path is None:
        return None
    if path.suffix.lower() != ".png":
        raise InvalidInput(f"--picture was given {path}: expected the name of a file that ends in .png.")
    from ae_jax.data.writing import is_folder_name

    _require_file(path, "--picture")
    if is_folder_name(out) and path.resolve().is_relative_to(Path(out).resolve()):
        raise InvalidInput(
            f"--picture was given {path}, inside {out}, the folder of pictures: expected a place outside of it."
        )
    return path


def write_picture(path: Path, png: bytes) -> str:
    """Writes a picture whole or not at all, and says what it is.

    Raises:
      InvalidInput: it cannot be written.
    """
    from ae_jax.atomic import replacing

    with replacing(path) as scratch:
        scratch.write_bytes(png)
    return "a picture"


def refused(path: Path, error: OSError, option: str = "--out") -> InvalidInput:
    """The sentence for a place that cannot be written."""
    return InvalidInput(f"{path} cannot be written ({error.strerror}): choose another place with {option}.")


def _require_file(path: Path, option: str) -> None:
    """Raises a sentence where a file cannot be written."""
    try:
        folder = path.is_dir()
    except OSError as error:  # such as a name that is too long
        raise refused(path, error, option) from error
    if folder:
        raise InvalidInput(f"{option} was given {path}, a folder: expected the name of a file.")
    writable(path.parent, option)
