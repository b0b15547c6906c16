"""The studies: ``compare``, ``train``, ``sweep``."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from ae_jax.cli.conduct import conduct
from ae_jax.cli.options import Data, Json, Training, one, several
from ae_jax.cli.saving import writable

FIVE_SEEDS, ONE_SEED = Training(), Training(seeds=1)
DIGITS = Data()

Only = Annotated[Any, several(str, "NAME", least=1), arg(help_behavior_hint="(default: all that fit the data)")]
ComparisonFolder = Annotated[Path | None, one(Path, "DIR"), arg(help_behavior_hint="(default: runs/compare-DATA)")]
RunFolder = Annotated[Path | None, one(Path, "DIR"), arg(help_behavior_hint="(default: runs/train-NAME-DATA)")]
SweepFolder = Annotated[Path | None, one(Path, "DIR"), arg(help_behavior_hint="(default: runs/sweep-NAME-DATA)")]


def compare(
    data: Data = DIGITS,
    training: Training = FIVE_SEEDS,
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
      only: names of the autoencoders to compare.
      out: folder for everything that is written.
      json: print the results as JSON instead of a table.
    """
    from ae_jax import studies
    from ae_jax.autoencoders import NAMED
    from ae_jax.training.run import require_replaceable

    dataset = data.load()
    folder = writable(out or Path("runs") / f"compare-{dataset.name}")
    for name in NAMED:
        require_replaceable(folder / "runs" / name)
    return conduct(partial(studies.compare, dataset, only), training, folder, json=json)


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
        *,
        out: RunFolder = None,
        json: Json = False,
    ) -> int:
        """Trains one autoencoder and saves it.

        Args:
          hyperparameters: of the autoencoder.
          data: on what is trained.
          training: for how long.
          out: folder for the run, results.json and report.html.
          json: print the results as JSON instead of a table.
        """
        from ae_jax import studies
        from ae_jax.training.run import require_replaceable

        make_autoencoder(name, hyperparameters)  # what is wrong with it is said before the data are read
        dataset = data.load()
        autoencoder, messages = make_autoencoder(name, hyperparameters, dataset)
        folder = writable(out or Path("runs") / f"train-{name}-{dataset.name}")
        require_replaceable(folder)
        study = partial(studies.compare, dataset, [autoencoder], messages=messages)
        return conduct(study, training, folder, json=json, one_run=True)

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
        *,
        out: SweepFolder = None,
        json: Json = False,
    ) -> int:
        """Trains one autoencoder at every point of a grid of hyper-parameters.

        Args:
          hyperparameters: each number takes one or more values; every combination is trained.
          data: on what is trained.
          training: for how long.
          out: folder for results.json, report.html and the trained runs.
          json: print the results as JSON instead of a table.
        """
        from ae_jax import studies
        from ae_jax.training.run import require_replaceable

        grid = grid_of(name, hyperparameters)
        dataset = data.load()
        folder = writable(out or Path("runs") / f"sweep-{name}-{dataset.name}")
        require_replaceable(folder / "runs" / name)
        return conduct(partial(studies.sweep, name, dataset, grid), training, folder, json=json)

    command.__annotations__["hyperparameters"] = options
    return command
