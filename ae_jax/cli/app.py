"""The commands of ``ae-jax`` and their dispatch by Tyro."""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import metadata
from typing import Any

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes
from tyro.extras import SubcommandApp

from ae_jax.cli import data, study
from ae_jax.cli.denoise import denoise
from ae_jax.cli.detect import detect
from ae_jax.cli.encode import encode, export, reconstruct, reduce
from ae_jax.cli.evaluate import evaluate
from ae_jax.cli.explore import explore
from ae_jax.cli.models import models
from ae_jax.cli.options import Imports
from ae_jax.cli.sample import impute, sample
from ae_jax.cli.search import search
from ae_jax.cli.session import use_cache
from ae_jax.components import import_file

Command = Callable[..., int]

COMMANDS: dict[str, Command | str] = {
    "compare": study.compare,
    "train": "Trains one autoencoder and saves it.",
    "sweep": "Trains one autoencoder at every point of a grid of hyper-parameters.",
    "evaluate": evaluate,
    "encode": encode,
    "reconstruct": reconstruct,
    "reduce": reduce,
    "denoise": denoise,
    "detect": detect,
    "search": search,
    "explore": explore,
    "sample": sample,
    "impute": impute,
    "export": export,
    "models": models,
    "data": "Lists data sets, and prepares more.",
}
"""Commands by name; of those that have commands of their own, the summary."""

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
    if arguments[0] not in ("data", "models"):
        use_cache()
    return call()


def parse(arguments: Sequence[str]) -> Callable[[], int]:
    """Returns the call that arguments ask for, without making it; raises as :func:`run`."""
    app = SubcommandApp()
    for name, command in COMMANDS.items():
        if not isinstance(command, str):
            _add(app, name, command)
        elif name in arguments[:1]:
            app.command(_group(name), name=name, help=command)
        else:
            app.command(name=name, help=command)(lambda: None)
    config = (FlagCreatePairsOff, OmitArgPrefixes)
    return app.cli(prog="ae-jax", description=DESCRIPTION, args=arguments, config=config)


def _group(name: str) -> SubcommandApp:
    """Returns the commands of ``data``, or those of ``train`` or ``sweep``: one for each named autoencoder."""
    from ae_jax.models import NAMED

    app = SubcommandApp()
    if name == "data":
        _add(app, "list", data.list_sources)
        _add(app, "prepare", data.prepare)
    else:
        make = study.train_command if name == "train" else study.sweep_command
        for autoencoder, described in NAMED.items():
            _add(app, autoencoder, make(autoencoder), described)
    return app


def _add(app: SubcommandApp, name: str, command: Command, described: Callable[..., object] | None = None) -> None:
    """Adds a command that remembers its arguments; its summary is the first line of a docstring.

    A command that loads a run, its parameter ``run``, gets the option ``--import``.
    """

    @wraps(command)
    def remember(*arguments: Any, imports: Imports = (), **options: Any) -> Callable[[], int]:
        def call() -> int:
            for path in imports:
                import_file(path)
            return command(*arguments, **options)

        return call

    signature = inspect.signature(command)
    if "run" in signature.parameters:
        own = inspect.Parameter("imports", inspect.Parameter.KEYWORD_ONLY, default=(), annotation=Imports)
        remember.__signature__ = signature.replace(parameters=[*signature.parameters.values(), own])  # pyright: ignore[reportAttributeAccessIssue]
        remember.__annotations__ = {**command.__annotations__, "imports": Imports}
        del remember.__wrapped__  # Tyro would read its parameters
    summary = ((described or command).__doc__ or "").strip().split("\n")[0]
    app.command(name=name, help=summary)(remember)
