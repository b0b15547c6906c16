"""Quantisers: parts ``bottleneck`` whose codes are discrete, and those of them that have no table of codes."""

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from ae_jax._checks import shown, size, widths
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput
from ae_jax.types import Shape

_BITS = 16  # of a code without a table; its entropy is over all 2**bits codes


class Quantizer:
    """What components that build a quantiser share.

    Attributes:
      codes: number of codes of each codebook.
      size: of each vector; it divides the last axis of the encoder's output, which is split into vectors of this size.
      books: number of codebooks, each of which gives every vector an index.
    """

    codes: Any
    size: Any
    books: Any

    def indices_of(self, code: Shape) -> int:
        """Number of indices that stand for a code of a shape.

        Raises:
          InvalidInput: the size does not divide the last axis of the code.
        """
        if code[-1] % self.size:
            raise InvalidInput(
                f"{type(self).__name__} quantises vectors of size={self.size}: expected a divisor of the code's last "
                f"axis, {code[-1]}."
            )
        return math.prod(code) // self.size * self.books


class QuantizerPart(nnx.Module):
    """A part ``bottleneck`` whose codes are discrete: what all quantisers share.

    Attributes:
      config: the component that describes it.
      code: the shape of one example's code.
    """

    def __init__(self, config: Any, code: Shape):
        config.indices_of(code)
        self.config, self.code = config, code

    def vectors_of(self, code: Float[Array, "batch *code"]) -> Float[Array, "vectors size"]:
        """The vectors of a batch of codes that are quantised."""
        return code.reshape(-1, self.config.size)

    def nearest(self, vectors: Float[Array, "vectors size"]) -> Int[Array, "vectors books"]:
        """The indices of each vector, one of each codebook."""
        raise NotImplementedError

    def entries(self, numbers: Int[Array, "vectors books"]) -> Float[Array, "vectors size"]:
        """The vectors that indices stand for."""
        raise NotImplementedError

    def indices(self, code: Float[Array, "batch *code"]) -> Int[Array, "batch *places books"]:
        """The index of each vector of the encoder's output, ``[batch, *places, vectors, books]``."""
        numbers = self.nearest(self.vectors_of(code))
        return numbers.reshape(*code.shape[:-1], -1, self.config.books)

    def lookup(self, indices: Int[Array, "batch *places"]) -> Float[Array, "batch *code"]:
        """The quantised codes that indices stand for; they may be flat, as a prior draws them."""
        return self.entries(indices.reshape(-1, self.config.books)).reshape(len(indices), *self.code)

    def __call__(self, code: Float[Array, "batch *code"]) -> Float[Array, "batch *code"]:
        """The quantised code; its gradient is that of the encoder's output (straight-through)."""
        vectors = self.vectors_of(code)
        return straight_through(vectors, self.entries(self.nearest(vectors))).reshape(code.shape)


def straight_through(vectors: Float[Array, "*shape"], chosen: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The chosen vectors, with the gradient of those that they replace (Bengio et al. 2013)."""
    return jax.lax.stop_gradient(chosen) + (vectors - jax.lax.stop_gradient(vectors))


def perplexity(use: Float[Array, "*books codes"]) -> Float[Array, "*books"]:
    r"""The number of codes in even use that would have the entropy of this use.

    .. math:: \exp\Big(-\sum_k p_k \log p_k\Big), \quad p_k = n_k / \sum_j n_j

    Example:
      >>> perplexity(jnp.array([5.0, 5.0, 0.0])).round(3)
      Array(2., dtype=float32)
    """
    share = use / jnp.sum(use, axis=-1, keepdims=True)
    return jnp.exp(-jnp.sum(jax.scipy.special.xlogy(share, share), axis=-1))


@component
class FiniteScalar(Quantizer):
    r"""Each unit is rounded to one of few levels; the codes are all combinations, and nothing is learned.

    .. math:: \hat z = \mathrm{round}\big(\tfrac{L-1}{2} (1 - \epsilon) \tanh(z + s) - o\big) / \lfloor L / 2 \rfloor

    For an even number L of levels o is 1/2 and s makes z = 0 a level where L > 2; otherwise both are 0.

    Attributes:
      levels: number of levels of each unit of a vector.

    Raises:
      InvalidInput: no levels, fewer than two, or more than 2**16 combinations.

    Example:
      >>> FiniteScalar(levels=(8, 6, 5)).codes
      240

    References:
      Mentzer et al., *Finite scalar quantization: VQ-VAE made simple*, ICLR 2024, appendix A.1.
    """

    levels: tuple[int, ...] = static(default=(8, 8))
    books: ClassVar[int] = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", widths(self, "levels", self.levels))
        if not self.levels or min(self.levels) < 2 or self.codes > 2**_BITS:
            raise InvalidInput(
                f"FiniteScalar was given levels={shown(self.levels)}: expected two or more of each unit, and at most "
                f"{2**_BITS:,} combinations."
            )

    @property
    def codes(self) -> int:
        return math.prod(self.levels)

    @property
    def size(self) -> int:
        return len(self.levels)

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "FiniteScalarPart":
        return FiniteScalarPart(self, code)


class FiniteScalarPart(QuantizerPart):
    """The part that :class:`FiniteScalar` describes."""

    def bounded(self, vectors: Float[Array, "vectors size"]) -> Float[Array, "vectors size"]:
        """The vectors before rounding, each unit between its lowest and its highest level."""
        levels = np.asarray(self.config.levels)
        half, offset = (levels - 1) * (1 - 1e-3) / 2, np.where(levels % 2, 0.0, 0.5)
        shift = np.arctanh(np.where(levels == 2, 0.0, offset / half))  # of two levels neither is at zero
        half, offset, shift = (jnp.asarray(one, vectors.dtype)[None] for one in (half, offset, shift))
        return jnp.tanh(vectors + shift) * half - offset

    def nearest(self, vectors: Float[Array, "vectors size"]) -> Int[Array, "vectors 1"]:
        levels = np.asarray(self.config.levels)
        digits = jnp.round(self.bounded(vectors)).astype(int) + jnp.asarray(levels // 2)[None]
        places = np.cumprod([1, *levels[:-1]])
        return jnp.sum(digits * jnp.asarray(places)[None], axis=1, keepdims=True)

    def entries(self, numbers: Int[Array, "vectors 1"]) -> Float[Array, "vectors size"]:
        levels = np.asarray(self.config.levels)
        places, half = jnp.asarray(np.cumprod([1, *levels[:-1]]))[None], jnp.asarray(levels // 2)[None]
        return (numbers // places % jnp.asarray(levels)[None] - half) / half

    def __call__(self, code: Float[Array, "batch *code"]) -> Float[Array, "batch *code"]:
        """The quantised code; its gradient is that of the bounded one."""
        vectors = self.vectors_of(code)
        half = jnp.asarray(np.asarray(self.config.levels) // 2, code.dtype)[None]
        return straight_through(self.bounded(vectors) / half, self.entries(self.nearest(vectors))).reshape(code.shape)


@component
class LookupFree(Quantizer):
    r"""Each unit becomes its sign; the codes are all combinations of signs, and nothing is learned.

    .. math:: \hat z = \mathrm{sign}(z), \quad k = \sum_j 2^j [z_j > 0]

    Attributes:
      size: number of bits of a code.

    Raises:
      InvalidInput: a size that is not from 1 to 16.

    References:
      Yu et al., *Language model beats diffusion: tokenizer is key to visual generation*, ICLR 2024, section 3.1.
    """

    size: int = static(default=6)
    books: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if size(self, "size", self.size) > _BITS:
            raise InvalidInput(f"LookupFree was given size={self.size}: expected at most {_BITS} bits.")

    @property
    def codes(self) -> int:
        return 2**self.size

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "LookupFreePart":
        return LookupFreePart(self, code)


class LookupFreePart(QuantizerPart):
    """The part that :class:`LookupFree` describes."""

    def nearest(self, vectors: Float[Array, "vectors size"]) -> Int[Array, "vectors 1"]:
        return jnp.sum((vectors > 0) * (1 << jnp.arange(self.config.size))[None], axis=1, keepdims=True)

    def entries(self, numbers: Int[Array, "vectors 1"]) -> Float[Array, "vectors size"]:
        return 2.0 * (numbers >> jnp.arange(self.config.size)[None] & 1) - 1.0

    def entropies(self, code: Float[Array, "batch *code"], temperature: Any) -> tuple[Array, Array]:
        r"""Entropy of the soft codes of an example, and that of the mean soft codes of the batch, in nats.

        .. math:: \mathbb{E}\,H(q(k|z)), \quad H(\mathbb{E}\,q(k|z)), \quad q(k|z) \propto \exp(-\|z - e_k\|^2 / \tau)

        Both are sums over the vectors of an example. Each vector along the last axis of the code has a mean of its own,
        over examples and places of a grid.
        """
        bits = 4.0 * self.vectors_of(code) / temperature  # log-odds of each bit, of which q(k|z) is the product
        each = jnp.sum(jax.nn.softplus(bits) - bits * jax.nn.sigmoid(bits), axis=1)
        signs = self.entries(jnp.arange(self.config.codes)[:, None])
        soft = jax.nn.softmax(0.5 * bits @ signs.T, axis=1)
        mean = jnp.mean(soft.reshape(-1, code.shape[-1] // self.config.size, self.config.codes), axis=0)
        diverse = -jnp.sum(jax.scipy.special.xlogy(mean, mean))
        return jnp.sum(each) / len(code), diverse * (len(bits) / len(code) / len(mean))
