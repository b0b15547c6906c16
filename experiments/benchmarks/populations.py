"""Cost of a member of a population as the population grows, relative to a model trained alone."""

import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from ae_jax import variational
from benchmarks.ours import ours
from benchmarks.timing import interleave, ratio
from benchmarks.workloads import blobs, digit_images

MEMBERS = (1, 2, 4, 8, 16, 32, 64, 128)
SMALL, LARGE = "64-128-8", "784-512-16"


def member_costs(
    *, members: Sequence[int] = MEMBERS, rounds: int = 5, epochs: int = 4, widths: Sequence[str] = (SMALL, LARGE)
) -> Iterator[dict[str, Any]]:
    """Yields a row for each network and population size.

    ``cost`` is the time per member over that of the first size in ``members``, the median over rounds, with
    ``cost_low`` and ``cost_high``.

    Args:
      members: population sizes; the first one is the reference.
      rounds: rounds, in each of which all sizes are trained.
      epochs: epochs in a round.
      widths: networks, by the names that rows have.
    """
    for name in widths:
        if name == SMALL:
            autoencoder, images, scale, batch_size = (
                partial(variational, hidden=(128,), code=8),
                digit_images(640),
                16,
                32,
            )
        else:
            images = blobs(2048).reshape(2048, 784)
            autoencoder, scale, batch_size = partial(variational, hidden=(512,), code=16), 255, 64
        runs = {}
        for count in members:
            train = ours(autoencoder(activation="relu"), images, batch_size, scale=float(scale), seeds=range(count))
            runs[str(count)] = lambda train=train: statistics.median(train(epochs)[0])
        seconds = interleave(runs, rounds=rounds)
        alone = [value / members[0] for value in seconds[str(members[0])]]
        for count in members:
            cost = ratio([value / count for value in seconds[str(count)]], alone)
            yield {
                "widths": name,
                "batch": batch_size,
                "members": count,
                "cost": cost.median,
                "cost_low": cost.low,
                "cost_high": cost.high,
                "epoch_s": statistics.median(seconds[str(count)]),
            }
