"""From arguments to the command that they name."""

from collections.abc import Callable, Mapping, Sequence
from importlib import metadata

from ae_jax.cli import jobs, populations, sources, studies, uses
from ae_jax.cli.parsing import description_of, parse, show_choices, summary
from ae_jax.cli.session import use_cache
from ae_jax.errors import InvalidInput, unknown

Command = Callable[..., int]

COMMANDS: dict[str, Command] = {
    "compare": studies.compare,
    "train": studies.train,
    "sweep": studies.sweep,
    "jobs": jobs.jobs,
    "collect": jobs.collect,
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
PARTS: dict[str, dict[str, Command]] = {
    "data": {"list": sources.list_sources, "prepare": sources.prepare},
    "jobs": {"run": jobs.run, "submit": jobs.submit},
}
"""Commands that are several."""

OF_AUTOENCODER = {"train": studies.train_named, "sweep": studies.sweep_named}
"""What makes the command for a named autoencoder, whose options are its hyper-parameters."""

DESCRIPTION = """Trains autoencoders as whole studies, and asks each the same questions.

ae-jax COMMAND --help states the options of a command, with units and defaults.

Exit codes: 0; 1 where something failed; 2 where the input cannot be used, or jobs are not done; 3 where a training
diverged, once all is written; 130 after Ctrl-C and 143 after SIGTERM, once what is trained so far is saved. A second
signal ends at once."""


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
    if command in PARTS:
        name, rest = choose(f"command of {command}", rest, prog, description_of(chosen), PARTS[command])
        chosen, prog = PARTS[command][name], f"{prog} {name}"
    elif command in OF_AUTOENCODER:
        from ae_jax.models import NAMED

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
