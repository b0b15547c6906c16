"""Where an epoch's training examples come from: all at once, or in chunks while the one before trains."""

import itertools
from collections.abc import Generator
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh

from ae_jax.data import Dataset
from ae_jax.training.mesh import put_examples, share_of

_PART = (100, 250)
"""Steps of one dispatch, about: so many that none is felt, so few that a signal or a checkpoint need not wait long."""


class Place(NamedTuple):
    """Where in an epoch training stands, between two parts.

    Attributes:
      epoch: its number, from 1.
      part: how many parts of it are done.
    """

    epoch: int
    part: int = 0


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
      mesh: the devices that they are put on, or None for one.
    """

    def __init__(self, dataset: Dataset, batch_size: int, mesh: Mesh | None = None):
        self.dataset, self.batch_size, self.mesh = dataset, batch_size, mesh

    @cached_property
    def _whole(self) -> Any:
        x = self.dataset.train.x
        first, last = share_of(self.mesh, len(x))
        return put_examples(self.mesh, x[first:last], len(x))

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-self.dataset.training_examples // self.batch_size)

    @property
    def lengths(self) -> list[int]:
        """Steps of each part of an epoch."""
        if self.dataset.stream is None:
            return parts_of(self.steps)
        examples, size = len(self.dataset.stream), self.dataset.stream.chunk_size(self.batch_size)
        return [-(-min(size, examples - first) // self.batch_size) for first in range(0, examples, size)]

    def epoch(self, place: Place) -> Generator[Part, None, None]:
        """The parts of an epoch from a place in it on; what is asked for next is already read."""
        return self._parts(place) if self.dataset.stream is None else self._chunks(place)

    def _parts(self, place: Place) -> Generator[Part, None, None]:
        lengths = self.lengths
        for part, steps in list(enumerate(lengths))[place.part :]:
            last = part == len(lengths) - 1
            first = np.int32(sum(lengths[:part]))
            yield Part(self._whole, (np.int32(place.epoch),), first, steps, last, _after(place.epoch, part, last))

    def _chunks(self, place: Place) -> Generator[Part, None, None]:
        stream: Any = self.dataset.stream
        size = stream.chunk_size(self.batch_size)
        share = partial(share_of, self.mesh)
        chunks = stream.chunks(place.epoch, self.batch_size, first=place.part, share=share)
        left = len(stream) - place.part * size
        try:
            for part in itertools.count(place.part):
                count = min(size, left)
                left -= count
                stored = put_examples(self.mesh, next(chunks), count)
                position = (np.int32(place.epoch), np.int32(part))
                steps = -(-count // self.batch_size)
                yield Part(stored, position, np.int32(0), steps, left == 0, _after(place.epoch, part, left == 0))
                if not left:
                    return
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


def _after(epoch: int, part: int, last: bool) -> Place:
    return Place(epoch + 1) if last else Place(epoch, part + 1)
