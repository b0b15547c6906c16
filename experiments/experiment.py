"""Experiments that reproduce a paper: budgets, trials kept in a folder, expectations, and their command line."""

import argparse
import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ae_jax.cli.session import exit_code, quiet_libraries, say, use_cache
from ae_jax.data import Dataset, load
from ae_jax.errors import InvalidInput
from ae_jax.studies import write_results
from ae_jax.studies.study_state import read_state, write_state
from ae_jax.training.environment import environment

MISSED = 4
"""Exit code where an expectation was missed; a smoke run judges none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """A study of a paper: what it trains at each budget, and what is expected of the results.

    Attributes:
      name: of the experiment and of its folder.
      study: trains and measures by calling :meth:`ExperimentLog.trial`.
      budgets: ``"default"``, ``"smoke"`` (a minute, to see that everything works) and ``"full"`` (the paper's own),
        with the same keys: numbers, words or tuples of them.
      data: default sources, as :func:`ae_jax.data.load` takes them; ``smoke`` uses ``smoke_data``.
      smoke_data: sources that need no preparation.
      about: description of each key of the budget, with its unit, for ``--help``.
      from_zero: keys of the budget whose numbers may be 0.
      expected: rows -> sentence -> whether it holds.
      table: rows -> Markdown.
      draw: rows -> the figure, or None where there is none.
    """

    name: str
    study: "Callable[[ExperimentLog], None]"
    budgets: Mapping[str, Mapping[str, Any]]
    data: tuple[str, ...]
    smoke_data: tuple[str, ...] = ("digits",)
    about: Mapping[str, str]
    from_zero: tuple[str, ...] = ()
    expected: Callable[[Sequence[dict[str, Any]]], dict[str, bool]]
    table: Callable[[Sequence[dict[str, Any]]], str]
    draw: Callable[[Sequence[dict[str, Any]]], Figure | None] | None = None


class ExperimentLog:
    """The results of an experiment, kept in a folder, so that the same command continues after an interruption.

    Attributes:
      budget: its numbers by key.
      sources: of the data, as :func:`ae_jax.data.load` takes them.
      rows: of all trials so far.

    Args:
      experiment: what is run.
      folder: of results and checkpoints.
      budget: ``"default"``, ``"smoke"`` or ``"full"``.
      changes: values that replace those of the budget.
      sources: of the data; by default the experiment's.

    Raises:
      InvalidInput: a number that is not above zero.
    """

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        budget: str = "default",
        changes: Mapping[str, Any] | None = None,
        sources: Sequence[str] | None = None,
    ):
        self._experiment, self._folder, self._budget_name = experiment, folder, budget
        self.budget = dict(experiment.budgets[budget]) | dict(changes or {})
        for key, value in self.budget.items():
            for number in value if isinstance(value, tuple) else (value,):
                if not isinstance(number, str) and not (number > 0 or (number == 0 and key in experiment.from_zero)):
                    raise InvalidInput(f"{experiment.name} was given {key}={number}: expected a number above zero.")
        self.sources = tuple(sources or (experiment.smoke_data if budget == "smoke" else experiment.data))
        self.rows: list[dict[str, Any]] = []
        self._seconds: dict[str, float] = {}

    @property
    def source(self) -> str:
        """The only source of data; InvalidInput where there are several."""
        if len(self.sources) != 1:
            raise InvalidInput(f"{self._experiment.name} was given the data {', '.join(self.sources)}: expected one.")
        return self.sources[0]

    def datasets(self, load: Callable[[str], Dataset] = load) -> dict[str, Dataset]:
        """Loads the data by their sources.

        Raises:
          InvalidInput: data that cannot be read or have no labels.
        """
        found = {source: load(source) for source in self.sources}
        for source, data in found.items():
            if data.train.labels is None:
                raise InvalidInput(f"{source} has no labels: expected the class of each training example.")
        return found

    def trial(
        self, name: str, measure: Callable[[Path], Sequence[Mapping[str, Any]]], **settings: Any
    ) -> list[dict[str, Any]]:
        """Measures a trial and keeps its rows; returns kept rows where the same trial was measured before.

        Args:
          name: of the trial, unique in the experiment.
          measure: returns the rows, given a folder for the checkpoints of this trial with these settings:
            ``fit(..., checkpoints=folder, resume=True)``.
          settings: all that the rows depend on beside the code, ready for JSON, the names of data included.

        Raises:
          InvalidInput: a name that was used before.
        """
        if name in self._seconds:
            raise InvalidInput(
                f"{self._experiment.name} was given {name} twice: expected each number of a budget once."
            )
        described = {"trial": name, "settings": settings, "version": environment()["versions"]["ae_jax"]}
        digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]
        place = self._folder / "trials" / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}-{digest}"
        kept = read_state(place / "rows.json", "rows", "wall_s")
        if kept is None:
            say(name)
            started = time.perf_counter()
            rows = [dict(row) for row in measure(place / "checkpoints")]
            # Through JSON, so that rows are the same whether they were measured now or before.
            rows = json.loads(json.dumps(rows, default=lambda number: number.item()))
            kept = {"rows": rows, "wall_s": round(time.perf_counter() - started, 1)}
            write_state(place / "rows.json", kept)
        self.rows += kept["rows"]
        self._seconds[name] = kept["wall_s"]
        self.write()
        return kept["rows"]

    def write(self, **further: Any) -> dict[str, Any]:
        """Writes all results so far, and anything further, to results.json; returns them."""
        results = {
            "study": self._experiment.name,
            "budget": {"name": self._budget_name} | self.budget,
            "data": list(self.sources),
            **environment(),
            "wall_s": round(sum(self._seconds.values()), 1),
            "trials": self._seconds,
            "rows": self.rows,
            **further,
        }
        write_results(self._folder / "results.json", results)
        return results


def run_experiment(experiment: Experiment, about: str, arguments: Sequence[str] | None = None) -> int:
    """Runs an experiment with arguments of the command line, and prints its table and expectations.

    Args:
      experiment: what is run.
      about: its docstring, the text of ``--help``.
      arguments: by default those of the process.

    Returns:
      The exit code: as of ``ae-jax``, or :data:`MISSED`.
    """
    quiet_libraries()
    options = vars(_parser(experiment, about).parse_args(arguments))
    return exit_code(lambda: _run(experiment, options))


def _parser(experiment: Experiment, about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    budget = parser.add_mutually_exclusive_group()
    for name, text in (("smoke", "a small budget, to see that everything works"), ("full", "the paper's own budget")):
        budget.add_argument(f"--{name}", dest="budget", action="store_const", const=name, default="default", help=text)
    parser.add_argument("--data", nargs="+", metavar="NAME|PATH", help=f"(default: {' '.join(experiment.data)})")
    parser.add_argument("--out", type=Path, help="folder of results (default: in runs/)")
    for key, value in experiment.budgets["default"].items():
        kind, count = (type(value[0]), "+") if isinstance(value, tuple) else (type(value), None)
        defaults = ", ".join(f"{name} {_words(budget[key])}" for name, budget in experiment.budgets.items())
        text = f"{experiment.about[key]} ({defaults})"
        parser.add_argument(f"--{key.replace('_', '-')}", type=kind, nargs=count, help=text)
    return parser


def _run(experiment: Experiment, options: dict[str, Any]) -> int:
    use_cache()
    budget = options["budget"]
    given = {key: options[key] for key in experiment.budgets["default"] if options[key] is not None}
    changes = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    folder = options["out"] or Path("runs") / f"{experiment.name}{'' if budget == 'default' else f'-{budget}'}"
    log = ExperimentLog(experiment, folder, budget, changes, options["data"])
    experiment.study(log)
    met = experiment.expected(log.rows)
    met = {} if budget == "smoke" else met  # whose budget, and often data, are not those of the expectations
    results = log.write(expected=[{"expected": sentence, "met": bool(holds)} for sentence, holds in met.items()])
    print(experiment.table(log.rows), end="\n\n")
    for sentence, holds in met.items():
        print(f"{'met' if holds else 'MISSED':6} {sentence}")
    print(f"{results['wall_s']:.0f} s, {results['device']}, {results['versions']}")
    if experiment.draw is not None and (figure := experiment.draw(log.rows)) is not None:
        figure.savefig(folder / f"{experiment.name}.png", dpi=110)
    say(f"{folder / 'results.json'}")
    return 0 if all(met.values()) else MISSED


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
