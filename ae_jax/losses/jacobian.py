"""Squared Frobenius norm of an encoder's Jacobian at each example: by definition, in closed form, and estimated.

The definition is ``jax.jacfwd``; every other exact method equals it in value and in parameter gradient, so that they
differ in cost alone. With n inputs, k code units and a batch of B:

- forward mode pushes n tangents through the encoder, reverse mode pulls k cotangents back;
- for a chain of dense layers with elementwise activations the Jacobian is a product of kernels and slopes, whose norm
  needs no automatic differentiation and, by the first kernel's Gram matrix, not even the input dimension.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax.types import Key

Encoder = Callable[[Float[Array, "batch *features"]], Float[Array, "batch code"]]


class DenseLayer(NamedTuple):
    """A dense layer with an elementwise activation, ``activation(x @ kernel + bias)``.

    Attributes:
      kernel: ``[inputs, outputs]``.
      bias: ``[outputs]``.
      activation: an elementwise function, or None for the identity.
    """

    kernel: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]
    activation: Callable[[Array], Array] | None


def forward_mode(encode: Encoder, x: Float[Array, "batch *features"]) -> Float[Array, " batch"]:
    r"""Squared Frobenius norm of the encoder's Jacobian at each example, by ``jax.jacfwd``: the definition.

    .. math:: \|J_f(x)\|_F^2 = \sum_{ij} \left(\frac{\partial h_j(x)}{\partial x_i}\right)^2

    Costs one tangent for each input feature.

    Args:
      encode: maps a batch to codes, each example on its own, ``[batch, *features] -> [batch, code]``.
      x: the examples, ``[batch, *features]``.

    Returns:
      The squared norm at each example, ``[batch]``, in squared units of code over units of data.

    Example:
      >>> weights = jnp.array([[1.0, 0.0], [2.0, 2.0]])
      >>> forward_mode(lambda x: x @ weights, jnp.ones((1, 2)))
      Array([9.], dtype=float32)

    References:
      Rifai et al., *Contractive auto-encoders: explicit invariance during feature extraction*, ICML 2011, eq. 3.
    """
    return _sum_of_squares(jax.vmap(jax.jacfwd(_one(encode)))(x))


def reverse_mode(encode: Encoder, x: Float[Array, "batch *features"]) -> Float[Array, " batch"]:
    """The same as :func:`forward_mode` by ``jax.jacrev``: costs one cotangent for each code unit.

    Args:
      encode: maps a batch to codes, each example on its own, ``[batch, *features] -> [batch, code]``.
      x: the examples, ``[batch, *features]``.

    Returns:
      The squared norm at each example, ``[batch]``.

    Example:
      >>> reverse_mode(lambda x: x @ jnp.array([[1.0, 0.0], [2.0, 2.0]]), jnp.ones((1, 2)))
      Array([9.], dtype=float32)

    References:
      Rifai et al., *Contractive auto-encoders: explicit invariance during feature extraction*, ICML 2011, eq. 3.
    """
    return _sum_of_squares(jax.vmap(jax.jacrev(_one(encode)))(x))


def narrower_mode(encode: Encoder, x: Float[Array, "batch *features"]) -> Float[Array, " batch"]:
    """The cheaper of :func:`forward_mode` and :func:`reverse_mode`: forward where inputs are no more than code units.

    Args:
      encode: maps a batch to codes, each example on its own, ``[batch, *features] -> [batch, code]``.
      x: the examples, ``[batch, *features]``.

    Returns:
      The squared norm at each example, ``[batch]``.

    Example:
      >>> narrower_mode(lambda x: x @ jnp.array([[1.0, 0.0], [2.0, 2.0]]), jnp.ones((1, 2)))
      Array([9.], dtype=float32)
    """
    code = math.prod(jax.eval_shape(encode, x).shape[1:])
    return forward_mode(encode, x) if math.prod(x.shape[1:]) <= code else reverse_mode(encode, x)


def closed_form(
    layers: Sequence[DenseLayer], x: Float[Array, "batch inputs"], code: Float[Array, "batch code"] | None = None
) -> Float[Array, " batch"]:
    r"""The same as :func:`forward_mode` for a chain of dense layers, as batched matrix products.

    With slopes :math:`D_l = \mathrm{diag}(\phi'(a_l))` and kernels :math:`W_l`,

    .. math:: \|D_L W_L \cdots D_1 W_1\|_F^2 = \mathrm{tr}(M \, W_1 W_1^\top M^\top), \quad M = D_L W_L \cdots W_2 D_1

    For one sigmoid layer this is the formula of Rifai et al.,
    :math:`\sum_j (h_j (1 - h_j))^2 \sum_i W_{ij}^2`. Products are taken from the code's side, from the input's side,
    or, for two layers with a linear code, as a quadratic form in the slopes: whichever needs the fewest
    multiplications for the given widths and batch.

    Args:
      layers: the encoder's layers, from the data to the code.
      x: the examples, flattened, ``[batch, inputs]``.
      code: the output of the layers, where it is known: the slopes of a single sigmoid or tanh layer follow from it,
        which saves a second matrix product and its gradient.

    Returns:
      The squared norm at each example, ``[batch]``.

    Example:
      >>> layer = DenseLayer(jnp.array([[1.0, 0.0], [2.0, 2.0]]), jnp.zeros(2), jax.nn.sigmoid)
      >>> closed_form([layer], jnp.array([[0.0, 0.0]]))
      Array([0.5625], dtype=float32)

    References:
      Rifai et al., *Contractive auto-encoders: explicit invariance during feature extraction*, ICML 2011, section 5.
    """
    kernels = [layer.kernel for layer in layers]
    if len(layers) == 1:
        follows = _SLOPE_OF_OUTPUT.get(layers[0].activation)
        slopes = _slopes(layers, x) if code is None or follows is None else [follows(code)]
        return _weighted_sum(jnp.sum(jnp.square(kernels[0]), axis=0)[None], slopes[0], x.shape[0])
    slopes = _slopes(layers, x)
    widths = [kernels[0].shape[0], *(kernel.shape[1] for kernel in kernels)]
    costs = {_from_code: _cost_from_code(widths, x.shape[0]), _from_input: _cost_from_input(widths, x.shape[0])}
    if len(layers) == 2 and slopes[1] is None:
        costs[_quadratic_form] = widths[1] ** 2 * (widths[0] + widths[2] + x.shape[0])
    return min(costs, key=costs.__getitem__)(kernels, slopes, x.shape[0])


def estimated(
    key: Key, encode: Encoder, x: Float[Array, "batch *features"], *, probes: int = 1
) -> Float[Array, " batch"]:
    r"""Unbiased estimate of the squared Frobenius norm from random directions (Hutchinson).

    .. math:: \|J\|_F^2 = \mathbb{E}_v \|J v\|^2, \quad v_i = \pm 1 \text{ with equal probability}

    Args:
      key: PRNG key of the directions.
      encode: maps a batch to codes, each example on its own, ``[batch, *features] -> [batch, code]``.
      x: the examples, ``[batch, *features]``.
      probes: number of directions for each example; the variance falls as 1 / probes.

    Returns:
      The estimate at each example, ``[batch]``.

    Example:
      >>> estimated(jax.random.key(0), lambda x: 3.0 * x, jnp.ones((2, 4)), probes=1)
      Array([36., 36.], dtype=float32)

    References:
      Hutchinson, *A stochastic estimator of the trace of the influence matrix*, 1989.
    """
    directions = jax.random.rademacher(key, (probes, *x.shape), x.dtype)
    pushed = jax.vmap(lambda direction: jax.jvp(encode, (x,), (direction,))[1])(directions)
    return jnp.mean(jax.vmap(_sum_of_squares)(pushed), axis=0)


Slopes = list[Float[Array, "batch _"] | None]


def _one(encode: Encoder) -> Callable[[Array], Array]:
    return lambda example: encode(example[None])[0]


def _sum_of_squares(values: Float[Array, "batch *rest"]) -> Float[Array, " batch"]:
    return jnp.sum(jnp.square(values), axis=tuple(range(1, values.ndim)))


_SLOPE_OF_OUTPUT: dict[Callable[[Array], Array] | None, Callable[[Array], Array]] = {
    jax.nn.sigmoid: lambda h: h * (1.0 - h),
    jax.nn.tanh: lambda h: 1.0 - jnp.square(h),
}
"""The derivative of an activation as a function of its output."""


def _slopes(layers: Sequence[DenseLayer], x: Float[Array, "batch inputs"]) -> Slopes:
    """The derivative of each layer's activation at each example; None where the activation is the identity."""
    slopes: Slopes = []
    for layer in layers:
        x = x @ layer.kernel + layer.bias[None]
        if layer.activation is None:
            slopes.append(None)
        else:
            x, slope = jax.jvp(layer.activation, (x,), (jnp.ones_like(x),))
            slopes.append(slope)
    return slopes


def _weighted_sum(squares: Float[Array, "some units"], slope: Array | None, batch: int) -> Float[Array, " batch"]:
    """Sum over code units of each one's squared gradient, times the squared slope of the last activation."""
    total = squares if slope is None else squares * jnp.square(slope)
    return jnp.broadcast_to(jnp.sum(total, axis=1), (batch,))


def _from_code(kernels: list[Array], slopes: Slopes, batch: int) -> Float[Array, " batch"]:
    """Rows of M from the last layer down; the first kernel enters by its Gram matrix where that is smaller."""
    rows = kernels[-1].T[None]
    for kernel, slope in zip(kernels[-2:0:-1], slopes[-2:0:-1], strict=True):
        rows = (rows if slope is None else rows * slope[:, None, :]) @ kernel.T
    rows = rows if slopes[0] is None else rows * slopes[0][:, None, :]
    inputs, hidden = kernels[0].shape
    by_gram = inputs > hidden
    squared = (rows @ (kernels[0].T @ kernels[0])) * rows if by_gram else jnp.square(rows @ kernels[0].T)
    return _weighted_sum(jnp.sum(squared, axis=2), slopes[-1], batch)


def _from_input(kernels: list[Array], slopes: Slopes, batch: int) -> Float[Array, " batch"]:
    """Columns of the Jacobian from the first layer up, one for each input feature."""
    columns = kernels[0][None]
    for kernel, slope in zip(kernels[1:], slopes[:-1], strict=True):
        columns = (columns if slope is None else columns * slope[:, None, :]) @ kernel
    return _weighted_sum(jnp.sum(jnp.square(columns), axis=1), slopes[-1], batch)


def _quadratic_form(kernels: list[Array], slopes: Slopes, batch: int) -> Float[Array, " batch"]:
    """Two layers, linear code: the slopes' quadratic form in the product of the two kernels' Gram matrices."""
    form = (kernels[0].T @ kernels[0]) * (kernels[1] @ kernels[1].T)
    if slopes[0] is None:
        return jnp.full(batch, jnp.sum(form))
    return jnp.sum((slopes[0] @ form) * slopes[0], axis=1)


def _cost_from_code(widths: list[int], batch: int) -> int:
    chain = sum(wide * narrow for narrow, wide in pairwise(widths[1:-1]))
    gram = 0 if widths[0] <= widths[1] else widths[0] * widths[1] ** 2
    return batch * widths[-1] * (chain + widths[1] * min(widths[0], widths[1])) + gram


def _cost_from_input(widths: list[int], batch: int) -> int:
    return batch * widths[0] * sum(a * b for a, b in pairwise(widths[1:]))
