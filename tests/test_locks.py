"""Locks among processes that are really others: they import this package's file alone, and so start quickly."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ae_jax import InvalidInput, locks
from ae_jax.locks import locked

HOLDER = """
import fcntl, os, sys
file = open(sys.argv[1], "a+")
fcntl.flock(file, fcntl.LOCK_EX)
file.truncate(0)
file.write(str(os.getpid()))
file.flush()
print("held", flush=True)
sys.stdin.read()
"""
CONTENDER = """
import fcntl, sys
try:
    fcntl.flock(open(sys.argv[1], "a+"), fcntl.LOCK_EX | fcntl.LOCK_NB)
    print("free")
except BlockingIOError:
    print("held")
"""


@contextmanager
def another_process_with(path: Path) -> Iterator[subprocess.Popen]:
    """A second process that holds the lock, until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process


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


def refused_nothing(path: Path) -> bool:
    """Whether the block ran."""
    with locked(path, "another process trains there: wait for it."):
        return True


def test_other_processes_find_it_held_while_the_block_runs_and_free_afterwards(path):
    with locked(path, "held."):
        assert path.read_text() == str(os.getpid())
        assert seen_from_outside(path) == "held"
    assert seen_from_outside(path) == "free"


def test_it_is_free_after_a_block_that_fails(path):
    with pytest.raises(ZeroDivisionError), locked(path, "held."):
        raise ZeroDivisionError
    with locked(path, "held."):
        assert seen_from_outside(path) == "held"


def test_the_holder_is_named(path):
    path.parent.mkdir()
    with another_process_with(path) as holder:
        assert refused(path) == f"another process trains there: wait for it (process {holder.pid} holds {path})."
        # who was refused changed nothing
        assert path.read_text() == str(holder.pid)
        assert refused(path).endswith(f"(process {holder.pid} holds {path}).")
    with locked(path, "held."):
        assert path.read_text() == str(os.getpid())


def test_a_second_use_in_the_same_process_is_refused_too(path):
    with locked(path, "held."):
        assert refused(path).endswith(f"(process {os.getpid()} holds {path}).")
        assert seen_from_outside(path) == "held"


def test_a_killed_process_holds_nothing(path):
    path.parent.mkdir()
    with another_process_with(path) as holder:
        holder.send_signal(signal.SIGKILL)
        assert holder.wait() == -signal.SIGKILL
    assert path.read_text() == str(holder.pid)
    with locked(path, "held."):
        assert path.read_text() == str(os.getpid())


def test_a_process_that_said_nothing_of_itself_is_still_respected(path):
    path.parent.mkdir()
    with another_process_with(path):
        for text in ("", "no number", "9" * 1000):
            path.write_text(text)
            assert refused(path).startswith("another process trains there: wait for it (")
        path.write_text("no number")
        assert refused(path) == f"another process trains there: wait for it ({path} is locked)."


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_no_lock(path, monkeypatch):
    lock, times = locks._lock, []

    def removing(file, path, sentence):
        times.append(len(times))
        if len(times) == 1:
            path.unlink()
        if len(times) == 2:
            path.unlink()
            path.touch()
        lock(file, path, sentence)

    monkeypatch.setattr(locks, "_lock", removing)
    with locked(path, "held."):
        assert len(times) == 3
        assert seen_from_outside(path) == "held"


def test_a_folder_that_cannot_be_written_is_refused(path):
    path.parent.write_text("")
    assert refused(path) == f"{path} cannot be written (File exists): expected a folder to work in."
    assert refused(path.parent / "deeper" / "lock").endswith("(Not a directory): expected a folder to work in.")


def test_without_locks_there_is_a_warning_and_the_block_runs(path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    with pytest.warns(RuntimeWarning, match=r"cannot be locked \(this system has none\): see to it"):
        assert refused_nothing(path)


def test_a_file_system_without_locks_is_warned_of(path, monkeypatch):
    def flock(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with pytest.warns(RuntimeWarning, match=r"cannot be locked \(No locks available\): see to it"):
        assert refused_nothing(path)


def test_on_a_full_disk_it_is_held_and_nobody_named(path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        with locked(path, "held."):
            assert path.read_text() == ""
            assert refused(path) == f"another process trains there: wait for it ({path} is locked)."
    assert refused_nothing(path)
