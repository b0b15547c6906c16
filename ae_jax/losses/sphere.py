"""The von Mises-Fisher distribution on the unit sphere: its normaliser, divergence and angles, by quadrature."""

import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_NODES, _CELLS = 128, 512
"""Nodes of an integral over the angle, exact to rounding, and cells of its distribution function."""


def log_sphere_area(dimensions: int) -> float:
    r"""Logarithm of the area of the unit sphere in a space of so many dimensions.

    .. math:: \log |S^{m-1}| = \log \frac{2 \pi^{m/2}}{\Gamma(m/2)}

    Example:
      >>> round(math.exp(log_sphere_area(3)), 4)  # 4 pi
      12.5664
    """
    return math.log(2.0) + 0.5 * dimensions * math.log(math.pi) - math.lgamma(0.5 * dimensions)


def von_mises_fisher_log_normaliser(concentration: Float[Array, " batch"], dimensions: int) -> Float[Array, " batch"]:
    r"""Logarithm of the integral of the von Mises-Fisher density's numerator, which is scaled to 1 at the mean.

    .. math:: \log \int_{S^{m-1}} e^{\kappa (\mu^\top z - 1)} dz
       = \log \frac{(2\pi)^{m/2} I_{m/2-1}(\kappa)}{\kappa^{m/2-1}} - \kappa

    The integral over the angle to the mean is computed by Gauss-Legendre quadrature, which has stable gradients at
    every concentration and needs no Bessel functions.

    Args:
      concentration: kappa, zero or above, ``[batch]``.
      dimensions: m, of the space that the sphere is in; two or more.

    Returns:
      ``[batch]``; the log-density at z is :math:`\kappa (\mu^\top z - 1)` less it.

    Example:
      >>> von_mises_fisher_log_normaliser(jnp.zeros(1), 3).round(4)  # log 4 pi
      Array([2.531], dtype=float32)

    References:
      Mardia and Jupp, *Directional statistics*, 2000, section 9.3.
    """
    return _integrals(concentration, dimensions)[0] + log_sphere_area(dimensions - 1)


def von_mises_fisher_kl(concentration: Float[Array, " batch"], dimensions: int) -> Float[Array, " batch"]:
    r"""Kullback-Leibler divergence of a von Mises-Fisher distribution from the uniform one on the sphere, in nats.

    .. math:: \mathbb{E}[\kappa \mu^\top z] - \log \int e^{\kappa \mu^\top z} dz + \log |S^{m-1}|

    Args:
      concentration, dimensions: as of :func:`von_mises_fisher_log_normaliser`.

    Returns:
      ``[batch]``; zero at concentration 0, and growing with it.

    Example:
      >>> von_mises_fisher_kl(jnp.array([10.0]), 3).round(4)  # log(10 / sinh 10) + 10 / tanh(10) - 1
      Array([1.9957], dtype=float32)

    References:
      Davidson et al., *Hyperspherical variational auto-encoders*, UAI 2018, section 3.2.
    """
    log_integral, mean_excess = _integrals(concentration, dimensions)
    return log_sphere_area(dimensions) - log_sphere_area(dimensions - 1) - mean_excess - log_integral


def von_mises_fisher_angle(
    uniform: Float[Array, " batch"], concentration: Float[Array, " batch"], dimensions: int
) -> Float[Array, " batch"]:
    r"""The angle from the mean at which the distribution function of that angle has a value.

    .. math:: F(\theta) = \int_0^\theta f(t) \, dt \Big/ \int_0^\pi f(t) \, dt, \quad
       f(t) = e^{\kappa \cos t} \sin^{m-2} t

    Of uniform draws it gives draws of the angle that are differentiable in the concentration, without rejection. The
    density is constant in each of 512 cells, which are narrow against its spread.

    Args:
      uniform: values of the distribution function, in [0, 1), ``[batch]``.
      concentration, dimensions: as of :func:`von_mises_fisher_log_normaliser`.

    Returns:
      Angles in radians, ``[batch]``.

    Example:
      >>> von_mises_fisher_angle(jnp.array([0.5]), jnp.zeros(1), 3).round(4)  # pi / 2
      Array([1.5708], dtype=float32)

    References:
      Davidson et al., UAI 2018, draw it by rejection; Figurnov et al., *Implicit reparameterization gradients*,
      NeurIPS 2018, give the gradient of a draw by its distribution function.
    """
    reach = _reach(concentration, dimensions)
    edges = jnp.linspace(0.0, 1.0, _CELLS + 1, dtype=concentration.dtype)
    log_density, _ = _log_density(reach[:, None] * (0.5 * (edges[:-1] + edges[1:]))[None], concentration, dimensions)
    below = jnp.cumsum(jax.nn.softmax(log_density, axis=1), axis=1)
    below = jnp.concatenate([jnp.zeros_like(below[:, :1]), below], axis=1)
    return jax.vmap(jnp.interp)(uniform, below, reach[:, None] * edges[None])


def _integrals(concentration: Array, dimensions: int) -> tuple[Array, Array]:
    """Logarithm of the integral over the angle, and the mean of concentration times 1 - cos."""
    nodes, weights = _quadrature()
    reach = _reach(concentration, dimensions)
    angles = reach[:, None] * jnp.asarray(nodes, concentration.dtype)[None]
    log_density, excess = _log_density(angles, concentration, dimensions)
    terms = log_density + jnp.log(reach)[:, None] + jnp.asarray(np.log(weights), concentration.dtype)[None]
    return jax.nn.logsumexp(terms, axis=1), jnp.sum(jax.nn.softmax(terms, axis=1) * excess, axis=1)


def _log_density(angles: Array, concentration: Array, dimensions: int) -> tuple[Array, Array]:
    excess = 2.0 * concentration[:, None] * jnp.square(jnp.sin(0.5 * angles))  # kappa (1 - cos), without cancellation
    return (dimensions - 2) * jnp.log(jnp.sin(angles)) - excess, excess


def _reach(concentration: Array, dimensions: int) -> Array:
    """An angle beyond which there is nothing to be integrated: chi-distributed angles, ten deviations on."""
    widest = 0.5 * math.pi * (math.sqrt(dimensions - 1.0) + 7.0)
    tiny = jnp.finfo(concentration.dtype).tiny
    return jnp.minimum(math.pi, widest / jnp.sqrt(jnp.maximum(jax.lax.stop_gradient(concentration), tiny)))


@cache
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return 0.5 * (nodes + 1.0), 0.5 * weights
