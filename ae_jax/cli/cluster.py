"""Sweeps whose chunks are jobs: on a Slurm cluster, or in processes of this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ae_jax.cli.folders import alone_in, beside, default_folder, require_free, runs_folder
from ae_jax.cli.options import Chunks, Data, Folder, Training
from ae_jax.cli.results import finish
from ae_jax.cli.session import quiet_libraries, say, use_cache
from ae_jax.data.sources import is_named
from ae_jax.errors import InvalidInput

if TYPE_CHECKING:
    from ae_jax.studies import SweepSpec


def sweep_on_cluster(
    name: str, grid: dict[str, Any], data: Data, training: Training, chunks: Chunks, *, out: Folder, json: bool
) -> int:
    """Submits the unfinished chunks of a sweep, or collects the finished ones where no executor is given."""
    from ae_jax.studies import submit_sweep

    if training.mesh is not None or training.distributed is not None:
        raise InvalidInput("--submit was given with --mesh or --distributed: expected neither, as jobs train alone.")
    if training.track is not None:
        raise InvalidInput("--track was given with --submit: expected one of them, as jobs are not tracked.")
    options, dataset = parse_pairs(chunks.submit_options), data.load()
    folder = (out or default_folder("sweep", name, dataset.name)).absolute()
    spec = sweep_spec(name, grid, data, training, chunks.chunks, beside(folder))
    names = spec.names(dataset)
    require_free(folder, [runs_folder(folder, each) for each in names])
    if chunks.submit is not None:
        jobs = submit_sweep(spec, dataset, executor=chunks.submit, options=options, prepare=prepare_job)
        for population, job in jobs.items():
            say(f"{population}: job {job}")
        say(f"{len(jobs)} of {len(names)} chunks submitted; --collect merges them once they are finished.")
        if chunks.submit == "slurm":
            return 0
    if left := spec.unfinished(dataset):
        raise InvalidInput(
            f"{len(left)} of {len(names)} chunks are unfinished ({', '.join(left[:10])}): wait for their jobs, or "
            "submit them again by --submit."
        )
    with alone_in(beside(folder)):
        return finish(spec.sweep(dataset), folder, json=json)


def sweep_spec(
    name: str, grid: dict[str, Any], data: Data, training: Training, chunks: int | None, checkpoints: Path
) -> "SweepSpec":
    """Returns everything that a machine must know to train a part of the sweep."""
    from ae_jax.studies import SweepSpec

    how = training.study_options(checkpoints)
    return SweepSpec(
        autoencoder=name,
        grid=grid,
        source=data.data if is_named(data.data) else str(Path(data.data).expanduser().absolute()),
        reading=data.read_options(),
        scaling=data.scaling,
        seeds=tuple(how["seeds"]),
        chunks=chunks,
        checkpoints=how["checkpoints"],
        config=how["config"],
    )


def parse_pairs(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Returns KEY=VALUE pairs as a dictionary, with whole numbers as such.

    Example:
      >>> parse_pairs(("timeout_min=60", "slurm_partition=gpu"))
      {'timeout_min': 60, 'slurm_partition': 'gpu'}
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise InvalidInput(f"--submit-options was given {pair!r}: expected KEY=VALUE, such as timeout_min=60.")
        found[key] = int(value) if value.isdecimal() else value
    return found


def prepare_job() -> None:
    """Prepares a process of a cluster, as every command prepares this one."""
    quiet_libraries()
    use_cache()
