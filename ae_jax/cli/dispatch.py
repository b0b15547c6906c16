"""From arguments to the command that they name."""

from collections.abc import Callable, Mapping, Sequence
from importlib import metadata

from ae_jax.cli import populations, sources, studies, uses
from ae_jax.cli.parsing import description_of, parse, show_choices, summary
from ae_jax.cli.session import use_cache
from ae_jax.errors import InvalidInput, unknown

Command = Callable[..., int]

COMMANDS: dict[str, Command] = {
    "compare": studies.compare,
    "train": studies.train,
    "sweep": studies.sweep,
    "evaluate": populations.evaluate,
    "encode": populations.encode,
    "reconstruct": populations.reconstruct,
    "reduce": uses.reduce,
    "denoise": uses.denoise,
    "detect": uses.detect,
    "search": uses.search,
    "sample": uses.sample,
    "data": sources.data,
}
OF_DATA: dict[str, Command] = {"list": sources.list_sources, "prepare": sources.prepare}
OF_AUTOENCODER = {"train": studies.train_named, "sweep": studies.sweep_named}
"""What makes the command for a named autoencoder, whose options are its hyper-parameters."""

DESCRIPTION = """Trains autoencoders as whole studies, and asks each the same questions.

ae-jax COMMAND --help states the options of a command, with units and defaults."""


def dispatch(arguments: Sequence[str]) -> int:
    """Calls the command that arguments name, and returns its exit code.

    Raises:
      InvalidInput: no or an unknown command, name or option, or a value that cannot be read.
      SystemExit: after printing the help that was asked for.
    """
    if list(arguments) == ["--version"]:
        print(f"ae-jax {metadata.version('ae_jax')}")
        return 0
    command, rest = choose("command", arguments, "ae-jax", DESCRIPTION, COMMANDS)
    chosen, prog, about = COMMANDS[command], f"ae-jax {command}", ""
    if command == "data":
        name, rest = choose("command of data", rest, prog, description_of(chosen), OF_DATA)
        chosen, prog = OF_DATA[name], f"{prog} {name}"
    elif command in OF_AUTOENCODER:
        from ae_jax.autoencoders import NAMED

        name, rest = choose("autoencoder", rest, prog, description_of(chosen), NAMED)
        chosen, prog, about = OF_AUTOENCODER[command](name), f"{prog} {name}", f"{name}: {summary(NAMED[name])}"
    call = parse(chosen, rest, prog, about)
    if command != "data":
        use_cache()
    return call()


def choose(
    kind: str, arguments: Sequence[str], prog: str, description: str, choices: Mapping[str, Callable[..., object]]
) -> tuple[str, Sequence[str]]:
    """The name that arguments begin with, and those after it.

    Raises:
      InvalidInput: there is none, or nobody bears it.
      SystemExit: after printing the choices, where help was asked for.
    """
    given = arguments[0] if arguments else ""
    if given in ("-h", "--help"):
        show_choices(prog, description, choices)
    if given.startswith("-") or not given:
        before = f" before {given}" if given else ""
        raise InvalidInput(f"no {kind} was given{before}: expected right after {prog} one of {', '.join(choices)}.")
    if given not in choices:
        raise unknown(kind, given, choices)
    return given, arguments[1:]
