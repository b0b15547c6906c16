"""The jobs of a sweep: ``jobs run``, ``jobs submit``, ``collect``."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from ae_jax.cli.options import WHOLE, Json, one, read_whole
from ae_jax.cli.session import DIVERGED, quiet_libraries, say, stopped_by, use_cache
from ae_jax.errors import InvalidInput

if TYPE_CHECKING:
    from ae_jax.studies.jobs import Job

SLURM = "SLURM_ARRAY_TASK_ID"


def read_job(text: str) -> int | str:
    """A job's number or ``slurm``, or the reason why not."""
    if text == "slurm" or text.isdecimal():
        return text if text == "slurm" else int(text)
    raise ValueError(f"was given {text!r}: expected a job's number, from 0, or slurm.")


JobsFile = Annotated[Positional[Path], arg(metavar="FILE.jsonl")]
Which = Annotated[Any, one(read_job, "N|slurm"), arg(help_behavior_hint="(default: all that are not done)")]
Partition = Annotated[str | None, one(str, "NAME"), arg(help_behavior_hint="(default: the cluster's)")]
Minutes = Annotated[int | None, WHOLE, arg(help_behavior_hint="(default: 60)")]
Cpus = Annotated[int | None, WHOLE, arg(help_behavior_hint="(default: 4)")]
Gpus = Annotated[int | None, WHOLE, arg(help_behavior_hint="(default: 0)")]
Memory = Annotated[int | None, WHOLE, arg(help_behavior_hint="(default: the cluster's)")]
Together = Annotated[int | None, WHOLE, arg(help_behavior_hint="(default: 256)")]
Logs = Annotated[Path | None, one(Path, "DIR"), arg(help_behavior_hint="(default: logs, in the folder of the jobs)")]


def jobs() -> int:
    """Trains the jobs of a sweep, here or on a Slurm cluster.

    ae-jax sweep NAME --emit-jobs FILE.jsonl writes them.
    """
    raise NotImplementedError("dispatch calls the commands of jobs.")


def run(jobs: JobsFile, *, job: Which = None) -> int:
    """Trains jobs from their latest checkpoints on; those that are done, or that another process runs, are left alone.

    Several processes, on several machines that see the same files, may run the same command. One that refuses a job
    goes on with the others. The exit code is 0 where all jobs are done, whoever did them.

    Args:
      jobs: a file that ae-jax sweep --emit-jobs wrote.
      job: number of one job, from 0; slurm takes it from SLURM_ARRAY_TASK_ID.
    """
    from ae_jax.report import ProgressDisplay
    from ae_jax.studies.fan_out import data_of, run_job
    from ae_jax.studies.jobs import read_jobs
    from ae_jax.training import TrainingInterrupted, stop_on_signal

    chosen = chosen_jobs(read_jobs(jobs), job)
    left = [one_job for one_job in chosen if _outcome(one_job, _done_before) is None]
    if not left:
        return _code_of(chosen)
    dataset = data_of(left[0].fan_out)

    def train(one_job: "Job") -> str:
        with ProgressDisplay() as progress:
            return run_job(one_job, dataset, callbacks=[progress])

    with stop_on_signal(again=signal.SIG_DFL) as stop:
        for one_job in left:
            if stop.signal is not None:
                return _interrupted(one_job, stop.signal)
            try:
                _outcome(one_job, train)
            except TrainingInterrupted as interruption:
                return _interrupted(one_job, interruption.signal)
    return _code_of(chosen)


def submit(
    jobs: JobsFile,
    *,
    partition: Partition = None,
    minutes: Minutes = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    memory: Memory = None,
    at_once: Together = None,
    executor: Annotated[str, one(str, "NAME")] = "slurm",
    logs: Logs = None,
) -> int:
    """Submits the jobs that are not done as one Slurm array, by submitit (pip install 'ae_jax[slurm]').

    A job that is pre-empted, or whose minutes run out, is put back into the queue and goes on from its latest
    checkpoint. Submitting the same file again submits what is not done by then.

    Args:
      jobs: a file that ae-jax sweep --emit-jobs wrote, in a folder that all machines see.
      partition: of the cluster.
      minutes: that each job may take at a time.
      cpus: of each job.
      gpus: of each job.
      memory: of each job, in GB.
      at_once: how many jobs run at a time, at most.
      executor: slurm; or local, which are processes of this machine, all at once, and take --minutes and --gpus alone;
        or debug, which is this very process.
      logs: folder for what the jobs print.
    """
    from ae_jax.studies.jobs import read_jobs
    from ae_jax.studies.submission import submit_jobs

    read = read_jobs(jobs)
    submitted = submit_jobs(
        jobs.absolute(),
        read,
        executor=executor,
        logs=logs or read[0].folder.parent / "logs",
        partition=partition,
        minutes=minutes,
        cpus=cpus,
        gpus=gpus,
        memory=memory,
        at_once=at_once,
        prepare=prepare,
    )
    for number, name in submitted.items():
        print(f"job {number}: {name}")
    print(f"{len(submitted)} of {len(read)} jobs submitted; ae-jax collect {jobs} merges what they give.")
    return 0


def collect(jobs: JobsFile, *, json: Json = False) -> int:
    """Merges what the jobs of a sweep gave, as the sweep itself would have: results.json, report.html and runs.

    Where some jobs are not done, it names them and writes nothing.

    Args:
      jobs: a file that ae-jax sweep --emit-jobs wrote.
      json: print the results as JSON instead of a table.
    """
    from ae_jax.cli.checkpointing import alone_in, beside
    from ae_jax.cli.conduct import finish
    from ae_jax.studies import fan_out
    from ae_jax.studies.jobs import read_jobs

    read = read_jobs(jobs)
    fan_out.require_done(read)
    common = read[0].fan_out
    folder = Path(common.out)
    with alone_in(beside(folder, "checkpoints")):  # as the sweep itself would be
        return finish(fan_out.collect(read, fan_out.data_of(common)), folder, json=json)


def prepare() -> None:
    """What a process of a cluster does first, as every command does here."""
    quiet_libraries()
    use_cache()


def chosen_jobs(jobs: "list[Job]", which: int | str | None) -> "list[Job]":
    """All jobs, or the one of a number, or the one that Slurm names.

    Raises:
      InvalidInput: there is no such job, or Slurm names none.
    """
    if which is None:
        return jobs
    if which == "slurm":
        try:
            which = read_whole(os.environ[SLURM])
        except (KeyError, ValueError) as error:
            raise InvalidInput(
                f"--job slurm was given and {SLURM} names no job: expected a task of a Slurm array; or give a number."
            ) from error
    if not 0 <= int(which) < len(jobs):
        raise InvalidInput(f"there is no job {which}: expected a number from 0 to {len(jobs) - 1}.")
    return [jobs[int(which)]]


def _outcome(job: "Job", work: "Callable[[Job], str | None]") -> str | None:
    """What comes of work on a job, which is said; one that is refused leaves the others to be tried."""
    try:
        outcome = work(job)
    except InvalidInput as error:
        say(f"job {job.number}: {error}")
        return "refused"
    if outcome is not None:
        say(f"job {job.number}: {outcome}.")
    return outcome


def _done_before(job: "Job") -> str | None:
    from ae_jax.studies.fan_out import finished

    return None if finished(job) is None else "done before"


def _interrupted(job: "Job", number: int) -> int:
    say(f"interrupted at job {job.number}: the same command goes on with it.")
    return stopped_by(number)


def _code_of(jobs: "list[Job]") -> int:
    """The exit code of jobs that were tried; says what of them diverged.

    Raises:
      InvalidInput: some are not done.
    """
    from ae_jax.studies.fan_out import finished, not_done

    done, missing = [], []
    for job in jobs:
        try:
            facts = finished(job)
        except InvalidInput:  # which was said
            facts = None
        missing += [job.number] if facts is None else []
        done += [] if facts is None else [facts]
    for message in dict.fromkeys(message for facts in done for message in facts["messages"]):
        say(message)
    if missing:
        raise not_done(missing, len(jobs))
    return 0 if all(row.get("finite", True) for facts in done for row in facts["rows"]) else DIVERGED
