"""Where an epoch's training examples come from: all at once, or in chunks while the one before trains."""

from collections.abc import Generator
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.data import Dataset

_PART = (100, 250)
"""Steps of one dispatch, about: so many that none is felt, so few that a signal or a checkpoint need not wait long."""


class Place(NamedTuple):
    """Where in an epoch training stands, between two parts.

    Attributes:
      epoch: its number, from 1.
      part: how many parts of it are done.
      reader: the position of the stream, ready for JSON, or None.
    """

    epoch: int
    part: int = 0
    reader: Any = None


class Part(NamedTuple):
    """A part of an epoch: what one dispatch trains on.

    Attributes:
      stored: examples on the device, ``[n, *shape]``, in their storage type.
      position: what their order derives from: the epoch's number, from 1; and the chunk's, from 0, of a stream.
      first: the first of the steps of that order which are taken.
      steps: how many are taken.
      last: of its epoch.
      after: where training stands once it is done.
    """

    stored: Any
    position: tuple[Any, ...]
    first: Any
    steps: int
    last: bool
    after: Place


class Feed:
    """The training examples of a data set, epoch by epoch.

    Args:
      dataset: the data.
      batch_size: examples in a step.
    """

    def __init__(self, dataset: Dataset, batch_size: int):
        self.dataset, self.batch_size = dataset, batch_size

    @cached_property
    def _whole(self) -> Any:
        return jax.device_put(self.dataset.train.x)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-self.dataset.training_examples // self.batch_size)

    def epoch(self, place: Place) -> Generator[Part, None, None]:
        """The parts of an epoch from a place in it on; what is asked for next is already read."""
        return self._parts(place) if self.dataset.stream is None else self._chunks(place)

    def _parts(self, place: Place) -> Generator[Part, None, None]:
        lengths = parts_of(self.steps)
        for part, steps in list(enumerate(lengths))[place.part :]:
            last = part == len(lengths) - 1
            first = np.int32(sum(lengths[:part]))
            yield Part(self._whole, (np.int32(place.epoch),), first, steps, last, _after(place.epoch, part, last))

    def _chunks(self, place: Place) -> Generator[Part, None, None]:
        chunks = self.dataset.stream.chunks(place.epoch, self.batch_size)  # pyright: ignore[reportOptionalMemberAccess]
        size = self.dataset.stream.chunk_size(self.batch_size)  # pyright: ignore[reportOptionalMemberAccess]
        left = self.dataset.training_examples - place.part * size
        if place.reader is not None:
            chunks.set_state(place.reader)
        try:
            for part, chunk in enumerate(chunks, start=place.part):
                left -= len(chunk)
                after = _after(place.epoch, part, left == 0, chunks.get_state())
                position = (np.int32(place.epoch), np.int32(part))
                steps = -(-len(chunk) // self.batch_size)
                yield Part(jax.device_put(chunk), position, np.int32(0), steps, left == 0, after)
        finally:
            chunks.close()


def parts_of(steps: int) -> list[int]:
    """Steps in each part of an epoch that is in memory: parts of one length, if any, since each length is a program.

    Example:
      >>> parts_of(23), parts_of(938), parts_of(469)
      ([23], [134, 134, 134, 134, 134, 134, 134], [235, 234])
    """
    least, most = _PART
    if steps <= most:
        return [steps]
    for length in range(most, least - 1, -1):
        if steps % length == 0:
            return [length] * (steps // length)
    count = -(-steps // most)
    return [steps // count + (part < steps % count) for part in range(count)]


def _after(epoch: int, part: int, last: bool, reader: Any = None) -> Place:
    return Place(epoch + 1) if last else Place(epoch, part + 1, reader)
