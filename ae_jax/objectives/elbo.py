"""The evidence lower bound of a variational autoencoder."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax._checks import require_non_negative, size
from ae_jax.components import component, static
from ae_jax.corruptions import Corruption
from ae_jax.networks import Code, Networks
from ae_jax.objectives.likelihoods import BernoulliLikelihood, Likelihood
from ae_jax.objectives.penalties import Penalty
from ae_jax.objectives.terms import penalty_terms, require_parts, weighted_sum
from ae_jax.objectives.variational import Variational, drawn, nll_of_latents
from ae_jax.types import Key, Metrics, Weight


@component
class ELBO(Variational):
    r"""Negative evidence lower bound, in nats, by the reparameterisation trick.

    .. math::
       -\frac{1}{S} \sum_s \log p(x | z_s) + \beta \, \mathrm{KL}(q(z|x) \| p(z)),
       \quad z_s = \mu + \sigma \epsilon_s

    Attributes:
      likelihood: p(x | z), :mod:`ae_jax.objectives.likelihoods`; its constants are kept.
      beta: weight of the divergence; a schedule makes a warm-up, a number other than 1 a beta-VAE.
      samples: how many latents are drawn for each example.
      augmentation: what is drawn anew of each example at every use, for encoder and likelihood alike, such as
        :class:`ae_jax.corruptions.Binarisation`; None takes examples as they are, as every evaluation does: binarise
        what is evaluated where its bound is to be that of training.
      corruption: what damages the encoder's input, and not what the likelihood is of; None leaves it clean.
      penalties: further terms, :mod:`ae_jax.objectives.penalties`.

    Raises:
      InvalidInput: a negative beta, no sample, or (when called) networks whose encoder is deterministic.

    Example:
      >>> from ae_jax.schedules import Linear
      >>> ELBO(beta=Linear(start=0.0, end=1.0, steps=500)).samples
      1

    References:
      Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014, eq. 10;
      Higgins et al., *beta-VAE*, ICLR 2017.
    """

    likelihood: Likelihood = BernoulliLikelihood()
    beta: Weight = 1.0
    samples: int = static(default=1)
    augmentation: Corruption | None = None
    corruption: Corruption | None = None
    penalties: tuple[Penalty, ...] = ()

    def __post_init__(self) -> None:
        parts = require_parts(self, self.likelihood, self.corruption, self.penalties, self.augmentation)
        object.__setattr__(self, "penalties", parts)
        require_non_negative(self, beta=self.beta)
        size(self, "samples", self.samples)

    def __call__(
        self, networks: Networks, key: Key, x: Float[Array, "batch *features"], step: Any
    ) -> tuple[Float[Array, ""], Metrics]:
        corruption_key, sample_key, penalty_key, augmentation_key = jax.random.split(key, 4)
        x = x if self.augmentation is None else self.augmentation(augmentation_key, x)
        inputs = x if self.corruption is None else self.corruption(corruption_key, x)
        posterior = networks.encode(inputs)
        nll = expected_nll(self.likelihood, networks, sample_key, posterior, x, samples=self.samples)
        return weighted_sum(
            {self.likelihood.name: (1.0, nll), "kl": (self.beta, posterior.kl())}
            | penalty_terms(self.penalties, networks, penalty_key, inputs, posterior),
            step,
        )


def expected_nll(
    likelihood: Likelihood,
    networks: Networks,
    key: Key,
    posterior: Code,
    x: Float[Array, "batch *features"],
    *,
    samples: int,
) -> Float[Array, " batch"]:
    """Monte Carlo estimate of each example's expected negative log-likelihood under the posterior, in nats.

    Raises:
      InvalidInput: the code is an array, not a distribution.
    """
    return jnp.mean(nll_of_latents(likelihood, networks, drawn(key, posterior, samples), x), axis=0)
