"""Jobs handed to a cluster, by submitit."""

import dataclasses
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ae_jax._checks import non_negative_whole, positive_whole
from ae_jax.errors import InvalidInput, first_line, unknown
from ae_jax.studies.fan_out import Outcome, data_of, finished, run_job
from ae_jax.studies.jobs import Job, read_jobs
from ae_jax.training import TrainingInterrupted, stop_on_signal

EXECUTORS = {
    "slurm": ("partition", "minutes", "cpus", "gpus", "memory", "at_once"),
    "local": ("minutes", "gpus"),
    "debug": (),
}
"""Where jobs run, and what can be asked of it: a Slurm cluster; processes of this machine, all at once; this one."""

_MINUTES, _CPUS = 60, 4
_REQUEUED = 10_000
"""How often a job whose minutes ran out is put back into the queue, at most; submitit itself says three times."""
_RULE = "-" * 22
"""What submitit puts before and after a trace."""


@dataclasses.dataclass(frozen=True)
class SubmittedJob:
    """What a machine of a cluster calls: one job of a file, from its latest checkpoint on.

    Attributes:
      path: of the file.
      number: of the job.
      prepare: called there first, such as what makes programs compile once.
    """

    path: Path
    number: int
    prepare: Callable[[], None] | None = None

    def __call__(self) -> Outcome:
        """Trains the job; one that SIGTERM ends, as pre-emption does, goes back into the queue once it is saved.

        Raises:
          InvalidInput: as in :func:`ae_jax.studies.fan_out.run_job`, or another process runs it.
          TrainingInterrupted: Ctrl-C, or SIGTERM where there is no queue.
        """
        if self.prepare is not None:
            self.prepare()
        job = read_jobs(self.path)[self.number]
        try:
            with stop_on_signal():
                outcome = run_job(job, data_of(job.fan_out))
        except TrainingInterrupted as interruption:
            if interruption.signal == signal.SIGTERM:
                _requeue()
            raise
        if outcome == "running elsewhere":
            raise InvalidInput(f"job {job.number} is being run by another process: submit the file again after it.")
        return outcome

    def checkpoint(self) -> Any:
        """What submitit puts back into the queue: the same call."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _requeue() -> None:
    """Asks submitit to put this job back into the queue and to end it, by the signal that it listens to."""
    from submitit import JobEnvironment

    number = getattr(signal, f"SIG{JobEnvironment.USR_SIG}")
    if callable(signal.getsignal(number)):  # submitit's, where it runs the job
        signal.raise_signal(number)


def submit_jobs(
    path: Path,
    jobs: Sequence[Job],
    *,
    executor: str = "slurm",
    logs: Path,
    partition: str | None = None,
    minutes: int | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    memory: int | None = None,
    at_once: int | None = None,
    prepare: Callable[[], None] | None = None,
) -> dict[int, str]:
    """Submits the jobs that are not done, as one array; of what runs on this machine, waits until it is done.

    Args:
      path: of their file, which all machines see.
      jobs: in it.
      executor: one of :data:`EXECUTORS`, which takes some of the following only.
      logs: folder for submitit's files: what is called, and what the jobs print.
      partition: of the cluster.
      minutes: that each job may take at a time, by default 60.
      cpus: of each job, by default 4.
      gpus: of each job, by default none.
      memory: of each job, in GB.
      at_once: how many jobs run at a time, at most.
      prepare: called by each job before anything else.

    Returns:
      Number of a job -> what the cluster calls it.

    Raises:
      InvalidInput: submitit or the cluster is not there, or refuses; a number that cannot be used, or that the executor
        has no use for; of what runs on this machine, a job that failed.
    """
    if executor not in EXECUTORS:
        raise unknown("executor", executor, EXECUTORS)
    _require_used(executor, partition=partition, minutes=minutes, cpus=cpus, gpus=gpus, memory=memory, at_once=at_once)
    left = [job for job in jobs if finished(job) is None]
    if not left:
        return {}
    cluster = _executor(executor, logs)
    calls = [SubmittedJob(path, job.number, prepare) for job in left]
    try:
        cluster.update_parameters(
            name=f"ae-jax-{jobs[0].fan_out.autoencoder}",
            timeout_min=minutes or _MINUTES,
            cpus_per_task=cpus or _CPUS,
            gpus_per_node=gpus or None,
            mem_gb=memory,
            slurm_partition=partition,
            slurm_array_parallelism=at_once,
        )
        submitted = cluster.submit_array(calls)
    except (OSError, RuntimeError) as error:
        raise InvalidInput(
            f"the jobs were not submitted ({_last_line(error)}): expected {executor} to take them."
        ) from error
    if executor != "slurm":
        _require_done(left, submitted, logs)
    return {job.number: one.job_id for job, one in zip(left, submitted, strict=True)}


def _require_used(executor: str, **given: Any) -> None:
    """Raises for a number that cannot be used, and for what an executor has no use for; None is not given."""
    for name, value in given.items():
        if value is None:
            continue
        if name not in EXECUTORS[executor]:
            used = ", ".join(EXECUTORS[executor]) or "nothing of the kind"
            raise InvalidInput(f"{name} was given with the executor {executor}: expected {used}.")
        if name == "gpus":
            non_negative_whole("submit", name, value)
        elif name != "partition":
            positive_whole("submit", name, value)


def _require_done(jobs: Sequence[Job], submitted: Sequence[Any], logs: Path) -> None:
    """Waits for jobs of this machine, and raises where some failed."""
    failed = [
        (job.number, error) for job, one in zip(jobs, submitted, strict=True) if (error := one.exception()) is not None
    ]
    if failed:
        number, error = failed[0]
        raise InvalidInput(
            f"{len(failed)} of {len(jobs)} jobs failed, first job {number} ({_last_line(error)}): what they printed is "
            f"in {logs}; submit the file again once that is mended."
        ) from error


def _last_line(error: BaseException) -> str:
    """What went wrong: the last line of the trace that submitit quotes, or of all that it says."""
    parts = str(error).split(_RULE)
    lines = (parts[1] if len(parts) > 2 else parts[-1]).strip().splitlines() or [type(error).__name__]
    return lines[-1].removeprefix(f"{InvalidInput.__module__}.{InvalidInput.__name__}: ")[:300].rstrip(".")


def _executor(name: str, logs: Path) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise InvalidInput(
            "jobs are submitted by submitit, which is not installed: pip install 'ae_jax[slurm]', or run them by "
            "ae-jax jobs run."
        ) from error
    try:
        return submitit.AutoExecutor(folder=logs, cluster=name, slurm_max_num_timeout=_REQUEUED)
    except RuntimeError as error:
        raise InvalidInput(
            f"{name} cannot be used here ({first_line(error)}): run the jobs by ae-jax jobs run."
        ) from error
