"""Checkpoints of a training, written and kept by Orbax's checkpoint manager.

Each checkpoint is a folder named by its training step. It holds the arrays, and as JSON everything else together with
a digest of each array and of the JSON itself, by which damage is detected when it is read.
"""

import contextlib
import dataclasses
import datetime
import hashlib
import json
import shutil
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax._checks import positive_whole, require_positive
from ae_jax.errors import InvalidInput, first_line
from ae_jax.public import public

CHECKPOINT_FORMAT = 2
"""Version of the layout of a checkpoint."""

_DAMAGED = "damaged-"
"""Prefix of the folders of checkpoints that could not be read."""

_UNFINISHED = "*.orbax-checkpoint-tmp"
"""Folders of checkpoints that were not written to the end."""

_ORBAX = threading.RLock()
"""Held while Orbax works: it numbers what it does by one counter of the process, so that threads take turns."""

_saving: "list[CheckpointWriter]" = []
"""The writer whose checkpoint was last begun, whichever thread it is of."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """Where and how often training is saved, so that it can go on after an interruption.

    A checkpoint is due by whichever of the three intervals ends first, and always at the end of training. It is
    written in the background while training goes on; it holds the best parameters so far beside the latest.

    Attributes:
      folder: of the checkpoints of one training.
      every_epochs: epochs between checkpoints; None for no limit.
      every_steps: steps between checkpoints, rounded up to the end of a chunk of an epoch; None for no limit.
      every_minutes: minutes between checkpoints; None for no limit.
      keep: how many of the latest checkpoints stay.

    Raises:
      InvalidInput: a number that is not above zero.

    Example:
      >>> Checkpoints(folder=Path("runs/checkpoints"), every_epochs=10).keep
      2
    """

    folder: Path
    every_epochs: int | None = None
    every_steps: int | None = None
    every_minutes: float | None = 1.0
    keep: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))
        for name in ("every_epochs", "every_steps", "keep"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, positive_whole(self, name, value))
        require_positive(self, every_minutes=self.every_minutes)


Checkpoints.__init__ = public(Checkpoints.__init__)


class Checkpoint(NamedTuple):
    """The content of one checkpoint: training steps done, everything but the arrays as JSON, and the arrays by name."""

    step: int
    facts: dict[str, Any]
    arrays: dict[str, Any]


class CheckpointInfo(NamedTuple):
    """Progress of a training: epochs done, epochs planned, and whether nothing is left to train."""

    epoch: int
    epochs: int
    finished: bool


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """Reads the newest undamaged checkpoint, and warns of newer ones that are damaged; None if there are none at all.

    Raises:
      InvalidInput: every checkpoint is damaged, or one has another format.
    """
    reasons = []
    with _ORBAX, _manager(folder) as manager:
        for step in _steps(folder):
            try:
                checkpoint = _read(manager, step)
            except _Damaged as error:
                reasons.append(str(error))
                continue
            for reason in reasons:
                warnings.warn(f"{reason}: training goes on from {folder / str(step)}, the previous one.", stacklevel=2)
            return checkpoint
    if reasons:
        raise InvalidInput(f"no checkpoint can be used: {'; '.join(reasons)}; remove {folder} to start anew.")
    return None


def checkpoint_info(folder: Path) -> CheckpointInfo | None:
    """Reads the progress of a training from its newest readable checkpoint; None if there is none."""
    with _ORBAX, _manager(folder) as manager:
        for step in _steps(folder):
            with contextlib.suppress(InvalidInput):
                facts = _read_facts(manager, step)
                return CheckpointInfo(facts["position"][0] - 1, facts["configuration"]["epochs"], facts["finished"])
    return None


def remove_checkpoints(folder: Path) -> None:
    """Removes every checkpoint in a folder, damaged and unfinished ones included; other files stay."""
    _remove(folder, *map(str, _steps(folder)), f"{_DAMAGED}*", _UNFINISHED)


def set_damaged_aside(folder: Path, *, after: int) -> None:
    """Renames the checkpoints after a step to ``damaged-STEP``, replacing older ones of that name."""
    for step in _steps(folder):
        if step > after:
            aside = folder / f"{_DAMAGED}{step}"
            shutil.rmtree(aside, ignore_errors=True)
            (folder / str(step)).replace(aside)


class CheckpointWriter:
    """Writes checkpoints in the background and keeps the latest.

    A checkpoint that cannot be written is a warning; the previous ones stay, and the next is due at once.
    """

    def __init__(self, checkpoints: Checkpoints, steps_per_epoch: int):
        from orbax.checkpoint.checkpoint_managers import LatestN

        self.folder = checkpoints.folder
        epochs, minutes = checkpoints.every_epochs, checkpoints.every_minutes
        steps = [checkpoints.every_steps, None if epochs is None else epochs * steps_per_epoch]
        cadence = Cadence([each for each in steps if each], None if minutes is None else 60.0 * minutes)
        self.folder.mkdir(parents=True, exist_ok=True)
        _remove(self.folder, _UNFINISHED)
        self._manager = _open(self.folder, preservation_policy=LatestN(checkpoints.keep), save_decision_policy=cadence)
        self._requested = False

    def due(self, step: int) -> bool:
        """Whether a checkpoint is to be written after a training step; if so, the next is due after that write."""
        if self._requested:
            return False
        if not self._manager.is_saving_in_progress():
            self.wait()  # reports a failure as early as possible
        self._requested = self._manager.should_save(step)
        return self._requested

    def write(self, checkpoint: Checkpoint) -> bool:
        """Begins to write a checkpoint once the previous one is written; false if its step is saved already."""
        import orbax.checkpoint as ocp

        self._requested = False
        self.wait()
        if checkpoint.step in self._manager.all_steps():
            return False
        arrays = {name: np.asarray(array) for name, array in checkpoint.arrays.items()}
        facts = {
            "format": CHECKPOINT_FORMAT,
            **checkpoint.facts,
            "arrays": {name: _describe(one) for name, one in arrays.items()},
        }
        items = ocp.args.Composite(
            arrays=ocp.args.StandardSave({name: array for name, array in arrays.items() if array.size}),
            facts=ocp.args.JsonSave({"sha256": _digest(facts), "facts": facts}),
        )
        with self._reporting():
            for other in _saving:
                other.wait()
            _saving[:] = [self]
            self._manager.save(checkpoint.step, args=items, force=True)
        return True

    def wait(self) -> None:
        """Waits until the checkpoint under way is written."""
        with self._reporting():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits, and ends the background threads."""
        self.wait()
        with _ORBAX:
            _saving[:] = [other for other in _saving if other is not self]
            self._manager.close()

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            with _ORBAX:
                yield
        except Exception as error:  # Orbax and TensorStore do not document what they raise
            warnings.warn(
                f"a checkpoint could not be written to {self.folder} ({first_line(error)}): the previous ones stay.",
                stacklevel=2,
            )
            _remove(self.folder, _UNFINISHED)
            self._manager.reload()


@dataclasses.dataclass
class Cadence:
    """Orbax's protocol of save decisions: saves at multiples of steps, or some seconds after the last checkpoint."""

    steps: list[int]
    seconds: float | None
    started: datetime.datetime = dataclasses.field(default_factory=lambda: datetime.datetime.now(tz=datetime.UTC))

    def should_save(self, step: Any, previous_steps: Any, *, context: Any) -> bool:
        """Whether an interval ended between the last checkpoint and this step."""
        last, since = (previous_steps[-1].step, previous_steps[-1].time) if previous_steps else (0, self.started)
        waited = (step.time - max(since, self.started)).total_seconds()
        return any(step.step // steps > last // steps for steps in self.steps) or (
            self.seconds is not None and waited >= self.seconds
        )


class _Damaged(InvalidInput):
    """A checkpoint does not hold what was written."""


def _open(folder: Path, **options: Any) -> Any:
    """Orbax's manager of a folder, used by this process alone."""
    import orbax.checkpoint as ocp

    process = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=process, active_processes={process}, barrier_sync_key_prefix=f"process_{process}"
    )
    chosen = ocp.CheckpointManagerOptions(
        create=False, save_root_metadata=False, multiprocessing_options=alone, **options
    )
    return ocp.CheckpointManager(folder.absolute(), options=chosen)


def _manager(folder: Path) -> contextlib.AbstractContextManager[Any]:
    """A manager to read, or None if the folder holds no checkpoint."""
    return _open(folder, lightweight_initialize=True) if _steps(folder) else contextlib.nullcontext()


def _steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in a folder, the newest first."""
    entries = folder.iterdir() if folder.is_dir() else []
    return sorted((int(one.name) for one in entries if one.name.isdecimal() and one.is_dir()), reverse=True)


def _remove(folder: Path, *patterns: str) -> None:
    for pattern in patterns:
        for path in folder.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def _read(manager: Any, step: int) -> Checkpoint:
    import orbax.checkpoint as ocp

    facts = _read_facts(manager, step)
    if facts["format"] != CHECKPOINT_FORMAT:
        raise InvalidInput(
            f"the checkpoint {manager.directory / str(step)} has format {facts['format']!s:.80}: expected format "
            f"{CHECKPOINT_FORMAT}; use the version that wrote it."
        )
    listed = facts.pop("arrays")
    arrays = {name: np.empty(shape, jnp.dtype(dtype)) for name, (dtype, shape, _) in listed.items()}
    saved = {name: array for name, array in arrays.items() if array.size}
    with _found(manager, step):
        restored = manager.restore(step, args=ocp.args.Composite(arrays=ocp.args.StandardRestore(saved)))
        arrays |= restored.arrays
        wrong = [name for name, array in arrays.items() if _describe(array) != listed[name]]
        if wrong:
            raise ValueError(f"{wrong[0]} is not what was written")
    return Checkpoint(step, facts, arrays)


def _read_facts(manager: Any, step: int) -> dict[str, Any]:
    import orbax.checkpoint as ocp

    with _found(manager, step):
        written = manager.restore(step, args=ocp.args.Composite(facts=ocp.args.JsonRestore())).facts
        if written["sha256"] != _digest(written["facts"]):
            raise ValueError("its facts are not what was written")
        return written["facts"]


@contextlib.contextmanager
def _found(manager: Any, step: int) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # Orbax and TensorStore do not document what they raise
        raise _Damaged(f"the checkpoint {manager.directory / str(step)} is damaged ({first_line(error)})") from error


def _describe(array: np.ndarray) -> list[Any]:
    return [str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
