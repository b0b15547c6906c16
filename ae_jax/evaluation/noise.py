"""Corruptions that evaluations use, and what an autoencoder saw of them in training."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Float

from ae_jax.corruptions import Corruption, Gaussian, Masking, SaltAndPepper
from ae_jax.models import Autoencoder
from ae_jax.types import Key

Families = Mapping[str, Mapping[float, Corruption]]
"""Corruptions by the name of their family and their level."""

NOISY = "noisy input"
"""The name, in results, of the corrupted examples as they are."""

NOISE = Gaussian(scale=0.3)
"""The corruption, in model units, of the reconstructions that ``psnr_corrupted`` compares with the clean examples.

Of images in [0, 1] it is about their standard deviation; of standardised data, 0.3 of it: a tenth of the variance.
"""


def families_within(low: float = 0.0, high: float = 1.0) -> Families:
    """The corruptions that denoisers are compared on: the three of Vincent et al. (2010), at four levels each.

    Args:
      low, high: the lowest and the highest value of the data in model units, which salt and pepper writes.

    Example:
      >>> families_within(-1.0, 1.0)["salt_and_pepper"][0.1]
      SaltAndPepper(probability=0.1, low=-1.0, high=1.0)
    """
    return {
        "gaussian": {level: Gaussian(scale=level) for level in (0.1, 0.2, 0.3, 0.5)},
        "masking": {level: Masking(probability=level) for level in (0.1, 0.25, 0.5, 0.75)},
        "salt_and_pepper": {
            level: SaltAndPepper(probability=level, low=low, high=high) for level in (0.05, 0.1, 0.25, 0.5)
        },
    }


def corrupted(
    corruption: Corruption, key: Key, x: Float[np.ndarray, "n *features"]
) -> Float[np.ndarray, "n *features"]:
    """Corrupts examples in model units; every autoencoder given the same key sees the same corruption."""
    return np.asarray(_corrupted(corruption, key, x))


@jax.jit
def _corrupted(corruption: Corruption, key: Key, x: Any) -> Any:
    return corruption(key, x)


@jax.jit
def with_noise(keys: Any, seed: Any, x: Any) -> Any:
    """Examples with :data:`NOISE`, which the seed of a member and the key of each example decide."""
    return jax.vmap(lambda key, one: NOISE(jax.random.fold_in(key, seed), one))(keys, x)


def trained_on(autoencoder: Autoencoder, corruption: Corruption) -> Literal["matched", "blind", "clean"]:
    """What the autoencoder saw in training: this very corruption and level, another corruption, or clean inputs.

    Example:
      >>> import ae_jax
      >>> [trained_on(ae_jax.denoising(noise=0.3), ae_jax.corruptions.Gaussian(scale=scale)) for scale in (0.3, 0.5)]
      ['matched', 'blind']
    """
    seen = getattr(autoencoder.objective, "corruption", None)
    if seen is None:
        return "clean"
    return "matched" if _identity_of(seen) == _identity_of(corruption) else "blind"


def _identity_of(corruption: Corruption) -> tuple[Any, ...]:
    """Structure and numbers, in the 32 bits of training; any other callable is what it is."""
    leaves: Iterable[Any] = jax.tree.leaves(corruption)
    numbers = tuple(leaf if callable(leaf) else float(np.float32(leaf)) for leaf in leaves)
    return jax.tree.structure(corruption), *numbers
