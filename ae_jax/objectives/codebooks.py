"""Codebooks: quantisers with a table of codes, one or several in a row."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from ae_jax._checks import size
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput
from ae_jax.objectives.quantisers import Quantizer, QuantizerPart, straight_through
from ae_jax.types import Key, Shape

_NEVER = 2**30  # examples since the last use of a code that was never used; more are not counted


def rotated(vectors: Float[Array, "n size"], chosen: Float[Array, "n size"]) -> Float[Array, "n size"]:
    r"""Vectors rotated and scaled onto chosen ones, by a linear map that is constant for gradients.

    .. math::
       \frac{\|q\|}{\|e\|} R e = q, \quad R = I - 2 r r^\top + 2 \hat q \hat e^\top, \quad
       r = \frac{\hat e + \hat q}{\|\hat e + \hat q\|}

    Args:
      vectors: e, ``[n, size]``.
      chosen: q, ``[n, size]``.

    Returns:
      The chosen vectors; gradients keep their angle to them on the way to ``vectors``.

    Example:
      >>> rotated(jnp.array([[2.0, 0.0]]), jnp.array([[0.0, 1.0]])).round(3)
      Array([[0., 1.]], dtype=float32)

    References:
      Fifty et al., *Restructuring vector quantization with the rotation trick*, ICLR 2025, eq. 4.
    """
    fixed, chosen = jax.lax.stop_gradient(vectors), jax.lax.stop_gradient(chosen)
    from_unit, to_unit = unit(fixed), unit(chosen)
    between = unit(from_unit + to_unit)
    reflected = 2.0 * between * jnp.sum(between * vectors, axis=-1, keepdims=True)
    added = 2.0 * to_unit * jnp.sum(from_unit * vectors, axis=-1, keepdims=True)
    return norm(chosen) / norm(fixed) * (vectors - reflected + added)


def norm(vectors: Float[Array, "*n size"]) -> Float[Array, "*n 1"]:
    """The norm of each vector, above zero."""
    return jnp.sqrt(jnp.maximum(jnp.sum(jnp.square(vectors), axis=-1, keepdims=True), 1e-12))


def unit(vectors: Float[Array, "*n size"]) -> Float[Array, "*n size"]:
    """Each vector divided by its norm."""
    return vectors / norm(vectors)


@component
class VectorQuantizer(Quantizer):
    """A codebook of vectors; each vector of the code becomes the nearest one.

    Attributes:
      codes, size: of the codebook.
      trained: the codebook is a parameter; otherwise it follows moving averages.
      cosine: vectors and codes have norm one, so that the code of the smallest angle is the nearest.
      rotation: gradients pass by :func:`rotated` instead of straight through.
      k_means: before training the codebook is fitted to the codes of training examples.

    Raises:
      InvalidInput: a size not above zero, or (when built) one that does not divide the code, or (before training)
        more codes than training examples give vectors.

    References:
      van den Oord et al., *Neural discrete representation learning*, NeurIPS 2017;
      Yu et al., *Vector-quantized image modeling with improved VQGAN*, ICLR 2022 (cosine);
      Zeghidour et al., *SoundStream*, TASLP 2021 (k-means start, replacement of dead codes).
    """

    codes: int = static(default=64)
    size: int = static(default=2)
    trained: bool = static(default=False)
    cosine: bool = static(default=False)
    rotation: bool = static(default=False)
    k_means: bool = static(default=False)
    books: ClassVar[int] = 1

    def __post_init__(self) -> None:
        size(self, "codes", self.codes)
        size(self, "size", self.size)

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "Codebook":
        return (StartedCodebook if self.k_means else Codebook)(self, code, rngs)


class Codebook(QuantizerPart):
    """The part that :class:`VectorQuantizer` describes.

    Attributes:
      vectors: the codes, ``[codes, size]``.
      counts, sums: moving averages of the number of vectors that each code replaces in a batch, and of their sum.
      unused: number of examples since each code was last used.
    """

    def __init__(self, config: Any, code: Shape, rngs: nnx.Rngs):
        super().__init__(config, code)
        vectors = jax.random.normal(rngs.params(), (config.codes, config.size))
        self.vectors = nnx.Param(vectors) if config.trained else nnx.Variable(vectors)
        if not config.trained:
            self.counts, self.sums = nnx.Variable(jnp.ones(config.codes)), nnx.Variable(vectors)
        self.unused = nnx.Variable(jnp.full(config.codes, _NEVER, jnp.int32))
        self.deterministic = False  # set by eval(), in which no state changes

    def table(self) -> Float[Array, "codes size"]:
        """The codes as they are compared and decoded."""
        return unit(self.vectors[...]) if self.config.cosine else self.vectors[...]

    def vectors_of(self, code: Float[Array, "batch *code"]) -> Float[Array, "vectors size"]:
        vectors = super().vectors_of(code)
        return unit(vectors) if self.config.cosine else vectors

    def nearest(self, vectors: Float[Array, "vectors size"]) -> Int[Array, "vectors 1"]:
        return nearest_of(vectors, self.table())[:, None]

    def entries(self, numbers: Int[Array, "vectors 1"]) -> Float[Array, "vectors size"]:
        return self.table()[numbers[:, 0]]

    def __call__(self, code: Float[Array, "batch *code"]) -> Float[Array, "batch *code"]:
        """The quantised code; its gradient is that of the encoder's output, straight through or rotated."""
        vectors = self.vectors_of(code)
        chosen = self.entries(self.nearest(vectors))
        carried = rotated(vectors, chosen) if self.config.rotation else vectors
        return straight_through(carried, chosen).reshape(code.shape)

    def update(self, key: Key, code: Float[Array, "batch *code"], decay: Any, dead_after: Any) -> dict[str, Array]:
        """Follows the code of a batch and replaces dead codes at random; returns the losses, sums over each example."""
        vectors = self.vectors_of(code)
        fixed, numbers = jax.lax.stop_gradient(vectors), self.nearest(vectors)
        chosen = self.entries(numbers)
        taken = jax.nn.one_hot(numbers[:, 0], self.config.codes)
        use = jnp.sum(taken, axis=0)
        unused = jnp.where(use > 0, 0, jnp.minimum(self.unused[...], _NEVER) + len(code))
        dead = jnp.zeros_like(unused, bool) if dead_after is None or self.deterministic else unused >= dead_after
        fresh = fixed[jax.random.randint(key, (self.config.codes,), 0, len(fixed))]
        terms = {"commitment": jnp.sum(jnp.square(vectors - jax.lax.stop_gradient(chosen))) / len(code)}
        if self.config.trained:
            drawn = jnp.sum(jnp.where(dead[:, None], jnp.square(self.table() - fresh), 0.0))
            terms["codebook"] = (jnp.sum(jnp.square(chosen - fixed)) + drawn) / len(code)
        if self.deterministic:
            return terms
        if not self.config.trained:
            counts = decay * self.counts[...] + (1.0 - decay) * use
            sums = decay * self.sums[...] + (1.0 - decay) * taken.T @ fixed
            self.counts[...] = jnp.where(dead, 1.0, counts)
            self.sums[...] = jnp.where(dead[:, None], fresh, sums)
            weight = counts[:, None]  # a code whose averages have faded stays
            kept = jnp.where(weight > 1e-6, sums / jnp.maximum(weight, 1e-6), self.vectors[...])
            self.vectors[...] = jnp.where(dead[:, None], fresh, kept)
            unused = jnp.where(dead, 0, unused)
        self.unused[...] = unused
        return terms


class StartedCodebook(Codebook):
    """A codebook that starts at the centres of k-means of the codes of training examples."""

    def start_from(self, code: np.ndarray) -> None:
        """Sets the codes by codes of training examples, ``[n, *code]``, before training."""
        from sklearn.cluster import KMeans  # which takes a second to import

        vectors = code.reshape(-1, self.config.size).astype(np.float64)
        if self.config.cosine:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
        distinct = np.unique(vectors, axis=0)
        if len(distinct) < self.config.codes:
            raise InvalidInput(
                f"VectorQuantizer was given codes={self.config.codes} and k_means=True: expected at most "
                f"{len(distinct)}, the number of different vectors of the training examples; use k_means=False."
            )
        centres = distinct[np.random.default_rng(0).choice(len(distinct), self.config.codes, replace=False)]
        make: Any = KMeans
        model = make(len(centres), init=centres, n_init=1, max_iter=20).fit(vectors)
        centres = model.cluster_centers_.astype(np.float32)
        for variable in (self.vectors, *(() if self.config.trained else (self.sums,))):
            variable.set_value(jax.device_put(centres))
        self.unused.set_value(jax.device_put(np.zeros(len(centres), np.int32)))


def nearest_of(vectors: Float[Array, "n size"], codes: Float[Array, "codes size"]) -> Int[Array, " n"]:
    """The number of the code at the least distance from each vector."""
    distances = jnp.sum(jnp.square(codes), axis=-1)[None] - 2.0 * vectors @ codes.T
    return jnp.argmin(distances, axis=-1)


@component
class SimVectorQuantizer(Quantizer):
    r"""Codes that are a trained linear map of fixed random vectors, so that every code moves at each step.

    .. math:: e_k = W^\top c_k, \quad c_k \sim \mathcal{N}(0, I) \text{ fixed}

    Attributes:
      codes, size, rotation: as of :class:`VectorQuantizer`.

    Raises:
      InvalidInput: a size not above zero, or (when built) one that does not divide the code.

    References:
      Zhu et al., *Addressing representation collapse in vector quantized models with one linear layer*, ICCV 2025.
    """

    codes: int = static(default=64)
    size: int = static(default=2)
    rotation: bool = static(default=False)
    books: ClassVar[int] = 1
    trained: ClassVar[bool] = True
    cosine: ClassVar[bool] = False

    def __post_init__(self) -> None:
        size(self, "codes", self.codes)
        size(self, "size", self.size)

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "SimCodebook":
        return SimCodebook(self, code, rngs)


class SimCodebook(Codebook):
    """The part that :class:`SimVectorQuantizer` describes; its ``vectors`` stay as they were drawn."""

    def __init__(self, config: SimVectorQuantizer, code: Shape, rngs: nnx.Rngs):
        super().__init__(config, code, rngs)
        self.vectors = nnx.Variable(self.vectors[...])
        self.map = nnx.Param(jnp.eye(config.size))

    def table(self) -> Float[Array, "codes size"]:
        return self.vectors[...] @ self.map[...]


@component
class ResidualQuantizer(Quantizer):
    r"""Codebooks in a row, each of which quantises what the ones before have left over.

    .. math:: q = \sum_l e^{(l)}_{k_l}, \quad k_l = \arg\min_k \|r_l - e^{(l)}_k\|, \quad r_{l+1} = r_l - e^{(l)}_{k_l}

    Attributes:
      books: number of codebooks.
      book: each of them.

    Raises:
      InvalidInput: no codebook.

    References:
      Zeghidour et al., *SoundStream: an end-to-end neural audio codec*, TASLP 2021, algorithm 1.
    """

    books: int = static(default=2)
    book: VectorQuantizer = static(default=VectorQuantizer())

    def __post_init__(self) -> None:
        size(self, "books", self.books)

    @property
    def trained(self) -> bool:
        return self.book.trained

    @property
    def codes(self) -> int:
        return self.book.codes

    @property
    def size(self) -> int:
        return self.book.size

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "ResidualCodebooks":
        kind = StartedResidualCodebooks if self.book.k_means else ResidualCodebooks
        return kind(self, networks, shape, code, rngs)


class ResidualCodebooks(QuantizerPart):
    """The part that :class:`ResidualQuantizer` describes."""

    def __init__(self, config: ResidualQuantizer, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs):
        super().__init__(config, code)
        self.levels = nnx.List([config.book(networks, shape, code, rngs) for _ in range(config.books)])

    def nearest(self, vectors: Float[Array, "vectors size"]) -> Int[Array, "vectors books"]:
        numbers = []
        for level in self.levels:
            numbers.append(level.nearest(vectors))
            vectors = vectors - jax.lax.stop_gradient(level.entries(numbers[-1]))
        return jnp.concatenate(numbers, axis=1)

    def entries(self, numbers: Int[Array, "vectors books"]) -> Float[Array, "vectors size"]:
        return sum(level.entries(numbers[:, place, None]) for place, level in enumerate(self.levels))  # pyright: ignore[reportReturnType]

    def update(self, key: Key, code: Float[Array, "batch *code"], decay: Any, dead_after: Any) -> dict[str, Array]:
        """Updates every codebook by what is left for it; returns the sums of their losses."""
        total: dict[str, Array] = {}
        for level, level_key in zip(self.levels, jax.random.split(key, len(self.levels)), strict=True):
            left = code - jax.lax.stop_gradient(level.lookup(level.indices(code)))
            terms = level.update(level_key, code, decay, dead_after)
            total = {name: total.get(name, 0.0) + value for name, value in terms.items()}
            code = left
        return total


class StartedResidualCodebooks(ResidualCodebooks):
    """Codebooks of which each starts at the centres of k-means of what those before leave over."""

    def start_from(self, code: np.ndarray) -> None:
        """Sets the codes by codes of training examples, ``[n, *code]``, before training."""
        level: Any
        for level in self.levels:
            level.start_from(code)
            code = code - np.asarray(level.lookup(level.indices(jax.device_put(code))))
