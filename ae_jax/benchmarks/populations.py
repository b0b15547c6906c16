"""What a member of a population costs as members grow, beside one that is trained alone."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ae_jax.benchmarks.images import blobs, digit_images
from ae_jax.benchmarks.ours import ours
from ae_jax.benchmarks.timing import interleave, ratio
from ae_jax.models import Autoencoder, variational

MEMBERS = (1, 2, 4, 8, 16, 32, 64, 128)

_WIDTHS: dict[str, tuple[Callable[[], Autoencoder], Callable[[], np.ndarray], float, int]] = {
    "64-128-8": (partial(variational, activation="relu", hidden=(128,), code=8), partial(digit_images, 640), 16.0, 32),
    "784-512-16": (
        partial(variational, activation="relu", hidden=(512,), code=16),
        lambda: blobs(2048).reshape(2048, 784),
        255.0,
        64,
    ),
}
"""Autoencoder, examples, what they are divided by, batch size."""


def cost_of_members(
    *, members: Sequence[int] = MEMBERS, rounds: int = 5, epochs: int = 4, widths: Sequence[str] = tuple(_WIDTHS)
) -> Iterator[dict[str, Any]]:
    """Rows of what a member costs in populations of several sizes.

    Args:
      members: sizes of populations; the first of them is what the others are relative to, one alone.
      rounds: in each of which all sizes are trained.
      epochs: of a round.
      widths: of the networks, by the names that rows have.

    Yields:
      ``cost``, time for each member over that of one alone, median of rounds, and ``cost_low``, ``cost_high``.
    """
    for name in widths:
        make, images, scale, batch_size = _WIDTHS[name]
        runs = {
            str(count): _median_epoch(ours(make(), images(), batch_size, scale=scale, seeds=range(count)), epochs)
            for count in members
        }
        seconds = interleave(runs, rounds=rounds)
        alone = [value / members[0] for value in seconds[str(members[0])]]
        for count in members:
            each = [value / count for value in seconds[str(count)]]
            cost = ratio(each, alone)
            yield {
                "widths": name,
                "batch": batch_size,
                "members": count,
                "cost": cost.median,
                "cost_low": cost.low,
                "cost_high": cost.high,
                "epoch_s": statistics.median(seconds[str(count)]),
            }


def _median_epoch(train: Callable[[int], tuple[list[float], list[float]]], epochs: int) -> Callable[[], float]:
    return lambda: statistics.median(train(epochs)[0])
