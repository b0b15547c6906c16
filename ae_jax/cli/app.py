"""The commands of ``ae-jax`` and their dispatch by Tyro."""

from collections.abc import Callable, Sequence
from functools import wraps
from importlib import metadata
from typing import Any

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes
from tyro.extras import SubcommandApp

from ae_jax.cli import data, study, use
from ae_jax.cli.denoise import denoise
from ae_jax.cli.detect import detect
from ae_jax.cli.evaluate import evaluate
from ae_jax.cli.search import search
from ae_jax.cli.session import use_cache

Command = Callable[..., int]

COMMANDS: dict[str, Command | dict[str, Command] | str] = {
    "compare": study.compare,
    "train": "Trains one autoencoder and saves it.",
    "sweep": "Trains one autoencoder at every point of a grid of hyper-parameters.",
    "evaluate": evaluate,
    "encode": use.encode,
    "reconstruct": use.reconstruct,
    "reduce": use.reduce,
    "denoise": denoise,
    "detect": detect,
    "search": search,
    "sample": use.sample,
    "data": {"list": data.list_sources, "prepare": data.prepare},
}
"""Commands by name; of ``train`` and ``sweep``, which have a command for each named autoencoder, the summary."""

DESCRIPTION = """Trains autoencoders as whole studies and evaluates each alike.

ae-jax COMMAND --help states the options of a command, with units and defaults.

Exit codes: 0; 1 where something failed; 2 where the input cannot be used; 3 where a training diverged, once all is
written; 130 after Ctrl-C and 143 after SIGTERM, once what is trained so far is saved. A second signal terminates the
process immediately."""


def run(arguments: Sequence[str]) -> int:
    """Runs the command that arguments name, and returns its exit code.

    Raises:
      InvalidInput: a value that the command cannot use.
      SystemExit: after help, or with code 2 after Tyro's message about arguments that cannot be read.
    """
    if list(arguments) == ["--version"]:
        print(f"ae-jax {metadata.version('ae_jax')}")
        return 0
    call = parse(arguments)
    if arguments[0] != "data":
        use_cache()
    return call()


def parse(arguments: Sequence[str]) -> Callable[[], int]:
    """Returns the call that arguments ask for, without making it.

    Raises:
      SystemExit: as in :func:`run`.
    """
    first = arguments[0] if arguments else ""
    app = SubcommandApp()
    for name, command in COMMANDS.items():
        if isinstance(command, str):
            app.command(name=name, help=command)(_by_name(name) if name == first else _placeholder(command))
        elif isinstance(command, dict):
            app.command(name=name, help="Lists data sets, and prepares more.")(_group(command))
        else:
            app.command(name=name, help=_summary(command))(_deferred(command))
    config = (FlagCreatePairsOff, OmitArgPrefixes)
    return app.cli(prog="ae-jax", description=DESCRIPTION, args=arguments, config=config)


def _group(commands: dict[str, Command]) -> SubcommandApp:
    app = SubcommandApp()
    for name, command in commands.items():
        app.command(name=name, help=_summary(command))(_deferred(command))
    return app


def _by_name(command: str) -> SubcommandApp:
    """Returns the commands of ``train`` or ``sweep``, one for each named autoencoder; this imports JAX."""
    from ae_jax.models import NAMED

    make = {"train": study.train_command, "sweep": study.sweep_command}[command]
    app = SubcommandApp()
    for name, autoencoder in NAMED.items():
        app.command(name=name, help=_summary(autoencoder))(_deferred(make(name)))
    return app


def _deferred(command: Command) -> Callable[..., Callable[[], int]]:
    """Returns a function with the same signature and docstring, that remembers its arguments."""

    @wraps(command)
    def remember(*arguments: Any, **options: Any) -> Callable[[], int]:
        return lambda: command(*arguments, **options)

    return remember


def _placeholder(docstring: str) -> Command:
    def placeholder() -> int:
        raise NotImplementedError("the command is made for each named autoencoder.")

    placeholder.__doc__ = docstring
    return placeholder


def _summary(documented: Callable[..., object]) -> str:
    return (documented.__doc__ or "").strip().split("\n")[0]
