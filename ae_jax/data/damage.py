"""Turns the errors of a format's library into a sentence that names the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ae_jax.errors import InvalidInput, first_line


@contextmanager
def reading(path: Path | str, expected: str) -> Iterator[None]:
    """Raises :class:`InvalidInput` in place of any other error; ``expected`` says what the file should have been.

    Example:
      >>> with reading(Path("mine.npy"), "a NumPy array"):
      ...     raise EOFError("No data left in file")
      Traceback (most recent call last):
      ae_jax.errors.InvalidInput: mine.npy cannot be read (No data left in file): expected a NumPy array.
    """
    try:
        yield
    except InvalidInput:
        raise
    except Exception as error:  # zipfile, zlib, NumPy, pandas and Pillow raise many kinds over damaged files
        raise InvalidInput(f"{path} cannot be read ({first_line(error)}): expected {expected}.") from error
