"""Trains a population, from the start or from a checkpoint, and returns it as a run."""

import contextlib
import dataclasses
import signal
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ae_jax.errors import InvalidInput, TrainingDiverged
from ae_jax.locks import locked
from ae_jax.models import Autoencoder
from ae_jax.training.callbacks import Callback
from ae_jax.training.checkpoint import (
    Checkpoint,
    Checkpoints,
    CheckpointWriter,
    checkpoint_info,
    latest_checkpoint,
    remove_checkpoints,
    set_damaged_aside,
)
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.config import TrainConfig
from ae_jax.training.continuation import Resume, configuration_of, require_same, warn_of_another_environment
from ae_jax.training.data_iterator import Position
from ae_jax.training.distributed import is_main_process, is_multiprocess, require_alike, signal_of_any, sync_errors
from ae_jax.training.environment import environment
from ae_jax.training.interruption import inside_stop_on_signal, stop_on_signal
from ae_jax.training.loop import Loop, Start
from ae_jax.training.mesh import DATA, MEMBER, to_local
from ae_jax.training.plan import Plan, plan
from ae_jax.training.run import Run, TrainingInterrupted, extended
from ae_jax.training.snapshot import history_of, snapshot_of
from ae_jax.training.state import State


def fit(
    autoencoder: Autoencoder | Sequence[Autoencoder],
    data: Any,
    config: TrainConfig | None = None,
    *,
    seeds: int | Sequence[int] = 0,
    checkpoints: Checkpoints | str | Path | None = None,
    resume: Resume = False,
    callbacks: Sequence[Callback] = (),
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
      checkpoints: the folder of checkpoints, or with it how often they are written; no two trainings may share it.
      resume: continues from the newest whole checkpoint, and starts anew where there is none; ``"extend"`` allows more
        ``epochs`` than that training was to have.
      callbacks: called as the training proceeds.
      settings: fields of :class:`ae_jax.training.TrainConfig` that replace those of ``config``, such as ``epochs=20``.

    Returns:
      The trained population.

    Raises:
      InvalidInput: data or numbers that cannot be used, one sentence each; the checkpoints are of an unfinished
        training and ``resume`` is false, or of one with another configuration, or in use by another process.
      TrainingDiverged: a loss turned NaN or infinite in every member; some members only are a warning.
      TrainingInterrupted: Ctrl-C or SIGTERM; the epoch under way was finished and saved. Like the error before, it
        holds the run so far. A second signal terminates the process immediately.

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
            f"batch_size={config.batch_size} was lowered to the {planned.config.batch_size} examples.",
            stacklevel=2,
        )
    return train(planned, checkpoints=checkpoints, resume=resume, callbacks=callbacks)


def train(
    planned: Plan,
    start: Start | None = None,
    *,
    checkpoints: Checkpoints | str | Path | None = None,
    resume: Resume = False,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Trains a planned population, as :func:`fit` does, from fresh parameters or from those of ``start``."""
    callbacks = callbacks if is_main_process(planned.mesh) else ()
    nested = inside_stop_on_signal()
    with (
        _open_checkpoints(checkpoints, planned, resume) as (writer, saved, configuration),
        stop_on_signal() as stop,
        watch_compilation() as compilation,
    ):
        for callback in callbacks:
            callback.on_start(planned.autoencoder.name, planned.config.epochs)
        before = {} if saved is None else saved.facts["record"]

        def spent() -> dict[str, Any]:
            return {name: round(before.get(name, 0) + more, 3) for name, more in compilation.cost().items()}

        facts = {"configuration": configuration, "environment": environment()}
        loop = Loop(planned, callbacks, stop, writer, lambda: facts | {"record": spent()})
        snapshot = None
        if saved is not None:
            snapshot = snapshot_of(saved.arrays, Position(*saved.facts["position"]), planned)
        loop.start(snapshot, start)
        early = loop.train()
        record = spent() | {"interrupted": early, **facts["environment"]}
    interrupted = (loop.ended_by or stop.signal or signal.SIGINT) if early else 0
    if not early and not nested:  # a signal that came with the last epoch, which no outer block handles
        interrupted = (signal_of_any(stop.signal) if is_multiprocess(planned.mesh) else stop.signal) or 0
    if planned.mesh is not None:
        record["mesh"] = ",".join(f"{axis}={planned.mesh.shape[axis]}" for axis in (MEMBER, DATA))
    if loop.vmap_size < len(planned.seeds):
        record["vmap_size"] = loop.vmap_size
    run = _run_of(planned, loop, record)
    for callback in callbacks:
        callback.on_end(run)
    if interrupted:
        raise TrainingInterrupted(run, interrupted)
    _report(run)
    return run


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
    return dataclasses.replace(_run_of(planned, loop, environment()), settings={"epochs": 0})


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
    latest = _run_of(planned, loop, compilation.cost() | {"interrupted": False, **environment()})
    if not latest.finite.any():
        sentence = (
            f"{latest.name} diverged in epoch {number}: its parameters stay; lower the learning rate or a weight."
        )
        raise TrainingDiverged(sentence, run)
    return latest if run is None else extended(run, latest), jax.device_get(loop.state)


@contextlib.contextmanager
def _open_checkpoints(
    checkpoints: Checkpoints | str | Path | None, planned: Plan, resume: Resume
) -> Iterator[tuple[CheckpointWriter | None, Checkpoint | None, dict[str, Any]]]:
    """Locks the folder of checkpoints; yields their writer, the checkpoint to resume and the configuration."""
    if resume not in (False, True, "extend"):
        raise InvalidInput(f"fit was given resume={resume!r}: expected True, False or 'extend'.")
    if checkpoints is None:
        if resume:
            raise InvalidInput(f"fit was given resume={resume!r} and no checkpoints: expected their folder.")
        yield None, None, {}
        return
    if not isinstance(checkpoints, Checkpoints):
        checkpoints = Checkpoints(folder=Path(checkpoints))
    folder, mesh = checkpoints.folder, planned.mesh
    writes, joined = is_main_process(mesh), is_multiprocess(mesh)
    in_use = f"{folder} is in use by another training: wait for it, or choose another folder."
    with contextlib.ExitStack() as stack:
        sync_errors(joined, lambda: stack.enter_context(locked(folder / "lock", in_use)) if writes else None)
        configuration = sync_errors(joined, lambda: configuration_of(planned))
        saved = sync_errors(joined, lambda: _checkpoint_to_resume(folder, planned, configuration, resume))
        require_alike(mesh, [-1 if saved is None else saved.step], f"the checkpoints in {folder}")
        writer = None
        if writes:
            if saved is None:
                remove_checkpoints(folder)
            else:
                set_damaged_aside(folder, after=saved.step)
            writer = CheckpointWriter(checkpoints, planned.steps)
            stack.callback(writer.close)
        yield writer, saved, configuration


def _checkpoint_to_resume(
    folder: Path, planned: Plan, configuration: dict[str, Any], resume: Resume
) -> Checkpoint | None:
    """The newest checkpoint if the training is to be resumed; raises if it may neither be resumed nor replaced."""
    if resume:
        saved = latest_checkpoint(folder)
        if saved is not None:
            require_same(saved.facts["configuration"], configuration, planned, resume=resume, folder=folder)
            warn_of_another_environment(saved.facts["environment"], environment(), folder=folder)
        return saved
    position = checkpoint_info(folder)
    if position is None:
        latest_checkpoint(folder)  # raises an error if there are some and none can be read: they are not removed
    elif not position.finished:
        raise InvalidInput(
            f"{folder} holds an unfinished training, at epoch {position.epoch} of {position.epochs}: resume=True goes "
            "on with it (on the command line --resume); remove the folder to start anew."
        )
    return None


def _run_of(planned: Plan, loop: Loop, record: dict[str, Any]) -> Run:
    """The population as far as a loop trained it."""
    best = to_local(planned.mesh, loop.best)
    counts = {"skipped_steps": np.asarray(best.skipped).tolist(), "rollbacks": np.asarray(best.undone).tolist()}
    run = Run(
        autoencoder=planned.autoencoder,
        seeds=planned.seeds,
        data=planned.dataset.spec,
        params=best.params,
        state=best.model_state,
        history=history_of(loop.rows),
        best_epoch=np.asarray(best.epoch),
        finite=np.asarray(best.finite),
        settings=planned.config.to_json(),
        record=record | {name: count for name, count in counts.items() if any(count)},
        single=planned.single,
    )
    if message := _divergence(run, sum((row.running for row in loop.rows), np.zeros(len(run), int))):
        run.record["divergence"] = message
    return run


def _divergence(run: Run, trained_epochs: np.ndarray) -> str | None:
    """The sentence that names the member, epoch and term whose value was not finite; None if all were finite."""
    bad = [member for member, finite in enumerate(run.finite) if not finite]
    if not bad:
        return None
    member = bad[0]
    epoch = int(trained_epochs[member]) - 1
    named = [
        f"{term} ({split})"
        for split, terms in run.history.items()
        for term, values in terms.items()
        if not np.isfinite(values[member, epoch])
    ]
    named = [name for name in named if not name.startswith("loss ")] or named  # its terms say more
    kept = f"the parameters of epoch {run.best_epoch[member]}" if run.best_epoch[member] else "the initial parameters"
    return (
        f"{run.name} diverged in {len(bad)} of {len(run)} members, first with seed {run.seeds[member]} at epoch "
        f"{epoch + 1} in {', '.join(named) or 'the parameters or the optimiser'}: {kept} are kept; lower the learning "
        "rate or a weight."
    )


def _report(run: Run) -> None:
    """Warns of members that diverged or went on after values that were not finite; raises if every member diverged."""
    handled = {
        "skipped_steps": "skipped {} of its updates",
        "rollbacks": "went back {} times and on with half the learning rate",
    }
    sentences = []
    for name in filter(run.record.__contains__, handled):
        counts = np.array(run.record[name])
        sentences.append(
            f"{run.name} {handled[name].format(counts.sum())}, in {np.count_nonzero(counts)} of {len(run)} members, "
            "since a loss or a gradient was NaN or infinite: lower the learning rate or a weight."
        )
    message = run.record.get("divergence")
    if message is not None and run.finite.any():
        sentences.append(message)
    for sentence in sentences:
        warnings.warn(sentence, RuntimeWarning, stacklevel=3)
    if not run.finite.any():
        raise TrainingDiverged(message or "", run)
