"""What surrounds a command: the cache, failures that nobody foresaw, a closed pipe."""

import os
import warnings

import pytest

from ae_jax import TrainingDiverged, TrainingInterrupted
from ae_jax.cli import session


def test_a_cache_that_cannot_be_written_is_a_note(monkeypatch, capsys, file):
    monkeypatch.setenv("AE_JAX_CACHE", f"{file}/cache")
    session.use_cache()
    note = capsys.readouterr().err
    assert note.startswith("ae-jax: note: programs are compiled anew each time, as no cache can be written (")
    assert note.count("\n") == 1


def test_warnings_are_notes_said_once_and_deprecations_are_not_said(capsys):
    with session.warnings_as_notes():
        for _ in range(2):
            warnings.warn("something of several\nlines", stacklevel=1)
            warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert capsys.readouterr().err == "ae-jax: note: something of several\n"


def failing() -> int:
    raise KeyError("unforeseen")


def test_an_unforeseen_error_is_one_line_unless_debugged(capsys, monkeypatch):
    assert session.exit_code(failing) == 1
    assert capsys.readouterr().err == "ae-jax: failed with KeyError: 'unforeseen' (AE_JAX_DEBUG=1 shows where).\n"
    monkeypatch.setenv("AE_JAX_DEBUG", "1")
    assert session.exit_code(failing) == 1
    assert "in failing\n    raise KeyError" in capsys.readouterr().err


def test_a_closed_pipe_is_silent(capfd, monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        assert session.exit_code(lambda: print("nobody reads this") or 0) == 141
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (TrainingInterrupted(None, 15), 143),
        (TrainingDiverged("", None), 3),
        (SystemExit(3), 3),
        (SystemExit(), 0),
    ],
)
def test_exit_codes(capsys, error, code):
    def command() -> int:
        raise error

    assert session.exit_code(command) == code
