"""Training by single passes over rows that come bit by bit, each of them the training engine's own epoch."""

import dataclasses
import time
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.errors import TrainingDiverged
from ae_jax.training import Run
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.environment import environment
from ae_jax.training.plan import Plan
from ae_jax.training.population import advance_population, initial_population, order_of_population
from ae_jax.training.run_folder import History
from ae_jax.training.state import Selection, State


class Progress(NamedTuple):
    """Where training stands between two passes, as NumPy arrays with a leading member axis.

    Attributes:
      state: parameters, optimiser and steps so far.
      selection: the same parameters, as those of the latest epoch.
    """

    state: State
    selection: Selection


def start(planned: Plan, run: Run | None = None) -> Progress:
    """Before the first pass: fresh parameters, or those of a run that was fitted, and a fresh optimiser."""
    state, selection = jax.device_get(initial_population(planned.autoencoder, planned.seeds, planned.dataset.shape))
    if run is not None:
        steps = len(run.history["train"]["loss"][0]) * -(-run.data.examples["train"] // run.settings["batch_size"])
        state = state._replace(params=run.params, step=np.full_like(state.step, steps))
    return Progress(state, selection)


def one_pass(planned: Plan, progress: Progress, run: Run | None = None) -> tuple[Run, Progress]:
    """One epoch more, over the rows of a plan.

    Args:
      planned: the autoencoder, its seed and the rows.
      progress: where training stands.
      run: of the passes before.

    Returns:
      The run with the latest parameters and a history that is longer by one, and where training stands now.

    Raises:
      TrainingDiverged: a value turned NaN or infinite; it holds the run as it was, None before the first pass.
    """
    number = 1 if run is None else run.history["train"]["loss"].shape[1] + 1
    started, position, examples = time.perf_counter(), (np.int32(number),), len(planned.dataset.train.x)
    with watch_compilation() as compilation:
        after = advance_population(
            *progress,
            planned.autoencoder,
            planned.seeds,
            order_of_population(planned.seeds, np.zeros(1, int), position, examples, planned.batch_size),
            np.int32(0),
            position[0],
            planned.dataset.train.x,
            validation=None,
            scaling=planned.dataset.scaling,
            patience=np.float32(np.inf),
            last_step=np.int32(0),  # where validation takes schedules, and there is none
            steps=-(-examples // planned.batch_size),
            batch_size=planned.batch_size,
            finish=True,
        )
        state, selection, trained = jax.device_get(after)
    if not selection.finite.all():
        raise TrainingDiverged(
            f"{planned.autoencoder.name} diverged in pass {number}: it stays as it was before; lower the learning "
            "rate or a weight.",
            run,
        )
    spent = {
        "wall_s": time.perf_counter() - started,
        "compile_s": compilation.seconds,
        "programs": compilation.programs,
        "programs_compiled": compilation.compiled,
    }
    if run is None:
        run = _untrained(planned)
    run = dataclasses.replace(
        run,
        params=state.params,
        history=_longer(run.history, trained.metrics),
        best_epoch=selection.epoch,
        finite=selection.finite,
        settings=run.settings | {"epochs": number, "batch_size": planned.batch_size},
        record=run.record | {name: round(run.record.get(name, 0) + more, 3) for name, more in spent.items()},
    )
    return run, Progress(state, selection)


def _untrained(planned: Plan) -> Run:
    return Run(
        autoencoder=planned.autoencoder,
        seeds=planned.seeds,
        data=planned.dataset.spec,
        params={},
        history={},
        best_epoch=np.zeros(1, np.int32),
        finite=np.ones(1, bool),
        settings={"patience": None, "on_divergence": planned.on_divergence},
        record={"interrupted": False, **environment()},
        single=True,
    )


def _longer(history: History, metrics: Any) -> History:
    """A history with one epoch more; NaN of a split that this one was not validated on."""
    if not history:
        return {split: {term: value[:, None] for term, value in terms.items()} for split, terms in metrics.items()}
    nothing = np.full(1, np.nan, np.float32)
    return {
        split: {
            term: np.concatenate([values, metrics.get(split, {}).get(term, nothing)[:, None]], axis=1)
            for term, values in terms.items()
        }
        for split, terms in history.items()
    }
