"""A grid of hyper-parameters over seeds, trained as one compiled program for each structure."""

import dataclasses
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ae_jax.autoencoders import Autoencoder, named
from ae_jax.components import to_config
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput, unknown
from ae_jax.evaluation import Row
from ae_jax.studies.suited import suited
from ae_jax.studies.trials import Trials, conduct
from ae_jax.training import Progress, Run

Setting = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """Trained populations of a grid and what they answered.

    Attributes:
      dataset: what they were trained on and asked about.
      settings: every point of the grid.
      runs: one population for each structure in the grid, each over its settings and seeds.
      rows: long-format results, each with the swept hyper-parameters as further keys.
      record: settings, versions, device, wall and compile time.
      messages: what a reader of the results must know, such as members that diverged.
    """

    dataset: Dataset
    settings: list[Setting]
    runs: list[Run]
    rows: list[Row]
    record: dict[str, Any]
    messages: tuple[str, ...] = ()

    def results(self) -> dict[str, Any]:
        """Everything but the parameters, ready for JSON."""
        return {
            "study": "sweep",
            "data": self.dataset.describe(),
            "autoencoder": to_config(self.runs[0].members[0]) if self.runs else None,
            "grid": to_config(self.settings),
            **self.record,
            "messages": list(self.messages),
            "rows": self.rows,
        }


def sweep(
    name: str,
    dataset: Dataset,
    grid: Mapping[str, Sequence[Any]],
    *,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    epochs: int = 200,
    batch_size: int = 64,
    patience: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Sweep:
    """Trains a named autoencoder at every point of a grid over the same seeds.

    Points that differ only in numbers (a weight, a noise level, a learning rate) are one compiled program; each other
    structure (a code size) is one more.

    Args:
      name: of the autoencoder, one of :data:`ae_jax.NAMED`.
      dataset: the data.
      grid: hyper-parameter -> values.
      seeds: of the members.
      epochs, batch_size, patience, progress: as in :func:`ae_jax.fit`.

    Returns:
      The populations, the rows and the record.

    Raises:
      InvalidInput: an unknown autoencoder or hyper-parameter, an empty grid, or as in :func:`ae_jax.fit`.
      TrainingInterrupted: Ctrl-C; its ``run`` is the sweep so far, of the populations that were trained.

    Example:
      >>> from ae_jax.data import digits
      >>> study = sweep("contractive", digits(), {"weight": [0.1, 1.0]}, seeds=[0], epochs=1)
      >>> len(study.runs), sorted({row["weight"] for row in study.rows})
      (1, [0.1, 1.0])
    """
    settings = grid_points(name, {key: _values(key, given) for key, given in grid.items()})
    groups: dict[Any, list[tuple[Setting, Autoencoder]]] = {}
    messages: list[str] = []
    for setting in settings:
        autoencoder, messages = suited(name, dataset, **setting)
        groups.setdefault(jax.tree.structure(autoencoder), []).append((setting, autoencoder))

    def study_of(trials: Trials) -> Sweep:
        rows: list[Row] = []
        for group, answers in zip(groups.values(), trials.rows, strict=False):
            members = [to_config(setting) for setting, _ in group for _ in seeds]
            rows += [row | members[row["member"]] for row in answers]
        return Sweep(
            dataset=dataset,
            settings=settings,
            runs=trials.runs,
            rows=rows,
            record=trials.record,
            messages=(*messages, *trials.messages),
        )

    return conduct(
        [[autoencoder for _, autoencoder in group] for group in groups.values()],
        dataset,
        study_of,
        seeds=seeds,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        progress=progress,
    )


def _values(key: str, given: Any) -> list[Any]:
    """The values of a hyper-parameter as a list, NumPy's numbers as Python's."""
    if not (isinstance(given, (list, tuple, range)) or (isinstance(given, np.ndarray) and given.ndim == 1)):
        raise InvalidInput(f"the sweep was given {key}={given!r}: expected a list of values.")
    return [value.item() if isinstance(value, np.generic) else value for value in given]


def grid_points(name: str, grid: Mapping[str, Sequence[Any]]) -> list[Setting]:
    """Every combination of a grid's values, as keyword arguments of the named autoencoder.

    Example:
      >>> grid_points("sparse", {"weight": [0.1, 1.0], "target": [0.05]})
      [{'weight': 0.1, 'target': 0.05}, {'weight': 1.0, 'target': 0.05}]
    """
    known = inspect.signature(named(name)).parameters
    for key, values in grid.items():
        if key not in known:
            raise unknown(f"hyper-parameter of {name}", key, known)
        if not values:
            raise InvalidInput(f"the sweep was given no value of {key}: expected at least one.")
        if any(value in values[:place] for place, value in enumerate(values)):
            raise InvalidInput(f"the sweep was given a value of {key} twice: expected each once.")
    if not grid:
        raise InvalidInput(f"the sweep was given no hyper-parameter: expected some of {', '.join(known)}.")
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
