"""Writes files and folders atomically: whole, or not at all."""

import contextlib
import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ae_jax.errors import InvalidInput

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of the errors after which the same write may succeed later."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a scratch path beside a file or folder; what the block writes there takes its place once the block ends.

    If the block fails, the scratch files are removed and whatever was at the path stays. What was written is flushed
    to the disk before it is moved, so that the path is whole even after a power failure.

    Args:
      path: of the file or folder to write or to replace; missing parent folders are created.

    Raises:
      InvalidInput: the file system refuses to write there.

    Example:
      >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
      >>> with replacing(path) as scratch:
      ...     _ = scratch.write_text("complete")
      >>> path.read_text()
      'complete'
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        new, old = scratch / path.name, scratch / "replaced"
        try:
            yield new
            if path.is_dir() and new.is_file():
                raise InvalidInput(f"{path} is a folder: expected the name of a file.")
            _flush(new)
            if path.is_dir() and not path.is_symlink():
                path.replace(old)
            new.replace(path)
        finally:
            if old.exists() and not path.exists():
                old.replace(path)
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        remedy = "free some space, or " if error.errno in DISK_FULL else ""
        raise InvalidInput(
            f"{path} cannot be written ({error.strerror or error}): {remedy}choose another place."
        ) from error


def remove_scratch(path: Path) -> None:
    """Removes what killed processes left while they wrote a file or a folder or anything in it; nobody may write now.

    What they were about to replace takes its place again.
    """
    for scratch in [*path.parent.glob(f".{glob.escape(path.name)}-????????"), *path.rglob(".*-????????")]:
        place, old = scratch.parent / scratch.name[1:-9], scratch / "replaced"
        if scratch.is_dir() and {entry.name for entry in scratch.iterdir()} <= {place.name, old.name}:
            if old.exists() and not place.exists():
                old.replace(place)
            shutil.rmtree(scratch, ignore_errors=True)


def write_text(path: Path, text: str) -> Path:
    """Writes a text file atomically and returns its path.

    Raises:
      InvalidInput: the file system refuses to write there.
    """
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")
    return path


def _flush(path: Path) -> None:
    """Flushes a file, or every file below a folder, to the disk."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
