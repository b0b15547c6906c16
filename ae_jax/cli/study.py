"""The commands that train: ``compare``, ``train`` and ``sweep``."""

import signal
from collections.abc import Callable, Iterable
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import jax

from ae_jax.atomic import remove_scratch
from ae_jax.cli.cluster import sweep_on_cluster
from ae_jax.cli.folders import alone_in, beside, default_folder, require_free, runs_folder, writable
from ae_jax.cli.hyperparameters import chosen_grid, chosen_values
from ae_jax.cli.hyperparameters import hyperparameters as options_of
from ae_jax.cli.options import Chunks, Data, Folder, Json, Training, is_leader, option
from ae_jax.cli.results import code_of, finish, keep
from ae_jax.data import Dataset, missing_values
from ae_jax.models import named
from ae_jax.training import TrainingInterrupted, stop_on_signal
from ae_jax.training.distributed import sync_errors

if TYPE_CHECKING:
    from ae_jax.studies import Comparison, Sweep

DIGITS, FIVE_SEEDS, ONE_SEED, ONE_PROCESS = Data(), Training(), Training(seeds=1), Chunks()

Names = Annotated[tuple[str, ...], option("NAME [NAME ...]", "six that fit the data")]


def compare(
    data: Data = DIGITS,
    training: Training = FIVE_SEEDS,
    *,
    autoencoders: Names = (),
    out: Folder = None,
    json: Json = False,
) -> int:
    """Trains named autoencoders on one data set and evaluates each alike, with PCA as the baseline.

    Prints means with 95% confidence intervals over seeds, and writes results.json, report.html and runs/NAME.

    Args:
      data: what to train on.
      training: how to train.
      autoencoders: names of those to compare.
      out: folder for everything that is written.
    """
    from ae_jax import studies

    training.join()
    names = autoencoders or studies.DEFAULT_AUTOENCODERS
    dataset = by_each(lambda: _loaded(names, data))
    folder = out or default_folder("compare", dataset.name)
    by_leader(lambda: require_free(folder, [runs_folder(folder, name) for name in names]))
    return conduct(partial(studies.compare, dataset, list(autoencoders) or None), training, folder, json=json)


def _loaded(names: Iterable[str], data: Data) -> Dataset:
    """Loads data, whose values may be missing where every autoencoder takes such data."""
    with missing_values(all(named(name)().objective.uses_observed for name in names)):
        return data.load()


def train_command(name: str) -> Callable[..., int]:
    """Makes the command that trains the autoencoder of that name, with its hyper-parameters as options."""
    options = options_of(name)

    def command(
        hyperparameters: options,  # pyright: ignore[reportInvalidTypeForm]
        data: Data = DIGITS,
        training: Training = ONE_SEED,
        *,
        out: Folder = None,
        json: Json = False,
    ) -> int:
        from ae_jax import studies

        training.join()
        dataset = by_each(lambda: _loaded([name], data))
        autoencoder, messages = by_each(lambda: studies.suited(name, dataset, **chosen_values(hyperparameters)))
        folder = out or default_folder("train", name, dataset.name)
        by_leader(lambda: require_free(folder, [folder]))
        study = partial(studies.compare, dataset, [autoencoder], messages=messages)
        return conduct(study, training, folder, json=json, one_run=True)

    command.__doc__ = f"""Trains {name} and saves it.

    Args:
      hyperparameters: of the autoencoder.
      data: what to train on.
      training: how to train.
      out: folder for the run, results.json and report.html.
    """
    return command


def sweep_command(name: str) -> Callable[..., int]:
    """Makes the command that sweeps the autoencoder of that name; each numeric hyper-parameter takes several values."""
    options = options_of(name, grid=True)

    def command(
        hyperparameters: options,  # pyright: ignore[reportInvalidTypeForm]
        data: Data = DIGITS,
        training: Training = FIVE_SEEDS,
        chunks: Chunks = ONE_PROCESS,
        *,
        out: Folder = None,
        json: Json = False,
    ) -> int:
        from ae_jax import studies

        grid = chosen_grid(name, hyperparameters)
        if chunks.on_cluster:
            return sweep_on_cluster(name, grid, data, training, chunks, out=out, json=json)
        training.join()
        dataset = by_each(lambda: _loaded([name], data))
        folder = out or default_folder("sweep", name, dataset.name)
        where = {"seeds": training.seeds, "chunks": chunks.chunks, "mesh": training.mesh}
        populations, _ = by_each(lambda: studies.populations_of(name, dataset, grid, **where))
        by_leader(lambda: require_free(folder, [runs_folder(folder, each) for each in populations]))
        return conduct(partial(studies.sweep, name, dataset, grid, chunks=chunks.chunks), training, folder, json=json)

    command.__doc__ = f"""Trains {name} at every point of a grid of hyper-parameters.

    With --submit, the chunks of the sweep are jobs: on a Slurm cluster, in processes of this machine (local) or in this
    one (debug). The same command submits what is unfinished, and with --collect merges the chunks into one study.

    Args:
      hyperparameters: numbers take one or more values; every combination is trained.
      data: what to train on.
      training: how to train.
      chunks: how the grid is divided, and where its parts are trained.
      out: folder for results.json, report.html and the trained runs.
    """
    return command


def conduct(
    study: "Callable[..., Comparison | Sweep]", training: Training, folder: Path, *, json: bool, one_run: bool = False
) -> int:
    """Runs a study, writes its results and prints them; returns the exit code.

    Of processes that train together, the first alone writes and prints. The first SIGINT or SIGTERM saves what was
    trained and ends the command; a second one terminates the process immediately.
    With ``one_run``, the folder is that of the study's only run; checkpoints are written beside it.
    """
    from ae_jax.training import ProgressDisplay

    place, tracking = beside(folder), by_leader(training.trackers)
    by_leader(lambda: writable(place))
    how = training.study_options(place)
    with stop_on_signal(again=signal.SIG_DFL), ExitStack() as stack:
        by_leader(lambda: stack.enter_context(alone_in(place)))
        if how["resume"]:
            by_leader(lambda: [remove_scratch(each) for each in (folder, place)])
        try:
            with ProgressDisplay() if is_leader() else nullcontext() as progress:
                outcome = study(callbacks=() if progress is None else [progress, *tracking], **how)
        except TrainingInterrupted as interruption:
            if is_leader():
                keep(interruption.run, folder, one_run=one_run)
            return 128 + interruption.signal
        return finish(outcome, folder, json=json, one_run=one_run) if is_leader() else code_of(outcome)


def by_each(work: Callable[[], Any]) -> Any:
    """Returns the result of work that each of joined processes does; where one refuses, all end."""
    return sync_errors(jax.process_count() > 1, work)


def by_leader(work: Callable[[], Any]) -> Any:
    """Returns the result of work that the first process alone does, and None in others; where it refuses, all end."""
    return by_each(lambda: work() if is_leader() else None)
