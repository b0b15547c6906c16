"""A sweep written as jobs instead of trained."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ae_jax.cli.checkpointing import Checkpointing
from ae_jax.cli.devices import Devices
from ae_jax.cli.options import Data, Training
from ae_jax.cli.printing import print_json
from ae_jax.errors import InvalidInput

if TYPE_CHECKING:
    from ae_jax.studies.jobs import Job


def require_emission(path: Path | None, checkpointing: Checkpointing, devices: Devices) -> None:
    """Raises where options do not go together with writing jobs; before anything waits for other processes.

    Raises:
      InvalidInput: no file is named, or something is asked for that is of no use where nothing is trained.
    """
    if path is None:
        raise InvalidInput(
            "--members-per-job was given without --emit-jobs, which alone uses it: name a file to write."
        )
    if checkpointing.resume or checkpointing.extend:
        raise InvalidInput(
            "--resume was given with --emit-jobs, which trains nothing: leave it out; jobs always resume."
        )
    devices.require_none("--emit-jobs")


def emit_jobs(
    path: Path,
    jobs_of: "Callable[..., list[Job]]",
    data: Data,
    training: Training,
    checkpointing: Checkpointing,
    folder: Path,
    *,
    members_per_job: int | None,
    json: bool,
) -> int:
    """Writes the jobs of a sweep and says how many there are.

    Args:
      path: of the file.
      jobs_of: makes them of the settings.
      data, training, checkpointing: the options of the sweep.
      folder: where the sweep goes in the end.
      members_per_job: at most.
      json: prints a summary as JSON.

    Raises:
      InvalidInput: as in :func:`ae_jax.studies.jobs.jobs_of`.
    """
    from ae_jax.studies.jobs import write_jobs

    jobs = jobs_of(
        source=data.data,
        reading=data.reading(),
        scaling=data.scaling,
        checkpoints=checkpointing.checkpoints(folder),
        out=folder,
        members_per_job=members_per_job,
        **training.settings(),
    )
    write_jobs(path, jobs)
    members, structures = sum(job.members for job in jobs), jobs[0].fan_out.structures
    if json:
        print_json({"jobs": str(path), "count": len(jobs), "members": members, "structures": structures})
        return 0
    print(f"{path}: {len(jobs)} jobs of {members} members, which have {structures} structures")
    print(f"ae-jax jobs run {path} trains them; ae-jax collect {path} merges what they gave into {folder}.")
    return 0
