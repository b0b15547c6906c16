"""The top-k dictionary: each example is a sum of few dictionary rows."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from ae_jax import losses
from ae_jax._checks import require_non_negative, require_positive, size
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput
from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import PartBuilder
from ae_jax.objectives import Likelihood, Objective, SquaredError
from ae_jax.objectives.base import weighted_sum
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Batch, Key, Metrics, Number, Shape, Weight

_CAP = 2**30  # number of examples at which a counter stops, before 32 bits overflow


@component
class Dictionary:
    r"""Networks of one layer each way around a shared offset; the rows of the decoder have unit norm.

    .. math:: h(x) = W_e (x - b) + b_e, \quad g(z) = \sum_j z_j \frac{w_j}{\|w_j\|} + b

    Attributes:
      code: number of units, one for each row of the dictionary.

    Raises:
      InvalidInput: a code not above zero, or (when built) a likelihood that takes several outputs for each feature.
    """

    code: int = static(default=128)

    def __post_init__(self) -> None:
        size(self, "code", self.code)

    def __call__(self, shape: Shape, outputs: int, rngs: nnx.Rngs) -> "DictionaryNetworks":
        if outputs != 1:
            raise InvalidInput(
                f"a dictionary gives one output a feature, and the likelihood takes {outputs}: expected another "
                "likelihood, such as SquaredError()."
            )
        return DictionaryNetworks(self, shape, rngs)


class DictionaryNetworks(nnx.Module):
    """The networks that :class:`Dictionary` describes, for one data shape."""

    def __init__(self, config: Dictionary, shape: Shape, rngs: nnx.Rngs):
        self.shape = shape
        rows = unit_norm(jax.random.normal(rngs.params(), (config.code, math.prod(shape))))
        self.encoder = nnx.Param(rows.T)  # the decoder's transpose, as in Gao et al.
        self.bias = nnx.Param(jnp.zeros(config.code))
        self.decoder = nnx.Param(rows)
        self.offset = nnx.Param(jnp.zeros(math.prod(shape)))

    def rows(self) -> Float[Array, "code features"]:
        """The dictionary, every row of norm one."""
        return unit_norm(self.decoder[...])

    def encode(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch code"]:
        """The pre-activations of all units; the bottleneck keeps the largest."""
        centred = x.reshape(len(x), -1) - self.offset[...][None]
        return centred @ self.encoder[...] + self.bias[...][None]

    def decode(self, z: Float[Array, "batch code"]) -> Float[Array, "batch *shape"]:
        """The weighted sum of rows for each code, plus the offset."""
        return self.combine(z) + self.offset[...].reshape(1, *self.shape)

    def combine(self, z: Float[Array, "batch code"]) -> Float[Array, "batch *shape"]:
        """The weighted sum of rows for each code."""
        return (z @ self.rows()).reshape(len(z), *self.shape)


def unit_norm(rows: Float[Array, "rows features"]) -> Float[Array, "rows features"]:
    """Every row divided by its norm."""
    return rows / jnp.linalg.norm(rows, axis=-1, keepdims=True)


@component
class TopK:
    """Builds the part ``bottleneck``: keeps the k largest units of each example and counts how long units were silent.

    Attributes:
      k: number of units that each example keeps.

    Raises:
      InvalidInput: k not above zero, or (when built) above the size of the code.
    """

    k: int = static(default=24)

    def __post_init__(self) -> None:
        size(self, "k", self.k)

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "TopKBottleneck":
        if self.k > code[0]:
            raise InvalidInput(f"TopK was given k={self.k}: expected at most the size of the code, {code[0]}.")
        return TopKBottleneck(self.k, code[0])


class TopKBottleneck(nnx.Module):
    """The part that :class:`TopK` describes.

    Attributes:
      silent: number of examples since each unit was last active, ``[code]``.
    """

    def __init__(self, k: int, code: int):
        self.k = k
        self.silent = nnx.Variable(jnp.zeros(code, jnp.int32))
        self.deterministic = False  # set by eval(), in which no state changes

    def __call__(self, code: Float[Array, "batch code"]) -> Float[Array, "batch code"]:
        """The k largest pre-activations of each example at their places, after a ReLU; the others are zero."""
        return jax.nn.relu(losses.top_k(code, self.k))

    def count(self, kept: Float[Array, "batch code"], dead_after: Any) -> Bool[Array, " code"]:
        """Whether each unit is dead before this batch; counts the batch."""
        silent = self.silent[...]
        if not self.deterministic:
            self.silent[...] = jnp.where(jnp.any(kept > 0, axis=0), 0, jnp.minimum(silent, _CAP) + len(kept))
        return silent >= dead_after


@component
class DictionaryLearning(Objective):
    r"""Reconstruction from the k largest units, plus an auxiliary loss that revives dead units.

    .. math:: \ell(\hat x, x) + \alpha \, \|r - \sum_{j \in A} h_j(x) w_j\|^2, \quad r = \mathrm{sg}(x - \hat x)

    A holds the ``aux_k`` dead units with the largest pre-activations h of each example; a unit is dead that was active
    in none of the last ``dead_after`` examples of the training. Without dead units the second term is zero.

    Attributes:
      likelihood: the reconstruction loss.
      bottleneck: the number of units that are kept.
      alpha: weight of the auxiliary loss.
      aux_k: number of dead units that reconstruct the residual of each example, at most the size of the code.
      dead_after: number of examples.

    Raises:
      InvalidInput: a negative alpha, or another number not above zero.
    """

    likelihood: Likelihood = SquaredError()
    bottleneck: TopK = TopK()
    alpha: Weight = 1 / 32
    aux_k: int = static(default=32)
    dead_after: Number = 1000

    def __post_init__(self) -> None:
        require_non_negative(self, alpha=self.alpha)
        size(self, "aux_k", self.aux_k)
        require_positive(self, dead_after=self.dead_after)

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        """The bottleneck."""
        return {"bottleneck": self.bottleneck}

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        code = model.networks.encode(batch.x)
        kept = model.bottleneck(code)
        outputs = model.networks.decode(kept)
        dead = model.bottleneck.count(kept, self.dead_after)
        residual = jax.lax.stop_gradient(batch.x - self.likelihood.mean(outputs))
        # Without a ReLU, which has no gradient for units that are below zero in every example.
        revived = losses.top_k(jnp.where(dead[None], code, -jnp.inf), min(self.aux_k, code.shape[1]))
        revived = jnp.where(dead[None], revived, 0.0)
        auxiliary = losses.squared_error(model.networks.combine(revived), residual)
        loss, metrics = weighted_sum(
            {
                self.likelihood.name: (1.0, self.likelihood(outputs, batch.x)),
                "auxiliary": (self.alpha, jnp.where(jnp.any(dead), auxiliary, 0.0)),
            },
            step,
        )
        l0 = jnp.mean(jnp.sum(kept > 0, axis=-1, dtype=code.dtype))
        return loss, metrics | {"l0": l0, "dead": jnp.mean(dead, dtype=code.dtype)}


@public
def top_k(
    *,
    code: int = 128,
    k: int = 24,
    alpha: Weight = 1 / 32,
    aux_k: int = 32,
    dead_after: Number = 1000,
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 5e-3,
) -> Autoencoder:
    r"""A dictionary of features, of which each example uses the k most active.

    .. math:: z = \mathrm{TopK}(\mathrm{ReLU}(W_e (x - b) + b_e)), \quad \hat x = W_d z + b, \quad
       \min \; \mathbb{E} \|\hat x - x\|^2 + \alpha \|r - \hat r\|^2

    Rows of the dictionary have unit norm. The second term reconstructs the residual r with units that have been dead
    (:class:`DictionaryLearning`).

    Args:
      code: number of units; more than features of the data is usual.
      k: number of units that each example keeps.
      alpha: weight of the auxiliary loss.
      aux_k: number of dead units that reconstruct the residual of each example.
      dead_after: number of examples in which a unit was not kept, after which it is dead.
      likelihood: the reconstruction loss; its outputs are the reconstruction itself, so no Bernoulli likelihood.
      learning_rate: of Adam.

    When to use:
      For features that can be looked at one by one, with the number of active ones chosen outright instead of by the
      weight of a penalty as in :func:`ae_jax.sparse`.

    Defaults:
      - ``code=128``: that of :func:`ae_jax.sparse`.
      - ``k=24``: fewer than half of the digits' 64 pixels. :func:`ae_jax.sparse`, with all of its units active to some
        degree, has a smaller validation error there; 40 of them pass it, but hardly select
        features any more.
      - ``alpha=1 / 32``: the paper's.
      - ``aux_k=32``: half of the digits' 64 pixels, as the paper takes half of the features.
      - ``dead_after=1000``, ``learning_rate=5e-3``: chosen on the validation split of the digits.
      - ``likelihood=SquaredError()``: the paper's.

    Failure modes:
      - Dead units: the term ``dead``, a share, grows. Lower the learning rate or ``dead_after``, or raise alpha.
      - k is the same for every example: simple examples get units that they do not need, hard ones too few.
      - With a large k, or few units, the dictionary is a linear autoencoder, and units mean nothing one by one.

    Example:
      >>> top_k(code=512, k=8).objective.bottleneck
      TopK(k=8)

    References:
      Makhzani and Frey, *k-sparse autoencoders*, 2013;
      Gao et al., *Scaling and evaluating sparse autoencoders*, ICLR 2025.
    """
    return Autoencoder(
        name="top_k",
        networks=Dictionary(code=code),
        objective=DictionaryLearning(
            likelihood=likelihood, bottleneck=TopK(k=k), alpha=alpha, aux_k=aux_k, dead_after=dead_after
        ),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
