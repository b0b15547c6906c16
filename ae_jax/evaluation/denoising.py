"""How much of the clean example does it bring back from a corrupted one?"""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Float

from ae_jax.corruptions import Corruption
from ae_jax.evaluation.reconstruction import psnr
from ae_jax.types import Key


def corrupted(
    corruption: Corruption, key: Key, x: Float[np.ndarray, "n *features"]
) -> Float[np.ndarray, "n *features"]:
    """Examples in model units, damaged; the same key gives every autoencoder the same damage."""
    return np.asarray(corruption(key, jax.numpy.asarray(x)))


def psnr_corrupted(
    reconstruct: Callable[[np.ndarray], np.ndarray],
    corruption: Corruption,
    key: Key,
    x: Float[np.ndarray, "n *features"],
) -> float:
    """Mean peak signal-to-noise ratio of reconstructions of corrupted examples against the clean ones.

    Args:
      reconstruct: maps examples to reconstructions, both in model units, ``[n, *features]``.
      corruption: what damages the examples.
      key: of the damage.
      x: clean examples in [0, 1], ``[n, *features]``.

    Returns:
      The mean over examples of :func:`ae_jax.evaluation.psnr`, in decibels.

    Example:
      >>> from ae_jax.corruptions import Masking
      >>> round(psnr_corrupted(lambda x: x + 0.1, Masking(probability=0.0), jax.random.key(0), np.zeros((2, 4))), 2)
      20.0
    """
    return float(np.mean(psnr(reconstruct(corrupted(corruption, key, x)), x)))
