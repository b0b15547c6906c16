"""Training from a call: checked, begun or resumed, and what came of it as a run."""

import contextlib
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ae_jax.errors import InvalidInput, TrainingDiverged
from ae_jax.locks import locked
from ae_jax.models import Autoencoder
from ae_jax.training.checkpoint import Checkpoint, Checkpoints, Writer, checkpoint_info, clear, newest
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.continuation import Resume, configuration_of, require_same, warn_of_others
from ae_jax.training.data_iterator import Position
from ae_jax.training.distributed import is_main_process, is_multiprocess, require_alike, signal_of_any, together
from ae_jax.training.environment import environment
from ae_jax.training.interruption import noting, stop_on_signal
from ae_jax.training.loop import Loop, Progress
from ae_jax.training.mesh import Devices, name_of, to_local
from ae_jax.training.plan import Plan, plan
from ae_jax.training.run import Run, TrainingInterrupted
from ae_jax.training.snapshot import history_of, snapshot_of
from ae_jax.training.step import OnDivergence


def fit(
    autoencoder: Autoencoder | Sequence[Autoencoder],
    data: Any,
    *,
    seeds: int | Sequence[int] = 0,
    epochs: int = 200,
    batch_size: int = 64,
    patience: int | None = None,
    on_divergence: OnDivergence = "stop",
    checkpoints: Checkpoints | str | Path | None = None,
    resume: Resume = False,
    mesh: Devices | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Trains autoencoders on data: every combination of autoencoder and seed, as one compiled program.

    Members that differ only in numbers share initialisation, batches and noise of their seed. Where the data have a
    validation split, each member keeps the parameters of its epoch with the lowest validation loss, else the latest.

    A training with checkpoints that ended early, whatever ended it, goes on where they stand, and comes to the very
    same parameters as one that did not, on the same machine with the same versions.

    Args:
      autoencoder: one, or several that differ only in numbers (:func:`ae_jax.training.stack`).
      data: a :class:`ae_jax.data.Dataset`, or an array of examples ``[n, *shape]``, all of which are trained on.
      seeds: one seed, or several different ones, each from 0 to 2**32 - 1.
      epochs: how often every example is seen, at most.
      batch_size: examples in a step; clamped to the number of examples, with a warning.
      patience: epochs without a lower validation loss after which a member stops; None trains all epochs.
      on_divergence: what is done about a loss or a gradient that is NaN or infinite, or what the optimiser makes of it:
        ``"stop"`` ends the member with its last good parameters; ``"skip"`` leaves that step out, and ends the member
        with an epoch of which every step was left out, were it a single one; ``"rollback"`` takes the member back to
        before the epoch (or the part of it that is dispatched at once) and halves its learning rate, ten times at most.
      checkpoints: where and how often training is saved, or the folder alone; no two trainings may share it.
      resume: goes on from the newest checkpoint there that is whole, and starts where there is none; ``"extend"``
        allows more ``epochs`` than that training was to have.
      mesh: devices along two axes, such as ``"data=4"`` or ``{"member": 2, "data": 4}``: batches are divided over the
        one, members over the other, and the result is the same but for rounding. None divides members over as many
        accelerators as take equal shares and have room for them, and is else this process's first device or, of
        processes that :func:`ae_jax.training.initialize` joined, all devices over ``"data"``: then each calls this,
        and the first alone writes checkpoints, where all can read them, and reports progress.
      progress: called after each epoch.

    Returns:
      The trained population.

    Raises:
      InvalidInput: data or numbers that cannot be used, one sentence each; the checkpoints are of an unfinished
        training and ``resume`` is false, or of one with another configuration, or in use by another process.
      TrainingDiverged: a loss turned NaN or infinite in every member; some members only are a warning.
      TrainingInterrupted: Ctrl-C or SIGTERM; what was under way was finished and saved. Like the one before, it holds
        the run so far, all of it where the signal came with the last epoch. A second signal is obeyed at once.

    Example:
      >>> import ae_jax
      >>> run = ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), ae_jax.data.digits(), seeds=[0, 1], epochs=1)
      >>> run.encode(ae_jax.data.digits().test.x).shape
      (2, 359, 2)
    """
    planned = plan(
        autoencoder,
        data,
        seeds=seeds,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        on_divergence=on_divergence,
        mesh=mesh,
    )
    if planned.batch_size < batch_size:
        warnings.warn(
            f"batch_size={batch_size} is above the {planned.batch_size} examples and was lowered to them.", stacklevel=2
        )
    with _opened(checkpoints, planned, resume) as (writer, saved, configuration):
        run, interrupted = _train(
            planned, progress if is_main_process(planned.mesh) else None, writer, saved, configuration
        )
    if interrupted:
        raise TrainingInterrupted(run, interrupted)
    _report(run)
    return run


@contextlib.contextmanager
def _opened(
    checkpoints: Checkpoints | str | Path | None, planned: Plan, resume: Resume
) -> Iterator[tuple[Writer | None, Checkpoint | None, dict[str, Any]]]:
    """The writer of checkpoints and the one that training goes on from, None without; and what is trained, for them."""
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
    in_use = f"{folder} is in use by another training: wait for it, or choose another folder."
    with contextlib.ExitStack() as stack:
        joined = is_multiprocess(mesh)
        together(
            joined, lambda: stack.enter_context(locked(folder / "lock", in_use)) if is_main_process(mesh) else None
        )
        configuration = together(joined, lambda: configuration_of(planned))
        saved = together(joined, lambda: _saved(folder, planned, configuration, resume))
        require_alike(mesh, [-1, -1] if saved is None else [saved.epochs, saved.parts], f"the checkpoints in {folder}")
        if not is_main_process(mesh):
            yield None, saved, configuration
            return
        clear(folder, after=saved)
        writer = Writer(checkpoints, written=saved)
        stack.callback(writer.close)
        yield writer, saved, configuration


def _saved(folder: Path, planned: Plan, configuration: dict[str, Any], resume: Resume) -> Checkpoint | None:
    """The checkpoint that training goes on from, if any."""
    if resume:
        saved = newest(folder)
        if saved is not None:
            _require_facts(saved, folder)
            require_same(saved.facts["configuration"], configuration, planned, resume=resume, place=folder)
            warn_of_others(saved.facts["environment"], environment(), place=folder)
        return saved
    position = checkpoint_info(folder)
    if position is None:
        newest(folder)  # raises where there are some that cannot be read, which are not for us to throw away
    elif not position.finished:
        raise InvalidInput(
            f"{folder} holds an unfinished training, at epoch {position.epoch} of {position.epochs}: resume=True goes "
            "on with it (on the command line --resume); remove the folder to start anew."
        )
    return None


def _require_facts(saved: Checkpoint, folder: Path) -> None:
    """Raises where a checkpoint is whole and does not say what training goes on from."""
    found: dict[str, Any] = {name: saved.facts.get(name) for name in ("configuration", "record", "environment")}
    lacking = [name for name, facts in found.items() if not isinstance(facts, dict)]
    if not lacking:
        numbers = {"epochs": found["configuration"].get("epochs"), **found["record"]}
        lacking = [name for name, number in numbers.items() if not isinstance(number, (int, float))]
    if lacking:
        raise InvalidInput(
            f"the checkpoint {folder / saved.name} lacks its {', '.join(lacking)}: it was written by another version; "
            "use that one, or train anew."
        )


def _train(
    planned: Plan,
    progress: Callable[[Progress], None] | None,
    writer: Writer | None,
    saved: Checkpoint | None,
    configuration: dict[str, Any],
) -> tuple[Run, int]:
    """Trains, and gives the run as far as it came and the signal that ended it early, or zero."""
    started, before = time.perf_counter(), {} if saved is None else saved.facts["record"]
    nested, facts = noting(), {"configuration": configuration, "environment": environment()}
    with stop_on_signal() as stop, watch_compilation() as compilation:

        def spent() -> dict[str, Any]:
            now = {
                "wall_s": time.perf_counter() - started,
                "compile_s": compilation.seconds,
                "programs": compilation.programs,
                "programs_compiled": compilation.compiled,
            }
            return {name: round(before.get(name, 0) + more, 3) for name, more in now.items()}

        loop = Loop(planned, progress, stop, writer, lambda: facts | {"record": spent()})
        loop.start(
            None if saved is None else snapshot_of(saved.arrays, Position(saved.epochs + 1, saved.parts), planned)
        )
        early = loop.train()
    interrupted = (loop.ended_by or stop.signal or signal.SIGINT) if early else 0
    if not early and not nested:  # a signal that came with the last epoch, which nobody else sees to
        interrupted = (signal_of_any(stop.signal) if is_multiprocess(planned.mesh) else stop.signal) or 0
    record = spent() | {"interrupted": early, **facts["environment"]}
    if planned.mesh is not None:
        record["mesh"] = name_of(planned.mesh)
    if loop.at_once < len(planned.seeds):
        record["members_at_once"] = loop.at_once
    return _run_of(planned, loop, record), interrupted


def _run_of(planned: Plan, loop: Loop, record: dict[str, Any]) -> Run:
    selection = to_local(planned.mesh, loop.selection)
    counts = {"skipped_steps": selection.skipped, "rollbacks": selection.undone}
    counts = {name: np.asarray(count).tolist() for name, count in counts.items()}
    settings = {"epochs": planned.epochs, "batch_size": planned.batch_size, "patience": planned.patience}
    run = Run(
        autoencoder=planned.autoencoder,
        seeds=planned.seeds,
        data=planned.dataset.spec,
        params=selection.params,
        history=history_of(loop.rows),
        best_epoch=np.asarray(selection.epoch),
        finite=np.asarray(selection.finite),
        settings=settings | {"on_divergence": planned.on_divergence},
        record=record | {name: count for name, count in counts.items() if any(count)},
        single=planned.single,
    )
    if message := _divergence(run, sum((row.running for row in loop.rows), np.zeros(len(run), int))):
        run.record["divergence"] = message
    return run


def _divergence(run: Run, trained_epochs: np.ndarray) -> str | None:
    """Names member, epoch and term of what was not finite, or None where nothing was."""
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
    """What was not finite: a warning of what was done about it, and an error where every member diverged."""
    sentences = _mended(run)
    message = run.record.get("divergence")
    if message is not None and run.finite.any():
        sentences.append(message)
    for sentence in sentences:
        warnings.warn(sentence, RuntimeWarning, stacklevel=3)
    if message is not None and not run.finite.any():
        raise TrainingDiverged(message, run)


def _mended(run: Run) -> list[str]:
    """A sentence for each kind of thing that was done about values that were not finite."""
    did = {
        "skipped_steps": "skipped {} of its updates",
        "rollbacks": "went back {} times and on with half the learning rate",
    }
    sentences = []
    for name in filter(run.record.__contains__, did):
        counts = np.array(run.record[name])
        sentences.append(
            f"{run.name} {did[name].format(counts.sum())}, in {np.count_nonzero(counts)} of {len(run)} members, since "
            "a loss or a gradient was NaN or infinite: lower the learning rate or a weight."
        )
    return sentences
