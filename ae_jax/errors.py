"""Errors as one sentence each: what was given, what was expected, what to do."""

import difflib
from collections.abc import Collection, Iterable
from importlib import import_module
from typing import Any


class InvalidInput(ValueError):
    r"""A value given by the user cannot be used; the message is one sentence for that user.

    Quoted text may come from an untrusted file: line breaks and control characters are shown as escapes.

    Example:
      >>> print(InvalidInput("there is no column 'a\nb': expected one of the table's."))
      there is no column 'a\nb': expected one of the table's.
    """

    def __init__(self, sentence: str):
        super().__init__(printable(sentence))


def printable(text: str) -> str:
    r"""The text with every character that could steer a terminal as an escape.

    Example:
      >>> print(printable("a\nb\x1b[2J"))
      a\nb\x1b[2J
    """
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


class TrainingDiverged(ArithmeticError):
    """A loss turned NaN or infinite in every member; ``run`` holds the last finite parameters.

    Attributes:
      run: the :class:`ae_jax.Run` so far, with the parameters of the last finite epoch.
    """

    def __init__(self, message: str, run: object):
        super().__init__(message)
        self.run = run


def unknown(kind: str, given: str, known: Iterable[str]) -> InvalidInput:
    """The error for an unknown name, with the nearest known one.

    Example:
      >>> unknown("autoencoder", "contractiv", ["contractive", "sparse"]).args[0]
      "unknown autoencoder 'contractiv': did you mean 'contractive'? Known are contractive, sparse."
    """
    names = sorted(known)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return InvalidInput(f"unknown {kind} {given!r}: {hint}Known are {', '.join(names)}.")


def require_known(kind: str, given: Any, known: Collection[str]) -> None:
    """Raises :func:`unknown` for a value that is not one of the known names.

    Example:
      >>> require_known("rule", 3, ["adam", "sgd"])
      Traceback (most recent call last):
      ae_jax.errors.InvalidInput: unknown rule '3': Known are adam, sgd.
    """
    if not isinstance(given, str) or given not in known:
        raise unknown(kind, f"{given!s:.50}", known)


def import_extra(module: str, extra: str, what: object) -> Any:
    """Imports a module of an extra, which something needs.

    Raises:
      InvalidInput: the extra is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        needed = f'{module.split(".")[0]}, which is not installed: run pip install "ae_jax[{extra}]".'
        raise InvalidInput(f"{what} needs {needed}") from error


def first_line(error: BaseException) -> str:
    r"""The message of another library's error, shortened to fit into a sentence.

    Example:
      >>> first_line(EOFError("No data left in file.\nMore of it"))
      'No data left in file'
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".")
