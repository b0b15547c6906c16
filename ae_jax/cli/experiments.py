"""The command line of the scripts in ``experiments/``: one budget, one folder, a table, a figure, what was expected."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ae_jax.cli.session import exit_code, quiet_libraries, say, use_cache

if TYPE_CHECKING:
    from ae_jax.studies.experiment import Experiment, ExperimentLog

MISSED = 4
"""The exit code where what was expected did not come about, at a budget at which it should."""


def run_experiment(experiment: "Experiment", about: str, arguments: Sequence[str] | None = None) -> int:
    """Runs a script of ``experiments/``.

    Args:
      experiment: what it does.
      about: its docstring, the text of ``--help``.
      arguments: by default those of the process.

    Returns:
      The exit code: as of ``ae-jax``, and 4 where an expectation was missed at another budget than ``smoke``.
    """
    quiet_libraries()
    options = vars(_parser(experiment, about).parse_args(arguments))
    return exit_code(lambda: _run(experiment, options))


def _parser(experiment: "Experiment", about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--smoke", action="store_true", help="a budget that only shows that everything works")
    budget.add_argument(
        "--full", action="store_true", help="the paper's own budget, or one near it, for an accelerator"
    )
    parser.add_argument("--data", nargs="+", metavar="NAME|PATH", help=f"(default: {' '.join(experiment.data)})")
    parser.add_argument("--out", type=Path, help="folder of results (default: runs/, and the names of both)")
    for key, value in experiment.budgets["default"].items():
        several = isinstance(value, tuple)
        kind: Callable[[str], Any] = type(value[0]) if several else type(value)
        budgets = ", ".join(f"{name} {_words(experiment.budgets[name][key])}" for name in experiment.budgets)
        count = "+" if several else None
        option, about_it = f"--{key.replace('_', '-')}", f"{experiment.about[key]} ({budgets})"
        parser.add_argument(option, type=kind, nargs=count, help=about_it)
    return parser


def _run(experiment: "Experiment", options: dict[str, Any]) -> int:
    from ae_jax.studies.experiment import RESULTS, ExperimentLog

    use_cache()
    budget = "smoke" if options["smoke"] else "full" if options["full"] else "default"
    own = {key: options[key] for key in experiment.budgets["default"] if options[key] is not None}
    changes = {key: tuple(value) if isinstance(value, list) else value for key, value in own.items()}
    folder = options["out"] or Path("runs") / f"{experiment.name}{'' if budget == 'default' else f'-{budget}'}"
    log = ExperimentLog(experiment, folder, budget=budget, changes=changes, sources=options["data"], said=say)
    experiment.study(log)
    met = experiment.expected(log.rows)
    log.write(expected=met)
    show(log, met)
    if experiment.draw is not None and (figure := experiment.draw(log.rows)) is not None:
        figure.savefig(folder / f"{experiment.name}.png", dpi=110)
    say(f"{folder / RESULTS}")
    return 0 if budget == "smoke" or all(met.values()) else MISSED


def show(log: "ExperimentLog", met: dict[str, bool]) -> None:
    """Prints the table, and of each expectation whether it was met."""
    print(log.experiment.table(log.rows))
    print()
    for sentence, holds in met.items():
        print(f"{'met' if holds else 'MISSED':6} {sentence}")
    results = log.results()
    print(f"{results['wall_s']:.0f} s, {results['device']}, {results['versions']}")
    sys.stdout.flush()


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
