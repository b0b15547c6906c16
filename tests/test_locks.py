import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ae_jax import InvalidInput
from ae_jax.locks import locked

HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
CONTENDER = """
import sys
from filelock import FileLock, Timeout
try:
    FileLock(sys.argv[1], blocking=False).acquire()
    print("free")
except Timeout:
    print("held")
"""


def seen_from_outside(path: Path) -> str:
    """Whether a second process finds the lock held or free."""
    return subprocess.run([sys.executable, "-c", CONTENDER, str(path)], capture_output=True, text=True).stdout.strip()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "lock"


def refused(path: Path) -> str:
    with pytest.raises(InvalidInput) as caught, locked(path, "another process trains there: wait for it."):
        pass
    return str(caught.value)


def test_it_is_held_while_the_block_runs_and_free_afterwards(path):
    with contextlib.suppress(ZeroDivisionError), locked(path, "held."):
        assert seen_from_outside(path) == "held"
        assert refused(path) == f"another process trains there: wait for it ({path} is locked)."
        raise ZeroDivisionError
    assert seen_from_outside(path) == "free"


def test_neither_a_link_nor_what_a_file_holds_is_touched(path):
    path.parent.mkdir()
    path.write_text("notes")
    with locked(path, "held."):
        pass
    assert path.read_text() == "notes"
    link = path.with_name("link")
    link.symlink_to(path)
    os.mkfifo(pipe := path.with_name("pipe"))
    for other in (link, pipe):
        assert "is a link or no file: expected a lock file" in refused(other)
    assert path.read_text() == "notes"


def test_a_folder_that_cannot_be_written_is_refused(path):
    path.parent.write_text("")
    assert refused(path) == f"{path} cannot be written (File exists): expected a folder to work in."
