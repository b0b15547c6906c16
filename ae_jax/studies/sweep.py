"""A grid of hyper-parameters over seeds, trained as one compiled program for each structure."""

import dataclasses
import inspect
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.components import to_config
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput, unknown
from ae_jax.evaluation import Row
from ae_jax.models import Autoencoder, named
from ae_jax.studies.study_results import StudyResults, conduct
from ae_jax.studies.suited import suited
from ae_jax.training import Callback, Checkpoints, OnDivergence, Run
from ae_jax.training.continuation import Resume
from ae_jax.training.mesh import Devices, shares_of
from ae_jax.training.population import members_that_fit, state_budget

Setting = dict[str, Any]


class Point(NamedTuple):
    """A point of a grid.

    Attributes:
      place: in the grid, from 0.
      setting: its hyper-parameters.
      autoencoder: what they make.
    """

    place: int
    setting: Setting
    autoencoder: Autoencoder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """Trained populations of a grid and what they answered.

    Attributes:
      dataset: what they were trained on and asked about.
      settings: every point of the grid.
      runs: one population for each structure in the grid, over its settings and seeds, or several where the states of
        all its members do not fit into memory.
      rows: long-format results, each with the swept hyper-parameters as further keys.
      record: settings, versions, device, wall and compile time.
      messages: what a reader of the results must know, such as members that diverged.
      populations: how many the grid is trained as; where the sweep was interrupted, there may be fewer runs.
    """

    dataset: Dataset
    settings: list[Setting]
    runs: list[Run]
    rows: list[Row]
    record: dict[str, Any]
    messages: tuple[str, ...] = ()
    populations: int = 0

    @property
    def names(self) -> list[str]:
        """What the folder of each run is called."""
        count = max(self.populations, len(self.runs))
        return [name_of_population(run.name, place, count) for place, run in enumerate(self.runs)]

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
    on_divergence: OnDivergence = "stop",
    checkpoints: Checkpoints | str | Path | None = None,
    resume: Resume = False,
    mesh: Devices | None = None,
    callbacks: Sequence[Callback] = (),
) -> Sweep:
    """Trains a named autoencoder at every point of a grid over the same seeds.

    Points that differ only in numbers (a weight, a noise level, a learning rate) are one compiled program; each other
    structure (a code size) is one more. Where the states of a structure's members do not fit into half of the memory,
    they are trained as several populations, one after the other, which the messages say: by that program where they are
    of one size, and else by one for each of two sizes.

    Args:
      name: of the autoencoder, one of :data:`ae_jax.NAMED`.
      dataset: the data.
      grid: hyper-parameter -> values.
      seeds: of the members.
      epochs, batch_size, patience, on_divergence, callbacks: as in :func:`ae_jax.fit`.
      checkpoints: as in :func:`ae_jax.fit`; each population has its own folder there, named as in :attr:`Sweep.names`.
      resume: as in :func:`ae_jax.fit`; a population that is trained and asked is neither again.
      mesh: as in :func:`ae_jax.fit`; where there are several processes, each of them gets the whole study.

    Returns:
      The populations, the rows and the record.

    Raises:
      InvalidInput: an unknown autoencoder or hyper-parameter, an empty grid, or as in :func:`ae_jax.fit`.
      TrainingInterrupted: Ctrl-C or SIGTERM; its ``run`` is the sweep so far, of the populations that were trained.

    Example:
      >>> from ae_jax.data import digits
      >>> study = sweep("contractive", digits(), {"weight": [0.1, 1.0]}, seeds=[0], epochs=1)
      >>> len(study.runs), sorted({row["weight"] for row in study.rows})
      (1, [0.1, 1.0])
    """
    settings = settings_of(name, grid)
    populations, messages = populations_of(name, dataset, settings, seeds=len(seeds), mesh=mesh)
    return conduct(
        {
            name_of_population(name, place, len(populations)): [point.autoencoder for point in points]
            for place, points in enumerate(populations)
        },
        dataset,
        lambda trials: swept(dataset, settings, populations, messages, seeds, trials),
        seeds=seeds,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        on_divergence=on_divergence,
        checkpoints=checkpoints,
        resume=resume,
        mesh=mesh,
        callbacks=callbacks,
    )


def structures_of(name: str, dataset: Dataset, settings: Iterable[Setting]) -> tuple[list[list[Point]], list[str]]:
    """The points of a grid by the structure of what they make, in order of appearance, and what must be said of them.

    Raises:
      InvalidInput: a hyper-parameter cannot be used.

    Example:
      >>> from ae_jax.data import digits
      >>> settings = grid_points("sparse", {"code": [8, 16], "weight": [0.1, 1.0]})
      >>> structures, _ = structures_of("sparse", digits(), settings)
      >>> [[point.place for point in points] for points in structures]
      [[0, 1], [2, 3]]
    """
    structures: dict[Any, list[Point]] = {}
    messages: list[str] = []
    for place, setting in enumerate(settings):
        autoencoder, messages = suited(name, dataset, **setting)
        structures.setdefault(jax.tree.structure(autoencoder), []).append(Point(place, setting, autoencoder))
    return list(structures.values()), messages


def populations_of(
    name: str, dataset: Dataset, settings: Iterable[Setting], *, seeds: int, mesh: Devices | None = None
) -> tuple[list[list[Point]], list[str]]:
    """The points of a grid by the population that they are trained in, and what must be said of them.

    A structure is one population where the states of its members fit into half of the memory, else several of about
    the same size, one after the other.

    Args:
      name: of the autoencoder.
      dataset: the data.
      settings: the points.
      seeds: how many members a point has.
      mesh: as in :func:`ae_jax.fit`; each accelerator that members are divided over has a memory of its own. Processes
        that are joined might not agree on what there is, and train every structure whole.

    Returns:
      The populations, of whole points, and the messages.

    Raises:
      InvalidInput: a hyper-parameter cannot be used, or what is no description of a mesh.
    """
    structures, messages = structures_of(name, dataset, settings)
    shares = shares_of(mesh)
    memory = None if jax.process_count() > 1 else state_budget()
    if memory is not None and jax.default_backend() != "cpu":
        memory *= shares
    step = shares // math.gcd(shares, max(1, seeds))  # points whose members take equal shares
    populations: list[list[Point]] = []
    for points in structures:
        parameters = _parameters(points[0].autoencoder, dataset)
        pieces = -(-len(points) // step)
        fit = len(points) * seeds if memory is None else members_that_fit(parameters, memory)
        parts = -(-pieces // max(1, fit // (step * max(1, seeds))))
        if fit < len(points) * seeds:
            several = f"as {parts} populations, one after the other" if parts > 1 else "all the same"
            messages = [
                *messages,
                f"{name}: {len(points) * seeds} members of {parameters:,} parameters are trained {several}, as the "
                f"states of all do not fit into {memory:,} bytes, half of the memory.",
            ]
        ends = [step * (pieces * part // parts) for part in range(parts + 1)]
        populations += [points[start:end] for start, end in itertools.pairwise(ends)]
    return populations, messages


def _parameters(autoencoder: Autoencoder, dataset: Dataset) -> int:
    params = jax.eval_shape(lambda: autoencoder.init(dataset.shape, jax.random.key(0)))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


def name_of_population(name: str, place: int, count: int) -> str:
    """What the folders of a population are called: as the autoencoder, and numbered from 1 where there are several.

    Example:
      >>> name_of_population("sparse", 0, 1), name_of_population("sparse", 0, 2)
      ('sparse', 'sparse-1')
    """
    return name if count == 1 else f"{name}-{place + 1}"


def names_of_populations(
    name: str, dataset: Dataset, grid: Mapping[str, Sequence[Any]], *, seeds: int | None, mesh: Devices | None = None
) -> list[str]:
    """What the folders of all populations of a grid are called, as in :attr:`Sweep.names`.

    Args:
      name, dataset, grid, mesh: as in :func:`sweep`.
      seeds: how many members a point has; None of jobs, which make each structure one population.

    Returns:
      The names, in order.

    Raises:
      InvalidInput: as in :func:`sweep`.
    """
    settings = settings_of(name, grid)
    if seeds is None:
        populations, _ = structures_of(name, dataset, settings)
    else:
        populations, _ = populations_of(name, dataset, settings, seeds=seeds, mesh=mesh)
    return [name_of_population(name, place, len(populations)) for place in range(len(populations))]


def swept(
    dataset: Dataset,
    settings: list[Setting],
    populations: list[list[Point]],
    messages: Sequence[str],
    seeds: Sequence[int],
    trials: StudyResults,
) -> Sweep:
    """The sweep of populations that were trained and asked, as far as that went; rows say which setting they are of."""
    rows: list[Row] = []
    for points, answers in zip(populations, trials.rows, strict=False):
        members = [to_config(point.setting) for point in points for _ in seeds]
        rows += [row | members[row["member"]] for row in answers]
    return Sweep(
        dataset=dataset,
        settings=settings,
        runs=trials.runs,
        rows=rows,
        record=trials.record,
        messages=(*messages, *trials.messages),
        populations=len(populations),
    )


def settings_of(name: str, grid: Mapping[str, Sequence[Any]]) -> list[Setting]:
    """Every point of a grid, :func:`grid_points`, NumPy's numbers as Python's."""
    return grid_points(name, {key: _values(key, given) for key, given in grid.items()})


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
