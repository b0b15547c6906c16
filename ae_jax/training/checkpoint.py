"""Arrays and checkpoints on disk: written beside and moved into place, read with suspicion; only here is Orbax named.

A folder of checkpoints holds a folder for each, named by how many epochs were done and how many parts of the next;
in it the arrays, what else there is to know as JSON, and digests of both.
"""

import contextlib
import dataclasses
import gc
import json
import logging
import math
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax._checks import positive_whole, require_positive
from ae_jax.errors import InvalidInput, first_line
from ae_jax.training.integrity import force_entries, read_json, require_sealed, seal
from ae_jax.types import Shape

FORMAT = 1
"""Version of the layout of a checkpoint."""

_ARRAYS, _FACTS = "arrays", "checkpoint.json"
_BESIDE = 1 << 18
"""Bytes that a checkpoint takes beside its arrays, at most, where there are not thousands of them."""

_NAME = re.compile(r"(\d{6,})-(\d{6,})")
_ASIDE = "damaged-"
"""What stands before the name of a checkpoint that could not be read and was not waited for."""


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


class CheckpointInfo(NamedTuple):
    """How far a training in a folder of checkpoints came.

    Attributes:
      epoch: how many are done.
      epochs: how many there were to be.
      finished: whether nothing is left to be trained.
    """

    epoch: int
    epochs: int
    finished: bool


def checkpoint_info(folder: Path) -> CheckpointInfo | None:
    """How far the newest checkpoint says that its training came; None where there is none that says so."""
    for name in reversed(_names(folder)):
        try:
            facts = read_json(folder / name / _FACTS)
            return CheckpointInfo(
                int(name.split("-")[0]), int(facts["configuration"]["epochs"]), bool(facts["finished"])
            )
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
        except _OtherFormat:
            raise
        except InvalidInput as error:
            reasons.append(str(error).rstrip("."))
            continue
        for reason in reasons:
            warnings.warn(f"{reason}: training goes on from the one before, {folder / name}.", stacklevel=2)
        return checkpoint
    if names:
        raise InvalidInput(f"no checkpoint can be used: {'; '.join(reasons)}; remove {folder} to start anew.")
    return None


def _names(folder: Path, prefix: str = "") -> list[str]:
    """Folders of checkpoints whose names have a prefix, the oldest first and without it; no links to them."""
    entries = folder.iterdir() if folder.is_dir() else []
    folders = [entry.name for entry in entries if entry.is_dir() and not entry.is_symlink()]
    found = [name.removeprefix(prefix) for name in folders if name.startswith(prefix)]
    return sorted(filter(_NAME.fullmatch, found), key=lambda name: [int(part) for part in name.split("-")])


class _OtherFormat(InvalidInput):
    """A checkpoint is whole, and another version's."""


def _read(folder: Path) -> Checkpoint:
    try:
        require_sealed(folder)
        facts = read_json(folder / _FACTS)
        version = facts["format"]
        if type(version) is not int:
            raise ValueError(f"its format is {version!r:.80}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"the checkpoint {folder} cannot be read ({first_line(error)}).") from error
    if version != FORMAT:
        raise _OtherFormat(
            f"the checkpoint {folder} has format {version!s:.80}: this version reads format {FORMAT}; use the "
            "version that wrote it."
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
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint", initializer=_give_way)
        self._writing: Future[str] | None = None
        self._failed = False
        self._epochs, self._steps, self._started = 0, 0, time.monotonic()

    def due(self, *, steps: int, epochs: int) -> bool:
        """Whether a checkpoint is due, so many steps and epochs after this was asked last; then it counts anew.

        One is due at once where the one before could not be written.
        """
        if self._writing is not None and self._writing.done():
            self.wait()
        self._steps += steps
        self._epochs += epochs
        cadence = self._checkpoints
        due = (
            self._failed
            or (cadence.every_epochs is not None and self._epochs >= cadence.every_epochs)
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
        self._failed = True
        try:
            self._written = writing.result()
            self._failed = False
        except Exception as error:  # of Orbax and TensorStore, who state no list of what they raise
            warnings.warn(
                f"a checkpoint could not be written to {self._checkpoints.folder} ({first_line(error)}): what was "
                "written before stays.",
                stacklevel=2,
            )

    def close(self) -> None:
        """Waits, and ends the thread."""
        try:
            self.wait()
        finally:
            self._thread.shutdown()
            _clear_scratch(self._checkpoints.folder)


def _give_way() -> None:
    """Lets the threads that train go before this one, where a system has priorities of threads: Linux alone."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _write(checkpoints: Checkpoints, checkpoint: Checkpoint) -> str:
    folder = checkpoints.folder / checkpoint.name
    scratch = checkpoints.folder / f".{checkpoint.name}"
    _clear_scratch(checkpoints.folder)
    try:
        scratch.mkdir(parents=True)
        write_arrays(scratch / _ARRAYS, {name: np.asarray(array) for name, array in checkpoint.arrays.items()})
        (scratch / _FACTS).write_text(json.dumps({"format": FORMAT} | checkpoint.facts, indent=1, allow_nan=False))
        seal(scratch)
        scratch.replace(folder)
        force_entries(checkpoints.folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for older in _names(checkpoints.folder)[: -checkpoints.keep]:
        shutil.rmtree(checkpoints.folder / older, ignore_errors=True)
    return checkpoint.name


def _clear_scratch(folder: Path) -> None:
    """Removes what failed writes left: some of it is written after they failed, when they no longer wait for it."""
    for entry in list(folder.iterdir()) if folder.is_dir() else []:
        if entry.name.startswith(".") and _NAME.fullmatch(entry.name[1:]):
            shutil.rmtree(entry, ignore_errors=True)


def clear(folder: Path, *, after: Checkpoint | None = None) -> None:
    """Removes every checkpoint, or renames those that are newer than a given one; and what killed processes left.

    The newer ones could not be read, be it for a reason that passes: they stand beside as ``damaged-...``, until one of
    the same name does, or all are removed.
    """
    _clear_scratch(folder)
    if after is None:
        for name in [*_names(folder), *(f"{_ASIDE}{name}" for name in _names(folder, _ASIDE))]:
            shutil.rmtree(folder / name)
        return
    names = _names(folder)
    for name in names[names.index(after.name) + 1 :]:
        aside = folder / f"{_ASIDE}{name}"
        shutil.rmtree(aside, ignore_errors=True)
        (folder / name).replace(aside)


def write_arrays(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes named arrays into a new folder, atomically; where there are many processes, this one alone.

    Raises:
      OSError: they cannot be written.
    """
    _require_room(folder.parent, sum(array.nbytes for array in arrays.values()))
    try:
        with _orbax() as orbax:
            orbax.save(str(folder.absolute()), arrays)
        return
    except Exception as error:  # TensorStore and Orbax state no list of what they raise
        reason = first_line(error)
    _collect_leftovers()
    raise OSError(f"the arrays in {folder} cannot be written: {reason}")


def _require_room(folder: Path, size: int) -> None:
    """Raises OSError where a folder cannot take so many bytes: Orbax, where it finds out, leaves threads that wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size + _BESIDE)


def read_arrays(folder: Path, shapes: Mapping[str, Shape] | None = None) -> dict[str, np.ndarray]:
    """Reads what :func:`write_arrays` wrote; nothing is executed.

    Args:
      folder: as it was written.
      shapes: of each array by its name, where they are known: others are refused before there is room made for them.

    Raises:
      InvalidInput: the folder is missing or damaged, holds other arrays, or fewer bytes than they are said to have.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            with _orbax() as orbax:
                announced = orbax.metadata(str(folder.absolute())).metadata
                if shapes is not None:
                    _require_shapes(announced, shapes)
                _require_bytes(folder, announced)
                return {name: np.asarray(array) for name, array in orbax.load(str(folder.absolute())).items()}
        except InvalidInput:
            raise
        except Exception as error:  # TensorStore and Orbax state no list of what they raise
            reason = first_line(error)
        _collect_leftovers()
    raise InvalidInput(f"the arrays in {folder} cannot be read ({reason}): the folder is damaged; train anew.")


def _require_shapes(found: Mapping[str, Any], shapes: Mapping[str, Shape]) -> None:
    """Raises where arrays are announced otherwise, or in chunks that are larger than they are."""
    differing = sorted({*found, *shapes} - {name for name in found if _is_of(found[name], shapes.get(name))})
    if differing:
        named = ", ".join(differing[:4]) + (f" and {len(differing) - 4} others" if len(differing) > 4 else "")
        raise InvalidInput(f"the run's arrays do not fit its configuration ({named:.200}): it is damaged; train anew.")


def _require_bytes(folder: Path, announced: Mapping[str, Any]) -> None:
    """Raises where arrays have more bytes than the files: every array lies there whole, and TensorStore makes room."""
    sizes = (max(math.prod(one.shape), math.prod(one.storage_metadata.chunk_shape)) for one in announced.values())
    size = sum(size * one.dtype.itemsize for size, one in zip(sizes, announced.values(), strict=True))
    found = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > found:
        raise ValueError(f"they are said to have {size:,} bytes and have {found:,}")


def _is_of(array: Any, shape: Shape | None) -> bool:
    """Whether an array is of floating-point numbers and this shape, in chunks no larger."""
    if shape is None or array.shape != tuple(shape) or not jnp.issubdtype(array.dtype, jnp.floating):
        return False
    return math.prod(array.storage_metadata.chunk_shape) <= max(1, math.prod(shape))


@contextlib.contextmanager
def _orbax() -> Iterator[Any]:
    """Orbax, told that no other process takes part; noise is not compressed, which parameters are all but."""
    from orbax.checkpoint.experimental import v1 as orbax

    if jax.process_count() > 1:
        _save_alone()
    context = orbax.Context()
    context.multiprocessing.primary_host = jax.process_index()
    context.multiprocessing.active_processes = {jax.process_index()}
    context.array.saving.use_compression = False
    with context:
        yield orbax


def _save_alone() -> None:
    """Keeps Orbax from asking every process for the directory that it saves to, as if all of them took part.

    Of its waits for other processes it is the one that ``active_processes`` does not govern, and this process saves
    while the others train on: they would never answer.
    """
    from orbax.checkpoint.experimental.v1._src.saving import execution

    if hasattr(execution, "_check_directory_consistency"):
        execution._check_directory_consistency = lambda directory: None


def _collect_leftovers() -> None:
    """Collects, in silence, the tasks that Orbax leaves behind at the first bad array, which would speak later."""
    log = logging.getLogger("asyncio")
    before, log.disabled = log.disabled, True
    try:
        gc.collect()
    finally:
        log.disabled = before
