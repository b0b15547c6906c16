"""Divergences between distributions, in nats: one value per example."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax.losses.reconstruction import standardised
from ae_jax.losses.shapes import require_equal_shapes


def gaussian_kl(mean: Float[Array, "batch latent"], log_scale: Float[Array, "batch latent"]) -> Float[Array, " batch"]:
    r"""Kullback-Leibler divergence of a diagonal Gaussian from the standard normal, in nats.

    .. math:: \tfrac{1}{2} \sum_j \mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2

    Args:
      mean: the mean of each latent, ``[batch, latent]``.
      log_scale: natural logarithm of its standard deviation, of the same shape.

    Returns:
      The divergence of each example, ``[batch]``; zero at mean 0 and log-scale 0.

    Raises:
      InvalidInput: the shapes differ; nothing is broadcast.

    Example:
      >>> gaussian_kl(jnp.array([[1.0, 0.0]]), jnp.zeros((1, 2)))
      Array([0.5], dtype=float32)

    References:
      Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014, appendix B.
    """
    require_equal_shapes("mean", mean, "log_scale", log_scale)
    # expm1(t) - t stays exact near the prior, where sigma^2 - 1 - log sigma^2 cancels.
    return 0.5 * jnp.sum(jnp.square(mean) + jnp.expm1(2.0 * log_scale) - 2.0 * log_scale, axis=-1)


def gaussian_kl_between(
    mean: Float[Array, "batch latent"],
    log_scale: Float[Array, "batch latent"],
    other_mean: Float[Array, "batch latent"],
    other_log_scale: Float[Array, "batch latent"],
) -> Float[Array, " batch"]:
    r"""Kullback-Leibler divergence :math:`KL(q \| p)` of one diagonal Gaussian from another, in nats.

    .. math::
       \tfrac{1}{2} \sum_j \frac{\sigma_j^2}{\tau_j^2} - 1 - \log\frac{\sigma_j^2}{\tau_j^2}
       + \frac{(\mu_j - \nu_j)^2}{\tau_j^2}

    Args:
      mean, log_scale: mean and log standard deviation of q, each ``[batch, latent]``.
      other_mean, other_log_scale: those of p, of the same shape.

    Returns:
      The divergence of each example, ``[batch]``; zero where q equals p.

    Raises:
      InvalidInput: the shapes differ; nothing is broadcast.

    Example:
      >>> zero, one = jnp.zeros((1, 2)), jnp.ones((1, 2))
      >>> gaussian_kl_between(one, zero, zero, zero)
      Array([1.], dtype=float32)

    References:
      Kullback and Leibler, *On information and sufficiency*, Annals of Mathematical Statistics 1951.
    """
    for name, array in (("log_scale", log_scale), ("other_mean", other_mean), ("other_log_scale", other_log_scale)):
        require_equal_shapes("mean", mean, name, array)
    log_ratio = log_scale - other_log_scale
    distance = standardised(mean - other_mean, other_log_scale)
    return 0.5 * jnp.sum(jnp.square(distance) + jnp.expm1(2.0 * log_ratio) - 2.0 * log_ratio, axis=-1)
