"""Likelihoods: the reconstruction loss of a decoder's outputs, and the reconstruction that they stand for."""

from typing import ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax import losses
from ae_jax._checks import require_number, require_positive
from ae_jax.components import component
from ae_jax.types import Number

Outputs = Float[Array, "batch *rest"]
Examples = Float[Array, "batch *features"]


@runtime_checkable
class Likelihood(Protocol):
    """A loss of decoder outputs against data, and the reconstruction that the outputs stand for.

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
        log_scale = self.smallest_log_scale + jax.nn.softplus(outputs[..., 1] - self.smallest_log_scale)
        return losses.gaussian_nll(outputs[..., 0], x, log_scale)

    def mean(self, outputs: Outputs) -> Examples:
        return outputs[..., 0]


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
