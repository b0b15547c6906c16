"""Runs a command: errors as sentences and exit codes, warnings as notes, silent libraries, a compilation cache."""

import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ae_jax.errors import InvalidInput, TrainingDiverged, printable

FAILED, INVALID, DIVERGED, BROKEN_PIPE, TERMINATED = 1, 2, 3, 141, 143
"""Exit codes besides 0, and 128 plus the number of a signal, such as SIGTERM."""


def exit_code(command: Callable[[], int]) -> int:
    """Runs a command; what it raises becomes one sentence on stderr and an exit code."""
    try:
        with warnings_as_notes():
            code = command()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("AE_JAX_DEBUG") not in (None, "", "0"):
            traceback.print_exc()
        say(sentence(error))
        if isinstance(error, KeyboardInterrupt):
            return 128 + getattr(error, "signal", signal.SIGINT)
        if isinstance(error, InvalidInput):
            return INVALID
        return DIVERGED if isinstance(error, TrainingDiverged) else FAILED


def sentence(error: BaseException) -> str:
    """Returns the sentence that a user reads about an exception."""
    if isinstance(error, (InvalidInput, TrainingDiverged)):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted before everything was written."
    reason = str(error).strip().split("\n")[0]
    return f"failed with {type(error).__name__}: {reason} (AE_JAX_DEBUG=1 shows where)."


def say(text: str) -> None:
    """Prints one line on stderr."""
    print(f"ae-jax: {printable(text)}", file=sys.stderr, flush=True)


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Prints warnings of libraries as one line each on stderr, once; leaves out those for developers."""
    said = set()

    def note(message: Warning | str, *_: object) -> None:
        text = str(message).strip().split("\n")[0]
        if text not in said:
            said.add(text)
            say(f"note: {text}")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        warnings.filterwarnings("ignore", r"\S+ diverged in", RuntimeWarning)  # a message of the study says it
        warnings.showwarning = note
        yield


def quiet_libraries() -> None:
    """Keeps the logs of XLA and Orbax off the terminal; whatever goes wrong there also raises.

    XLA writes an error for each cached program whose tuning flags (``+prefer-no-gather``) are no features of the
    machine, https://github.com/openxla/xla/issues/44565. It reads the level when jaxlib is first imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("absl", "jax", "orbax"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def use_cache() -> None:
    """Keeps compiled programs in the user's cache folder, or says that it cannot."""
    from ae_jax.training.compilation import cache_folder, use_persistent_cache

    try:
        use_persistent_cache(cache_folder())
    except (OSError, RuntimeError) as error:
        say(f"note: programs are compiled anew each time, as no cache can be written ({error}); set AE_JAX_CACHE.")
