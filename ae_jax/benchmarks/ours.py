"""The works by this package: ``ae_jax.fit`` as users call it."""

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ae_jax.benchmarks.peers import Train
from ae_jax.data import Scaling, from_splits
from ae_jax.models import Autoencoder
from ae_jax.training import fit
from ae_jax.training.mesh import Devices

LEAST_EPOCHS = 3
"""Of a round: the first and the last of :func:`ours` are not timed."""


def ours(
    autoencoders: Autoencoder | Sequence[Autoencoder],
    images: np.ndarray,
    batch_size: int,
    *,
    scale: float = 255.0,
    seeds: int | Sequence[int] = 0,
    mesh: Devices | None = None,
) -> Train:
    """Training by ``fit``, its epochs timed by when it reports them.

    The first one holds the start and the last report follows its predecessor at once, having been dispatched before
    it: both are left out.

    Args:
      autoencoders: one, or several that differ in numbers.
      images: bytes, ``[n, *shape]``.
      batch_size: examples in a step.
      scale: what bytes are divided by.
      seeds: of the members, every combination with an autoencoder.
      mesh: as ``fit`` takes it.

    Returns:
      As of a peer: epochs -> seconds of those that are timed, mean losses of the first member.

    Example:
      >>> import ae_jax
      >>> train = ours(ae_jax.undercomplete(code=2, hidden=()), np.zeros((4, 3), np.uint8), 2)
      >>> [len(values) for values in train(5)]
      [3, 5]
    """
    data = from_splits(images, scaling=Scaling(scale=scale))

    def train(epochs: int) -> tuple[list[float], list[float]]:
        times: list[float] = []

        def told(_: Any) -> None:
            times.append(time.perf_counter())

        run = fit(autoencoders, data, seeds=seeds, epochs=epochs, batch_size=batch_size, mesh=mesh, progress=told)
        return [late - early for early, late in pairwise(times[:-1])], run.history["train"]["loss"][0].tolist()

    return train
