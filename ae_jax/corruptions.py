"""Corruptions of inputs before they are encoded: components called as ``(key, x) -> x``."""

from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax._checks import require_non_negative, require_number, require_probability
from ae_jax.components import component
from ae_jax.types import Key, Number


@runtime_checkable
class Corruption(Protocol):
    """Any callable that maps a key and a batch to a damaged batch of the same shape."""

    def __call__(self, key: Key, x: Float[Array, "batch *features"]) -> Float[Array, "batch *features"]: ...


@component
class Gaussian:
    r"""Adds independent Gaussian noise of standard deviation ``scale``, in model units.

    .. math:: \tilde x = x + \sigma \epsilon, \quad \epsilon \sim \mathcal{N}(0, I)

    Example:
      >>> Gaussian(scale=0.0)(jax.random.key(0), jnp.ones((1, 2)))
      Array([[1., 1.]], dtype=float32)

    References:
      Vincent et al., *Stacked denoising autoencoders*, JMLR 2010, section 3.3.
    """

    scale: Number = 0.3

    def __post_init__(self) -> None:
        require_non_negative(self, scale=self.scale)

    def __call__(self, key: Key, x: Float[Array, "batch *features"]) -> Float[Array, "batch *features"]:
        return x + jnp.asarray(self.scale, x.dtype) * jax.random.normal(key, x.shape, x.dtype)


@component
class Masking:
    r"""Sets each feature to zero with the given probability, independently.

    .. math:: \tilde x_i = x_i m_i, \quad m_i \sim \mathrm{Bernoulli}(1 - p)

    Example:
      >>> Masking(probability=1.0)(jax.random.key(0), jnp.ones((1, 3)))
      Array([[0., 0., 0.]], dtype=float32)

    References:
      Vincent et al., *Extracting and composing robust features with denoising autoencoders*, ICML 2008.
    """

    probability: Number = 0.25

    def __post_init__(self) -> None:
        require_probability(self, probability=self.probability)

    def __call__(self, key: Key, x: Float[Array, "batch *features"]) -> Float[Array, "batch *features"]:
        return jnp.where(jax.random.bernoulli(key, self.probability, x.shape), jnp.zeros_like(x), x)


@component
class SaltAndPepper:
    r"""Sets each feature with the given probability to the lowest or the highest value of the data, by a fair coin.

    .. math:: \tilde x_i = x_i \text{ with probability } 1 - p, \text{ else } a \text{ or } b

    Attributes:
      probability: p.
      low, high: a and b, in model units; 0 and 1 suit data in [0, 1], other data need their own.

    Example:
      >>> x = SaltAndPepper(probability=1.0)(jax.random.key(0), jnp.full((1, 3), 0.5))
      >>> bool(jnp.all((x == 0) | (x == 1)))
      True

    References:
      Vincent et al., *Stacked denoising autoencoders*, JMLR 2010, section 3.3.
    """

    probability: Number = 0.25
    low: Number = 0.0
    high: Number = 1.0

    def __post_init__(self) -> None:
        require_number(self, low=self.low, high=self.high)
        require_probability(self, probability=self.probability)

    def __call__(self, key: Key, x: Float[Array, "batch *features"]) -> Float[Array, "batch *features"]:
        chosen, coin = jax.random.split(key)
        extreme = jnp.where(jax.random.bernoulli(coin, 0.5, x.shape), self.high, self.low).astype(x.dtype)
        return jnp.where(jax.random.bernoulli(chosen, self.probability, x.shape), extreme, x)


@component
class Binarisation:
    r"""Draws each feature as 0 or 1, with its value as the probability of a 1.

    .. math:: \tilde x_i \sim \mathrm{Bernoulli}(x_i)

    As the augmentation of a bound of the evidence (:class:`ae_jax.objectives.ELBO`) it binarises grey images afresh at
    every use. Values below 0 count as 0, above 1 as 1.

    Example:
      >>> Binarisation()(jax.random.key(0), jnp.array([[0.0, 1.0]]))
      Array([[0., 1.]], dtype=float32)

    References:
      Salakhutdinov and Murray, *On the quantitative analysis of deep belief networks*, ICML 2008, section 5.1.
    """

    def __call__(self, key: Key, x: Float[Array, "batch *features"]) -> Float[Array, "batch *features"]:
        return (jax.random.uniform(key, x.shape, x.dtype) < x).astype(x.dtype)
