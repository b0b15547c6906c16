"""Measures of a whole batch of latents: of their dependence, and of their distance from draws of a prior."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ae_jax.errors import require_known
from ae_jax.types import Number

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Of the kernels, whose sum leaves no gradient small at any distance; those of Tolstikhin et al.'s experiments."""

KERNELS = ("imq", "rbf")


def total_correlation(
    log_densities: Float[Array, "batch batch units"], examples: Number, *, stratified: bool = True
) -> Float[Array, " batch"]:
    r"""Estimates how far the units of the aggregate posterior are from independent, from one minibatch, in nats.

    .. math:: \log q(z_i) - \sum_d \log q(z_{id}), \quad q(z) \approx \sum_j w_{ij} \, q(z | x_j)

    The mean over the batch is :math:`\mathrm{KL}(q(z) \| \prod_d q(z_d))`. Stratified weights are 1/N for the example's
    own posterior, (N - M)/(NM) for one of the M others and 1/M for the rest: an unbiased estimate of q(z).
    Minibatch-weighted ones are 1/(N(M + 1)) for all: each density is too low by about log N, which leaves the gradient.

    Args:
      log_densities: log q(z_id | x_j) at ``[i, j, d]``, in nats.
      examples: N, the number of training examples; at least the batch is assumed.
      stratified: which weights.

    Returns:
      The log-ratio at each latent, ``[batch]``.

    Example:
      >>> total_correlation(jnp.zeros((2, 2, 3)), 2)
      Array([0., 0.], dtype=float32)

    References:
      Chen et al., *Isolating sources of disentanglement in variational autoencoders*, NeurIPS 2018, appendix C.
    """
    batch = len(log_densities)
    examples, others = jnp.maximum(jnp.asarray(examples, log_densities.dtype), batch), max(batch - 1, 1)
    own, next_one = np.eye(batch, dtype=bool), np.roll(np.eye(batch, dtype=bool), 1, axis=1)
    weights = jnp.where(next_one, (examples - others) / (examples * others), 1.0 / others)
    weights = jnp.where(own, 1.0 / examples, weights) if stratified else jnp.full_like(weights, 1.0 / batch) / examples
    joint = jax.nn.logsumexp(jnp.sum(log_densities, axis=2) + jnp.log(weights), axis=1)
    return joint - jnp.sum(jax.nn.logsumexp(log_densities + jnp.log(weights)[..., None], axis=1), axis=1)


def decorrelation(covariance: Float[Array, "units units"], diagonal: Number) -> Float[Array, ""]:
    r"""Squared distance of a covariance from the identity, its diagonal weighted.

    .. math:: \sum_{i \ne j} C_{ij}^2 + \lambda \sum_i (C_{ii} - 1)^2

    Args:
      covariance: C, ``[units, units]``.
      diagonal: lambda.

    Example:
      >>> decorrelation(jnp.array([[2.0, 0.5], [0.5, 1.0]]), 10.0)
      Array(10.5, dtype=float32)

    References:
      Kumar et al., *Variational inference of disentangled latent concepts from unlabeled observations*, ICLR 2018.
    """
    squares = jnp.square(covariance - jnp.eye(len(covariance), dtype=covariance.dtype))
    return jnp.sum(squares) + (diagonal - 1.0) * jnp.trace(squares)


def maximum_mean_discrepancy(
    x: Float[Array, "n units"], y: Float[Array, "m units"], *, kernel: str = "imq"
) -> Float[Array, ""]:
    r"""Squared maximum mean discrepancy of two sets, unbiased.

    .. math:: \frac{1}{n(n-1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{m(m-1)} \sum_{i \ne j} k(y_i, y_j)
       - \frac{2}{nm} \sum_{ij} k(x_i, y_j)

    with :math:`k(x, y) = \sum_s \frac{c_s}{c_s + \|x - y\|^2}` for ``"imq"``, :math:`\sum_s e^{-\|x - y\|^2 / c_s}` for
    ``"rbf"``, and :math:`c_s = 2 d s` for d units and seven scales s from 0.1 to 10.

    Args:
      x, y: the sets, ``[n, units]`` and ``[m, units]``.
      kernel: ``"imq"`` (inverse multiquadric), whose gradient falls slowly with distance, or ``"rbf"`` (Gaussian).

    Returns:
      The estimate, whose expectation is zero for equal distributions; it may be negative.

    Raises:
      InvalidInput: another kernel.

    Example:
      >>> maximum_mean_discrepancy(jnp.ones((2, 1)), jnp.ones((3, 1)))
      Array(0., dtype=float32)

    References:
      Gretton et al., *A kernel two-sample test*, JMLR 2012, eq. 3;
      Tolstikhin et al., *Wasserstein auto-encoders*, ICLR 2018, appendix C (kernels).
    """
    require_known("kernel", kernel, KERNELS)
    scales = 2.0 * x.shape[1] * jnp.asarray(SCALES, x.dtype)[:, None, None]

    def values(a: Array, b: Array) -> Array:
        squares = jnp.sum(jnp.square(a[:, None] - b[None]), axis=-1)[None]
        return jnp.sum(scales / (scales + squares) if kernel == "imq" else jnp.exp(-squares / scales), axis=0)

    def within(a: Array) -> Array:
        return (jnp.sum(values(a, a)) - len(SCALES) * len(a)) / max(len(a) * (len(a) - 1), 1)

    return within(x) + within(y) - 2.0 * jnp.mean(values(x, y))


def sliced_wasserstein(
    x: Float[Array, "n units"], y: Float[Array, "n units"], directions: Float[Array, "slices units"], *, power: int = 2
) -> Float[Array, " slices"]:
    r"""Wasserstein distance between the projections of two sets of one size on each of some directions, to a power.

    .. math:: \frac{1}{n} \sum_i |x_{(i)} - y_{(i)}|^p, \quad x_{(1)} \le x_{(2)} \le \dots
       \text{ the sorted projections}

    Args:
      x, y: the sets, ``[n, units]``.
      directions: of unit length, ``[slices, units]``.
      power: p.

    Returns:
      ``[slices]``.

    Example:
      >>> sliced_wasserstein(jnp.array([[0.0], [3.0]]), jnp.array([[4.0], [1.0]]), jnp.ones((1, 1)))
      Array([1.], dtype=float32)

    References:
      Kolouri et al., *Sliced Wasserstein auto-encoders*, ICLR 2019, algorithm 1.
    """
    sorted_x, sorted_y = (jnp.sort(directions @ each.T, axis=1) for each in (x, y))
    return jnp.mean(jnp.abs(sorted_x - sorted_y) ** power, axis=1)
