"""Training with ``ae_jax.fit``, called as users call it."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

import ae_jax
from ae_jax.data import Scaling, from_splits
from ae_jax.training import Callback, Progress, TrainConfig

MIN_EPOCHS = 3
"""Epochs that a round needs at least: the first and the last one of :func:`ours` are not timed."""

Train = Callable[[int], tuple[list[float], list[float]]]
"""Number of epochs -> seconds of each timed epoch, mean training loss of each epoch; starts anew at every call."""


class EpochClock(Callback):
    """Records when epochs end."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_epoch(self, progress: Progress) -> None:
        """Records the time."""
        self.times.append(time.perf_counter())

    @property
    def seconds(self) -> list[float]:
        """Seconds of each epoch but the first and the last.

        The first epoch contains the start, and the last report follows its predecessor at once because the epoch was
        dispatched before it.
        """
        return [late - early for early, late in pairwise(self.times[:-1])]


def ours(
    autoencoders: ae_jax.Autoencoder | Sequence[ae_jax.Autoencoder],
    images: np.ndarray,
    batch_size: int,
    *,
    scale: float = 255.0,
    seeds: int | Sequence[int] = 0,
    mesh: Any = None,
) -> Train:
    """Returns a function that trains with ``fit`` and times epochs by :class:`EpochClock`; losses of the first member.

    Args:
      autoencoders: one, or several that differ in numbers.
      images: bytes, ``[n, *shape]``.
      batch_size: examples in a step.
      scale: divisor of the bytes.
      seeds: seeds of the members, combined with every autoencoder.
      mesh: device mesh, as ``fit`` takes it.
    """
    data = from_splits(images, scaling=Scaling(scale=scale))

    def train(epochs: int) -> tuple[list[float], list[float]]:
        clock = EpochClock()
        config = TrainConfig(epochs=epochs, batch_size=batch_size, mesh=mesh)
        run = ae_jax.fit(autoencoders, data, config, seeds=seeds, callbacks=[clock])
        return clock.seconds, run.history["train"]["loss"][0].tolist()

    return train
