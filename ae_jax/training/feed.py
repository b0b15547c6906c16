"""Where an epoch's training examples come from: all at once, or in chunks while the one before trains."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.data import Dataset


class Chunk(NamedTuple):
    """Training examples on the device.

    Attributes:
      stored: ``[n, *shape]``, in their storage type.
      position: the epoch's number, from 1; and the chunk's, from 0, where an epoch has several.
      last: of its epoch.
      steps: how many it makes.
    """

    stored: Any
    position: tuple[Any, ...]
    last: bool
    steps: int


class Feed:
    """The training examples of a data set, epoch by epoch.

    Args:
      dataset: the data.
      batch_size: examples in a step.
    """

    def __init__(self, dataset: Dataset, batch_size: int):
        self.dataset, self.batch_size = dataset, batch_size
        self._whole = jax.device_put(dataset.train.x) if dataset.stream is None else None

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-self.dataset.training_examples // self.batch_size)

    def epoch(self, number: int) -> Iterator[Chunk]:
        """The chunks of an epoch; what is asked for next is already read."""
        if self.dataset.stream is None:
            yield Chunk(self._whole, (np.int32(number),), True, self.steps)
            return
        chunks = self.dataset.stream.chunks(number, self.batch_size)
        left = self.dataset.training_examples
        try:
            for place, chunk in enumerate(chunks):
                left -= len(chunk)
                position = (np.int32(number), np.int32(place))
                yield Chunk(jax.device_put(chunk), position, left == 0, -(-len(chunk) // self.batch_size))
        finally:
            chunks.close()
