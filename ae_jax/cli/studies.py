"""The studies: ``compare``, ``train``, ``sweep``."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from ae_jax.cli.checkpointing import Checkpointing
from ae_jax.cli.conduct import conduct
from ae_jax.cli.devices import Devices, by_each, by_leader
from ae_jax.cli.emission import emit_jobs as emit
from ae_jax.cli.emission import require_emission
from ae_jax.cli.options import WHOLE, Data, Json, Training, one, several
from ae_jax.cli.saving import writable

FIVE_SEEDS, ONE_SEED = Training(), Training(seeds=1)
DIGITS = Data()
EVERY_MINUTE = Checkpointing()
ONE_DEVICE = Devices()

Only = Annotated[Any, several(str, "NAME", least=1), arg(help_behavior_hint="(default: all that fit the data)")]
ComparisonFolder = Annotated[Path | None, one(Path, "DIR"), arg(help_behavior_hint="(default: runs/compare-DATA)")]
RunFolder = Annotated[Path | None, one(Path, "DIR"), arg(help_behavior_hint="(default: runs/train-NAME-DATA)")]
SweepFolder = Annotated[Path | None, one(Path, "DIR"), arg(help_behavior_hint="(default: runs/sweep-NAME-DATA)")]
JobsFile = Annotated[Path | None, one(Path, "FILE.jsonl"), arg(help_behavior_hint="(default: trains here and now)")]
PerJob = Annotated[int | None, WHOLE, arg(help_behavior_hint="(default: all of one structure)")]


def compare(
    data: Data = DIGITS,
    training: Training = FIVE_SEEDS,
    checkpointing: Checkpointing = EVERY_MINUTE,
    devices: Devices = ONE_DEVICE,
    *,
    only: Only = None,
    out: ComparisonFolder = None,
    json: Json = False,
) -> int:
    """Trains the named autoencoders on one data set and asks each the same questions.

    Prints means with 95% confidence intervals over seeds, PCA as the baseline; writes results.json, report.html and
    each trained run under runs/NAME.

    Args:
      data: on what is trained.
      training: for how long.
      checkpointing: how training is saved, and whether it goes on.
      devices: on how many.
      only: names of the autoencoders to compare.
      out: folder for everything that is written.
      json: print the results as JSON instead of a table.
    """
    from ae_jax import studies
    from ae_jax.models import NAMED

    devices.join()
    dataset = by_each(data.load)
    folder = out or Path("runs") / f"compare-{dataset.name}"
    by_leader(lambda: _require_free(folder, [folder / "runs" / name for name in NAMED]))
    return conduct(partial(studies.compare, dataset, only), training, checkpointing, devices, folder, json=json)


def train() -> int:
    """Trains one autoencoder and saves it.

    ae-jax train NAME --help lists its hyper-parameters.
    """
    raise NotImplementedError("dispatch calls what train_named makes.")


def train_named(name: str) -> Callable[..., int]:
    """The command that trains the autoencoder of that name, its hyper-parameters as options."""
    from ae_jax.cli.hyperparameters import hyperparameters, make_autoencoder

    options = hyperparameters(name)
    by_default = options()

    def command(
        hyperparameters: Any = by_default,
        data: Data = DIGITS,
        training: Training = ONE_SEED,
        checkpointing: Checkpointing = EVERY_MINUTE,
        devices: Devices = ONE_DEVICE,
        *,
        out: RunFolder = None,
        json: Json = False,
    ) -> int:
        """Trains one autoencoder and saves it.

        Args:
          hyperparameters: of the autoencoder.
          data: on what is trained.
          training: for how long.
          checkpointing: how training is saved, and whether it goes on.
          devices: on how many.
          out: folder for the run, results.json and report.html.
          json: print the results as JSON instead of a table.
        """
        from ae_jax import studies

        make_autoencoder(name, hyperparameters)  # what is wrong with it is said before the data are read
        devices.join()
        dataset = by_each(data.load)
        autoencoder, messages = by_each(lambda: make_autoencoder(name, hyperparameters, dataset))
        folder = out or Path("runs") / f"train-{name}-{dataset.name}"
        by_leader(lambda: _require_free(folder, [folder]))
        study = partial(studies.compare, dataset, [autoencoder], messages=messages)
        return conduct(study, training, checkpointing, devices, folder, json=json, one_run=True)

    command.__annotations__["hyperparameters"] = options
    return command


def sweep() -> int:
    """Trains one autoencoder at every point of a grid of hyper-parameters.

    ae-jax sweep NAME --help lists them; those that are numbers take one or more values.
    """
    raise NotImplementedError("dispatch calls what sweep_named makes.")


def sweep_named(name: str) -> Callable[..., int]:
    """The command that sweeps the autoencoder of that name, each numeric hyper-parameter an option of many values."""
    from ae_jax.cli.hyperparameters import grid_of, hyperparameters

    options = hyperparameters(name, grid=True)
    by_default = options()

    def command(
        hyperparameters: Any = by_default,
        data: Data = DIGITS,
        training: Training = FIVE_SEEDS,
        checkpointing: Checkpointing = EVERY_MINUTE,
        devices: Devices = ONE_DEVICE,
        *,
        emit_jobs: JobsFile = None,
        members_per_job: PerJob = None,
        out: SweepFolder = None,
        json: Json = False,
    ) -> int:
        """Trains one autoencoder at every point of a grid of hyper-parameters.

        Args:
          hyperparameters: each number takes one or more values; every combination is trained.
          data: on what is trained.
          training: for how long.
          checkpointing: how training is saved, and whether it goes on.
          devices: on how many.
          emit_jobs: trains nothing, and writes a line of JSON for each job that the sweep can be divided into; ae-jax
            jobs run trains them, ae-jax jobs submit has Slurm train them, and ae-jax collect merges what they gave.
          members_per_job: with --emit-jobs, how many members a job has at most.
          out: folder for results.json, report.html and the trained runs.
          json: print the results as JSON instead of a table.
        """
        from ae_jax import studies
        from ae_jax.studies.jobs import jobs_of
        from ae_jax.studies.sweep import names_of_populations

        grid = grid_of(name, hyperparameters)
        if emit_jobs is not None or members_per_job is not None:
            require_emission(emit_jobs, checkpointing, devices)
        devices.join()
        dataset = by_each(data.load)
        folder = out or Path("runs") / f"sweep-{name}-{dataset.name}"
        members = None if emit_jobs is not None else training.seeds
        names = by_each(lambda: names_of_populations(name, dataset, grid, seeds=members, mesh=devices.mesh))
        by_leader(lambda: _require_free(folder, [folder / "runs" / each for each in names]))
        if emit_jobs is not None:
            return emit(
                emit_jobs,
                partial(jobs_of, name, dataset, grid),
                data,
                training,
                checkpointing,
                folder,
                members_per_job=members_per_job,
                json=json,
            )
        return conduct(partial(studies.sweep, name, dataset, grid), training, checkpointing, devices, folder, json=json)

    command.__annotations__["hyperparameters"] = options
    return command


def _require_free(folder: Path, runs: list[Path]) -> None:
    """Raises where a study cannot be written to a folder, or a run would replace what is none.

    Raises:
      InvalidInput: it cannot, or it would.
    """
    from ae_jax.training.run import require_replaceable

    writable(folder)
    for place in runs:
        require_replaceable(place)
