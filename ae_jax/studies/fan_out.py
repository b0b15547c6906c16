"""What becomes of the jobs of a sweep: each trained once, by whichever process comes first, and merged at the end."""

import contextlib
import shutil
from collections.abc import Sequence
from typing import Any, Literal

from ae_jax.data import Dataset, load
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import Row
from ae_jax.locks import locked
from ae_jax.studies.jobs import FanOut, Job, as_config
from ae_jax.studies.study_results import StudyResults, conduct
from ae_jax.studies.study_state import digest_of, remember, remembered
from ae_jax.studies.sweep import Setting, Sweep, structures_of, swept
from ae_jax.training import Callback, Run
from ae_jax.training.record import added
from ae_jax.training.run import load as load_run
from ae_jax.training.run import merged

Outcome = Literal["trained", "done before", "running elsewhere"]

_DONE, _RUN, _LOCK = "done.json", "run", "lock"


def data_of(fan_out: FanOut) -> Dataset:
    """The data of a sweep, as they were when its jobs were written.

    Raises:
      InvalidInput: they cannot be loaded, or are others now.
    """
    dataset = load(fan_out.source, fan_out.reading, scaling=fan_out.scaling)
    if digest_of(dataset) != fan_out.digest:
        raise InvalidInput(
            f"the data of {fan_out.source} are not what they were when the jobs were written: expected the same "
            "examples and labels; restore them, or write the jobs anew."
        )
    return dataset


def run_job(job: Job, dataset: Dataset, *, callbacks: Sequence[Callback] = ()) -> Outcome:
    """Trains a job from its latest checkpoint on, and asks about it, unless that was done or another process does.

    The job is done once its run and its rows are on the disk, with whatever else came of it in one file.

    Args:
      job: one of :func:`ae_jax.studies.jobs.read_jobs`.
      dataset: :func:`data_of` it.
      callbacks: as in :func:`ae_jax.fit`.

    Returns:
      What became of it.

    Raises:
      InvalidInput: its folder cannot be written, or holds another job.
      TrainingInterrupted: Ctrl-C or SIGTERM; a checkpoint was written.
    """
    if finished(job) is not None:
        return "done before"
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(job.folder / _LOCK, f"job {job.number} is being run by another process."))
        except InvalidInput as error:
            if isinstance(error.__cause__, BlockingIOError):
                return "running elsewhere"
            raise
        if finished(job) is not None:  # by the process that held the lock until now
            return "done before"
        for leftover in job.folder.glob(f".{_RUN}-*"):  # of a process that was killed while it saved
            shutil.rmtree(leftover)
        trials = _trained(job, dataset, callbacks)
        trials.runs[0].save(job.folder / _RUN)
        facts = {"rows": trials.rows[0], "messages": trials.messages, "record": trials.record}
        remember(job.folder / _DONE, {"job": as_config(job)} | facts)
    return "trained"


def finished(job: Job) -> dict[str, Any] | None:
    """What came of a job that is done, but its run; None of one that is not.

    Raises:
      InvalidInput: the folder is that of a job of another sweep.
    """
    done = remembered(job.folder / _DONE, "job", "rows", "messages", "record")
    if done is not None and done["job"] != as_config(job):
        raise InvalidInput(
            f"{job.folder} holds a job of another sweep: expected job {job.number} of this one; remove "
            f"{job.folder.parent}, or write the jobs anew with another folder for the sweep."
        )
    return done


def collect(jobs: Sequence[Job], dataset: Dataset) -> Sweep:
    """The sweep that the jobs are, as it would have been trained by one process.

    Args:
      jobs: all of a sweep.
      dataset: :func:`data_of` them.

    Returns:
      The sweep: one run for each structure; its record adds up those of the jobs.

    Raises:
      InvalidInput: jobs that are not done, by their numbers; or that were damaged.
    """
    require_done(jobs)
    done = [finished(job) or {} for job in jobs]
    fan_out = jobs[0].fan_out
    settings = _settings(jobs)
    structures, said = structures_of(fan_out.autoencoder, dataset, settings)
    if [[point.place for point in points] for points in structures] != _places(jobs):
        raise InvalidInput("the jobs are not those of one sweep: expected every setting with every seed once.")
    record = added([{key: value for key, value in one["record"].items() if key != "settings"} for one in done])
    trials = StudyResults(
        runs=[merged([_run(job) for job in of]) for of in _by_structure(jobs)],
        rows=[_rows(of, [done[job.number]["rows"] for job in of]) for of in _by_structure(jobs)],
        messages=[message for one in done for message in one["messages"]],
        record={"settings": done[0]["record"]["settings"] | {"seeds": list(fan_out.seeds)}} | record,
    )
    return swept(dataset, settings, structures, said, fan_out.seeds, trials)


def require_done(jobs: Sequence[Job]) -> None:
    """Raises where some jobs are not done.

    Raises:
      InvalidInput: with their numbers.
    """
    missing = [job.number for job in jobs if finished(job) is None]
    if missing:
        raise not_done(missing, len(jobs))


def not_done(missing: Sequence[int], count: int) -> InvalidInput:
    """The error for jobs that are missing of so many, by their numbers."""
    named = ", ".join(map(str, missing[:20])) + (", ..." if len(missing) > 20 else "")
    return InvalidInput(
        f"{len(missing)} of {count} jobs are not done ({named}): expected all of them; ae-jax jobs run goes on with "
        "them."
    )


def _trained(job: Job, dataset: Dataset, callbacks: Sequence[Callback]) -> StudyResults:
    points = structures_of(job.fan_out.autoencoder, dataset, job.settings)[0]
    if len(points) != 1:
        raise InvalidInput(f"job {job.number} has settings of several structures: write the jobs anew.")
    return conduct(
        {job.name: [point.autoencoder for point in points[0]]},
        dataset,
        lambda trials: trials,
        seeds=job.seeds,
        checkpoints=job.checkpoints(),
        resume=True,
        callbacks=callbacks,
        **job.fan_out.training(),
    )


def _run(job: Job) -> Run:
    """What a job trained.

    Raises:
      InvalidInput: it is damaged, and how the job is run again.
    """
    try:
        return load_run(job.folder / _RUN)
    except InvalidInput as error:
        raise InvalidInput(
            f"what job {job.number} trained cannot be read ({str(error).rstrip('.')}): remove {job.folder / _DONE} and "
            "run the job again, which writes it from its last checkpoint."
        ) from error


def _rows(jobs: Sequence[Job], answers: Sequence[list[Row]]) -> list[Row]:
    """Rows about parts of a structure as those about all its members."""
    first = [sum(job.members for job in jobs[:place]) for place in range(len(jobs))]
    return [row | {"member": row["member"] + start} for start, rows in zip(first, answers, strict=True) for row in rows]


def _by_structure(jobs: Sequence[Job]) -> list[list[Job]]:
    return [[job for job in jobs if job.structure == place] for place in range(jobs[0].fan_out.structures)]


def _places(jobs: Sequence[Job]) -> list[list[int]]:
    """The places in the grid of each structure's jobs, where those have every seed at each place once."""
    members = [
        [(place, seed) for job in of for place in job.places for seed in job.seeds] for of in _by_structure(jobs)
    ]
    places = [list(dict.fromkeys(place for place, _ in of)) for of in members]
    seeds = jobs[0].fan_out.seeds
    whole = [[(place, seed) for place in of for seed in seeds] for of in places]
    return places if members == whole else []


def _settings(jobs: Sequence[Job]) -> list[Setting]:
    """The settings of the whole grid, in its order."""
    found = {place: setting for job in jobs for place, setting in zip(job.places, job.settings, strict=True)}
    return [found[place] for place in sorted(found)]
