"""Serves an epoch's training examples to the device: all at once, or in chunks while the previous chunk trains."""

from collections.abc import Generator
from contextlib import closing
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.data import Split
from ae_jax.training.mesh import put_examples, share_of
from ae_jax.training.plan import Plan
from ae_jax.types import Batch

_CHUNK_STEPS = (100, 250)
"""Least and most steps of a dispatch: enough to hide its overhead, few enough that a signal need not wait long."""


class Position(NamedTuple):
    """Position of training between two chunks: number of the epoch, from 1, and of its chunks that are done."""

    epoch: int
    chunk: int = 0


class Chunk(NamedTuple):
    """The part of an epoch that one dispatch trains on.

    Attributes:
      examples: on the device, ``[n, *shape]``, in their storage type.
      counters: the epoch's number, from 1, and of streamed data the chunk's, from 0; they seed the order of examples.
      first: index in that order of the first step taken.
      steps: number of steps taken.
      last: whether it ends its epoch.
      after: position of training once it is done.
    """

    examples: Any
    counters: tuple[Any, ...]
    first: Any
    steps: int
    last: bool
    after: Position


def put_split(planned: Plan, split: Split) -> Batch:
    """A split before scaling, with its conditions, on the devices of a training."""
    count = len(split.x)
    share = planned.raw_batch(split, slice(*share_of(planned.mesh, count)))
    return jax.tree.map(lambda values: put_examples(planned.mesh, values, count), share)


class DataIterator:
    """Iterates over the training examples of a planned training, epoch by epoch."""

    def __init__(self, planned: Plan):
        self.plan, self.mesh = planned, planned.mesh
        self.dataset, self.batch_size = planned.dataset, planned.config.batch_size

    @cached_property
    def _whole(self) -> Any:
        return put_split(self.plan, self.plan.source)

    @property
    def lengths(self) -> list[int]:
        """Steps of each chunk of an epoch."""
        if self.dataset.stream is None:
            return chunk_lengths(self.plan.steps)
        examples, size = len(self.dataset.stream), self.dataset.stream.chunk_size(self.batch_size)
        return [-(-min(size, examples - first) // self.batch_size) for first in range(0, examples, size)]

    def steps_before(self, position: Position) -> int:
        """Steps of a training up to a position."""
        return (position.epoch - 1) * self.plan.steps + sum(self.lengths[: position.chunk])

    def epoch(self, position: Position) -> Generator[Chunk, None, None]:
        """Yields the remaining chunks of an epoch; of streamed data the next one is read ahead."""
        return self._in_memory(position) if self.dataset.stream is None else self._streamed(position)

    def _in_memory(self, position: Position) -> Generator[Chunk, None, None]:
        lengths, epoch = self.lengths, position.epoch
        for chunk in range(position.chunk, len(lengths)):
            last, first = chunk == len(lengths) - 1, np.int32(sum(lengths[:chunk]))
            yield Chunk(self._whole, (np.int32(epoch),), first, lengths[chunk], last, _after(epoch, chunk, last))

    def _streamed(self, position: Position) -> Generator[Chunk, None, None]:
        stream, epoch, lengths = self.dataset.stream, position.epoch, self.lengths
        assert stream is not None
        size = stream.chunk_size(self.batch_size)
        rows = stream.chunks(epoch, self.batch_size, first=position.chunk, share=partial(share_of, self.mesh))
        with closing(rows):
            for chunk in range(position.chunk, len(lengths)):
                count, last = min(size, len(stream) - chunk * size), chunk == len(lengths) - 1
                examples = Batch(put_examples(self.mesh, next(rows), count))
                counters = (np.int32(epoch), np.int32(chunk))
                yield Chunk(examples, counters, np.int32(0), lengths[chunk], last, _after(epoch, chunk, last))


def chunk_lengths(steps: int) -> list[int]:
    """Steps of each chunk of an epoch in memory; of equal length if possible, since each length compiles a program.

    Example:
      >>> chunk_lengths(23), chunk_lengths(938), chunk_lengths(469)
      ([23], [134, 134, 134, 134, 134, 134, 134], [235, 234])
    """
    least, most = _CHUNK_STEPS
    if steps <= most:
        return [steps]
    for length in range(most, least - 1, -1):
        if steps % length == 0:
            return [length] * (steps // length)
    count = -(-steps // most)
    return [steps // count + (chunk < steps % count) for chunk in range(count)]


def _after(epoch: int, chunk: int, last: bool) -> Position:
    return Position(epoch + 1) if last else Position(epoch, chunk + 1)
