"""Tuning by Optuna, whose trials are members of populations."""

import contextlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax._checks import size
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput, TrainingDiverged, import_extra, require_known
from ae_jax.models import Autoencoder
from ae_jax.training import Callback, Progress, TrainConfig, fit

_NAME = "tune"


class Tuning(NamedTuple):
    """The result of :func:`tune`.

    Attributes:
      study: Optuna's study, with every trial, ``study.trials_dataframe()``, and ``optuna.visualization``.
      autoencoder: that of the best trial, for a last training.
    """

    study: Any
    autoencoder: Autoencoder


def tune(
    make: Callable[[Any], Autoencoder],
    data: Dataset,
    config: TrainConfig | None = None,
    *,
    trials: int = 50,
    together: int = 8,
    metric: str = "loss",
    seeds: int | Sequence[int] = 0,
    storage: Any = None,
    sampler: Any = None,
    pruner: Any = None,
    **settings: Any,
) -> Tuning:
    """Searches for the hyper-parameters with the lowest validation metric.

    Trials are drawn several at a time; those that differ in numbers only are members of one population, one program.
    Each reports its metric after every epoch. A trial that is pruned counts no further epoch, and a population ends
    once all of its trials are pruned; until then its members train on.

    Args:
      make: a function of an ``optuna.Trial`` that returns an autoencoder.
      data: with a validation split; the test split is not looked at.
      config: the settings; None for the defaults.
      trials: number of finished, pruned or failed trials in the storage at the end.
      together: trials that are drawn at once; more are faster and know less of each other.
      metric: ``"loss"``, or better a term such as ``"squared_error"`` where a weight is tuned, since losses of
        different weights measure different quantities.
      seeds: one, or several, over whose members a trial's metric is the mean.
      storage: Optuna's, such as ``"sqlite:///tune.db"``, in which a search that was interrupted goes on; None for
        memory.
      sampler: Optuna's; None for its TPE, seeded.
      pruner: Optuna's; None for its median.
      settings: fields of :class:`ae_jax.training.TrainConfig`, such as ``epochs=20``.

    Raises:
      InvalidInput: Optuna is not installed, the data have no validation split, there is no such metric, or no trial
        came to an end.
    """
    optuna = import_extra("optuna", "tune", "tune")
    trials, together = size("tune", "trials", trials), size("tune", "together", together)
    if not len(data.validation.x):
        raise InvalidInput(f"tune was given {data.name} without a validation split: expected one to judge trials by.")
    study = optuna.create_study(
        storage=storage,
        sampler=sampler or optuna.samplers.TPESampler(seed=0),
        pruner=pruner or optuna.pruners.MedianPruner(n_warmup_steps=1),
        study_name=_NAME,
        load_if_exists=True,
    )
    states = optuna.trial.TrialState
    for trial in study.get_trials(states=[states.RUNNING]):  # of a process that was killed
        study.tell(trial.number, state=states.FAIL)
        study.enqueue_trial(trial.params)
        trials += 1
    ended = [state for state in states if state.is_finished()]
    while (left := trials - len(study.get_trials(deepcopy=False, states=ended))) > 0:
        groups: dict[Any, list[tuple[Any, Autoencoder]]] = {}
        for trial in [study.ask() for _ in range(min(together, left))]:
            autoencoder = make(trial)
            groups.setdefault(jax.tree.structure(autoencoder), []).append((trial, autoencoder))
        for group in groups.values():
            reports = _Reports([trial for trial, _ in group], metric)
            with warnings.catch_warnings(), contextlib.suppress(TrainingDiverged):
                warnings.filterwarnings("ignore", r"\S+ diverged in", RuntimeWarning)  # its trial fails
                fit([one for _, one in group], data, config, seeds=seeds, callbacks=[reports], **settings)
            reports.tell(study, states)
    if not study.get_trials(deepcopy=False, states=[states.COMPLETE]):
        raise InvalidInput("no trial of tune came to an end: each diverged; allow lower learning rates.")
    return Tuning(study, make(optuna.trial.FixedTrial(study.best_params)))


class _Reports(Callback):
    """Tells trials the metric of their members after each epoch, and remembers which of them are pruned."""

    def __init__(self, trials: Sequence[Any], metric: str):
        self.trials, self.metric = trials, metric
        self.best, self.pruned = np.full(len(trials), np.inf), np.zeros(len(trials), bool)
        self.failed = np.zeros(len(trials), bool)

    def on_epoch(self, progress: Progress) -> bool:
        """Reports an epoch; true once no trial is left."""
        terms = progress.members["validation"]
        require_known("validation metric", self.metric, terms)
        values = np.reshape(terms[self.metric], (len(self.trials), -1)).mean(axis=1)
        for place, (trial, value) in enumerate(zip(self.trials, values, strict=True)):
            if self.pruned[place] or self.failed[place]:
                continue
            if not np.isfinite(value):
                self.failed[place] = not np.isfinite(self.best[place])
                continue
            self.best[place] = min(self.best[place], value)
            trial.report(float(value), progress.epoch)
            self.pruned[place] = trial.should_prune()
        return bool((self.pruned | self.failed).all())

    def tell(self, study: Any, states: Any) -> None:
        """Ends the trials."""
        for place, trial in enumerate(self.trials):
            if self.pruned[place]:
                study.tell(trial, state=states.PRUNED)
            elif np.isfinite(self.best[place]) and not self.failed[place]:
                study.tell(trial, float(self.best[place]))
            else:
                study.tell(trial, state=states.FAIL)
