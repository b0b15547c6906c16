"""The host loop: one compiled epoch after another, with progress, early stopping and a kept history."""

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.autoencoders import Autoencoder
from ae_jax.errors import TrainingDiverged
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.environment import environment
from ae_jax.training.feed import Feed
from ae_jax.training.plan import Plan, plan
from ae_jax.training.population import advance_population, initial_population
from ae_jax.training.run import History, Run, TrainingInterrupted
from ae_jax.training.state import Selection


class Progress(NamedTuple):
    """What a progress callback is told after each epoch.

    Attributes:
      name: of the autoencoder.
      epoch: done so far, from 1.
      epochs: at most.
      metrics: split -> term -> mean over the members that are running.
      running: how many members still train.
    """

    name: str
    epoch: int
    epochs: int
    metrics: dict[str, dict[str, float]]
    running: int


def fit(
    autoencoder: Autoencoder | Sequence[Autoencoder],
    data: Any,
    *,
    seeds: int | Sequence[int] = 0,
    epochs: int = 200,
    batch_size: int = 64,
    patience: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Trains autoencoders on data: every combination of autoencoder and seed, as one compiled program.

    Members that differ only in numbers share initialisation, batches and noise of their seed. Where the data have a
    validation split, each member keeps the parameters of its epoch with the lowest validation loss, else the latest.

    Args:
      autoencoder: one, or several that differ only in numbers (:func:`ae_jax.training.stack`).
      data: a :class:`ae_jax.data.Dataset`, or an array of examples ``[n, *shape]``, all of which are trained on.
      seeds: one seed, or several different ones, each from 0 to 2**32 - 1.
      epochs: how often every example is seen, at most.
      batch_size: examples in a step; clamped to the number of examples, with a warning.
      patience: epochs without a lower validation loss after which a member stops; None trains all epochs.
      progress: called after each epoch.

    Returns:
      The trained population.

    Raises:
      InvalidInput: data or numbers that cannot be used, one sentence each.
      TrainingDiverged: a loss turned NaN or infinite in every member; some members only are a warning.
      TrainingInterrupted: Ctrl-C; like the one before, it holds the run so far.

    Example:
      >>> import ae_jax
      >>> run = ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), ae_jax.data.digits(), seeds=[0, 1], epochs=1)
      >>> run.encode(ae_jax.data.digits().test.x).shape
      (2, 359, 2)
    """
    planned = plan(autoencoder, data, seeds=seeds, epochs=epochs, batch_size=batch_size, patience=patience)
    if planned.batch_size < batch_size:
        warnings.warn(
            f"batch_size={batch_size} is above the {planned.batch_size} examples and was lowered to them.", stacklevel=2
        )
    started = time.perf_counter()
    with watch_compilation() as compilation:
        loop = _Loop(planned, progress)
        interrupted = loop.train()
    run = Run(
        autoencoder=planned.autoencoder,
        seeds=planned.seeds,
        data=planned.dataset.description,
        params=loop.selection.params,
        history=loop.history(),
        best_epoch=np.asarray(loop.selection.epoch),
        finite=np.asarray(loop.selection.finite),
        settings={"epochs": planned.epochs, "batch_size": planned.batch_size, "patience": planned.patience},
        record={
            "wall_s": round(time.perf_counter() - started, 3),
            "compile_s": round(compilation.seconds, 3),
            "programs_compiled": compilation.compiled,
            "interrupted": interrupted,
            **environment(),
        },
        single=planned.single,
    )
    if interrupted:
        raise TrainingInterrupted(run)
    _report_divergence(run, loop.trained_epochs())
    return run


class _Loop:
    """Dispatches epochs one ahead of reading their metrics, so that the device never waits for the host."""

    def __init__(self, planned: Plan, progress: Callable[[Progress], None] | None):
        self.plan, self.progress = planned, progress
        self.state, self.selection = initial_population(planned.autoencoder, planned.seeds, planned.dataset.shape)
        self.was_running = np.ones(len(planned.seeds), bool)
        self.rows: list[tuple[np.ndarray, dict[str, dict[str, np.ndarray]]]] = []

    def train(self) -> bool:
        """Trains until the epochs or the members run out; true where Ctrl-C came first."""
        dataset, epochs = self.plan.dataset, self.plan.epochs
        feed = Feed(dataset, self.plan.batch_size)
        settings = {
            "validation": jax.device_put(dataset.validation.x) if len(dataset.validation.x) else None,
            "scaling": dataset.scaling,
            "patience": np.float32(np.inf if self.plan.patience is None else self.plan.patience),
            "last_step": np.int32(epochs * feed.steps),
            "batch_size": self.plan.batch_size,
        }
        selection = self.selection
        pending: tuple[Selection, list[_Trained]] | None = None
        try:
            for number in range(1, epochs + 1):
                trained: list[_Trained] = []
                for chunk in feed.epoch(number):
                    self.state, selection, metrics = advance_population(
                        self.state,
                        selection,
                        self.plan.autoencoder,
                        self.plan.seeds,
                        chunk.position,
                        chunk.stored,
                        finish=chunk.last,
                        **settings,
                    )
                    if trained:  # the device holds one chunk that trains and one that waits
                        jax.block_until_ready(trained[-1].metrics)
                    trained.append(_Trained(chunk.steps, metrics))
                    before, pending = pending, None
                    if before is not None and not self._read(*before):
                        return False
                pending = selection, trained
            if pending is not None:
                self._read(*pending)
        except KeyboardInterrupt:
            if pending is not None:  # an epoch that was trained and not yet read
                self.progress = None
                self._read(*pending)
            return True
        return False

    def history(self) -> History:
        """Metrics of every epoch, split -> term -> [members, epochs], NaN where a member had stopped before."""
        splits = self.rows[0][1] if self.rows else {}
        return {
            split: {
                term: np.stack(
                    [np.where(running, metrics[split][term], np.nan) for running, metrics in self.rows], axis=1
                )
                for term in sorted(terms)
            }
            for split, terms in splits.items()
        }

    def trained_epochs(self) -> np.ndarray:
        """How many epochs each member trained before it stopped, ``[members]``."""
        return np.sum([running for running, _ in self.rows], axis=0)

    def _read(self, selection: Selection, trained: "list[_Trained]") -> bool:
        """Takes in what an epoch that was dispatched gave; false where no member trains on."""
        read, running = jax.device_get(([chunk.metrics for chunk in trained], selection.running))
        metrics = read[-1] | {"train": _mean([one["train"] for one in read], [chunk.steps for chunk in trained])}
        self.selection = selection
        self.rows.append((self.was_running, metrics))
        if self.progress is not None:
            means = jax.tree.map(lambda values: float(np.mean(values[self.was_running])), metrics)
            done = len(self.rows)
            self.progress(Progress(self.plan.autoencoder.name, done, self.plan.epochs, means, int(running.sum())))
        self.was_running = running
        return bool(running.any())


class _Trained(NamedTuple):
    """A chunk that was dispatched: how many steps it made, and the metrics of each split."""

    steps: int
    metrics: Any


def _mean(metrics: list[Any], steps: list[int]) -> Any:
    """The mean over all steps of an epoch of the means over those of its chunks."""
    if len(metrics) == 1:
        return metrics[0]
    return jax.tree.map(lambda *values: np.average(np.stack(values), axis=0, weights=steps), *metrics)


def _report_divergence(run: Run, trained_epochs: np.ndarray) -> None:
    """Names member, epoch and term of what was not finite: an error where every member diverged, else a warning."""
    bad = [member for member, finite in enumerate(run.finite) if not finite]
    if not bad:
        return
    member = bad[0]
    epoch = int(trained_epochs[member]) - 1
    named = [
        f"{term} ({split})"
        for split, terms in run.history.items()
        for term, values in terms.items()
        if term != "loss" and not np.isfinite(values[member, epoch])
    ]
    kept = f"the parameters of epoch {run.best_epoch[member]}" if run.best_epoch[member] else "the initial parameters"
    message = (
        f"{run.name} diverged in {len(bad)} of {len(run)} members, first with seed {run.seeds[member]} at epoch "
        f"{epoch + 1} in {', '.join(named) or 'the parameters'}: {kept} are kept; lower the learning rate or a weight."
    )
    run.record["divergence"] = message
    if len(bad) == len(run):
        raise TrainingDiverged(message, run)
    warnings.warn(message, RuntimeWarning, stacklevel=3)
