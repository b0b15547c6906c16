"""Trains the parts of a sweep on a cluster or in processes of this machine, by submitit."""

import dataclasses
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ae_jax.data import Dataset, ReadOptions, load
from ae_jax.errors import InvalidInput, first_line, import_extra, require_known
from ae_jax.studies.study_state import is_evaluated, path_component
from ae_jax.studies.sweep import Sweep, populations_of, sweep
from ae_jax.training import Checkpoints, TrainConfig, TrainingInterrupted, stop_on_signal

EXECUTORS = ("slurm", "local", "debug")
"""Where jobs run: on a Slurm cluster, in processes of this machine, or in this process."""

_DEFAULTS = {"timeout_min": 60, "cpus_per_task": 4}
_REQUEUES = 10_000
"""How often a job whose time ran out goes back into the queue, at most."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepSpec:
    """A sweep that is trained in chunks, with everything that another machine must know.

    Attributes:
      autoencoder: its name.
      grid: hyper-parameter -> values.
      source, reading, scaling: of the data, as :func:`ae_jax.data.load` takes them.
      seeds, chunks: as in :func:`ae_jax.studies.sweep`.
      checkpoints: in a folder that all machines see; chunks always resume.
      config: the settings of training.
    """

    autoencoder: str
    grid: Mapping[str, Sequence[Any]]
    source: str
    reading: ReadOptions
    scaling: str | None = None
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    chunks: int | None = None
    checkpoints: Checkpoints
    config: TrainConfig

    def load(self) -> Dataset:
        """Loads the data set."""
        return load(self.source, self.reading, scaling=self.scaling)

    def sweep(self, dataset: Dataset, only: Sequence[str] | None = None, **options: Any) -> Sweep:
        """Trains the populations of those names, by default all; repeats nothing that was trained or evaluated."""
        how = {"seeds": self.seeds, "chunks": self.chunks or 1, "checkpoints": self.checkpoints, "resume": True}
        return sweep(self.autoencoder, dataset, self.grid, self.config, only=only, **how, **options)

    def names(self, dataset: Dataset) -> list[str]:
        """Returns the name of each population, which are the jobs."""
        grid, chunks = self.grid, self.chunks or 1
        return list(populations_of(self.autoencoder, dataset, grid, seeds=len(self.seeds), chunks=chunks)[0])

    def unfinished(self, dataset: Dataset) -> list[str]:
        """Returns the names of the populations that are not trained and evaluated yet."""
        folder = self.checkpoints.folder
        return [name for name in self.names(dataset) if not is_evaluated(folder / path_component(name))]


@dataclasses.dataclass(frozen=True)
class SweepJob:
    """What a machine of a cluster calls: trains one population of a sweep from its latest checkpoint on.

    Attributes:
      spec: of the sweep.
      name: of the population.
      prepare: called first, such as to set up a compilation cache.
    """

    spec: SweepSpec
    name: str
    prepare: Callable[[], None] | None = None

    def __call__(self) -> str:
        """Trains and evaluates the population; after SIGTERM, as of pre-emption, goes back into the queue."""
        if self.prepare is not None:
            self.prepare()
        try:
            with stop_on_signal():
                self.spec.sweep(self.spec.load(), [self.name])
        except TrainingInterrupted as interruption:
            if interruption.signal == signal.SIGTERM:
                _requeue()
            raise
        return self.name

    def checkpoint(self) -> Any:
        """Returns what submitit puts back into the queue: the same call."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _requeue() -> None:
    """Asks submitit to put this job back into the queue and to end it, by the signal that submitit handles."""
    from submitit import JobEnvironment

    number = getattr(signal, f"SIG{JobEnvironment.USR_SIG}")
    if callable(signal.getsignal(number)):
        signal.raise_signal(number)


def submit_sweep(
    spec: SweepSpec,
    dataset: Dataset,
    *,
    executor: str = "slurm",
    options: Mapping[str, Any] | None = None,
    prepare: Callable[[], None] | None = None,
) -> dict[str, str]:
    """Submits the unfinished populations of a sweep as one array; waits for those that run on this machine.

    Args:
      spec: the sweep.
      dataset: its data.
      executor: one of :data:`EXECUTORS`.
      options: parameters of submitit's executor, such as ``timeout_min`` or ``slurm_partition``.
      prepare: called by each job before anything else.

    Returns:
      Name of a population -> the cluster's id of its job; empty where all are finished.

    Raises:
      InvalidInput: as in :func:`ae_jax.studies.sweep`; submitit or the cluster is missing or refuses an option; or a
        job on this machine failed.
    """
    require_known("executor", executor, EXECUTORS)
    spec.sweep(dataset, only=())  # checks everything, and records what the study trains
    names = spec.unfinished(dataset)
    if not names:
        return {}
    logs = spec.checkpoints.folder / "logs"
    os.environ.setdefault("SUBMITIT_LOG_LEVEL", "NOCONFIG")  # else importing it resets the logging of all libraries
    submitit = import_extra("submitit", "slurm", "a sweep on a cluster")
    try:
        cluster = submitit.AutoExecutor(folder=logs, cluster=executor, slurm_max_num_timeout=_REQUEUES)
        cluster.update_parameters(name=f"ae-jax-{spec.autoencoder}", **_DEFAULTS | dict(options or {}))
        jobs = cluster.submit_array([SweepJob(spec, name, prepare) for name in names])
    except (OSError, RuntimeError, NameError, TypeError, ValueError, AssertionError) as error:
        raise InvalidInput(
            f"{executor} refused the sweep ({first_line(error)}): expected it to take the jobs."
        ) from error
    if executor != "slurm":
        _wait(dict(zip(names, jobs, strict=True)), logs)
    return {name: job.job_id for name, job in zip(names, jobs, strict=True)}


def _wait(jobs: Mapping[str, Any], logs: Path) -> None:
    """Waits for jobs of this machine, and raises where some failed."""
    failed = {name: error for name, job in jobs.items() if (error := job.exception()) is not None}
    if failed:
        name, error = next(iter(failed.items()))
        reason = str(error).replace("-" * 22, "").strip().splitlines()[-1]
        raise InvalidInput(
            f"{len(failed)} of {len(jobs)} jobs failed, the first of them {name} ({reason[:300].rstrip('.')}): what "
            f"they printed is in {logs}; give the command again to go on."
        ) from error
