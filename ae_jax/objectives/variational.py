"""What bounds of the evidence share: a prior, latents drawn from the posterior, and what they are worth."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax.distributions import DiagonalGaussian
from ae_jax.errors import InvalidInput
from ae_jax.networks import Code, Networks
from ae_jax.objectives.likelihoods import Likelihood
from ae_jax.types import Key


class Variational:
    """The base of objectives that bound the evidence of a model p(x | z) p(z) with a standard normal prior.

    What is trained by one can be sampled from, and asked for its lower bound and for log-likelihoods. These are of the
    standard normal prior, which therefore no subclass replaces.
    """

    def sample_prior(self, key: Key, n: int, code: int) -> Float[Array, "{n} {code}"]:
        """Latents from the prior, a standard normal, ``[n, code]``; what has this method can be sampled from."""
        return jax.random.normal(key, (n, code))


def drawn(key: Key, posterior: Code, samples: int) -> Float[Array, "samples batch latent"]:
    r"""Latents of each example from its posterior, reparameterised (Kingma and Welling, 2014).

    .. math:: z_s = \mu + \sigma \epsilon_s, \quad \epsilon_s \sim N(0, I)

    Args:
      key: of the noise.
      posterior: of a batch.
      samples: how many latents each example has.

    Returns:
      ``[samples, batch, latent]``.

    Raises:
      InvalidInput: the code is an array, not a distribution.
    """
    if isinstance(posterior, jax.Array):
        raise InvalidInput(
            "a bound of the evidence was given a deterministic encoder: expected networks with stochastic=True."
        )
    return jax.vmap(posterior.sample)(jax.random.split(key, samples))


def nll_of_latents(
    likelihood: Likelihood,
    networks: Networks,
    latents: Float[Array, "samples batch latent"],
    x: Float[Array, "batch *features"],
) -> Float[Array, "samples batch"]:
    r"""How unlikely each example is under each of its latents.

    .. math:: -\log p(x | z_s)

    Args:
      likelihood: p(x | z).
      networks: whose decoder gives its parameters.
      latents: of each example, ``[samples, batch, latent]``.
      x: the examples, in model units.

    Returns:
      ``[samples, batch]``, in nats.
    """
    samples = latents.shape[0]
    outputs = networks.decode(latents.reshape(-1, latents.shape[-1]))
    targets = jnp.broadcast_to(x, (samples, *x.shape)).reshape(-1, *x.shape[1:])
    return likelihood(outputs, targets).reshape(samples, -1)


def log_ratios(
    posterior: DiagonalGaussian, latents: Float[Array, "samples batch latent"]
) -> Float[Array, "samples batch"]:
    r"""How much likelier each latent is in the posterior than in the prior; its expectation is the divergence.

    .. math:: \log q(z_s | x) - \log p(z_s)

    Args:
      posterior: of a batch.
      latents: of each example, ``[samples, batch, latent]``.

    Returns:
      ``[samples, batch]``, in nats.
    """
    prior = DiagonalGaussian(jnp.zeros_like(posterior.mean), jnp.zeros_like(posterior.mean))
    return jax.vmap(lambda z: posterior.log_prob(z) - prior.log_prob(z))(latents)
