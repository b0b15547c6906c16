"""Objectives of discrete codes: reconstruction through a quantiser, its own terms, and a prior over the codes."""

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ae_jax._checks import require_inside, require_non_negative, require_part, require_positive, size
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput
from ae_jax.networks import PartBuilder
from ae_jax.objectives.base import Objective, weighted_sum
from ae_jax.objectives.code_priors import CodePrior
from ae_jax.objectives.codebooks import VectorQuantizer
from ae_jax.objectives.likelihoods import Likelihood, SquaredError
from ae_jax.objectives.quantisers import FiniteScalar, LookupFree, Quantizer, perplexity
from ae_jax.types import Batch, Key, Metrics, Number, Weight


@component
class Quantized(Objective):
    r"""Reconstruction through a quantiser, and the fit of a prior to its indices.

    .. math:: \ell(g(q(h(x))), x) - \log p(k), \quad k = \mathrm{sg}(\text{indices of } q(h(x)))

    The prior is trained beside the networks and has no influence on them. The best epoch is that of the lowest
    reconstruction loss on the validation split. The terms ``codes_used``, a share, and ``perplexity`` are of one batch,
    means over codebooks; evaluation reports those of a whole split.

    Attributes:
      likelihood: the reconstruction loss.
      quantizer: :class:`FiniteScalar`, or another one without terms of its own.
      prior_units: width of the autoregressive prior over codes.

    Raises:
      InvalidInput: a component that is no quantiser, or a number that cannot be used.
    """

    bounds_evidence: ClassVar[bool | None] = False
    likelihood: Likelihood = SquaredError()
    quantizer: PartBuilder = FiniteScalar()
    prior_units: int = static(default=64)

    def __post_init__(self) -> None:
        require_part(self, Quantizer, "a quantiser, such as VectorQuantizer()", quantizer=self.quantizer)
        size(self, "prior_units", self.prior_units)

    @property
    def selection(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The reconstruction loss."""
        return self.likelihood.name

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        """The quantiser and the prior over its indices."""
        quantizer: Any = self.quantizer
        return {"bottleneck": quantizer, "prior": CodePrior(quantizer=quantizer, units=self.prior_units)}

    @property
    def codes(self) -> int:
        """Number of codes of each codebook."""
        quantizer: Any = self.quantizer
        return quantizer.codes

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        condition = () if batch.condition is None else (batch.condition,)
        code = model.networks.encode(batch.x, *condition)
        indices = model.bottleneck.indices(code)
        use = use_of(indices, self.codes)
        outputs = model.decode(model.bottleneck(code), batch.condition)
        terms = {
            self.likelihood.name: (1.0, self.likelihood(outputs, batch.x)),
            "prior_nll": (1.0, -model.prior.log_prob(indices)),
            "codes_used": (0.0, jnp.mean(use > 0, dtype=code.dtype)),
            "perplexity": (0.0, perplexity(use)),
        }
        return weighted_sum(terms | self.terms(model.bottleneck, key, code), step)

    def terms(self, bottleneck: Any, key: Key, code: Array) -> dict[str, tuple[Weight, Array]]:
        """The quantiser's own terms, weighted; updates its state."""
        return {}


def use_of(indices: Int[Array, "batch *places books"], codes: int) -> Float[Array, "books codes"]:
    """How often each code of each codebook is used.

    Example:
      >>> use_of(jnp.array([[0, 1], [0, 2]]), 3).tolist()
      [[2.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    """
    numbers = indices.reshape(-1, indices.shape[-1])
    return jnp.sum(jax.nn.one_hot(numbers, codes), axis=0)


@component
class VectorQuantized(Quantized):
    r"""Reconstruction through the nearest codes of codebooks, plus the commitment of the encoder to them.

    .. math:: \ell(g(e), x) + \beta \|h(x) - \mathrm{sg}(e)\|^2 \; [+ \|\mathrm{sg}(h(x)) - e\|^2] - \log p(k)

    The third term is there where the codes are parameters; otherwise each is the mean of the vectors that chose it, by
    moving averages. A code without a use in ``dead_after`` examples becomes a random vector of the batch, or is pulled
    to one by the third term where codes are parameters; all start dead.

    Attributes:
      likelihood, prior_units: as of :class:`Quantized`.
      quantizer: one with codebooks.
      beta: weight of the commitment.
      decay: of the moving averages; not used where codes are parameters.
      dead_after: number of examples; None replaces no code.

    Raises:
      InvalidInput: a component that is no quantiser, or a number that cannot be used.
    """

    quantizer: PartBuilder = VectorQuantizer()
    beta: Weight = 0.25
    decay: Number | None = 0.99
    dead_after: Number | None = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        require_non_negative(self, beta=self.beta)
        require_inside(self, 0, 1, decay=self.decay)
        require_positive(self, dead_after=self.dead_after)
        if self.decay is None and not getattr(self.quantizer, "trained", False):
            raise InvalidInput(
                "VectorQuantized was given decay=None: expected a number, or a quantiser with trained=True."
            )

    def terms(self, bottleneck: Any, key: Key, code: Array) -> dict[str, tuple[Weight, Array]]:
        found = bottleneck.update(key, code, self.decay, self.dead_after)
        return {name: (self.beta if name == "commitment" else 1.0, value) for name, value in found.items()}


@component
class EntropyQuantized(Quantized):
    r"""Reconstruction through signs, plus commitment and the entropies that make codes certain and evenly used.

    .. math:: \ell(g(\hat z), x) + \beta \|z - \mathrm{sg}(\hat z)\|^2
       + \lambda \big(\mathbb{E}\,H(q(k|z)) - \gamma H(\mathbb{E}\,q(k|z))\big) - \log p(k)

    Attributes:
      likelihood, prior_units: as of :class:`Quantized`.
      quantizer: :class:`LookupFree`.
      beta: weight of the commitment.
      entropy: lambda, the weight of both entropies.
      diversity: gamma, the weight of the second relative to the first.
      temperature: of the soft codes q(k|z).

    Raises:
      InvalidInput: a component that is no quantiser, or a number that cannot be used.
    """

    quantizer: PartBuilder = LookupFree()
    beta: Weight = 0.05
    entropy: Weight = 0.1
    diversity: Number = 1.0
    temperature: Number = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_non_negative(self, beta=self.beta, entropy=self.entropy, diversity=self.diversity)
        require_positive(self, temperature=self.temperature)

    def terms(self, bottleneck: Any, key: Key, code: Array) -> dict[str, tuple[Weight, Array]]:
        signs = jax.lax.stop_gradient(bottleneck(code))
        certain, diverse = bottleneck.entropies(code, self.temperature)
        return {
            "commitment": (self.beta, jnp.sum(jnp.square(code - signs)) / len(code)),
            "entropy": (self.entropy, certain - self.diversity * diverse),
        }
