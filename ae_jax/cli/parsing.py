"""Tyro as it is used here: functions to options, its complaints to one sentence."""

import functools
import inspect
import io
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from typing import Any, NoReturn

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes
from tyro.extras import SubcommandApp

from ae_jax.cli.options import option_names
from ae_jax.errors import InvalidInput, unknown

_PHRASES = {
    r"^Error parsing (\S+):": r"\1",
    r"^Missing from (?:ae-jax )?(.+?): (\S+) (.*?)\s*\(required\)$": r"\1 was given no \2: expected \3",
    r"^Missing value for argument [^-]*(--[\w-]+).*": r"\1 was given no value: expected one.",
}
"""What Tyro says, and how it is said here; anything else stays as it is."""


def parse(command: Callable[..., int], arguments: Sequence[str], prog: str, about: str = "") -> Callable[[], int]:
    """The call of a command that arguments ask for, not yet made.

    Args:
      command: a function whose parameters are the options.
      arguments: what follows the name of the command.
      prog: the program and that name, for the help.
      about: a further paragraph of the help.

    Raises:
      InvalidInput: an unknown option, or a value that is missing or cannot be read.
      SystemExit: after printing the help that was asked for.
    """
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            call, left = tyro.cli(
                deferred(command),
                prog=prog,
                description=description_of(command, about),
                args=arguments,
                return_unknown_args=True,
                config=(FlagCreatePairsOff, OmitArgPrefixes),
            )
    except SystemExit as error:
        if not error.code:
            raise
        raise InvalidInput(one_sentence(complaint.getvalue())) from None
    known, name = option_names(command), prog.removeprefix("ae-jax ")
    for token in left:
        if token.startswith("-"):
            option = token.split("=")[0]
            raise unknown(f"option of {name}", token if option in known else option, known)
    if left:
        raise InvalidInput(f"{name} was given {' '.join(left)!r}, which belongs to no option: see {prog} --help.")
    return call


def deferred(command: Callable[..., int]) -> Callable[..., Callable[[], int]]:
    """The same signature and docstring, but calling it only remembers the arguments."""

    @functools.wraps(command)
    def remember(*arguments: Any, **options: Any) -> Callable[[], int]:
        return functools.partial(command, *arguments, **options)

    return remember


def one_sentence(complaint: str) -> str:
    """What Tyro's box of an error says between its title and its first rule, on one line."""
    lines = [line.strip(" │") for line in re.sub(r"\x1b\[[\d;]*m", "", complaint).splitlines()]
    titled = 1 if complaint.lstrip("\x1b[0123456789;m").startswith("╭") else 2  # without UTF-8, title and rule
    body = itertools.takewhile(lambda line: not re.match("[─-]{3}|╰", line), lines[titled:])
    text = " ".join(body).strip()
    for pattern, replacement in _PHRASES.items():
        text = re.sub(pattern, replacement, text)
    return text or complaint.strip()


def show_choices(prog: str, description: str, choices: Mapping[str, Callable[..., object]]) -> NoReturn:
    """Prints what can follow, each with the first line of its docstring, and exits."""
    app = SubcommandApp()
    for name, choice in choices.items():
        app.command(name=name)(_stub(summary(choice)))
    app.cli(prog=prog, description=description, args=["--help"])
    raise SystemExit(0)


def _stub(docstring: str) -> Callable[[], None]:
    def stub() -> None: ...

    stub.__doc__ = docstring
    return stub


def summary(documented: Callable[..., object]) -> str:
    """The first line of a docstring."""
    return (documented.__doc__ or "").strip().split("\n")[0]


def description_of(command: Callable[..., object], about: str = "") -> str:
    """A docstring as far as its Args, and a further paragraph."""
    text, *_ = (inspect.getdoc(command) or "").split("\n\nArgs:")
    return f"{text}\n\n{about}".strip()
