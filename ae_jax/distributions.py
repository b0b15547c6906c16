"""Posteriors: the distributions over latents that stochastic encoders return, as NamedTuples of arrays."""

from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax.losses import gaussian_kl, gaussian_kl_between, gaussian_nll
from ae_jax.types import Key


@runtime_checkable
class Posterior(Protocol):
    """A distribution over the latents of each example: its mean, and a reparameterised draw with its log-density.

    A family whose density is known at every latent has ``log_prob(z)``, too; one whose divergence from the standard
    normal is closed form has ``kl()``.
    """

    @property
    def mean(self) -> Float[Array, "batch *latent"]: ...

    def sample(self, key: Key) -> Float[Array, "batch *latent"]: ...

    def sample_and_log_prob(self, key: Key) -> tuple[Float[Array, "batch *latent"], Float[Array, " batch"]]: ...


class DiagonalGaussian(NamedTuple):
    r"""A Gaussian with independent components for each example.

    .. math:: q(z | x) = \prod_j \mathcal{N}(z_j; \mu_j(x), \sigma_j(x)^2)

    Attributes:
      mean: ``[batch, *latent]``.
      log_scale: natural logarithm of the standard deviation, ``[batch, *latent]``.

    Example:
      >>> posterior = DiagonalGaussian(jnp.zeros((1, 2)), jnp.zeros((1, 2)))
      >>> posterior.kl(), posterior.sample(jax.random.key(0)).shape
      (Array([0.], dtype=float32), (1, 2))

    References:
      Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014.
    """

    mean: Float[Array, "batch *latent"]
    log_scale: Float[Array, "batch *latent"]

    def sample(self, key: Key) -> Float[Array, "batch *latent"]:
        """A draw for each example, differentiable in mean and scale (reparameterised), of the shape of the mean."""
        return self.mean + jnp.exp(self.log_scale) * jax.random.normal(key, self.mean.shape, self.mean.dtype)

    def sample_and_log_prob(self, key: Key) -> tuple[Float[Array, "batch *latent"], Float[Array, " batch"]]:
        """A draw for each example and its log-density, in nats."""
        z = self.sample(key)
        return z, self.log_prob(z)

    def log_prob(self, z: Float[Array, "batch *latent"]) -> Float[Array, " batch"]:
        """Log-density of each example's latent, in nats, ``[batch]``.

        A draw is rounded to the numbers of its type: where the scale is below that rounding (in 32 bits 1e-7 of the
        mean), its density is that of the rounded draw.
        """
        return -gaussian_nll(self.mean, z, self.log_scale)

    def kl(self, other: "DiagonalGaussian | None" = None) -> Float[Array, " batch"]:
        """Divergence from another Gaussian, by default from the standard normal, in nats, ``[batch]``."""
        mean, log_scale = (values.reshape(len(values), -1) for values in self)
        if other is None:
            return gaussian_kl(mean, log_scale)
        return gaussian_kl_between(mean, log_scale, *(values.reshape(len(values), -1) for values in other))
