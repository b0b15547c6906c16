"""Opens the checkpoints of a training, and checks that a saved training and the one to be resumed are the same."""

import contextlib
import dataclasses
import hashlib
import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from ae_jax.components import to_config
from ae_jax.errors import InvalidInput
from ae_jax.locks import locked
from ae_jax.schedules import value_at
from ae_jax.training.checkpoint import (
    Checkpoint,
    Checkpoints,
    CheckpointWriter,
    checkpoint_info,
    latest_checkpoint,
    remove_checkpoints,
    set_damaged_aside,
)
from ae_jax.training.distributed import is_main_process, is_multiprocess, require_alike, sync_errors
from ae_jax.training.environment import environment, settings_of_jax
from ae_jax.training.loop import Start
from ae_jax.training.plan import Plan
from ae_jax.training.population import unstack

Resume = bool | Literal["extend"]
"""Whether a training continues from its newest checkpoint; ``"extend"`` allows more epochs than before."""

_LISTED = 6
"""Number of differences that an error lists."""


def configuration_of(planned: Plan, start: Start | None = None) -> dict[str, Any]:
    """Everything that decides the result of a training, ready for JSON."""
    members = len(planned.seeds)
    return ({} if start is None else {"init": _digest_of(jax.tree.leaves(start))}) | {
        "autoencoders": [to_config(unstack(planned.autoencoder, member)) for member in range(members)],
        "seeds": planned.seeds.tolist(),
        "data": to_config(planned.dataset.spec) | {"digest": _digest(planned)},
        "settings_of_jax": settings_of_jax(),
        **planned.config.to_json(),
    }


@contextlib.contextmanager
def open_checkpoints(
    checkpoints: Checkpoints | str | Path | None, planned: Plan, resume: Resume, start: Start | None = None
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
        configuration = sync_errors(joined, lambda: configuration_of(planned, start))
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
        elif resume == "extend":
            raise InvalidInput(
                f"{folder} holds no checkpoint: expected those of the training to extend; resume=True (on the command "
                "line --resume alone) starts anew where there is none."
            )
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


def require_same(saved: dict[str, Any], asked: dict[str, Any], planned: Plan, *, resume: Resume, folder: Any) -> None:
    """Raises an error if the configuration of a saved training is not that of the one to be resumed.

    Raises:
      InvalidInput: the configurations differ, with the keys that do; or the training is extended and a schedule of
        the objective changes with the number of epochs, so that validation losses are not comparable.
    """
    if different := differences(saved | {"epochs": None}, asked | {"epochs": None}):
        raise InvalidInput(
            f"the training in {folder} cannot be resumed with another configuration ({different}): expected the same "
            f"one; or remove {folder} to start anew."
        )
    before, now = saved["epochs"], planned.config.epochs
    if before == now:
        return
    if resume != "extend" or now < before:
        raise InvalidInput(
            f"the training in {folder} has {before} epochs and was resumed with {now}: expected {before}; to train "
            'for more, extend it (resume="extend", on the command line --resume --extend).'
        )
    steps = planned.steps
    for member in range(len(planned.seeds)):
        for schedule in _schedules(unstack(planned.autoencoder, member).objective):
            then, later = (float(value_at(schedule, epochs * steps)) for epochs in (before, now))
            if not np.allclose(then, later, rtol=1e-6):
                raise InvalidInput(
                    f"the training cannot be extended: {schedule!r} is {then:g} at the last step of the saved training "
                    f"and {later:g} at the last step of the extended one, which changes the validation loss: train "
                    "anew with that many epochs."
                )


def warn_of_another_environment(saved: dict[str, Any], now: dict[str, Any], *, folder: Any) -> None:
    """Warns if a training was saved with other library versions or on other devices."""
    if different := differences(saved, now):
        warnings.warn(
            f"the training in {folder} was saved in another environment ({different}): it continues, with the same "
            "result up to rounding.",
            stacklevel=2,
        )


def _schedules(value: Any) -> Iterator[Any]:
    """Every component below a value that is called with a step and nothing else."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _schedules(item)
    elif isinstance(value, dict):
        yield from _schedules(list(value.values()))
    elif dataclasses.is_dataclass(value):
        call = getattr(type(value), "__call__", None)  # noqa: B004 - its signature distinguishes a schedule
        if call is not None and list(inspect.signature(call).parameters)[1:] == ["step"]:
            yield value
        yield from _schedules([getattr(value, field.name) for field in dataclasses.fields(value)])


def _digest(planned: Plan) -> str:
    """A digest of the examples of all splits, with all of a stream, and of the rows that each member draws of them."""
    dataset = planned.dataset
    arrays: list[Any] = []
    for split in (dataset.train, dataset.validation, dataset.test):
        arrays.append(split.x)
        if planned.autoencoder.conditional and len(split.x):
            arrays.append(split.condition(dataset.classes))
    arrays += [rows for rows in (planned.subsets, planned.validation_subsets) if rows is not None]
    if dataset.stream is not None:
        arrays.append(np.frombuffer(dataset.stream.digest.encode(), np.uint8))
    return _digest_of(arrays)


def _digest_of(arrays: list[Any]) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def differences(before: Any, now: Any) -> str:
    """Lists the first keys whose values differ between two configurations; empty if none do.

    Example:
      >>> differences({"seeds": [0, 1], "rate": 0.1}, {"seeds": [0, 2], "rate": 0.1})
      'seeds.1: 1 then, 2 now'
    """
    different = [f"{key}: {then!s:.60} then, {later!s:.60} now" for key, then, later in _differences(before, now)]
    more = f"; and {len(different) - _LISTED} more" if len(different) > _LISTED else ""
    return "; ".join(different[:_LISTED]) + more


def _differences(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted keys whose values differ, with both values."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in {**before, **now}:
            yield from _differences(before.get(name), now.get(name), f"{key}.{name}" if key else str(name))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, pair in enumerate(zip(before, now, strict=True)):
            yield from _differences(*pair, f"{key}.{index}")
    elif isinstance(before, list) and isinstance(now, list):
        yield f"number of {key}", len(before), len(now)
    elif before != now and not (before != before and now != now):  # NaN equals NaN here
        yield key, before, now
