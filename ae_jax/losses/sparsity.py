"""How far a code is from sparse: a value for each unit over a batch, or for each example."""

import jax.numpy as jnp
from jax.scipy.special import xlogy
from jaxtyping import Array, Float

from ae_jax.types import Number


def kl_sparsity(mean_activation: Float[Array, " units"], target: Number) -> Float[Array, " units"]:
    r"""Bernoulli KL divergence of each unit's mean activation from its target, in nats.

    .. math:: \rho \log\frac{\rho}{\hat\rho_j} + (1-\rho) \log\frac{1-\rho}{1-\hat\rho_j}

    Zero where the mean activation equals the target, and growing monotonically away from it. Mean activations of
    exactly 0 or 1, to which a saturated sigmoid rounds, are moved inwards by the resolution of their type, so that
    value and gradient stay finite.

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
    resolution = jnp.finfo(mean_activation.dtype).eps
    rate = jnp.clip(mean_activation, resolution, 1.0 - resolution)
    rho = jnp.asarray(target, rate.dtype)
    return xlogy(rho, rho / rate) + xlogy(1.0 - rho, (1.0 - rho) / (1.0 - rate))


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
