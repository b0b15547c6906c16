"""Jobs handed to a cluster, by submitit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ae_jax.errors import InvalidInput, first_line, unknown
from ae_jax.requirements import non_negative_whole, positive_whole
from ae_jax.studies.fan_out import Outcome, data_of, finished, run_job
from ae_jax.studies.jobs import Job, read_jobs

EXECUTORS = ("slurm", "local", "debug")
"""Where jobs run: on a Slurm cluster; in processes of this machine, all at once; or in this very process."""


class SubmittedJob:
    """What a machine of a cluster calls: one job of a file, from its latest checkpoint on.

    Args:
      path: of the file.
      number: of the job.
    """

    def __init__(self, path: Path, number: int):
        self.path, self.number = path, number

    def __call__(self) -> Outcome:
        """Trains the job."""
        job = read_jobs(self.path)[self.number]
        return run_job(job, data_of(job.fan_out))

    def checkpoint(self) -> Any:
        """What submitit puts back into the queue where the job is pre-empted or its time is over: the same call."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def submit_jobs(
    path: Path,
    jobs: Sequence[Job],
    *,
    executor: str = "slurm",
    logs: Path,
    partition: str | None = None,
    minutes: int = 60,
    cpus: int = 4,
    gpus: int = 0,
    memory: int | None = None,
    at_once: int | None = None,
) -> dict[int, str]:
    """Submits the jobs that are not done, as one array; of what runs on this machine, waits until it is done.

    Args:
      path: of their file, which all machines see.
      jobs: in it.
      executor: one of :data:`EXECUTORS`.
      logs: folder for submitit's files: what is called, and what the jobs print.
      partition: of the cluster.
      minutes: that each job may take at a time.
      cpus, gpus: of each job.
      memory: of each job, in GB.
      at_once: how many jobs run at a time, at most.

    Returns:
      Number of a job -> what the cluster calls it.

    Raises:
      InvalidInput: submitit or the cluster is not there, or a number cannot be used.
    """
    if executor not in EXECUTORS:
        raise unknown("executor", executor, EXECUTORS)
    for name, value in (("minutes", minutes), ("cpus", cpus), ("memory", memory), ("at_once", at_once)):
        if value is not None:
            positive_whole("submit", name, value)
    non_negative_whole("submit", "gpus", gpus)
    left = [job for job in jobs if finished(job) is None]
    if not left:
        return {}
    cluster = _executor(executor, logs)
    cluster.update_parameters(
        name=f"ae-jax-{jobs[0].fan_out.autoencoder}",
        timeout_min=minutes,
        cpus_per_task=cpus,
        gpus_per_node=gpus or None,
        mem_gb=memory,
        slurm_partition=partition,
        slurm_array_parallelism=at_once,
    )
    submitted = cluster.submit_array([SubmittedJob(path, job.number) for job in left])
    if executor != "slurm":
        for one in submitted:
            if (error := one.exception()) is not None:
                raise error
    return {job.number: one.job_id for job, one in zip(left, submitted, strict=True)}


def _executor(name: str, logs: Path) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise InvalidInput(
            "jobs are submitted by submitit, which is not installed: pip install 'ae_jax[slurm]', or run them by "
            "ae-jax jobs run."
        ) from error
    try:
        return submitit.AutoExecutor(folder=logs, cluster=name)
    except RuntimeError as error:
        raise InvalidInput(
            f"{name} cannot be used here ({first_line(error)}): run the jobs by ae-jax jobs run."
        ) from error
