"""Experiments that reproduce a paper: budgets, trials that are kept as they come, and what is expected of them."""

import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ae_jax.data import Dataset, load
from ae_jax.errors import InvalidInput
from ae_jax.studies.results import write_results
from ae_jax.studies.study_state import read_state, write_state
from ae_jax.training.environment import environment

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Budget = Mapping[str, Any]
"""What an experiment may spend: ``epochs``, ``seeds``, and whatever else grows with its cost, by name."""

BUDGETS = ("default", "smoke", "full")
RESULTS = "results.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """A study of a paper: what is trained at which budget, and what should come of it.

    Attributes:
      name: of the experiment and of its folder.
      study: trains and measures, by :meth:`ExperimentLog.trial`; called with the log alone.
      budgets: of ``"default"``, ``"smoke"`` (a minute, to see that everything works) and ``"full"`` (the paper's own),
        the same keys in each: numbers, words or tuples of them.
      data: sources that it is about by default, as :func:`ae_jax.data.load` takes them; those of ``smoke`` are
        ``smoke_data``.
      smoke_data: sources that need nothing prepared.
      about: what each key of the budget is, with its unit, for ``--help``.
      from_zero: keys of the budget whose numbers may be 0, such as those of classes.
      expected: rows -> sentence -> whether it holds.
      table: rows -> Markdown, as the paper has it.
      draw: rows -> the paper's figure, or None where there is none.

    Raises:
      InvalidInput: a budget is missing, budgets have different keys, or some that nothing is said about.
    """

    name: str
    study: "Callable[[ExperimentLog], None]"
    budgets: Mapping[str, Budget]
    data: tuple[str, ...]
    smoke_data: tuple[str, ...] = ("digits",)
    about: Mapping[str, str]
    from_zero: tuple[str, ...] = ()
    expected: Callable[[Sequence[dict[str, Any]]], dict[str, bool]]
    table: Callable[[Sequence[dict[str, Any]]], str]
    draw: "Callable[[Sequence[dict[str, Any]]], Figure | None] | None" = None

    def __post_init__(self) -> None:
        keys = {name: list(self.budgets.get(name, ())) for name in BUDGETS}
        if any(each != keys["default"] for each in keys.values()):
            raise InvalidInput(
                f"the experiment {self.name} was given budgets of the keys {keys}: expected {', '.join(BUDGETS)}, each "
                "with the same keys in the same order."
            )
        if set(self.about) != set(keys["default"]):
            raise InvalidInput(
                f"the experiment {self.name} was given words about {', '.join(self.about)}: expected some about "
                f"each of {', '.join(keys['default'])}."
            )


class ExperimentLog:
    """What an experiment found so far, kept in a folder, so that the same command goes on where it was ended.

    Attributes:
      experiment: what is done.
      budget: what may be spent.
      sources: the data, as :func:`ae_jax.data.load` takes them.
      folder: where everything lies.
      rows: of all trials so far.

    Args:
      experiment: what is done.
      folder: where results and checkpoints go.
      budget: ``"default"``, ``"smoke"`` or ``"full"``.
      changes: numbers of the budget to have instead of its own.
      sources: the data; by default the experiment's.
      said: told of each trial, one line.

    Raises:
      InvalidInput: no such budget, a change of what it does not have, or a number that is not above zero.
    """

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        *,
        budget: str = "default",
        changes: Budget | None = None,
        sources: Sequence[str] | None = None,
        said: Callable[[str], None] = lambda line: None,
    ):
        if budget not in BUDGETS or (unknown := set(changes or ()) - set(experiment.budgets["default"])):
            given = budget if budget not in BUDGETS else ", ".join(sorted(unknown))
            raise InvalidInput(
                f"the experiment {experiment.name} was given {given}: expected one of {', '.join(BUDGETS)}, and "
                f"changes of {', '.join(experiment.budgets['default'])}."
            )
        self.experiment, self.folder, self._name, self._said = experiment, folder, budget, said
        self.budget = dict(experiment.budgets[budget]) | dict(changes or {})
        for key, value in self.budget.items():
            for number in value if isinstance(value, tuple) else (value,):
                if not isinstance(number, str) and not (number > 0 or (number == 0 and key in experiment.from_zero)):
                    raise InvalidInput(
                        f"the experiment {experiment.name} was given {key}={number}: expected a number above zero."
                    )
        own = experiment.smoke_data if budget == "smoke" else experiment.data
        self.sources = tuple(own if sources is None else sources)
        self.rows: list[dict[str, Any]] = []
        self._seconds: dict[str, float] = {}

    @property
    def source(self) -> str:
        """The data of an experiment that is about one data set.

        Raises:
          InvalidInput: several were given.
        """
        if len(self.sources) != 1:
            raise InvalidInput(
                f"the experiment {self.experiment.name} was given the data {', '.join(self.sources)}: expected one."
            )
        return self.sources[0]

    def datasets(self, load: Callable[[str], Dataset] = load, *, labelled: bool = True) -> dict[str, Dataset]:
        """The data by their sources, read before anything is trained.

        Args:
          load: reads a source.
          labelled: whether each training example needs a label.

        Raises:
          InvalidInput: data that cannot be read, or that have no labels.
        """
        found = {source: load(source) for source in self.sources}
        for source, data in found.items():
            if labelled and data.train.labels is None:
                raise InvalidInput(f"{source} has no labels: expected the class of each training example.")
        return found

    def trial(
        self, name: str, measure: Callable[[Path], Sequence[Mapping[str, Any]]], **settings: Any
    ) -> list[dict[str, Any]]:
        """The rows of a trial, measured now or, where the same trial was measured before, as they were then.

        Args:
          name: of the trial, each its own.
          measure: gives the rows; called with a folder for the checkpoints of what it trains, which belongs to this
            trial with these settings alone: ``fit(..., checkpoints=folder, resume=True)``.
          settings: everything that the rows depend on beside the code, ready for JSON, the names of data among it: a
            trial of other settings is another one. Files are not looked at: where they changed, give another ``--out``.

        Returns:
          The rows, which are in :attr:`rows` too.

        Raises:
          InvalidInput: the name of another trial.
        """
        if name in self._seconds:
            raise InvalidInput(
                f"the experiment {self.experiment.name} was given {name} twice: expected each number of a budget once."
            )
        asked = {"trial": name, "settings": settings, "version": environment()["versions"]["ae_jax"]}
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
        place = self.folder / "trials" / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}-{digest}"
        kept = read_state(place / "rows.json", "rows", "wall_s")
        if kept is None:
            self._said(name)
            started = time.perf_counter()
            rows = [dict(row) for row in measure(place / "checkpoints")]
            # Through JSON, so that rows are the same whether they were measured now or before.
            kept = {
                "rows": json.loads(json.dumps(rows, default=_plain)),
                "wall_s": round(time.perf_counter() - started, 1),
            }
            write_state(place / "rows.json", kept)
        self.rows += kept["rows"]
        self._seconds[name] = kept["wall_s"]
        self.write()
        return kept["rows"]

    def write(self, expected: Mapping[str, bool] | None = None) -> Path:
        """Writes what there is and, once all of it is there, what was expected and whether it came about."""
        judged = [{"expected": sentence, "met": bool(met)} for sentence, met in (expected or {}).items()]
        return write_results(self.folder / RESULTS, self.results() | ({} if expected is None else {"expected": judged}))

    def results(self) -> dict[str, Any]:
        """Everything found so far, ready for JSON."""
        return {
            "study": self.experiment.name,
            "budget": {"name": self._name} | self.budget,
            "data": list(self.sources),
            **environment(),
            "wall_s": round(sum(self._seconds.values()), 1),
            "trials": self._seconds,
            "rows": self.rows,
        }


def _plain(value: Any) -> Any:
    """A number of NumPy's or JAX's as one of Python's."""
    return value.item()
