"""A grid of hyper-parameters over seeds, trained as one compiled program for each structure."""

import dataclasses
import inspect
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax._reprs import listed
from ae_jax.components import to_config
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput, unknown
from ae_jax.evaluation import Row
from ae_jax.models import Autoencoder, named
from ae_jax.public import public
from ae_jax.studies.study_results import StudyResults, run_study
from ae_jax.studies.suited import suited
from ae_jax.training import TrainConfig
from ae_jax.training.mesh import Devices, shares_of
from ae_jax.training.population import members_that_fit, state_budget

Setting = dict[str, Any]


class Point(NamedTuple):
    """A point of a grid: its hyper-parameters and the autoencoder that they make."""

    setting: Setting
    autoencoder: Autoencoder


@dataclasses.dataclass(kw_only=True, repr=False)
class Sweep(StudyResults):
    """Trained populations of a grid and their results.

    There is one run for each structure in the grid, or several where the sweep is trained in chunks or the states of
    all members do not fit into memory. Rows have the swept hyper-parameters as further keys.

    Attributes:
      populations: name -> its points of the grid.
      seeds: of each point's members.
    """

    populations: dict[str, list[Point]]
    seeds: Sequence[int]

    @property
    def settings(self) -> list[Setting]:
        return [point.setting for points in self.populations.values() for point in points]

    @property
    def by(self) -> list[str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The hyper-parameters in which settings differ; all of them if there is only one setting."""
        first = self.settings[0]
        return [key for key in first if any(setting[key] != first[key] for setting in self.settings)] or list(first)

    def compared(self) -> str:
        """What the sweep compares, such as ``"beta 1, 2, 4"``."""
        values = {key: list(dict.fromkeys(setting[key] for setting in self.settings)) for key in self.by}
        return f"{next(iter(self.runs), '')} with " + ", ".join(f"{key} {listed(of)}" for key, of in values.items())

    def add(self, name: str, rows: list[Row], findings: list[Row], examples: Sequence[np.ndarray | None]) -> None:
        """Adds the results of a population, each with the setting that it is of."""
        members = [to_config(point.setting) for point in self.populations[name] for _ in self.seeds]
        rows, findings = ([row | members[row["member"]] for row in each] for each in (rows, findings))
        super().add(name, rows, findings, examples)

    def results(self) -> dict[str, Any]:
        """Returns everything but the parameters, ready for JSON."""
        autoencoder = next((to_config(run.members[0]) for run in self.runs.values()), None)
        return {"study": "sweep", "autoencoder": autoencoder, "grid": to_config(self.settings), **super().results()}


@public
def sweep(
    name: str,
    dataset: Dataset,
    grid: Mapping[str, Sequence[Any]],
    config: TrainConfig | None = None,
    *,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    chunks: int | None = None,
    only: Sequence[str] | None = None,
    **training: Any,
) -> Sweep:
    """Trains a named autoencoder at every point of a grid over the same seeds.

    Points that differ only in numbers (a weight, a noise level, a learning rate) are one compiled program; each other
    structure (a code size) is one more. Where the states of a structure's members do not fit into half of the memory,
    they are trained as several populations, one after the other. Each seed has its own split, as in
    :func:`ae_jax.studies.compare`.

    Args:
      name: of the autoencoder, one of :data:`ae_jax.NAMED`.
      dataset: the data.
      grid: hyper-parameter -> values.
      config: the settings of training; None for the defaults.
      seeds: of the members.
      chunks: number of parts that the grid is divided into, each trained by itself.
      only: names of the populations that are trained now (:func:`populations_of`); by default all.
      training: further arguments of :func:`ae_jax.fit`; ``resume`` repeats nothing that was trained or evaluated.

    Returns:
      The populations, the rows and the record.

    Raises:
      InvalidInput: an unknown autoencoder or hyper-parameter, an empty grid, more chunks than points, or as in
        :func:`ae_jax.fit`.
      TrainingInterrupted: Ctrl-C or SIGTERM; its ``run`` is the sweep so far.

    Example:
      >>> from ae_jax.data import digits
      >>> study = sweep("contractive", digits(), {"weight": [0.1, 1.0]}, seeds=[0], epochs=1)
      >>> len(study.runs), sorted({row["weight"] for row in study.rows})
      (1, [0.1, 1.0])
    """
    mesh = training.get("mesh", None if config is None else config.mesh)
    populations, messages = populations_of(name, dataset, grid, seeds=len(seeds), chunks=chunks, mesh=mesh)
    study = Sweep(dataset=dataset, populations=populations, seeds=seeds, messages=messages)
    autoencoders = {each: [point.autoencoder for point in points] for each, points in populations.items()}
    return run_study(study, autoencoders, config, seeds=seeds, only=only, **training)


def populations_of(
    name: str,
    dataset: Dataset,
    grid: Mapping[str, Sequence[Any]],
    *,
    seeds: int,
    chunks: int | None = None,
    mesh: Devices | None = None,
) -> tuple[dict[str, list[Point]], list[str]]:
    """Divides the points of a grid into populations, each of one structure.

    Args:
      name, dataset, grid, mesh: as in :func:`sweep`, which raises the same.
      seeds: number of members of each point.
      chunks: as in :func:`sweep`; then nothing is divided by the memory of this machine, which is not that of others.

    Returns:
      Name -> points, where the name is the autoencoder's, with the number of the population where there are several;
      and sentences for a reader of the results.
    """
    settings = grid_points(name, grid)
    if chunks is not None and not 1 <= chunks <= len(settings):
        raise InvalidInput(f"the sweep was given {chunks} chunks: expected 1 to {len(settings)}, its number of points.")
    messages: list[str] = []
    divided: list[list[Point]] = []
    for chunk in np.array_split(np.arange(len(settings)), chunks or 1):
        structures: dict[Any, list[Point]] = {}
        for place in chunk:
            autoencoder, messages = suited(name, dataset, **settings[place])
            structures.setdefault(jax.tree.structure(autoencoder), []).append(Point(settings[place], autoencoder))
        divided += structures.values()
    if chunks is None:
        parts = [_divide_by_memory(points, dataset, seeds, mesh) for points in divided]
        for whole, several in zip(divided, parts, strict=True):
            if len(several) > 1:
                messages = [
                    *messages,
                    f"{name}: {len(whole) * seeds} members are trained as {len(several)} populations, one after the "
                    "other, as the states of all do not fit into half of the memory.",
                ]
        divided = [points for several in parts for points in several]
    names = [name] if len(divided) == 1 else [f"{name}-{place + 1}" for place in range(len(divided))]
    return dict(zip(names, divided, strict=True)), messages


def _divide_by_memory(points: list[Point], dataset: Dataset, seeds: int, mesh: Devices | None) -> list[list[Point]]:
    """Divides points of one structure into as few parts as fit into half of the memory, of about the same size.

    Processes that train together might not agree on what there is, and train every structure as one population.
    """
    shares = shares_of(mesh)
    memory = None if jax.process_count() > 1 else state_budget()
    if memory is None:
        return [points]
    if jax.default_backend() != "cpu":
        memory *= shares  # each accelerator that members are divided over has a memory of its own
    step = shares // math.gcd(shares, max(1, seeds))  # points whose members take equal shares
    params = jax.eval_shape(lambda: points[0].autoencoder.init(dataset.shape, jax.random.key(0)))
    parameters = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    pieces = -(-len(points) // step)
    parts = -(-pieces // max(1, members_that_fit(parameters, memory) // (step * max(1, seeds))))
    ends = [step * (pieces * part // parts) for part in range(parts + 1)]
    return [points[start:end] for start, end in itertools.pairwise(ends)]


def grid_points(name: str, grid: Mapping[str, Sequence[Any]]) -> list[Setting]:
    """Returns every combination of a grid's values, as keyword arguments of the named autoencoder.

    Example:
      >>> grid_points("sparse", {"weight": [0.1, 1.0], "target": [0.05]})
      [{'weight': 0.1, 'target': 0.05}, {'weight': 1.0, 'target': 0.05}]
    """
    known = inspect.signature(named(name)).parameters
    axes: dict[str, list[Any]] = {}
    for key, given in grid.items():
        if key not in known:
            raise unknown(f"hyper-parameter of {name}", key, known)
        if not (isinstance(given, (list, tuple, range)) or (isinstance(given, np.ndarray) and given.ndim == 1)):
            raise InvalidInput(f"the sweep was given {key}={given!r}: expected a list of values.")
        values = [value.item() if isinstance(value, np.generic) else value for value in given]
        if not values or any(value in values[:place] for place, value in enumerate(values)):
            raise InvalidInput(f"the sweep was given {key}={values!r}: expected one or more values, each once.")
        axes[key] = values
    if not axes:
        raise InvalidInput(f"the sweep was given no hyper-parameter: expected some of {', '.join(known)}.")
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
