"""Reconstruction error, of clean or corrupted inputs, with penalties: every deterministic autoencoder."""

from typing import Any

import jax
from jaxtyping import Array, Float

from ae_jax.components import component
from ae_jax.corruptions import Corruption
from ae_jax.networks import Networks, deterministic
from ae_jax.objectives.likelihoods import Likelihood, SquaredError
from ae_jax.objectives.penalties import Penalty
from ae_jax.objectives.terms import penalty_terms, require_parts, weighted_sum
from ae_jax.types import Key, Metrics


@component
class Reconstruction:
    r"""Mean error of reconstructing the clean example from a (perhaps corrupted) input, plus weighted penalties.

    .. math:: \frac{1}{B} \sum_b \ell(g(h(\tilde x_b)), x_b) + \sum_p \lambda_p \Omega_p(h, \tilde x)

    Attributes:
      likelihood: the error and what outputs mean, :mod:`ae_jax.objectives.likelihoods`.
      corruption: what damages the input, :mod:`ae_jax.corruptions`; None leaves it clean.
      penalties: further terms, :mod:`ae_jax.objectives.penalties`.

    Raises:
      InvalidInput: a part that is none of its kind.

    Example:
      >>> from ae_jax.corruptions import Masking
      >>> from ae_jax.objectives import Contractive
      >>> Reconstruction(corruption=Masking(probability=0.3), penalties=(Contractive(weight=0.1),)).corruption
      Masking(probability=0.3)

    References:
      Vincent et al., *Stacked denoising autoencoders*, JMLR 2010.
    """

    likelihood: Likelihood = SquaredError()
    corruption: Corruption | None = None
    penalties: tuple[Penalty, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "penalties", require_parts(self, self.likelihood, self.corruption, self.penalties))

    def __call__(
        self, networks: Networks, key: Key, x: Float[Array, "batch *features"], step: Any
    ) -> tuple[Float[Array, ""], Metrics]:
        corruption_key, penalty_key = jax.random.split(key)
        inputs = x if self.corruption is None else self.corruption(corruption_key, x)
        code = networks.encode(inputs)
        outputs = networks.decode(deterministic(code))
        return weighted_sum(
            {self.likelihood.name: (1.0, self.likelihood(outputs, x))}
            | penalty_terms(self.penalties, networks, penalty_key, inputs, code),
            step,
        )
