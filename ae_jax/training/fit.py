"""The host loop: one compiled epoch after another, with progress, early stopping and a kept history."""

import platform
import time
import warnings
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.autoencoders import Autoencoder
from ae_jax.components import require_positive
from ae_jax.data import Dataset, from_arrays
from ae_jax.data.checks import require_unit_interval
from ae_jax.errors import InvalidInput, TrainingDiverged
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.population import advance_population, initial_population, stack
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
      seeds: one seed, or several, each from 0 to 2**32 - 1.
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
    dataset = data if isinstance(data, Dataset) else from_arrays(data, validation=0.0, test=0.0)
    several = not isinstance(autoencoder, Autoencoder)
    choices = list(autoencoder) if several else [autoencoder]  # pyright: ignore[reportGeneralTypeIssues]
    numbers = [seeds] if isinstance(seeds, (int, np.integer)) else list(seeds)
    _check(choices, dataset, numbers, epochs, batch_size, patience)
    if batch_size > len(dataset.train.x):
        warnings.warn(
            f"batch_size={batch_size} is above the {len(dataset.train.x)} examples and was lowered to them.",
            stacklevel=2,
        )
        batch_size = len(dataset.train.x)
    population = stack([choice for choice in choices for _ in numbers])
    member_seeds = np.array([seed for _ in choices for seed in numbers], np.uint32)

    started = time.perf_counter()
    with watch_compilation() as compilation:
        loop = _Loop(population, member_seeds, dataset, epochs, batch_size, patience, progress)
        interrupted = loop.train()
    run = Run(
        autoencoder=population,
        seeds=member_seeds,
        shape=dataset.shape,
        scaling=dataset.scaling,
        params=loop.selection.params,
        history=loop.history(),
        best_epoch=np.asarray(loop.selection.epoch),
        finite=np.asarray(loop.selection.finite),
        settings={"epochs": epochs, "batch_size": batch_size, "patience": patience},
        record={
            "data": dataset.describe(),
            "wall_s": round(time.perf_counter() - started, 3),
            "compile_s": round(compilation.seconds, 3),
            "programs_compiled": compilation.compiled,
            "interrupted": interrupted,
            **environment(),
        },
        single=not several and isinstance(seeds, (int, np.integer)),
    )
    if interrupted:
        raise TrainingInterrupted(run)
    _report_divergence(run, loop.trained_epochs())
    return run


def environment() -> dict[str, Any]:
    """Versions and device, as results state them."""
    packages = ("ae_jax", "jax", "flax", "optax", "numpy", "scikit-learn")
    return {
        "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in packages},
        "device": f"{jax.devices()[0].device_kind} x {jax.device_count()} ({jax.default_backend()})",
        "machine": f"{platform.machine()}, {platform.system()}",
    }


class _Loop:
    """Dispatches epochs one ahead of reading their metrics, so that the device never waits for the host."""

    def __init__(
        self,
        autoencoder: Autoencoder,
        seeds: np.ndarray,
        dataset: Dataset,
        epochs: int,
        batch_size: int,
        patience: int | None,
        progress: Callable[[Progress], None] | None,
    ):
        self.autoencoder, self.seeds, self.dataset = autoencoder, seeds, dataset
        self.epochs, self.batch_size, self.progress = epochs, batch_size, progress
        self.patience = np.float32(np.inf if patience is None else patience)
        self.state, self.selection = initial_population(autoencoder, seeds, dataset.shape)
        self.was_running = np.ones(len(seeds), bool)
        self.rows: list[tuple[np.ndarray, dict[str, dict[str, np.ndarray]]]] = []

    def train(self) -> bool:
        """Trains until the epochs or the members run out; true where Ctrl-C came first."""
        train = jax.device_put(self.dataset.train.x)
        validation = jax.device_put(self.dataset.validation.x) if len(self.dataset.validation.x) else None
        selection = self.selection
        pending: tuple[Selection, Any] | None = None
        try:
            for number in range(1, self.epochs + 1):
                self.state, selection, metrics = advance_population(
                    self.state,
                    selection,
                    self.autoencoder,
                    self.seeds,
                    np.int32(number),
                    train,
                    validation,
                    self.dataset.scaling,
                    self.patience,
                    batch_size=self.batch_size,
                )
                if pending is not None and not self._read(*pending):
                    return False
                pending = selection, metrics
            if pending is not None:
                self._read(*pending)
        except KeyboardInterrupt:
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

    def _read(self, selection: Selection, metrics: Any) -> bool:
        """Takes in what an epoch that was dispatched gave; false where no member trains on."""
        metrics, running = jax.device_get((metrics, selection.running))
        self.selection = selection
        self.rows.append((self.was_running, metrics))
        if self.progress is not None:
            means = jax.tree.map(lambda values: float(np.mean(values[self.was_running])), metrics)
            done = len(self.rows)
            self.progress(Progress(self.autoencoder.name, done, self.epochs, means, int(running.sum())))
        self.was_running = running
        return bool(running.any())


def _check(
    choices: list[Autoencoder], dataset: Dataset, seeds: list[int], epochs: int, batch_size: int, patience: int | None
) -> None:
    require_positive("fit", epochs=epochs, batch_size=batch_size, patience=patience)
    if not seeds:
        raise InvalidInput("fit was given no seeds: expected at least one.")
    for seed in seeds:
        if not 0 <= seed < 2**32:
            raise InvalidInput(f"fit was given the seed {seed}: expected an integer from 0 to 2**32 - 1.")
    if patience is not None and not len(dataset.validation.x):
        raise InvalidInput(f"fit was given patience={patience} and no validation split: split the data, or drop it.")
    for choice in choices:
        if choice.objective.likelihood.unit_interval:
            for split in (dataset.train, dataset.validation):
                if len(split.x):
                    low, high = (float(dataset.scaling(extreme)) for extreme in (split.x.min(), split.x.max()))
                    require_unit_interval(low, high, f"the Bernoulli likelihood of {choice.name}")


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
