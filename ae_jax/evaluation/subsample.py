"""Which of many examples are taken, where all would cost too much."""

import numpy as np


def evenly(count: int, limit: int) -> np.ndarray:
    """Places of at most so many of a number of examples, evenly spaced, the first among them.

    The first of a split that is sorted by class would be of one class.

    Example:
      >>> evenly(9, 3), evenly(2, 3)
      (array([0, 3, 6]), array([0, 1]))
    """
    shown = min(count, limit)
    return np.arange(shown) * count // max(shown, 1)
