"""The importance-weighted bound of the evidence."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax._checks import size
from ae_jax.components import component, static
from ae_jax.corruptions import Corruption
from ae_jax.networks import Networks
from ae_jax.objectives.likelihoods import BernoulliLikelihood, Likelihood
from ae_jax.objectives.penalties import Penalty
from ae_jax.objectives.terms import penalty_terms, require_parts, weighted_sum
from ae_jax.objectives.variational import Variational, drawn, log_ratios, nll_of_latents
from ae_jax.types import Key, Metrics


@component
class ImportanceWeighted(Variational):
    r"""Negative importance-weighted bound, in nats: tighter than the ELBO the more latents are drawn.

    .. math::
       -\log \frac{1}{k} \sum_s w_s, \quad w_s = \frac{p(x | z_s) \, p(z_s)}{q(z_s | x)},
       \quad z_s = \mu + \sigma \epsilon_s

    Its terms are means over the k latents of :math:`-\log p(x | z_s)`, by the likelihood's name, and of
    :math:`\log q(z_s | x) / p(z_s)`, ``kl``, less ``importance_gain``: by how much the bound is nearer to
    :math:`-\log p(x)` than the ELBO of the same latents, which is never below zero, and zero where k is 1.

    Attributes:
      likelihood: p(x | z), :mod:`ae_jax.objectives.likelihoods`; its constants are kept.
      samples: k, how many latents are drawn for each example; the paper has 5 and 50. Time and memory grow with it.
      augmentation: what is drawn anew of each example at every use, for encoder and likelihood alike, such as
        :class:`ae_jax.corruptions.Binarisation`; None takes examples as they are, as every evaluation does: binarise
        what is evaluated where its bound is to be that of training.
      corruption: what damages the encoder's input, and not what the likelihood is of; None leaves it clean.
      penalties: further terms, :mod:`ae_jax.objectives.penalties`.

    Raises:
      InvalidInput: no sample, a part that is none of its kind, or (when called) networks whose encoder is
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

    def __post_init__(self) -> None:
        parts = require_parts(self, self.likelihood, self.corruption, self.penalties, self.augmentation)
        object.__setattr__(self, "penalties", parts)
        size(self, "samples", self.samples)

    def __call__(
        self, networks: Networks, key: Key, x: Float[Array, "batch *features"], step: Any
    ) -> tuple[Float[Array, ""], Metrics]:
        corruption_key, sample_key, penalty_key, augmentation_key = jax.random.split(key, 4)
        x = x if self.augmentation is None else self.augmentation(augmentation_key, x)
        inputs = x if self.corruption is None else self.corruption(corruption_key, x)
        posterior = networks.encode(inputs)
        latents = drawn(sample_key, posterior, self.samples)
        nll = nll_of_latents(self.likelihood, networks, latents, x)
        kl = log_ratios(posterior, latents)
        return weighted_sum(
            {
                self.likelihood.name: (1.0, jnp.mean(nll, axis=0)),
                "kl": (1.0, jnp.mean(kl, axis=0)),
                "importance_gain": (-1.0, importance_gain(-nll - kl)),
            }
            | penalty_terms(self.penalties, networks, penalty_key, inputs, posterior),
            step,
        )


def importance_gain(log_weights: Float[Array, "samples batch"]) -> Float[Array, " batch"]:
    r"""By how much the logarithm of mean weights is above the mean of their logarithms, in nats.

    .. math:: \log \frac{1}{k} \sum_s w_s - \frac{1}{k} \sum_s \log w_s

    Args:
      log_weights: :math:`\log w_s` of each example, ``[samples, batch]``.

    Returns:
      The gain at each example, ``[batch]``; zero where all weights are equal.

    References:
      Burda et al., *Importance weighted autoencoders*, ICLR 2016, theorem 1.

    Example:
      >>> [round(float(nats), 3) for nats in importance_gain(jnp.log(jnp.array([[1.0, 2.0], [4.0, 2.0]])))]
      [0.223, 0.0]
    """
    mean_of_weights = jax.nn.logsumexp(log_weights, axis=0) - math.log(log_weights.shape[0])
    return mean_of_weights - jnp.mean(log_weights, axis=0)
