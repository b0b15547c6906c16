"""Trains a population, from the start or from a checkpoint, and returns it as a run."""

import contextlib
import dataclasses
import signal
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ae_jax.errors import TrainingDiverged
from ae_jax.models import Autoencoder
from ae_jax.public import public
from ae_jax.training.callbacks import Callback
from ae_jax.training.checkpoint import Checkpoints
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.config import TrainConfig
from ae_jax.training.continuation import Resume, open_checkpoints
from ae_jax.training.data_iterator import Position
from ae_jax.training.distributed import is_main_process, is_multiprocess, signal_of_any
from ae_jax.training.environment import environment
from ae_jax.training.interruption import inside_stop_on_signal, stop_on_signal
from ae_jax.training.loop import Loop, Start
from ae_jax.training.mesh import DATA, MEMBER
from ae_jax.training.outcome import report, run_of
from ae_jax.training.plan import Plan, plan
from ae_jax.training.progress import ProgressDisplay
from ae_jax.training.run import Run, TrainingInterrupted, extended
from ae_jax.training.snapshot import snapshot_of
from ae_jax.training.state import State
from ae_jax.training.warm_start import facts_of, start_from


@public
def fit(
    autoencoder: Autoencoder | Sequence[Autoencoder],
    data: Any,
    config: TrainConfig | None = None,
    *,
    seeds: int | Sequence[int] = 0,
    init: Run | None = None,
    checkpoints: Checkpoints | str | Path | None = None,
    resume: Resume = False,
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
    **settings: Any,
) -> Run:
    """Trains autoencoders on data: every combination of autoencoder and seed, as one compiled program.

    Members that differ only in numbers share initialisation, batches and noise of their seed. Where the data have a
    validation split, each member keeps the parameters of its epoch with the lowest validation loss, else the latest.

    A training with checkpoints that ended early continues from the newest one and reaches exactly the parameters of an
    uninterrupted training, on the same machine with the same versions.

    Args:
      autoencoder: one, or several that differ only in numbers (:func:`ae_jax.training.stack`).
      data: a :class:`ae_jax.data.Dataset`, or an array of examples ``[n, *shape]``, all of which are trained on.
      config: the settings; None for the defaults.
      seeds: one seed, or several different ones, each from 0 to 2**32 - 1.
      init: a run whose parameters the members start from, each from its own, or all from those of a run of one member
        (``run[0]``); the optimiser, numbers such as a learning rate, the data and the seeds may be others.
      checkpoints: the folder of checkpoints, or with it how often they are written; no two trainings may share it.
      resume: continues from the newest whole checkpoint, and starts anew where there is none; ``"extend"`` allows more
        ``epochs`` than that training was to have, and needs a checkpoint.
      callbacks: called as the training proceeds.
      progress: whether to show the progress on the standard error: a bar on a terminal and in a notebook, else lines.
      settings: fields of :class:`ae_jax.training.TrainConfig` that replace those of ``config``, such as ``epochs=20``.

    Returns:
      The trained population.

    Raises:
      InvalidInput: data or numbers that cannot be used, one sentence each; the checkpoints are of an unfinished
        training and ``resume`` is false, or of one with another configuration, or in use by another process; a run to
        start from of other networks, another shape or another number of members.
      TrainingDiverged: a loss turned NaN or infinite in every member; some members only are a warning.
      TrainingInterrupted: Ctrl-C or SIGTERM; the epoch under way was finished and saved. Like the error before, it
        holds the run so far. A second signal terminates the process immediately.
      Exception: what a callback raised, with the run so far as its ``run``.

    Example:
      >>> import ae_jax
      >>> run = ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), ae_jax.data.digits(), seeds=[0, 1], epochs=1)
      >>> run.encode(ae_jax.data.digits().test.x).shape
      (2, 359, 2)
    """
    config = (config or TrainConfig()).with_settings(settings)
    planned = plan(autoencoder, data, config, seeds=seeds)
    if planned.config.batch_size < config.batch_size:
        warnings.warn(
            f"batch_size={config.batch_size} was lowered to the {planned.config.batch_size} examples.", stacklevel=3
        )
    start = None if init is None else start_from(init, planned)
    with contextlib.ExitStack() as stack:
        if progress and is_main_process(planned.mesh):
            callbacks = [*callbacks, stack.enter_context(ProgressDisplay())]
        how = {"checkpoints": checkpoints, "resume": resume, "callbacks": callbacks}
        return train(planned, start, {} if init is None else {"init": facts_of(init)}, **how)


def train(
    planned: Plan,
    start: Start | None = None,
    noted: dict[str, Any] | None = None,
    *,
    checkpoints: Checkpoints | str | Path | None = None,
    resume: Resume = False,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Trains a planned population, as :func:`fit` does, from fresh parameters or from those of ``start``.

    ``noted`` joins the record of the run.
    """
    callbacks = callbacks if is_main_process(planned.mesh) else ()
    nested = inside_stop_on_signal()
    with (
        open_checkpoints(checkpoints, planned, resume, start) as (writer, saved, configuration),
        stop_on_signal() as stop,
        watch_compilation() as compilation,
    ):
        for callback in callbacks:
            callback.on_start(planned)
        before = {} if saved is None else saved.facts["record"]

        def spent() -> dict[str, Any]:
            return {name: round(before.get(name, 0) + more, 3) for name, more in compilation.cost().items()}

        facts = {"configuration": configuration, "environment": environment()}
        loop = Loop(planned, callbacks, stop, writer, lambda: facts | {"record": spent()})
        snapshot = None if saved is None else snapshot_of(saved.arrays, Position(*saved.facts["position"]), planned)
        loop.start(snapshot, start)
        early = loop.train()
        record = spent() | {"interrupted": early, **facts["environment"], **(noted or {})}
    interrupted = (loop.ended_by or stop.signal or signal.SIGINT) if early else 0
    if not early and not nested:  # a signal that came with the last epoch, which no outer block handles
        interrupted = (signal_of_any(stop.signal) if is_multiprocess(planned.mesh) else stop.signal) or 0
    if planned.mesh is not None:
        record["mesh"] = ",".join(f"{axis}={planned.mesh.shape[axis]}" for axis in (MEMBER, DATA))
    if loop.vmap_size < len(planned.seeds):
        record["vmap_size"] = loop.vmap_size
    run = run_of(planned, loop, record)
    _end(callbacks, run, loop.error)
    if interrupted:
        raise TrainingInterrupted(run, interrupted)
    report(run)
    return run


def _end(callbacks: Sequence[Callback], run: Run, error: Exception | None) -> None:
    """Tells every callback the end; raises the first exception of one, which ended the training or came now."""
    for callback in callbacks:
        try:
            callback.on_end(run)
        except Exception as raised:
            error = raised if error is None else error
    if error is not None:
        error.run = run  # pyright: ignore[reportAttributeAccessIssue]
        raise error


@public
def untrained(autoencoder: Autoencoder | Sequence[Autoencoder], data: Any, *, seeds: int | Sequence[int] = 0) -> Run:
    """The members that :func:`ae_jax.fit` would train, with the parameters that they would start from.

    Parameters found elsewhere are put in by ``dataclasses.replace(untrained(...), params=...)``, every leaf with a
    leading member axis.

    Args:
      autoencoder: one, or several that differ only in numbers.
      data: a :class:`ae_jax.data.Dataset` or an array of examples ``[n, *shape]``; it gives the run its shape, range
        and scaling.
      seeds: one seed, or several different ones.

    Returns:
      The run, of no epoch.

    Raises:
      InvalidInput: as of :func:`ae_jax.fit`.

    Example:
      >>> import ae_jax
      >>> run = untrained(ae_jax.undercomplete(code=2, hidden=()), ae_jax.data.digits(), seeds=[0, 1])
      >>> run.encode(ae_jax.data.digits().test.x).shape, run.best_epoch.tolist()
      ((2, 359, 2), [0, 0])
    """
    planned = plan(autoencoder, data, TrainConfig(epochs=1, batch_size=jax.device_count()), seeds=seeds)
    loop = Loop(planned)
    loop.start(None)
    return dataclasses.replace(run_of(planned, loop, environment()), settings={"epochs": 0})


def train_one_epoch(planned: Plan, run: Run | None = None, state: State | None = None) -> tuple[Run, State]:
    """One more epoch, on data that arrive in parts; many calls with the same data give the result of :func:`fit`.

    Args:
      planned: the population and this part of the data.
      run: the result of the epochs before; None starts from fresh parameters.
      state: of the epochs before, as this function returned it; None starts the optimiser afresh.

    Returns:
      The run with one epoch more in its history, and the state of parameters and optimiser as NumPy arrays.

    Raises:
      TrainingDiverged: a loss turned NaN or infinite in every member; its run is the one given.
    """
    number = 1 if run is None else run.history["train"]["loss"].shape[1] + 1
    planned = planned._replace(config=dataclasses.replace(planned.config, epochs=number))
    with watch_compilation() as compilation:
        loop = Loop(planned)
        loop.start(None, None if run is None else Start(run.params, run.state))
        steps = np.full_like(loop.state.step, (number - 1) * planned.steps)
        loop.state = loop.state._replace(step=steps) if state is None else state
        loop.position = Position(number)
        loop.train()
    latest = run_of(planned, loop, compilation.cost() | {"interrupted": False, **environment()})
    if not latest.finite.any():
        sentence = (
            f"{latest.name} diverged in epoch {number}: its parameters stay; lower the learning rate or a weight."
        )
        raise TrainingDiverged(sentence, run)
    return latest if run is None else extended(run, latest), jax.device_get(loop.state)
