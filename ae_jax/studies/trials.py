"""Training and questioning one population after another, which neither divergence nor Ctrl-C makes vain."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from ae_jax.autoencoders import Autoencoder
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput, TrainingDiverged
from ae_jax.evaluation import Row, evaluate
from ae_jax.training import Progress, Run, TrainingInterrupted, fit
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.environment import environment
from ae_jax.training.plan import plan

Study = TypeVar("Study")


@dataclasses.dataclass
class Trials:
    """What was trained and answered so far.

    Attributes:
      runs: in the order of training.
      rows: of each run that was asked.
      messages: of members that diverged.
      record: settings, versions, device, wall and compile time.
    """

    runs: list[Run] = dataclasses.field(default_factory=list)
    rows: list[list[Row]] = dataclasses.field(default_factory=list)
    messages: list[str] = dataclasses.field(default_factory=list)
    record: dict[str, Any] = dataclasses.field(default_factory=dict)


def conduct(
    populations: Sequence[Autoencoder | list[Autoencoder]],
    dataset: Dataset,
    study_of: Callable[[Trials], Study],
    *,
    seeds: Sequence[int],
    epochs: int,
    batch_size: int,
    patience: int | None,
    progress: Callable[[Progress], None] | None,
) -> Study:
    """Fits and evaluates each population, and makes a study of what came of it; checks them all before the first.

    Args:
      populations: each as :func:`ae_jax.fit` takes it.
      dataset: the data.
      study_of: makes the study.
      seeds, epochs, batch_size, patience, progress: as in :func:`ae_jax.fit`.

    Raises:
      InvalidInput: as in :func:`ae_jax.fit`.
      TrainingInterrupted: Ctrl-C; its ``run`` is the study so far.
    """
    if np.ndim(seeds) == 0:
        raise InvalidInput(f"the study was given seeds={seeds!r}: expected a list of seeds, such as range(5).")
    settings = {"seeds": seeds, "epochs": epochs, "batch_size": batch_size, "patience": patience}
    dataset.split("test")
    for population in populations:
        plan(population, dataset, **settings)
    trials = Trials()
    started = time.perf_counter()
    interrupted = False
    with watch_compilation() as compilation:
        try:
            for population in populations:
                run = _fit(population, dataset, trials.messages, progress=progress, **settings)
                trials.runs.append(run)
                trials.rows.append(evaluate(run, dataset))
        except KeyboardInterrupt as error:
            interrupted = True
            if isinstance(error, TrainingInterrupted):
                trials.runs.append(error.run)
    trials.record = {
        "settings": settings | {"seeds": [int(seed) for seed in seeds]},
        "wall_s": round(time.perf_counter() - started, 3),
        "compile_s": round(compilation.seconds, 3),
        "programs": compilation.programs,
        "programs_compiled": compilation.compiled,
        **environment(),
    }
    if interrupted:
        raise TrainingInterrupted(study_of(trials))
    return study_of(trials)


def _fit(population: Any, dataset: Dataset, messages: list[str], **settings: Any) -> Run:
    """:func:`ae_jax.fit`; where members diverged, were it all of them, the run as far as it went, and a message."""
    try:
        run = fit(population, dataset, **settings)
    except TrainingDiverged as error:
        run = cast(Run, error.run)
    if "divergence" in run.record:
        messages.append(run.record["divergence"])
    return run
