"""Sparsity: penalties of dense codes, and the largest activations of a code."""

import jax
import jax.numpy as jnp
from jax.scipy.special import xlog1py, xlogy
from jaxtyping import Array, Float

from ae_jax.errors import InvalidInput
from ae_jax.types import Number


def kl_sparsity(mean_activation: Float[Array, " units"], target: Number) -> Float[Array, " units"]:
    r"""Bernoulli KL divergence of each unit's mean activation from its target, in nats.

    .. math:: \rho \log\frac{\rho}{\hat\rho_j} + (1-\rho) \log\frac{1-\rho}{1-\hat\rho_j}

    Zero where the mean activation equals the target, and growing monotonically away from it. Of a sigmoid unit that is
    off, the gradient with respect to its logit tends to -rho, so that it can become active again. Mean activations
    below 1e-19, and those that round to 1, take value and gradient of the nearest one inside, so that both stay finite
    (in 32 bits, logits below -44 and above 17; above it the sigmoid itself has no gradient).

    Args:
      mean_activation: mean over the batch of each hidden unit's activation, in [0, 1], ``[units]``.
      target: the sparsity parameter rho, in (0, 1); 0.05 is usual.

    Returns:
      The divergence of each unit, ``[units]``; sum it to get the penalty of Ng (2011).

    Example:
      >>> [round(float(nats), 3) for nats in kl_sparsity(jnp.array([0.05, 0.5]), 0.05)]
      [0.0, 0.495]

    References:
      Ng, *Sparse autoencoder*, CS294A lecture notes, 2011.
    """
    number = jnp.finfo(mean_activation.dtype)
    # The reciprocal of the lowest rate has a square within the type, as the second moments of Adam need it.
    inside = jnp.clip(mean_activation, number.tiny**0.5, 1.0 - number.epsneg)
    rate = mean_activation + jax.lax.stop_gradient(inside - mean_activation)
    rho = jnp.asarray(target, rate.dtype)
    on = xlogy(rho, rho) - rho * jnp.log(rate)
    off = xlog1py(1.0 - rho, -rho) - (1.0 - rho) * jnp.log1p(-rate)
    return on + off


def l1(code: Float[Array, "batch units"]) -> Float[Array, " batch"]:
    r"""Sum of the absolute activations of each example, the convex stand-in for counting active units.

    .. math:: \sum_j |z_j|

    Args:
      code: the activations, ``[batch, units]``.

    Returns:
      The norm of each example, ``[batch]``, in units of the code.

    Example:
      >>> l1(jnp.array([[1.0, -2.0], [0.0, 0.5]]))
      Array([3. , 0.5], dtype=float32)

    References:
      Olshausen and Field, *Emergence of simple-cell receptive field properties*, Nature 1996.
    """
    return jnp.sum(jnp.abs(code), axis=-1)


def top_k(z: Float[Array, "batch units"], k: int) -> Float[Array, "batch units"]:
    r"""Each example's k largest activations; its others are zero.

    .. math:: z_{bj} \, [j \in \mathrm{top}_k(z_b)]

    Exactly k are kept, of equal ones the first; gradients flow through those kept only, and NaN stays NaN.

    Args:
      z: the activations, ``[batch, units]``.
      k: how many units of each example are kept, from 1 to the number of units.

    Returns:
      The kept activations at their places, ``[batch, units]``, in units of the code.

    Example:
      >>> top_k(jnp.array([[0.5, 2.0, -1.0, 0.5]]), 2)
      Array([[0.5, 2. , 0. , 0. ]], dtype=float32)

    References:
      Makhzani and Frey, *k-sparse autoencoders*, 2013, algorithm 1.
    """
    return _largest_of_rows(z, k)


@jax.jit
def _largest_of_rows(z: Array, count: int | Array) -> Array:
    """The largest values of each row; the export to ONNX knows it by its name."""
    return _largest(z, count, axis=1)


def lifetime_sparsity(z: Float[Array, "batch units"], rate: Number) -> Float[Array, "batch units"]:
    r"""Each unit's largest activations over the batch, a given share of them; its others are zero.

    .. math:: z_{bj} \, [b \in \mathrm{top}_n(z_{\cdot j})], \quad n = \max(1, \mathrm{round}(\rho B))

    Exactly n are kept, of equal ones the first; gradients flow through those kept only, and NaN stays NaN.

    Args:
      z: the activations, ``[batch, units]``.
      rate: rho, the share of the batch that each unit keeps, from 0 to 1, rounded to whole examples; at least one is
        kept. It may be traced.

    Returns:
      The kept activations at their places, ``[batch, units]``, in units of the code.

    Raises:
      InvalidInput: an empty batch, of which no unit can keep one.

    Example:
      >>> lifetime_sparsity(jnp.array([[1.0, 0.0], [3.0, 5.0], [2.0, 4.0], [0.0, 0.0]]), 0.5)
      Array([[0., 0.],
             [3., 5.],
             [2., 4.],
             [0., 0.]], dtype=float32)

    References:
      Makhzani and Frey, *Winner-take-all autoencoders*, NeurIPS 2015, section 2 (rate 0.05).
    """
    examples = z.shape[0]
    if examples == 0:
        raise InvalidInput(
            f"lifetime_sparsity was given an empty batch of shape {z.shape}: expected an example or more."
        )
    count = jnp.clip(jnp.round(jnp.asarray(rate, z.dtype) * examples), 1, examples).astype(int)
    return _largest(z, count, axis=0)


def _largest(z: Array, count: int | Array, axis: int) -> Array:
    """The largest values along an axis, the first of equal ones; the others are zero.

    The smallest kept value is found bit by bit from the highest down, in a tenth of the time of a sort on a CPU.
    """
    keys = _ordered_bits(jax.lax.stop_gradient(z))
    width = jnp.iinfo(keys.dtype).bits

    def with_next_bit(bit: Array, smallest: Array) -> Array:
        higher = smallest | (jnp.ones((), keys.dtype) << (width - 1 - bit).astype(keys.dtype))
        return jnp.where(jnp.sum(keys >= higher, axis=axis, keepdims=True) >= count, higher, smallest)

    nothing = jnp.zeros_like(jnp.max(keys, axis=axis, keepdims=True))
    smallest = jax.lax.fori_loop(0, width, with_next_bit, nothing)
    equal, left = keys == smallest, count - jnp.sum(keys > smallest, axis=axis, keepdims=True)
    late = jnp.cumsum(equal, axis=axis) > left
    return jnp.where(((keys < smallest) | (equal & late)) & ~jnp.isnan(z), jnp.zeros_like(z), z)


def _ordered_bits(z: Array) -> Array:
    """Unsigned integers in the order of floating-point numbers: the bits of negative ones are counted backwards."""
    bits = jax.lax.bitcast_convert_type(z, jnp.dtype(f"uint{8 * z.dtype.itemsize}"))
    sign = jnp.ones((), bits.dtype) << (jnp.iinfo(bits.dtype).bits - 1)
    return jnp.where(bits & sign > 0, ~bits, bits | sign)
