"""Reconstruction error, of clean or corrupted inputs, with penalties: every deterministic autoencoder."""

from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import Array, Float

from ae_jax._checks import require_part
from ae_jax.components import component
from ae_jax.corruptions import Corruption
from ae_jax.networks import PartBuilder, deterministic
from ae_jax.objectives.base import Objective, corrupt, penalty_terms, require_components, weighted_sum
from ae_jax.objectives.bottlenecks import Bottleneck
from ae_jax.objectives.likelihoods import Likelihood, SquaredError
from ae_jax.objectives.penalties import Penalty
from ae_jax.types import Batch, Key, Metrics


@component
class Reconstruction(Objective):
    r"""Mean error of reconstructing the clean example from a (perhaps corrupted) input, plus weighted penalties.

    .. math:: \frac{1}{B} \sum_b \ell(g(c(h(\tilde x_b))), x_b) + \sum_p \lambda_p \Omega_p(h, \tilde x)

    Attributes:
      likelihood: the error and what outputs mean, :mod:`ae_jax.objectives.likelihoods`.
      corruption: what damages the input, :mod:`ae_jax.corruptions`; None leaves it clean.
      penalties: further terms, :mod:`ae_jax.objectives.penalties`, of the code as it is encoded.
      bottleneck: c, what the code passes on its way to the decoder, :mod:`ae_jax.objectives.bottlenecks`, or a
        corruption of it; None leaves it whole. A run's ``encode`` and ``reconstruct`` are without it.
      prior: p(z), :mod:`ae_jax.priors`, that penalties pull codes to and samples are drawn from; None for no prior.

    Raises:
      InvalidInput: a part that is none of its kind.

    Example:
      >>> from ae_jax.corruptions import Masking
      >>> from ae_jax.objectives import Contractive
      >>> Reconstruction(corruption=Masking(probability=0.3), penalties=(Contractive(weight=0.1),)).corruption
      Masking(probability=0.3)
      >>> from ae_jax.objectives import WinnerTakeAll
      >>> Reconstruction(bottleneck=WinnerTakeAll(rate=0.05)).bottleneck  # with MLP(code_activation="relu")
      WinnerTakeAll(rate=0.05)

    References:
      Vincent et al., *Stacked denoising autoencoders*, JMLR 2010;
      Makhzani and Frey, *Winner-take-all autoencoders*, NeurIPS 2015 (bottleneck).
    """

    likelihood: Likelihood = SquaredError()
    corruption: Corruption | None = None
    penalties: tuple[Penalty, ...] = ()
    bottleneck: Bottleneck | None = None
    prior: PartBuilder | None = None

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "penalties", require_components(self, self.likelihood, self.corruption, self.penalties)
        )
        if self.bottleneck is not None:
            require_part(self, Bottleneck, "a bottleneck, such as WinnerTakeAll(), or None", bottleneck=self.bottleneck)
        if self.prior is not None:
            require_part(self, PartBuilder, "a prior, such as StandardNormal(), or None", prior=self.prior)

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        """The prior, where there is one."""
        return {} if self.prior is None else {"prior": self.prior}

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        corruption_key, penalty_key, bottleneck_key = jax.random.split(key, 3)
        inputs = corrupt(corruption_key, self.corruption, batch)
        code = model.encode(inputs.x, batch.condition)
        z = deterministic(code)
        outputs = model.decode(z if self.bottleneck is None else self.bottleneck(bottleneck_key, z), batch.condition)
        return weighted_sum(
            {self.likelihood.name: (1.0, self.likelihood(outputs, batch.x))}
            | penalty_terms(self.penalties, model, penalty_key, inputs, code),
            step,
        )
