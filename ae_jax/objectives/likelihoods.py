"""Likelihoods: the reconstruction loss of a decoder's outputs, and the reconstruction that they stand for."""

from typing import ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax import losses
from ae_jax._checks import require_number, require_positive, size
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput
from ae_jax.types import Key, Number

Outputs = Float[Array, "batch *rest"]
Examples = Float[Array, "batch *features"]


@runtime_checkable
class Likelihood(Protocol):
    """A loss of decoder outputs against data, and the reconstruction that the outputs stand for.

    One that is a distribution has ``sample(key, outputs)`` too, which draws data.

    Attributes:
      name: of its term in the metrics.
      outputs: how many numbers the decoder gives for each feature.
      unit_interval: whether data must lie in [0, 1].
    """

    name: ClassVar[str]
    outputs: ClassVar[int]
    unit_interval: ClassVar[bool]

    def __call__(self, outputs: Outputs, x: Examples) -> Float[Array, " batch"]: ...

    def mean(self, outputs: Outputs) -> Examples: ...


@component
class SquaredError:
    """Outputs are the reconstruction itself, judged by :func:`ae_jax.losses.squared_error`.

    Example:
      >>> SquaredError()(jnp.zeros((1, 2)), jnp.ones((1, 2)))
      Array([2.], dtype=float32)
    """

    name: ClassVar[str] = "squared_error"
    outputs: ClassVar[int] = 1
    unit_interval: ClassVar[bool] = False

    def __call__(self, outputs: Outputs, x: Examples) -> Float[Array, " batch"]:
        return losses.squared_error(outputs, x)

    def mean(self, outputs: Outputs) -> Examples:
        return outputs


@component
class BernoulliLikelihood:
    """Outputs are log-odds of binary features, judged by :func:`ae_jax.losses.bernoulli_nll`, in nats.

    Example:
      >>> BernoulliLikelihood().mean(jnp.zeros((1, 2)))
      Array([[0.5, 0.5]], dtype=float32)
    """

    name: ClassVar[str] = "bernoulli_nll"
    outputs: ClassVar[int] = 1
    unit_interval: ClassVar[bool] = True

    def __call__(self, outputs: Outputs, x: Examples) -> Float[Array, " batch"]:
        return losses.bernoulli_nll(outputs, x)

    def mean(self, outputs: Outputs) -> Examples:
        return jax.nn.sigmoid(outputs)

    def sample(self, key: Key, outputs: Outputs) -> Examples:
        return jax.random.bernoulli(key, jax.nn.sigmoid(outputs)).astype(outputs.dtype)


@component
class GaussianLikelihood:
    """Outputs are means of Gaussian features of one fixed scale, judged by :func:`ae_jax.losses.gaussian_nll`, in nats.

    Example:
      >>> GaussianLikelihood(scale=1.0)(jnp.zeros((1, 2)), jnp.ones((1, 2))).round(4)
      Array([2.8379], dtype=float32)
    """

    name: ClassVar[str] = "gaussian_nll"
    outputs: ClassVar[int] = 1
    unit_interval: ClassVar[bool] = False
    scale: Number = 1.0

    def __post_init__(self) -> None:
        require_positive(self, scale=self.scale)

    def __call__(self, outputs: Outputs, x: Examples) -> Float[Array, " batch"]:
        return losses.gaussian_nll(outputs, x, jnp.log(self.scale))

    def mean(self, outputs: Outputs) -> Examples:
        return outputs

    def sample(self, key: Key, outputs: Outputs) -> Examples:
        return outputs + self.scale * jax.random.normal(key, outputs.shape, outputs.dtype)


@component
class LearnedGaussianLikelihood:
    r"""Outputs are mean and scale of each Gaussian feature, judged by :func:`ae_jax.losses.gaussian_nll`, in nats.

    The second output s gives :math:`\log\sigma = m + \mathrm{softplus}(s - m)` with m the smallest log-scale, so that
    a feature that is reconstructed exactly does not send the likelihood to infinity.

    Example:
      >>> LearnedGaussianLikelihood().mean(jnp.zeros((1, 3, 2))).shape
      (1, 3)
    """

    name: ClassVar[str] = "gaussian_nll"
    outputs: ClassVar[int] = 2
    unit_interval: ClassVar[bool] = False
    smallest_log_scale: Number = -4.0

    def __post_init__(self) -> None:
        require_number(self, smallest_log_scale=self.smallest_log_scale)

    def __call__(self, outputs: Outputs, x: Examples) -> Float[Array, " batch"]:
        return losses.gaussian_nll(outputs[..., 0], x, _floored(outputs[..., 1], self.smallest_log_scale))

    def mean(self, outputs: Outputs) -> Examples:
        return outputs[..., 0]

    def sample(self, key: Key, outputs: Outputs) -> Examples:
        scale = jnp.exp(_floored(outputs[..., 1], self.smallest_log_scale))
        return outputs[..., 0] + scale * jax.random.normal(key, scale.shape, scale.dtype)


@component
class LaplaceLikelihood:
    """Outputs are medians of Laplace features of one fixed scale, judged by :func:`ae_jax.losses.laplace_nll`, in nats.

    Example:
      >>> round(float(LaplaceLikelihood(scale=1.0)(jnp.zeros((1, 2)), jnp.ones((1, 2)))[0]), 4)
      3.3863
    """

    name: ClassVar[str] = "laplace_nll"
    outputs: ClassVar[int] = 1
    unit_interval: ClassVar[bool] = False
    scale: Number = 1.0

    def __post_init__(self) -> None:
        require_positive(self, scale=self.scale)

    def __call__(self, outputs: Outputs, x: Examples) -> Float[Array, " batch"]:
        return losses.laplace_nll(outputs, x, jnp.log(self.scale))

    def mean(self, outputs: Outputs) -> Examples:
        return outputs

    def sample(self, key: Key, outputs: Outputs) -> Examples:
        return outputs + self.scale * jax.random.laplace(key, outputs.shape, outputs.dtype)


@component
class OptimalGaussianLikelihood:
    """Outputs are means of Gaussian features of the scale that makes each example most likely.

    Judged by :func:`ae_jax.losses.optimal_gaussian_nll`, in nats. The scale depends on the example, so that it is no
    density, and log-likelihoods are not estimated with it.

    Example:
      >>> OptimalGaussianLikelihood()(jnp.zeros((1, 2)), jnp.ones((1, 2))).round(4)
      Array([2.8379], dtype=float32)
    """

    name: ClassVar[str] = "gaussian_nll"
    outputs: ClassVar[int] = 1
    unit_interval: ClassVar[bool] = False
    smallest_log_scale: Number = -6.0

    def __post_init__(self) -> None:
        require_number(self, smallest_log_scale=self.smallest_log_scale)

    def __call__(self, outputs: Outputs, x: Examples) -> Float[Array, " batch"]:
        return losses.optimal_gaussian_nll(outputs, x, self.smallest_log_scale)

    def mean(self, outputs: Outputs) -> Examples:
        return outputs


@component
class StudentTLikelihood:
    r"""Outputs are location, scale and degrees of freedom of each Student-t feature, for data with outliers.

    Judged by :func:`ae_jax.losses.student_t_nll`, in nats. The second output a and the third b give the scale
    :math:`s_0 + \mathrm{softplus}(a)` and the degrees of freedom :math:`\nu_0 + \mathrm{softplus}(b)`.

    Example:
      >>> StudentTLikelihood().mean(jnp.zeros((1, 3, 3))).shape
      (1, 3)

    References:
      Mattei and Frellsen, *MIWAE: deep generative modelling and imputation of incomplete data sets*, ICML 2019.
    """

    name: ClassVar[str] = "student_t_nll"
    outputs: ClassVar[int] = 3
    unit_interval: ClassVar[bool] = False
    smallest_scale: Number = 1e-3
    least_freedom: Number = 3.0

    def __post_init__(self) -> None:
        require_positive(self, smallest_scale=self.smallest_scale, least_freedom=self.least_freedom)

    def __call__(self, outputs: Outputs, x: Examples) -> Float[Array, " batch"]:
        scale, freedom = self._scale_and_freedom(outputs)
        return losses.student_t_nll(outputs[..., 0], x, jnp.log(scale), freedom)

    def mean(self, outputs: Outputs) -> Examples:
        return outputs[..., 0]

    def sample(self, key: Key, outputs: Outputs) -> Examples:
        scale, freedom = self._scale_and_freedom(outputs)
        return outputs[..., 0] + scale * jax.random.t(key, freedom, scale.shape, scale.dtype)

    def _scale_and_freedom(self, outputs: Outputs) -> tuple[Array, Array]:
        scale, freedom = jax.nn.softplus(outputs[..., 1]), jax.nn.softplus(outputs[..., 2])
        return scale + self.smallest_scale, freedom + self.least_freedom


@component
class DiscretisedLogisticLikelihood:
    r"""Outputs are location and scale of each feature, a logistic variable rounded to equal steps from 0 to 1.

    Judged by :func:`ae_jax.losses.discretised_logistic_nll`, in nats: the probability of bytes over 255. The second
    output s gives :math:`\log s = m + \mathrm{softplus}(s - m)` with m the smallest log-scale.

    Attributes:
      levels: number of values, 256 for bytes.
      smallest_log_scale: the least logarithm of the scale.

    Raises:
      InvalidInput: fewer than two levels.

    Example:
      >>> DiscretisedLogisticLikelihood(levels=17).mean(jnp.full((1, 3, 2), 0.5)).shape  # counts from 0 to 16
      (1, 3)

    References:
      Kingma et al., *Improving variational inference with inverse autoregressive flow*, NIPS 2016.
    """

    name: ClassVar[str] = "discretised_logistic_nll"
    outputs: ClassVar[int] = 2
    unit_interval: ClassVar[bool] = True
    levels: int = static(default=256)
    smallest_log_scale: Number = -7.0

    def __post_init__(self) -> None:
        require_number(self, smallest_log_scale=self.smallest_log_scale)
        if size(self, "levels", self.levels) < 2:
            raise InvalidInput(f"{type(self).__name__} was given levels={self.levels}: expected at least 2.")

    def __call__(self, outputs: Outputs, x: Examples) -> Float[Array, " batch"]:
        log_scale = _floored(outputs[..., 1], self.smallest_log_scale)
        return losses.discretised_logistic_nll(outputs[..., 0], x, log_scale, self.levels)

    def mean(self, outputs: Outputs) -> Examples:
        return jnp.clip(outputs[..., 0], 0.0, 1.0)

    def sample(self, key: Key, outputs: Outputs) -> Examples:
        scale = jnp.exp(_floored(outputs[..., 1], self.smallest_log_scale))
        drawn = outputs[..., 0] + scale * jax.random.logistic(key, scale.shape, scale.dtype)
        return jnp.clip(jnp.round(drawn * (self.levels - 1)) / (self.levels - 1), 0.0, 1.0)


@component
class MultiScaleSSIM:
    """Outputs are log-odds of pixels in [0, 1], judged by 1 less :func:`ae_jax.losses.multiscale_ssim`.

    The loss is at most 1, whatever the number of pixels: under an evidence lower bound, give the divergence a small
    weight, such as ``beta=0.01``.

    Example:
      >>> MultiScaleSSIM()(jnp.zeros((1, 8, 8)), jnp.full((1, 8, 8), 0.5))
      Array([0.], dtype=float32)

    References:
      Snell et al., *Learning to generate images with perceptual similarity metrics*, ICIP 2017.
    """

    name: ClassVar[str] = "ms_ssim_loss"
    outputs: ClassVar[int] = 1
    unit_interval: ClassVar[bool] = True

    def __call__(self, outputs: Outputs, x: Examples) -> Float[Array, " batch"]:
        return 1.0 - losses.multiscale_ssim(jax.nn.sigmoid(outputs), x)

    def mean(self, outputs: Outputs) -> Examples:
        return jax.nn.sigmoid(outputs)


NO_DENSITY = (SquaredError, OptimalGaussianLikelihood, MultiScaleSSIM)
"""Likelihoods that are errors rather than normalised distributions."""

DISCRETE = (BernoulliLikelihood, DiscretisedLogisticLikelihood)
"""Likelihoods that are probabilities rather than densities."""


def _floored(value: Array, least: Number) -> Array:
    """A value where it is well above the least, and never below it."""
    return jax.nn.softplus(value - least) + least
