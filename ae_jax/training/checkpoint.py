"""Arrays and checkpoints on disk: written beside and moved into place, read with suspicion; only here is Orbax named.

A folder of checkpoints holds a folder for each, named by how many epochs were done and how many parts of the next;
in it the arrays, what else there is to know as JSON, and digests of both.
"""

import dataclasses
import gc
import json
import logging
import re
import shutil
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.errors import InvalidInput, first_line
from ae_jax.requirements import positive_whole, require_positive
from ae_jax.training.integrity import require_sealed, seal

FORMAT = 1
"""Version of the layout of a checkpoint."""

_ARRAYS, _FACTS = "arrays", "checkpoint.json"
_NAME = re.compile(r"(\d{6,})-(\d{6,})")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """Where and how often training is saved, so that it can go on after whatever ends it.

    A checkpoint is due by whichever of the three comes first, and always at the end. It is written while training goes
    on; it holds the best parameters so far beside the latest.

    Attributes:
      folder: of the checkpoints of one training.
      every_epochs: due after so many epochs; None for never.
      every_steps: due after so many steps, once the part of an epoch that they are in is done; None for never.
      every_minutes: due after so many minutes; None for never.
      keep: how many of the latest stay.

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


class Checkpoint(NamedTuple):
    """What one checkpoint holds.

    Attributes:
      epochs, parts: how many epochs are done, and how many parts of the next.
      facts: all but the arrays, ready for JSON.
      arrays: by name.
    """

    epochs: int
    parts: int
    facts: dict[str, Any]
    arrays: dict[str, Any]

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.epochs:06d}-{self.parts:06d}"


class Position(NamedTuple):
    """How far a training in a folder of checkpoints came.

    Attributes:
      epoch: how many are done.
      epochs: how many there were to be.
      finished: whether nothing is left to be trained.
    """

    epoch: int
    epochs: int
    finished: bool


def progress_of(folder: Path) -> Position | None:
    """How far the newest checkpoint says that its training came; None where there is none that says so."""
    for name in reversed(_names(folder)):
        try:
            facts = json.loads((folder / name / _FACTS).read_text())
            return Position(int(name.split("-")[0]), int(facts["configuration"]["epochs"]), bool(facts["finished"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
    return None


def newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole, with a warning where a newer one is not; None where there is none at all.

    Raises:
      InvalidInput: there are some and none is whole, or one is of another format.
    """
    names, reasons = _names(folder), []
    for name in reversed(names):
        try:
            checkpoint = _read(folder / name)
        except InvalidInput as error:
            reasons.append(str(error).rstrip("."))
            continue
        for reason in reasons:
            warnings.warn(f"{reason}: training goes on from the one before, {folder / name}.", stacklevel=2)
        return checkpoint
    if names:
        raise InvalidInput(f"no checkpoint can be used: {'; '.join(reasons)}; remove {folder} to start anew.")
    return None


def _names(folder: Path) -> list[str]:
    """Folders of checkpoints, the oldest first."""
    if not folder.is_dir():
        return []
    found = [entry.name for entry in folder.iterdir() if _NAME.fullmatch(entry.name) and entry.is_dir()]
    return sorted(found, key=lambda name: [int(part) for part in name.split("-")])


def _read(folder: Path) -> Checkpoint:
    require_sealed(folder)
    try:
        facts = json.loads((folder / _FACTS).read_text())
        version = facts["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput(f"the checkpoint {folder} is damaged ({first_line(error)}).") from error
    if version != FORMAT:
        raise InvalidInput(
            f"the checkpoint {folder} has format {version}: this version reads format {FORMAT}; use the version that "
            "wrote it."
        )
    epochs, parts = (int(number) for number in folder.name.split("-"))
    return Checkpoint(epochs, parts, facts, read_arrays(folder / _ARRAYS))


class Writer:
    """Writes checkpoints in a thread of its own, one at a time, and keeps the latest.

    One that cannot be written is a warning, and leaves those before as they were.

    Args:
      checkpoints: where, how often and how many.
      written: the one that training goes on from, if any; it is not written again.
    """

    def __init__(self, checkpoints: Checkpoints, *, written: Checkpoint | None = None):
        self._checkpoints = checkpoints
        self._written = None if written is None else written.name
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing: Future[str] | None = None
        self._epochs, self._steps, self._started = 0, 0, time.monotonic()

    def due(self, *, steps: int, epochs: int) -> bool:
        """Whether a checkpoint is due, so many steps and epochs after this was asked last; then it counts anew."""
        self._steps += steps
        self._epochs += epochs
        cadence = self._checkpoints
        due = (
            (cadence.every_epochs is not None and self._epochs >= cadence.every_epochs)
            or (cadence.every_steps is not None and self._steps >= cadence.every_steps)
            or (cadence.every_minutes is not None and time.monotonic() - self._started >= 60 * cadence.every_minutes)
        )
        if due:
            self._epochs, self._steps, self._started = 0, 0, time.monotonic()
        return due

    def write(self, checkpoint: Checkpoint) -> None:
        """Begins to write a checkpoint, once the one before is written; none that is written already."""
        self.wait()
        if checkpoint.name == self._written:
            return
        self._writing = self._thread.submit(_write, self._checkpoints, checkpoint)

    def wait(self) -> None:
        """Until what was begun is written."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            self._written = writing.result()
        except Exception as error:  # of Orbax and TensorStore, who state no list of what they raise
            warnings.warn(
                f"a checkpoint could not be written to {self._checkpoints.folder} ({first_line(error)}): training goes "
                "on, and what was written before stays.",
                stacklevel=2,
            )

    def close(self) -> None:
        """Waits, and ends the thread."""
        try:
            self.wait()
        finally:
            self._thread.shutdown()


def _write(checkpoints: Checkpoints, checkpoint: Checkpoint) -> str:
    folder = checkpoints.folder / checkpoint.name
    scratch = checkpoints.folder / f".{checkpoint.name}"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True)
        write_arrays(scratch / _ARRAYS, {name: np.asarray(array) for name, array in checkpoint.arrays.items()})
        (scratch / _FACTS).write_text(json.dumps({"format": FORMAT} | checkpoint.facts, indent=1))
        seal(scratch)
        scratch.replace(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for older in _names(checkpoints.folder)[: -checkpoints.keep]:
        shutil.rmtree(checkpoints.folder / older, ignore_errors=True)
    return checkpoint.name


def clear(folder: Path, *, after: Checkpoint | None = None) -> None:
    """Removes every checkpoint that is newer than a given one, and what a killed process left half-written."""
    kept = _names(folder)
    kept = [] if after is None else kept[: kept.index(after.name) + 1]
    for entry in list(folder.iterdir()) if folder.is_dir() else []:
        if _NAME.fullmatch(entry.name.removeprefix(".")) and entry.name not in kept:
            shutil.rmtree(entry)


def write_arrays(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes named arrays into a new folder, atomically; where there are many processes, this one alone."""
    with _orbax() as orbax:
        orbax.save(str(folder.absolute()), arrays)


def read_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Reads what :func:`write_arrays` wrote; nothing is executed.

    Raises:
      InvalidInput: the folder is missing or damaged.
    """
    with _leftovers_collected():
        try:
            with _orbax() as orbax:
                return {name: np.asarray(array) for name, array in orbax.load(str(folder.absolute())).items()}
        except Exception as error:  # TensorStore and Orbax state no list of what they raise
            reason = first_line(error)
    raise InvalidInput(f"the arrays in {folder} cannot be read ({reason}): the folder is damaged; train anew.")


@contextmanager
def _orbax() -> Iterator[Any]:
    """Orbax, told that no other process takes part; noise is not compressed, which parameters are all but."""
    from orbax.checkpoint.experimental import v1 as orbax

    context = orbax.Context()
    context.multiprocessing.primary_host = jax.process_index()
    context.multiprocessing.active_processes = {jax.process_index()}
    context.array.saving.use_compression = False
    with context:
        yield orbax


@contextmanager
def _leftovers_collected() -> Iterator[None]:
    """Silence about the tasks that Orbax leaves behind at the first bad array, which would speak when collected."""
    log = logging.getLogger("asyncio")
    before, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
            gc.collect()
    finally:
        log.disabled = before
