"""The evidence lower bound, and what bounds of the evidence share: latents of the posterior and their densities."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax._checks import require_non_negative, require_part, size
from ae_jax.components import component, static
from ae_jax.corruptions import Corruption
from ae_jax.distributions import Posterior
from ae_jax.errors import InvalidInput
from ae_jax.networks import PartBuilder
from ae_jax.objectives.base import Objective, corrupt, penalty_terms, require_components, weighted_sum
from ae_jax.objectives.likelihoods import BernoulliLikelihood, Likelihood
from ae_jax.objectives.penalties import Penalty
from ae_jax.priors import StandardNormal
from ae_jax.schedules import value_at
from ae_jax.types import Batch, Key, Metrics, Weight


@component
class ELBO(Objective):
    r"""Negative evidence lower bound, in nats, by the reparameterisation trick.

    .. math::
       -\frac{1}{S} \sum_s \log p(x | z_s) + \beta \, \mathrm{KL}(q(z|x) \| p(z)),
       \quad z_s = \mu + \sigma \epsilon_s

    Attributes:
      likelihood: p(x | z), :mod:`ae_jax.objectives.likelihoods`; its constants are kept.
      beta: weight of the divergence; a schedule makes a warm-up, a number other than 1 a beta-VAE.
      capacity: C, in nats: the divergence's mean over the batch is pulled to it, by beta times the absolute difference,
        instead of to zero; usually a schedule that rises. None for zero.
      samples: how many latents are drawn for each example.
      augmentation: a random change of each example at every use, seen by encoder and likelihood alike, such as
        :class:`ae_jax.corruptions.Binarisation`; None takes examples as they are. Evaluation never augments: binarise
        the evaluated data to compare their bound with that of training.
      corruption: damages the encoder's input only; None leaves it clean.
      penalties: further terms, :mod:`ae_jax.objectives.penalties`.
      prior: p(z), :mod:`ae_jax.priors`; where its divergence has no closed form, it is estimated from the latents.

    Raises:
      InvalidInput: a negative beta, no sample, or (when called) networks whose encoder is deterministic.

    Example:
      >>> from ae_jax.schedules import Linear
      >>> ELBO(beta=Linear(start=0.0, end=1.0, steps=500)).samples
      1

    References:
      Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014, eq. 10;
      Higgins et al., *beta-VAE*, ICLR 2017; Burgess et al., *Understanding disentangling in beta-VAE*, 2018 (capacity).
    """

    likelihood: Likelihood = BernoulliLikelihood()
    beta: Weight = 1.0
    capacity: Weight | None = None
    samples: int = static(default=1)
    augmentation: Corruption | None = None
    corruption: Corruption | None = None
    penalties: tuple[Penalty, ...] = ()
    prior: PartBuilder = StandardNormal()

    def __post_init__(self) -> None:
        penalties = require_components(self, self.likelihood, self.corruption, self.penalties, self.augmentation)
        object.__setattr__(self, "penalties", penalties)
        require_part(self, PartBuilder, "a prior, such as StandardNormal()", prior=self.prior)
        require_non_negative(self, beta=self.beta, capacity=self.capacity)
        size(self, "samples", self.samples)

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        """The prior."""
        return {"prior": self.prior}

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        corruption_key, sample_key, penalty_key, augmentation_key = jax.random.split(key, 4)
        batch = corrupt(augmentation_key, self.augmentation, batch)
        inputs = corrupt(corruption_key, self.corruption, batch)
        posterior = model.encode(inputs.x, batch.condition)
        latents, ratios = sample_with_log_ratios(sample_key, model.prior, posterior, self.samples)
        nll = nll_of_latents(self.likelihood, model, latents, batch)
        kl = model.prior.kl(posterior)
        kl = jnp.mean(ratios, axis=0) if kl is None else kl
        terms: dict[str, tuple[Weight, Array]] = {self.likelihood.name: (1.0, jnp.mean(nll, axis=0))}
        terms["kl"] = (self.beta if self.capacity is None else 0.0, kl)
        if self.capacity is not None:
            terms["capacity"] = (self.beta, jnp.abs(jnp.mean(kl) - value_at(self.capacity, step)))
        return weighted_sum(
            terms | penalty_terms(self.penalties, model, penalty_key, inputs, posterior),
            step,
        )


def sample_latents(key: Key, posterior: Any, samples: int) -> Float[Array, "samples batch *latent"]:
    r"""Draws latents of each example from its posterior, reparameterised (Kingma and Welling, 2014).

    .. math:: z_s \sim q(z | x), \quad \text{for a Gaussian } z_s = \mu + \sigma \epsilon_s

    Args:
      key: of the noise.
      posterior: of a batch.
      samples: number of latents of each example.

    Returns:
      ``[samples, batch, *latent]``.

    Raises:
      InvalidInput: the code is an array, not a distribution.
    """
    require_posterior(posterior)
    return jax.vmap(posterior.sample)(jax.random.split(key, samples))


def sample_with_log_ratios(
    key: Key, prior: Any, posterior: Any, samples: int
) -> tuple[Float[Array, "samples batch *latent"], Float[Array, "samples batch"]]:
    r"""Latents as of :func:`sample_latents`, and the log-ratio of posterior to prior density at each.

    .. math:: \log q(z_s | x) - \log p(z_s), \quad z_s \sim q(z | x)

    The expectation of the ratio is the divergence.

    Args:
      key, posterior, samples: as of :func:`sample_latents`, which draws the same latents.
      prior: p(z), a :class:`ae_jax.priors.Prior`.

    Returns:
      ``[samples, batch, *latent]`` and ``[samples, batch]``, in nats.

    Raises:
      InvalidInput: the code is an array, not a distribution, or only one of the two is on the sphere.
    """
    require_posterior(posterior, prior)
    latents, densities = jax.vmap(posterior.sample_and_log_prob)(jax.random.split(key, samples))
    return latents, densities - jax.vmap(prior.log_prob)(latents)


def require_posterior(code: Any, prior: Any = None) -> None:
    """Raises a sentence where a code is an array, not a distribution, or is on the sphere and the prior is not."""
    if isinstance(code, jax.Array) or not isinstance(code, Posterior):
        raise InvalidInput(
            "a bound of the evidence was given a deterministic encoder: expected networks with stochastic=True."
        )
    if prior is not None and getattr(code, "on_sphere", False) != getattr(prior, "on_sphere", False):
        raise InvalidInput(
            f"a bound of the evidence was given a {type(code).__name__} as the posterior and a {type(prior).__name__}: "
            "expected both or neither on the sphere, Spherical() with UniformSphere()."
        )


def nll_of_latents(
    likelihood: Likelihood, model: Any, latents: Float[Array, "samples batch *latent"], batch: Batch
) -> Float[Array, "samples batch"]:
    r"""Negative log-likelihood of each example under each of its latents, in nats.

    .. math:: -\log p(x | z_s)

    Args:
      likelihood: p(x | z).
      model: decodes the latents.
      latents: of each example, ``[samples, batch, *latent]``.
      batch: the examples, in model units; of ``observed`` ones, missing values do not count.

    Returns:
      ``[samples, batch]``, in nats.
    """
    samples = latents.shape[0]

    def repeated(values: Array) -> Array:
        return jnp.broadcast_to(values, (samples, *values.shape)).reshape(-1, *values.shape[1:])

    condition = None if batch.condition is None else repeated(batch.condition)
    outputs = model.decode(latents.reshape(-1, *latents.shape[2:]), condition)
    x = repeated(batch.x)
    if batch.observed is None:
        return likelihood(outputs, x).reshape(samples, -1)
    of_each = likelihood(outputs.reshape(x.size, 1, *outputs.shape[x.ndim :]), x.reshape(-1, 1)).reshape(x.shape)
    counted = jnp.where(repeated(batch.observed), of_each, 0.0)
    return jnp.sum(counted.reshape(samples, len(batch.x), -1), axis=2)
