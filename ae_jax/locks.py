"""Lets one process at a time work in a folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ae_jax.errors import InvalidInput


@contextlib.contextmanager
def locked(path: Path, sentence: str) -> Iterator[None]:
    """Holds the lock of a file while the block runs; the lock of a killed process is free again.

    Neither another process nor a second use in the same process gets the lock meanwhile.

    Args:
      path: of the lock file, which is created with its folder and stays.
      sentence: the error message if the lock is held.

    Raises:
      InvalidInput: the sentence, or that the file cannot be written.

    Example:
      >>> import tempfile
      >>> with locked(Path(tempfile.mkdtemp()) / "lock", "another process trains here: wait for it."):
      ...     pass
    """
    lock = FileLock(path, blocking=False)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise InvalidInput(f"{path} is a link or no file: expected a lock file or none; remove it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise InvalidInput(f"{sentence.removesuffix('.')} ({path} is locked).") from error
    except OSError as error:
        reason = error.strerror or error
        raise InvalidInput(f"{path} cannot be written ({reason}): expected a folder to work in.") from error
    try:
        yield
    finally:
        lock.release()
