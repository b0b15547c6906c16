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


def student_t_nll(
    location: Float[Array, "batch *features"],
    target: Float[Array, "batch *features"],
    log_scale: Float[Array, "batch *features"] | Number = 0.0,
    freedom: Float[Array, "batch *features"] | Number = 3.0,
) -> Float[Array, " batch"]:
    r"""Negative log-likelihood of each example under independent Student-t features, in nats.

    .. math::
       \sum_i \log\frac{\Gamma(\nu_i / 2) \sqrt{\pi \nu_i}}{\Gamma((\nu_i + 1) / 2)} + \log s_i
       + \frac{\nu_i + 1}{2} \log\left(1 + \frac{(x_i - m_i)^2}{\nu_i s_i^2}\right)

    Outliers count by the logarithm of their distance, which keeps value and gradient finite at any scale.

    Args:
      location: the mean of each feature (where the degrees of freedom exceed 1), ``[batch, *features]``.
      target: the data, of the same shape.
      log_scale: natural logarithm of the scale s: one number, or an array of the same shape.
      freedom: degrees of freedom, above zero; likewise.

    Returns:
      The negative log-likelihood of each example, ``[batch]``, in nats, constants included.

    Raises:
      InvalidInput: the shapes differ; nothing but a single scale or degree of freedom is broadcast.

    Example:
      >>> round(float(student_t_nll(jnp.zeros((1, 1)), jnp.ones((1, 1)), freedom=3.0)[0]), 4)
      1.5763

    References:
      Student, *The probable error of a mean*, Biometrika 1908; Lange, Little and Taylor, *Robust statistical modeling
      using the t distribution*, JASA 1989 (as a likelihood).
    """
    require_equal_shapes("location", location, "target", target)
    require_scalar_or_shape("log_scale", log_scale, target)
    require_scalar_or_shape("freedom", freedom, target)
    numbers = (jnp.asarray(each, target.dtype) for each in (log_scale, freedom))
    log_scale, freedom = (jnp.broadcast_to(each, target.shape) for each in numbers)
    distance = jnp.abs(target - location)
    apart = distance > 0
    log_ratio = jnp.log(jnp.where(apart, distance, 1.0)) - log_scale - 0.5 * jnp.log(freedom)
    spread = jnp.where(apart, jax.nn.softplus(2.0 * log_ratio), 0.0)
    normaliser = 0.5 * (jnp.log(freedom) + math.log(math.pi)) - _log_gamma_step(0.5 * freedom)
    return _sum_features(normaliser + log_scale + 0.5 * (freedom + 1.0) * spread)


def _log_gamma_step(a: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Log Gamma(a + 1/2) - log Gamma(a), whose terms cancel in 32 bits where a is large."""
    small, large = jnp.minimum(a, 10.0), jnp.maximum(a, 10.0)
    exact = jax.scipy.special.gammaln(small + 0.5) - jax.scipy.special.gammaln(small)
    return jnp.where(a < 10.0, exact, 0.5 * jnp.log(large) - 1 / (8 * large) + 1 / (192 * large * large * large))


def discretised_logistic_nll(
    location: Float[Array, "batch *features"],
    target: Float[Array, "batch *features"],
    log_scale: Float[Array, "batch *features"] | Number = -2.0,
    levels: int = 256,
) -> Float[Array, " batch"]:
    r"""Negative log-probability of each example of values in equal steps from 0 to 1, in nats.

    .. math::
       -\sum_i \log\left[\sigma\left(\frac{x_i + \delta/2 - m_i}{s_i}\right)
       - \sigma\left(\frac{x_i - \delta/2 - m_i}{s_i}\right)\right], \quad \delta = \frac{1}{\text{levels} - 1}

    The steps at 0 and at 1 reach to infinity, so that the probabilities of all levels sum to one. Computed from
    logarithms, so that it is finite far from the location too.

    Args:
      location: of the logistic distribution of each feature, ``[batch, *features]``.
      target: values in [0, 1], of the same shape.
      log_scale: natural logarithm of the scale s: one number, or an array of the same shape.
      levels: number of values, 256 for bytes.

    Returns:
      The negative log-probability of each example, ``[batch]``, in nats.

    Raises:
      InvalidInput: the shapes differ; nothing but a single scale is broadcast.

    Example:
      >>> x = jnp.array([[0.0], [1.0]])
      >>> discretised_logistic_nll(jnp.full((2, 1), 0.5), x, log_scale=0.0, levels=2).round(4)
      Array([0.6931, 0.6931], dtype=float32)

    References:
      Kingma et al., *Improving variational inference with inverse autoregressive flow*, NIPS 2016, appendix;
      Salimans et al., *PixelCNN++*, ICLR 2017, eq. 2.
    """
    require_equal_shapes("location", location, "target", target)
    require_scalar_or_shape("log_scale", log_scale, target)
    step = 1.0 / (levels - 1)
    log_scale = jnp.broadcast_to(jnp.asarray(log_scale, target.dtype), target.shape)
    upper, lower = (standardised(target + half - location, log_scale) for half in (0.5 * step, -0.5 * step))
    # P = sigma(u) sigma(-l) (1 - exp(l - u)), of which the last factor is u - l where that is small.
    log_width = math.log(step) - log_scale
    moderate = jnp.clip(log_width, -12.0, 12.0)
    log_difference = jnp.where(log_width < -12.0, log_width, jnp.log(-jnp.expm1(-jnp.exp(moderate))))
    at_zero, at_one = target < 0.5 * step, target > 1.0 - 0.5 * step
    log_probability = (
        jnp.where(at_one, 0.0, jax.nn.log_sigmoid(upper))
        + jnp.where(at_zero, 0.0, jax.nn.log_sigmoid(-lower))
        + jnp.where(at_zero | at_one, 0.0, log_difference)
    )
    return -_sum_features(log_probability)


def optimal_gaussian_nll(
    mean: Float[Array, "batch *features"],
    target: Float[Array, "batch *features"],
    smallest_log_scale: Number = -6.0,
) -> Float[Array, " batch"]:
    r"""Negative log-likelihood of each example under Gaussian features of the variance that makes it least, in nats.

    .. math:: \min_\sigma -\log \mathcal{N}(x; m, \sigma^2 I) = \frac{d}{2} \left(\log 2 \pi \sigma_*^2 + 1\right),
       \quad \sigma_*^2 = \frac{1}{d} \sum_i (x_i - m_i)^2

    Below the smallest log-scale, the variance stays there. As the variance depends on the example, it is no density.

    Args:
      mean: of each feature, ``[batch, *features]``.
      target: the data, of the same shape.
      smallest_log_scale: the least logarithm of the standard deviation.

    Returns:
      The negative log-likelihood of each example, ``[batch]``, in nats, constants included.

    Raises:
      InvalidInput: the shapes differ; nothing is broadcast.

    Example:
      >>> round(float(optimal_gaussian_nll(jnp.zeros((1, 2)), jnp.ones((1, 2)))[0]), 4)
      2.8379

    References:
      Rybkin et al., *Simple and effective VAE training with calibrated decoders*, ICML 2021, eq. 6.
    """
    features = mean[0].size
    least = jnp.exp(2.0 * smallest_log_scale)
    error = squared_error(mean, target) / features
    variance = jnp.maximum(error, least)
    return 0.5 * features * (jnp.log(variance) + _LOG_2PI + error / variance)


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
