"""What a format's library raises over a file, as a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ae_jax.errors import InvalidInput, first_line


@contextmanager
def reading(path: Path | str, expected: str) -> Iterator[None]:
    """Turns whatever goes wrong while a file is read into a sentence that names the file.

    Args:
      path: the file, or another name of what is read.
      expected: what it should have been, with what to do.

    Raises:
      InvalidInput: anything was raised; what is already a sentence passes as it is.

    Example:
      >>> with reading(Path("mine.npy"), "an array of NumPy's"):
      ...     raise EOFError("No data left in file")
      Traceback (most recent call last):
      ae_jax.errors.InvalidInput: mine.npy cannot be read (No data left in file): expected an array of NumPy's.
    """
    try:
        yield
    except InvalidInput:
        raise
    except Exception as error:  # zipfile, zlib, NumPy, pandas and Pillow raise many kinds over damaged files
        raise InvalidInput(f"{path} cannot be read ({first_line(error)}): expected {expected}.") from error
