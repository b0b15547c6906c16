"""The importance-weighted bound of the evidence, its averages and its gradients."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax._checks import require_part, require_probability, size
from ae_jax.components import component, static
from ae_jax.corruptions import Corruption
from ae_jax.errors import InvalidInput, require_known
from ae_jax.networks import PartBuilder
from ae_jax.networks.functional import without_gradient
from ae_jax.objectives.base import Objective, corrupt, penalty_terms, require_components, weighted_sum
from ae_jax.objectives.elbo import nll_of_latents, require_posterior
from ae_jax.objectives.likelihoods import NO_DENSITY, BernoulliLikelihood, Likelihood
from ae_jax.objectives.penalties import Penalty
from ae_jax.priors import StandardNormal
from ae_jax.schedules import value_at
from ae_jax.types import Batch, Key, Metrics, Weight

GRADIENTS = ("plain", "doubly", "partial")


@component
class ImportanceWeighted(Objective):
    r"""Negative importance-weighted bound, in nats: tighter than the ELBO the more latents are drawn.

    .. math::
       -\frac{1}{M} \sum_m \log \frac{1}{k} \sum_s w_{ms}, \quad
       w_{ms} = \frac{p(x | z_{ms}) \, p(z_{ms})}{q(z_{ms} | x)}, \quad z_{ms} = \mu + \sigma \epsilon_{ms}

    Its terms are means over the latents of :math:`-\log p(x | z)`, by the likelihood's name, and of
    :math:`\log q(z | x) / p(z)`, ``kl``, less ``iwae_gap``: how much tighter the bound is than
    the ELBO of the same latents, which is never below zero, and zero where k is 1.

    The gradient of the encoder is, with the normalised weights :math:`\tilde w_s` of a bound,

    - ``"plain"``: that of the bound;
    - ``"doubly"`` reparameterised: :math:`-\sum_s \tilde w_s^2 \, \partial_z \log w_s \, \partial_\phi z_s`, which has
      the same expectation, and a variance that vanishes at the exact posterior (of the ELBO's share
      :math:`-\frac{1}{k} \sum_s \partial_z \log w_s \, \partial_\phi z_s`);
    - ``"partial"``: that of the mean of M bounds of k latents, while everything else is trained by one bound of all
      :math:`M k` latents, whose value is the loss.

    Attributes:
      likelihood: p(x | z), :mod:`ae_jax.objectives.likelihoods`; its constants are kept.
      samples: k, how many latents each bound has; the paper has 5 and 50. Time and memory grow with k and M.
      bounds: M, how many bounds are averaged for each example.
      beta: weight of the ELBO of the same latents in the mean with the bound, from 0 for the bound to 1; may be a
        schedule.
      gradient: of the encoder.
      missing: examples may have missing values, NaN in the data. The encoder sees zero in their place, and the
        likelihood is of the others: the bound is that of :math:`\log p(x_{\text{observed}})`.
      augmentation, corruption, penalties, prior: as of :class:`ae_jax.objectives.ELBO`.

    Raises:
      InvalidInput: no sample or bound, a beta that is no share, an unknown gradient, a component that is not of its
        kind, missing values under an error that is no likelihood; or (when called) networks whose encoder is
        deterministic, or for ``"doubly"`` a posterior without ``log_prob``.

    Example:
      >>> ImportanceWeighted(samples=50, gradient="doubly").samples
      50

    References:
      Burda et al., *Importance weighted autoencoders*, ICLR 2016, eq. 8;
      Tucker et al., *Doubly reparameterized gradient estimators for Monte Carlo objectives*, ICLR 2019, eq. 8;
      Rainforth et al., *Tighter variational bounds are not necessarily better*, ICML 2018, section 6;
      Mattei and Frellsen, *MIWAE: deep generative modelling and imputation of incomplete data sets*, ICML 2019, eq. 5.
    """

    likelihood: Likelihood = BernoulliLikelihood()
    samples: int = static(default=5)
    bounds: int = static(default=1)
    beta: Weight = 0.0
    gradient: str = static(default="plain")
    missing: bool = static(default=False)
    augmentation: Corruption | None = None
    corruption: Corruption | None = None
    penalties: tuple[Penalty, ...] = ()
    prior: PartBuilder = StandardNormal()

    def __post_init__(self) -> None:
        penalties = require_components(self, self.likelihood, self.corruption, self.penalties, self.augmentation)
        object.__setattr__(self, "penalties", penalties)
        require_part(self, PartBuilder, "a prior, such as StandardNormal()", prior=self.prior)
        size(self, "samples", self.samples)
        size(self, "bounds", self.bounds)
        require_probability(self, beta=self.beta)
        require_known("gradient", self.gradient, GRADIENTS)
        if self.missing and isinstance(self.likelihood, NO_DENSITY):
            raise InvalidInput(
                f"{type(self).__name__} was given missing=True and {type(self.likelihood).__name__}: expected a "
                "likelihood of each feature, such as StudentTLikelihood."
            )

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        """The prior."""
        return {"prior": self.prior}

    @property
    def uses_observed(self) -> bool:
        """Whether values may be missing."""
        return self.missing

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        corruption_key, sample_key, penalty_key, augmentation_key = jax.random.split(key, 4)
        batch = corrupt(augmentation_key, self.augmentation, batch)
        inputs = corrupt(corruption_key, self.corruption, batch)
        if batch.observed is not None:
            inputs = inputs._replace(x=jnp.where(batch.observed, inputs.x, 0.0))
        posterior = model.encode(inputs.x, batch.condition)
        beta = value_at(self.beta, step)
        nll, kl, encoder_loss = self._terms(model, sample_key, posterior, batch, beta)
        bounds = 1 if self.gradient == "partial" else self.bounds
        loss, metrics = weighted_sum(
            {
                self.likelihood.name: (1.0, jnp.mean(nll, axis=0)),
                "kl": (1.0, jnp.mean(kl, axis=0)),
                "iwae_gap": (beta - 1.0, _gap_of_bounds(-nll - kl, bounds)),
            }
            | penalty_terms(self.penalties, model, penalty_key, inputs, posterior),
            step,
        )
        return loss + encoder_loss - jax.lax.stop_gradient(encoder_loss), metrics

    def _terms(self, model: Any, key: Key, posterior: Any, batch: Batch, beta: Any) -> tuple[Array, Array, Array]:
        """Negative log-likelihood and log-ratio of each latent, and a loss that trains the encoder alone."""
        require_posterior(posterior, model.prior)
        latents, densities = jax.vmap(posterior.sample_and_log_prob)(jax.random.split(key, self.bounds * self.samples))
        fixed = jax.lax.stop_gradient((latents, densities))

        def terms_of(model: Any, latents: Array, densities: Array) -> tuple[Array, Array]:
            nll = nll_of_latents(self.likelihood, model, latents, batch)
            return nll, densities - jax.vmap(model.prior.log_prob)(latents)

        encoder_loss = jnp.zeros((), latents.dtype)
        if self.gradient == "partial":
            nll, kl = terms_of(without_gradient(model), latents, densities)
            encoder_loss = jnp.mean(nll + kl) + (beta - 1.0) * jnp.mean(_gap_of_bounds(-nll - kl, self.bounds))
            latents, densities = fixed
        elif self.gradient == "doubly":
            density = _fixed_density(posterior)
            nll, kl = terms_of(model, *fixed)
            weights, even = _normalised_weights(-nll - kl, self.bounds), beta / self.samples
            had = even + (1.0 - beta) * weights  # what the loss weighs the gradient of each latent by
            factors = (even + (1.0 - beta) * jnp.square(weights)) / jnp.where(had > 0, had, 1.0)
            latents = _scale_gradient(latents, jax.lax.stop_gradient(factors))
            densities = jax.vmap(density)(latents)
        return *terms_of(model, latents, densities), encoder_loss


def _fixed_density(posterior: Any) -> Any:
    """The log-density of a posterior without a gradient of its own."""
    if not hasattr(posterior, "log_prob"):
        raise InvalidInput(
            f"gradient='doubly' was given a {type(posterior).__name__}, whose density is known at its draws alone: "
            "expected a posterior with log_prob; use gradient='plain'."
        )
    return jax.lax.stop_gradient(posterior).log_prob


@jax.custom_vjp
def _scale_gradient(latents: Array, by: Array) -> Array:
    """The latents, whose gradient is multiplied by one number a latent, ``[samples, batch]``."""
    return latents


_scale_gradient.defvjp(
    lambda latents, by: (latents, by),
    lambda by, slope: (slope * by.reshape(*by.shape, *(1,) * (slope.ndim - 2)), jnp.zeros_like(by)),
)


def _by_bound(log_weights: Array, bounds: int) -> Array:
    return log_weights.reshape(bounds, -1, log_weights.shape[-1])


def _normalised_weights(log_weights: Array, bounds: int) -> Array:
    return jax.nn.softmax(_by_bound(log_weights, bounds), axis=1).reshape(log_weights.shape)


def _gap_of_bounds(log_weights: Array, bounds: int) -> Array:
    """The mean gap of bounds that share the latents of each example, ``[batch]``."""
    return jnp.mean(jax.vmap(iwae_gap)(_by_bound(log_weights, bounds)), axis=0)


def iwae_gap(log_weights: Float[Array, "samples batch"]) -> Float[Array, " batch"]:
    r"""Difference between the logarithm of the mean weight and the mean of the log-weights, in nats.

    .. math:: \log \frac{1}{k} \sum_s w_s - \frac{1}{k} \sum_s \log w_s

    Args:
      log_weights: :math:`\log w_s` of each example, ``[samples, batch]``.

    Returns:
      The gap at each example, ``[batch]``; zero where all weights are equal.

    References:
      Burda et al., *Importance weighted autoencoders*, ICLR 2016, theorem 1.

    Example:
      >>> [round(float(nats), 3) for nats in iwae_gap(jnp.log(jnp.array([[1.0, 2.0], [4.0, 2.0]])))]
      [0.223, 0.0]
    """
    mean_of_weights = jax.nn.logsumexp(log_weights, axis=0) - math.log(log_weights.shape[0])
    return mean_of_weights - jnp.mean(log_weights, axis=0)
