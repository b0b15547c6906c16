"""Priors over latents: components that build the part ``prior`` of a model."""

import math
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ae_jax.components import component
from ae_jax.distributions import DiagonalGaussian
from ae_jax.types import Key, Shape


@runtime_checkable
class Prior(Protocol):
    """The part ``prior`` of a model: a distribution over latents.

    ``log_prob`` is the log-density of each latent in nats, ``sample`` draws n latents, and ``kl`` is the divergence of
    each example's posterior from the prior in nats, or None where there is no closed form.
    """

    def log_prob(self, z: Float[Array, "batch *latent"]) -> Float[Array, " batch"]: ...

    def sample(self, key: Key, n: int) -> Float[Array, "{n} *latent"]: ...

    def kl(self, posterior: Any) -> Float[Array, " batch"] | None: ...


@component
class StandardNormal:
    r"""The standard normal prior.

    .. math:: p(z) = \mathcal{N}(z; 0, I)

    Example:
      >>> prior = StandardNormal()(None, (8,), (2,), nnx.Rngs(0))
      >>> prior.sample(jax.random.key(0), 3).shape, round(float(prior.log_prob(jnp.zeros((1, 2)))[0]), 4)
      ((3, 2), -1.8379)

    References:
      Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014.
    """

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "StandardNormalPrior":
        return StandardNormalPrior(code)


class StandardNormalPrior(nnx.Module):
    """The prior that :class:`StandardNormal` describes, for one shape of the code."""

    def __init__(self, code: Shape):
        self.code = code

    def log_prob(self, z: Float[Array, "batch *latent"]) -> Float[Array, " batch"]:
        """Log-density of each latent, in nats."""
        return -jnp.sum(0.5 * jnp.square(z) + 0.5 * math.log(2.0 * math.pi), axis=tuple(range(1, z.ndim)))

    def sample(self, key: Key, n: int) -> Float[Array, "{n} *latent"]:
        """Draws n latents."""
        return jax.random.normal(key, (n, *self.code))

    def kl(self, posterior: Any) -> Float[Array, " batch"] | None:
        """Divergence of a diagonal Gaussian posterior, in nats; None for other posteriors."""
        return posterior.kl() if isinstance(posterior, DiagonalGaussian) else None
