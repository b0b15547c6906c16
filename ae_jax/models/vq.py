"""The vector-quantised autoencoder: codes are entries of a learned codebook."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from ae_jax import losses
from ae_jax._checks import require_inside, require_non_negative, require_positive, size, widths
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput
from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import MLP, Convolutional, PartBuilder
from ae_jax.objectives import Likelihood, Objective, SquaredError
from ae_jax.objectives.base import weighted_sum
from ae_jax.optimizers import Optimizer
from ae_jax.types import Batch, Key, Metrics, Number, Shape, Weight

_NEVER = 2**30  # examples since the last use of a code that was never used; more are not counted


@component
class VectorQuantizer:
    """Builds the part ``bottleneck``: a codebook that quantises vectors of the code.

    Attributes:
      codes: number of codes.
      size: of each code; it divides the last axis of the encoder's output, which is split into vectors of this size.
      trained: the codebook is a parameter; otherwise it follows moving averages.
    """

    codes: int = static()
    size: int = static()
    trained: bool = static()

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "Codebook":
        if code[-1] % self.size:
            raise InvalidInput(
                f"VectorQuantizer was given size={self.size}: expected a divisor of the code's last axis, {code[-1]}."
            )
        return Codebook(self, rngs)


class Codebook(nnx.Module):
    """The part that :class:`VectorQuantizer` describes.

    Attributes:
      vectors: the codes, ``[codes, size]``.
      counts, sums: moving averages of the number of vectors that each code replaces in a batch, and of their sum.
      unused: number of examples since each code was last used.
    """

    def __init__(self, config: VectorQuantizer, rngs: nnx.Rngs):
        self.config = config
        vectors = jax.random.normal(rngs.params(), (config.codes, config.size))
        self.vectors = nnx.Param(vectors) if config.trained else nnx.Variable(vectors)
        if not config.trained:
            self.counts, self.sums = nnx.Variable(jnp.ones(config.codes)), nnx.Variable(vectors)
        self.unused = nnx.Variable(jnp.full(config.codes, _NEVER, jnp.int32))
        self.deterministic = False  # set by eval(), in which no state changes

    def indices(self, code: Float[Array, "batch *code"]) -> Int[Array, "batch *vectors"]:
        """The nearest code of each vector, by its number."""
        vectors, codes = code.reshape(-1, self.config.size), self.vectors[...]
        distances = jnp.sum(jnp.square(codes), axis=-1)[None] - 2.0 * vectors @ codes.T
        return jnp.argmin(distances, axis=-1).reshape(*code.shape[:-1], -1)

    def __call__(self, code: Float[Array, "batch *code"]) -> Float[Array, "batch *code"]:
        """The quantised code; its gradient is that of the encoder's output (straight-through)."""
        chosen = jax.lax.stop_gradient(self.vectors[...])[self.indices(code)].reshape(code.shape)
        return chosen + (code - jax.lax.stop_gradient(code))

    def update(self, key: Key, code: Float[Array, "batch *code"], decay: Any, dead_after: Any) -> dict[str, Any]:
        """Follows the code of a batch and replaces dead codes at random; returns losses and measures of use."""
        numbers, vectors = self.indices(code), jax.lax.stop_gradient(code).reshape(-1, self.config.size)
        chosen = self.vectors[...][numbers].reshape(code.shape)
        taken = jax.nn.one_hot(numbers.ravel(), self.config.codes)
        use = jnp.sum(taken, axis=0)
        unused = jnp.where(use > 0, 0, jnp.minimum(self.unused[...], _NEVER) + len(code))
        dead = (unused >= dead_after) & (not self.deterministic)
        fresh = vectors[jax.random.randint(key, (self.config.codes,), 0, len(vectors))]
        terms = {
            "commitment": losses.squared_error(code, jax.lax.stop_gradient(chosen)),
            "codes_used": jnp.mean(use > 0, dtype=code.dtype),
            "perplexity": perplexity(use),
        }
        if self.config.trained:
            drawn = jnp.sum(jnp.where(dead[:, None], jnp.square(self.vectors[...] - fresh), 0.0)) / len(code)
            terms["codebook"] = losses.squared_error(chosen, jax.lax.stop_gradient(code)) + drawn
        if self.deterministic:
            return terms
        if not self.config.trained:
            counts = decay * self.counts[...] + (1.0 - decay) * use
            sums = decay * self.sums[...] + (1.0 - decay) * taken.T @ vectors
            self.counts[...] = jnp.where(dead, 1.0, counts)
            self.sums[...] = jnp.where(dead[:, None], fresh, sums)
            weight = counts[:, None]  # a code whose averages have faded stays
            kept = jnp.where(weight > 1e-6, sums / jnp.maximum(weight, 1e-6), self.vectors[...])
            self.vectors[...] = jnp.where(dead[:, None], fresh, kept)
            unused = jnp.where(dead, 0, unused)
        self.unused[...] = unused
        return terms


def perplexity(use: Float[Array, " codes"]) -> Float[Array, ""]:
    r"""The number of codes in even use that would have the entropy of this use.

    .. math:: \exp\Big(-\sum_k p_k \log p_k\Big), \quad p_k = n_k / \sum_j n_j

    Example:
      >>> perplexity(jnp.array([5.0, 5.0, 0.0])).round(3)
      Array(2., dtype=float32)
    """
    share = use / jnp.sum(use)
    return jnp.exp(-jnp.sum(jax.scipy.special.xlogy(share, share)))


@component
class Quantized(Objective):
    r"""Reconstruction through the nearest codes, plus the commitment of the encoder to them.

    .. math:: \ell(g(e), x) + \beta \|h(x) - \mathrm{sg}(e)\|^2 \; [+ \|\mathrm{sg}(h(x)) - e\|^2]

    The last term is there where ``decay`` is None. The codes are then parameters; otherwise each is the mean of the
    vectors that chose it, by moving averages. A code without a use in ``dead_after`` examples becomes a random vector
    of the batch, or is pulled to one by the last term where codes are parameters; all start dead.

    Attributes:
      likelihood: the reconstruction loss.
      codes, size: the number of codes and the size of each.
      beta: weight of the commitment.
      decay: of the moving averages; None trains the codebook by its loss.
      dead_after: number of examples.

    Raises:
      InvalidInput: a number that cannot be used, or (when built) a size that does not divide the code.
    """

    likelihood: Likelihood = SquaredError()
    codes: int = static(default=64)
    size: int = static(default=2)
    beta: Weight = 0.25
    decay: Number | None = 0.99
    dead_after: Number = 1000

    def __post_init__(self) -> None:
        require_non_negative(self, beta=self.beta)
        require_inside(self, 0, 1, decay=self.decay)
        require_positive(self, dead_after=self.dead_after)
        size(self, "codes", self.codes)
        size(self, "size", self.size)

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        """The codebook."""
        return {"bottleneck": VectorQuantizer(codes=self.codes, size=self.size, trained=self.decay is None)}

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        condition = () if batch.condition is None else (batch.condition,)
        code = model.networks.encode(batch.x, *condition)
        outputs = model.decode(model.bottleneck(code), batch.condition)
        terms = model.bottleneck.update(key, code, self.decay, self.dead_after) | {
            self.likelihood.name: self.likelihood(outputs, batch.x)
        }
        weights = {"commitment": self.beta, "codes_used": 0.0, "perplexity": 0.0}
        return weighted_sum({name: (weights.get(name, 1.0), value) for name, value in terms.items()}, step)


def vq(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    grid: tuple[int, ...] = (),
    channels: tuple[int, ...] = (16, 32),
    activation: str = "gelu",
    codes: int = 64,
    size: int = 2,
    beta: Weight = 0.25,
    decay: Number | None = 0.99,
    dead_after: Number = 1000,
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 5e-3,
) -> Autoencoder:
    r"""An autoencoder with a discrete code: every part of it is an entry of a learned codebook.

    .. math:: \min \; \mathbb{E} \|g(e) - x\|^2 + \beta \|h(x) - \mathrm{sg}(e)\|^2, \quad
       e = \arg\min_{e_k} \|h(x) - e_k\|

    The encoder's output is split into vectors of one size, each replaced by its nearest code (:class:`Quantized`). The
    decoder's gradient passes to the encoder as if nothing had been replaced. ``run.encode`` gives the quantised code.

    Args:
      code: size of the code, or number of its channels with ``grid``.
      hidden: widths of the encoder's hidden layers; the decoder mirrors them. Not used with ``grid``.
      grid: height and width of a convolutional code, for images; empty for dense layers.
      channels: of each convolutional stage, which halves height and width; used with ``grid`` alone.
      activation: of the hidden layers or stages.
      codes: number of codes in the codebook.
      size: of each code, a divisor of ``code``.
      beta: weight of the commitment of the encoder to its codes.
      decay: of the moving averages that the codes follow; None trains them by a loss.
      dead_after: number of examples without a use after which a code is replaced by a random vector of the batch.
      likelihood: the reconstruction loss.
      learning_rate: of Adam.

    When to use:
      For codes that are symbols: to compress data to a known number of bits, or to model codes as a sequence.

    Defaults:
      - ``code=16``, ``hidden=(256,)``, ``activation="gelu"``: those of :func:`ae_jax.undercomplete`.
      - ``codes=64``, ``size=2``: eight vectors of 6 bits for each example.
      - ``grid=()``, ``channels=(16, 32)``: these two stages leave 2 by 2 places of an image of 8 by 8.
      - ``beta=0.25``, ``decay=0.99``, ``likelihood=SquaredError()``: those of the papers.
      - ``dead_after=1000``: about an epoch of the digits.
      - ``learning_rate=5e-3``: chosen on the validation split of the digits.

    Failure modes:
      - Few codes are used: the terms ``codes_used`` (a share) and ``perplexity``, both of one batch, stay low. Lower
        ``dead_after`` or the number of codes.
      - The commitment is small beside the reconstruction loss, and the encoder's output runs away from its codes: raise
        beta. It is a sum over the code, so that its weight depends on the size of the code.
      - With ``decay=None`` dead codes are pulled to vectors of the batch at the learning rate, and fewer are in use.
      - Gradients ignore the quantisation: Jacobians of the encoder are those of its output before it.
      - Random codes decode to nothing like the data: sampling needs a model of the codes, which is not part of this.

    Example:
      >>> images = vq(grid=(2, 2), code=8, size=8)
      >>> images.networks.code, images.objective.decay
      ((2, 2, 8), 0.99)

    References:
      van den Oord et al., *Neural discrete representation learning*, NeurIPS 2017, appendix A.1;
      Razavi et al., *Generating diverse high-fidelity images with VQ-VAE-2*, NeurIPS 2019.
    """
    grid = widths("vq", "grid", grid)
    if grid:
        networks = Convolutional(channels=channels, code=(*grid, code), activation=activation)
    else:
        networks = MLP(hidden=hidden, code=code, activation=activation)
    settings: Any = {"codes": codes, "size": size, "beta": beta, "decay": decay, "dead_after": dead_after}
    return Autoencoder(
        name="vq",
        networks=networks,
        objective=Quantized(likelihood=likelihood, **settings),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
