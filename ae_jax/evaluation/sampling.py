"""Evenly spaced examples, where all would cost too much."""

import numpy as np

from ae_jax.data import Split


def subsample(count: int, limit: int) -> np.ndarray:
    """Indices of at most ``limit`` of ``count`` examples, evenly spaced from the first on.

    The first examples of a split that is sorted by class would be of one class.

    Example:
      >>> subsample(9, 3), subsample(2, 3)
      (array([0, 3, 6]), array([0, 1]))
    """
    chosen = min(count, limit)
    return np.arange(chosen) * count // max(chosen, 1)


def subsample_split(split: Split, limit: int) -> Split:
    """At most ``limit`` examples of a split, evenly spaced."""
    return split.take(subsample(len(split.x), limit))
