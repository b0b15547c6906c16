"""What a stochastic encoder returns: distributions over latents as NamedTuples of arrays."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax.losses.divergence import gaussian_kl, gaussian_kl_between
from ae_jax.types import Key


class DiagonalGaussian(NamedTuple):
    r"""A Gaussian with independent components for each example.

    .. math:: q(z | x) = \prod_j \mathcal{N}(z_j; \mu_j(x), \sigma_j(x)^2)

    Attributes:
      mean: ``[batch, latent]``.
      log_scale: natural logarithm of the standard deviation, ``[batch, latent]``.

    Example:
      >>> posterior = DiagonalGaussian(jnp.zeros((1, 2)), jnp.zeros((1, 2)))
      >>> posterior.kl(), posterior.sample(jax.random.key(0)).shape
      (Array([0.], dtype=float32), (1, 2))

    References:
      Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014.
    """

    mean: Float[Array, "batch latent"]
    log_scale: Float[Array, "batch latent"]

    def sample(self, key: Key) -> Float[Array, "batch latent"]:
        """A draw for each example, differentiable in mean and scale (reparameterised), ``[batch, latent]``."""
        return self.mean + jnp.exp(self.log_scale) * jax.random.normal(key, self.mean.shape, self.mean.dtype)

    def log_prob(self, z: Float[Array, "batch latent"]) -> Float[Array, " batch"]:
        """Log-density of each example's latent, in nats, ``[batch]``."""
        standardised = (z - self.mean) * jnp.exp(-self.log_scale)
        return -jnp.sum(0.5 * jnp.square(standardised) + self.log_scale + 0.5 * math.log(2.0 * math.pi), axis=-1)

    def kl(self, other: "DiagonalGaussian | None" = None) -> Float[Array, " batch"]:
        """Divergence from another Gaussian, by default from the standard normal, in nats, ``[batch]``."""
        if other is None:
            return gaussian_kl(self.mean, self.log_scale)
        return gaussian_kl_between(self.mean, self.log_scale, other.mean, other.log_scale)
