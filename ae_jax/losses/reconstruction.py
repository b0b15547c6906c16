"""Reconstruction losses: one value per example, summed over features."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax.losses.shapes import require_equal_shapes, require_scalar_or_shape
from ae_jax.types import Number

_LOG_2PI = math.log(2.0 * math.pi)


def squared_error(
    prediction: Float[Array, "batch *features"], target: Float[Array, "batch *features"]
) -> Float[Array, " batch"]:
    r"""Sum over features of the squared error of each example.

    .. math:: \sum_i (\hat x_i - x_i)^2

    Args:
      prediction: the reconstruction, ``[batch, *features]``.
      target: the data, of the same shape.

    Returns:
      The error of each example, ``[batch]``, in squared units of the data.

    Raises:
      InvalidInput: the shapes differ; nothing is broadcast.

    Example:
      >>> squared_error(jnp.array([[1.0, 2.0]]), jnp.array([[0.0, 4.0]]))
      Array([5.], dtype=float32)

    References:
      Hinton and Salakhutdinov, *Reducing the dimensionality of data with neural networks*, Science 2006.
    """
    require_equal_shapes("prediction", prediction, "target", target)
    return _sum_features(jnp.square(prediction - target))


def bernoulli_nll(
    logits: Float[Array, "batch *features"], target: Float[Array, "batch *features"]
) -> Float[Array, " batch"]:
    r"""Negative log-likelihood of each example under independent Bernoulli features, in nats.

    .. math:: \sum_i \log(1 + e^{l_i}) - x_i l_i

    Computed from logits, so that it is finite for every finite logit. For a target strictly between 0 and 1 it is
    the cross-entropy, as the literature uses it on grey images; the likelihood proper is of binary targets.

    Args:
      logits: log-odds of each feature being one, ``[batch, *features]``.
      target: values in [0, 1], of the same shape.

    Returns:
      The negative log-likelihood of each example, ``[batch]``, in nats.

    Raises:
      InvalidInput: the shapes differ; nothing is broadcast.

    Example:
      >>> bernoulli_nll(jnp.array([[0.0, 0.0]]), jnp.array([[1.0, 0.0]])).round(4)
      Array([1.3863], dtype=float32)

    References:
      Vincent et al., *Extracting and composing robust features with denoising autoencoders*, ICML 2008.
    """
    require_equal_shapes("logits", logits, "target", target)
    # This form of softplus has a gradient that compiles to fewer instructions than that of jax.nn.softplus.
    size = jnp.abs(logits)
    softplus = 0.5 * logits + 0.5 * size + jnp.log1p(jnp.exp(-size))
    return _sum_features(softplus - target * logits)


def gaussian_nll(
    mean: Float[Array, "batch *features"],
    target: Float[Array, "batch *features"],
    log_scale: Float[Array, "batch *features"] | Number = 0.0,
) -> Float[Array, " batch"]:
    r"""Negative log-likelihood of each example under independent Gaussian features, in nats.

    .. math:: \sum_i \tfrac{1}{2} \log 2\pi + \log\sigma_i + \frac{(x_i - \mu_i)^2}{2 \sigma_i^2}

    In 32 bits it is infinite where a feature is more than 2e19 scales from its mean.

    Args:
      mean: the mean of each feature, ``[batch, *features]``.
      target: the data, of the same shape.
      log_scale: natural logarithm of the standard deviation: one number (a fixed scale), or learned, an array of the
        same shape.

    Returns:
      The negative log-likelihood of each example, ``[batch]``, in nats, constants included.

    Raises:
      InvalidInput: the shapes differ; nothing but a single scale is broadcast.

    Example:
      >>> gaussian_nll(jnp.zeros((1, 2)), jnp.ones((1, 2)), log_scale=0.0).round(4)
      Array([2.8379], dtype=float32)

    References:
      Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014, appendix C.2.
    """
    require_equal_shapes("mean", mean, "target", target)
    require_scalar_or_shape("log_scale", log_scale, target)
    return _sum_features(0.5 * jnp.square(standardised(target - mean, log_scale)) + log_scale + 0.5 * _LOG_2PI)


def laplace_nll(
    location: Float[Array, "batch *features"],
    target: Float[Array, "batch *features"],
    log_scale: Float[Array, "batch *features"] | Number = 0.0,
) -> Float[Array, " batch"]:
    r"""Negative log-likelihood of each example under independent Laplace features, in nats.

    .. math:: \sum_i \log 2 b_i + \frac{|x_i - m_i|}{b_i}

    Where a feature equals its median, the gradient with respect to the median is 0.

    Args:
      location: the median of each feature, ``[batch, *features]``.
      target: the data, of the same shape.
      log_scale: natural logarithm of the scale b: one number, or an array of the same shape.

    Returns:
      The negative log-likelihood of each example, ``[batch]``, in nats, constants included.

    Raises:
      InvalidInput: the shapes differ; nothing but a single scale is broadcast.

    Example:
      >>> round(float(laplace_nll(jnp.zeros((1, 2)), jnp.ones((1, 2)), log_scale=0.0)[0]), 4)
      3.3863

    References:
      Laplace, *Mémoire sur la probabilité des causes par les événements*, 1774 (the distribution).
    """
    require_equal_shapes("location", location, "target", target)
    require_scalar_or_shape("log_scale", log_scale, target)
    distance = standardised(target - location, log_scale)
    size = distance * jax.lax.stop_gradient(jnp.sign(distance))  # The slope of jnp.abs at 0 is 1, not 0.
    return _sum_features(size + log_scale + math.log(2.0))


def standardised(
    distance: Float[Array, "*shape"], log_scale: Float[Array, "*shape"] | Number
) -> Float[Array, "*shape"]:
    """Distances over a scale, by its root twice: the reciprocal of a scale below 3e-39 leaves 32 bits."""
    log_scale = jnp.asarray(log_scale, distance.dtype)
    if log_scale.ndim == 0:  # Of a constant, XLA would multiply the roots first.
        log_scale = jax.lax.optimization_barrier(log_scale)
    root = jnp.exp(-0.5 * log_scale)
    return (distance * root) * root


def _sum_features(values: Float[Array, "batch *features"]) -> Float[Array, " batch"]:
    return jnp.sum(values, axis=tuple(range(1, values.ndim)))
