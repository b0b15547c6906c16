"""That one process at a time works in a folder."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ae_jax.errors import InvalidInput

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None


@contextlib.contextmanager
def locked(path: Path, sentence: str) -> Iterator[None]:
    """Holds the lock of a file while the block runs; the lock of a process that died is nobody's.

    It is advisory, of the whole file, by ``flock``: neither another process nor another use of the same process gets
    it meanwhile. The file stays where it is, with the holder's process id in it. Where locks are not to be had, as on
    Windows and on some network file systems, there is a warning and no lock.

    Args:
      path: of the file, made where it is not there, with its folder.
      sentence: what is said where somebody else holds the lock; the holder's process id is added.

    Raises:
      InvalidInput: the sentence, or that the file cannot be written.

    Example:
      >>> import tempfile
      >>> with locked(Path(tempfile.mkdtemp()) / "lock", "another process trains here: wait for it."):
      ...     pass
    """
    file = _acquired(path, sentence)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.truncate(0)
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_UN)  # also where a fork of this process has the file open
        file.close()


def _acquired(path: Path, sentence: str) -> TextIO:
    """The open file, locked and naming this process; anew where it was removed between opening and locking."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+")
        except OSError as error:
            reason = error.strerror or error
            raise InvalidInput(f"{path} cannot be written ({reason}): expected a folder to work in.") from error
        try:
            _lock(file, path, sentence)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                with contextlib.suppress(OSError):  # on a full disk it is locked all the same, by nobody in particular
                    os.ftruncate(file.fileno(), 0)
                    os.write(file.fileno(), str(os.getpid()).encode())
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(file: TextIO, path: Path, sentence: str) -> None:
    try:
        if fcntl is None:
            raise OSError("this system has none")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read(20)
        named = f" (process {holder} holds {path})." if holder.isdecimal() else f" ({path} is locked)."
        raise InvalidInput(sentence.removesuffix(".") + named) from error
    except OSError as error:
        warnings.warn(
            f"{path} cannot be locked ({error.strerror or error}): see to it that no other process works there.",
            RuntimeWarning,
            stacklevel=5,
        )
