"""Training and questioning one population after another, which neither divergence nor an interruption makes vain."""

import contextlib
import dataclasses
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from ae_jax.components import to_config
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput, TrainingDiverged
from ae_jax.evaluation import Row, evaluate
from ae_jax.models import Autoencoder
from ae_jax.studies.study_state import Answers, begin, finish, forget, keep_answers, kept_answers
from ae_jax.training import Callback, Checkpoints, OnDivergence, Run, TrainConfig, TrainingInterrupted, fit
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.continuation import Resume
from ae_jax.training.distributed import is_main_process, is_multiprocess, signal_of_any, together
from ae_jax.training.environment import environment
from ae_jax.training.interruption import Stop, stop_on_signal
from ae_jax.training.mesh import Devices
from ae_jax.training.plan import plan

Study = TypeVar("Study")

COST = ("wall_s", "compile_s", "programs", "programs_compiled")
"""What a study adds up over its trainings and its questions, over every process that had a share in them."""


@dataclasses.dataclass
class StudyResults:
    """What was trained and answered so far.

    Attributes:
      runs: in the order of training.
      rows: of each run that was asked.
      costs: seconds and programs of each training, and of the questions about it.
      messages: of members that diverged.
      record: settings, versions, device, and the sum of the costs: a training that was interrupted costs what it took
        until the checkpoint that it went on from, and from there.
    """

    runs: list[Run] = dataclasses.field(default_factory=list)
    rows: list[list[Row]] = dataclasses.field(default_factory=list)
    costs: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    messages: list[str] = dataclasses.field(default_factory=list)
    record: dict[str, Any] = dataclasses.field(default_factory=dict)


def conduct(
    populations: Mapping[str, Autoencoder | list[Autoencoder]],
    dataset: Dataset,
    study_of: Callable[[StudyResults], Study],
    *,
    seeds: Sequence[int],
    epochs: int,
    batch_size: int,
    patience: int | None,
    callbacks: Sequence[Callback],
    on_divergence: OnDivergence = "stop",
    checkpoints: Checkpoints | str | Path | None = None,
    resume: Resume = False,
    mesh: Devices | None = None,
) -> Study:
    """Fits and evaluates each population, and makes a study of what came of it; checks them all before the first.

    Args:
      populations: by name, each as :func:`ae_jax.fit` takes it.
      dataset: the data.
      study_of: makes the study.
      seeds, epochs, batch_size, patience, on_divergence, callbacks: as in :func:`ae_jax.fit`.
      checkpoints: as in :func:`ae_jax.fit`; those of a population are in the folder of its name there, and so are the
        answers about it.
      resume: as in :func:`ae_jax.fit`; what was trained or answered is neither trained nor asked again.
      mesh: as in :func:`ae_jax.fit`; each of several processes gets the study, and the first alone writes.

    Raises:
      InvalidInput: as in :func:`ae_jax.fit`; an unfinished study among the checkpoints that is not to go on, or one of
        other populations that is.
      TrainingInterrupted: Ctrl-C or SIGTERM; its ``run`` is the study so far.
    """
    if np.ndim(seeds) == 0:
        raise InvalidInput(f"the study was given seeds={seeds!r}: expected a list of seeds, such as range(5).")
    settings = {
        "seeds": seeds,
        "epochs": epochs,
        "batch_size": batch_size,
        "patience": patience,
        "on_divergence": on_divergence,
    }
    dataset.split("test")
    config = TrainConfig(mesh=mesh).with_settings({name: value for name, value in settings.items() if name != "seeds"})
    planned = [plan(population, dataset, config, seeds=seeds) for population in populations.values()]
    joined, first = is_multiprocess(planned[0].mesh), is_main_process(planned[0].mesh)
    where = checkpoints if isinstance(checkpoints, Checkpoints | None) else Checkpoints(folder=Path(checkpoints))
    if where is not None:
        configs = {name: to_config(population) for name, population in populations.items()}
        together(joined, lambda: begin(where.folder, configs, resume=resume) if first else None)
    trials, ended = StudyResults(), None
    with stop_on_signal() as stop:
        try:
            for name, population in populations.items():
                own = None if where is None else dataclasses.replace(where, folder=where.folder / name)
                further = {"checkpoints": own, "resume": resume, "mesh": mesh, "callbacks": callbacks}
                _go_on(stop, joined)
                _train(trials, population, dataset, **settings, **further)
                _go_on(stop, joined)
                _ask(trials, dataset, own, keep=first)
        except KeyboardInterrupt as error:
            ended = error
    trials.record = {
        "settings": settings | {"seeds": [int(seed) for seed in seeds]},
        **{key: round(sum(cost[key] for cost in trials.costs), 3) for key in COST},
        **environment(),
    }
    if ended is not None:
        if where is not None and first:
            with _if_possible("it says that a study was begun"):
                forget(where.folder, list(populations))
        raise TrainingInterrupted(study_of(trials), stop.signal or getattr(ended, "signal", signal.SIGINT))
    if where is not None and first:
        with _if_possible("going on with the study finds nothing left to do"):
            finish(where.folder)
    return study_of(trials)


def _go_on(stop: Stop, joined: bool) -> None:
    """Raises where an end was asked for, in whichever of joined processes."""
    if joined:
        stop.signal = signal_of_any(stop.signal)
    if stop.signal is not None:
        raise KeyboardInterrupt


def _train(trials: StudyResults, population: Any, dataset: Dataset, **settings: Any) -> None:
    """:func:`ae_jax.fit`; where members diverged, were it all of them, the run as far as it went, and a message."""
    ended = None
    try:
        run = fit(population, dataset, **settings)
    except (TrainingDiverged, TrainingInterrupted) as error:
        run, ended = cast(Run, error.run), error
    if "divergence" in run.record:
        trials.messages.append(run.record["divergence"])
    trials.runs.append(run)
    trials.costs.append({key: run.record[key] for key in COST})
    if isinstance(ended, TrainingInterrupted):
        raise ended


def _ask(trials: StudyResults, dataset: Dataset, checkpoints: Checkpoints | None, *, keep: bool) -> None:
    """Questions about the latest run, unless the answers are kept; those of the process that keeps them are."""
    run = trials.runs[-1]
    answers = None if checkpoints is None else kept_answers(checkpoints.folder, run, dataset)
    if answers is None:
        answers = _answers(run, dataset)
        if checkpoints is not None and keep:
            with _if_possible("the study goes on, and whoever resumes it asks these questions again"):
                keep_answers(checkpoints.folder, run, dataset, answers)
    trials.rows.append(answers.rows)
    trials.costs.append(answers.cost)


@contextlib.contextmanager
def _if_possible(otherwise: str) -> Iterator[None]:
    """What cannot be written, as on a full disk, is a warning that says what follows from it."""
    try:
        yield
    except (InvalidInput, OSError) as error:
        warnings.warn(f"{str(error).rstrip('.')}; {otherwise}.", stacklevel=4)


def _answers(run: Run, dataset: Dataset) -> Answers:
    started = time.perf_counter()
    with watch_compilation() as compilation:
        rows = evaluate(run, dataset).rows
    cost = {
        "wall_s": round(time.perf_counter() - started, 3),
        "compile_s": round(compilation.seconds, 3),
        "programs": compilation.programs,
        "programs_compiled": compilation.compiled,
    }
    return Answers(rows, cost)
