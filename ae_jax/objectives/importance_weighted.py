"""The importance-weighted bound of the evidence."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax._checks import require_part, size
from ae_jax.components import component, static
from ae_jax.corruptions import Corruption
from ae_jax.networks import PartBuilder
from ae_jax.objectives.base import Objective, corrupt, penalty_terms, require_components, weighted_sum
from ae_jax.objectives.elbo import nll_of_latents, sample_with_log_ratios
from ae_jax.objectives.likelihoods import BernoulliLikelihood, Likelihood
from ae_jax.objectives.penalties import Penalty
from ae_jax.priors import StandardNormal
from ae_jax.types import Batch, Key, Metrics


@component
class ImportanceWeighted(Objective):
    r"""Negative importance-weighted bound, in nats: tighter than the ELBO the more latents are drawn.

    .. math::
       -\log \frac{1}{k} \sum_s w_s, \quad w_s = \frac{p(x | z_s) \, p(z_s)}{q(z_s | x)},
       \quad z_s = \mu + \sigma \epsilon_s

    Its terms are means over the k latents of :math:`-\log p(x | z_s)`, by the likelihood's name, and of
    :math:`\log q(z_s | x) / p(z_s)`, ``kl``, less ``iwae_gap``: how much tighter the bound is than
    the ELBO of the same latents, which is never below zero, and zero where k is 1.

    Attributes:
      likelihood: p(x | z), :mod:`ae_jax.objectives.likelihoods`; its constants are kept.
      samples: k, how many latents are drawn for each example; the paper has 5 and 50. Time and memory grow with it.
      augmentation, corruption, penalties, prior: as of :class:`ae_jax.objectives.ELBO`.

    Raises:
      InvalidInput: no sample, a component that is not of its kind, or (when called) networks whose encoder is
        deterministic.

    Example:
      >>> ImportanceWeighted(samples=50).samples
      50

    References:
      Burda et al., *Importance weighted autoencoders*, ICLR 2016, eq. 8.
    """

    likelihood: Likelihood = BernoulliLikelihood()
    samples: int = static(default=5)
    augmentation: Corruption | None = None
    corruption: Corruption | None = None
    penalties: tuple[Penalty, ...] = ()
    prior: PartBuilder = StandardNormal()

    def __post_init__(self) -> None:
        penalties = require_components(self, self.likelihood, self.corruption, self.penalties, self.augmentation)
        object.__setattr__(self, "penalties", penalties)
        require_part(self, PartBuilder, "a prior, such as StandardNormal()", prior=self.prior)
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
        latents, kl = sample_with_log_ratios(sample_key, model.prior, posterior, self.samples)
        nll = nll_of_latents(self.likelihood, model, latents, batch)
        return weighted_sum(
            {
                self.likelihood.name: (1.0, jnp.mean(nll, axis=0)),
                "kl": (1.0, jnp.mean(kl, axis=0)),
                "iwae_gap": (-1.0, iwae_gap(-nll - kl)),
            }
            | penalty_terms(self.penalties, model, penalty_key, inputs, posterior),
            step,
        )


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
