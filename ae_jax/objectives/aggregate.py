"""Penalties on the aggregate posterior: of the latents of a batch, taken together."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax._checks import require_non_negative, require_positive, size
from ae_jax.components import component, static
from ae_jax.distributions import DiagonalGaussian
from ae_jax.errors import InvalidInput, require_known
from ae_jax.losses import aggregate
from ae_jax.networks import Code, deterministic
from ae_jax.types import Batch, Key, Number, Weight


@component
class TotalCorrelation:
    r"""Dependence of the latents' units on each other, by :func:`ae_jax.losses.aggregate.total_correlation`.

    .. math:: \mathrm{KL}\Big(q(z) \,\Big\|\, \prod_d q(z_d)\Big)

    Attributes:
      weight: what the bound's weight of the total correlation, which is 1, is raised by: beta - 1 of the paper.
      examples: number of training examples.
      sampling: ``"stratified"`` or ``"weighted"`` estimates of the aggregate posterior.

    Raises:
      InvalidInput: a negative weight, no example, another sampling, or (when called) another posterior than a diagonal
        Gaussian.

    Example:
      >>> TotalCorrelation(weight=5.0, examples=60_000).name
      'total_correlation'

    References:
      Chen et al., *Isolating sources of disentanglement in variational autoencoders*, NeurIPS 2018.
    """

    name: ClassVar[str] = "total_correlation"
    weight: Weight = 5.0
    examples: Number = 1000
    sampling: str = static(default="stratified")

    def __post_init__(self) -> None:
        require_non_negative(self, weight=self.weight)
        require_positive(self, examples=self.examples)
        require_known("sampling of TotalCorrelation", self.sampling, ("stratified", "weighted"))

    def __call__(self, model: Any, key: Key, batch: Batch, code: Code) -> Float[Array, " batch"]:
        mean, log_scale = (each.reshape(len(each), -1) for each in _gaussian(self, code))
        z = DiagonalGaussian(mean, log_scale).sample(key)
        standard = (z[:, None] - mean[None]) * jnp.exp(-log_scale)[None]
        densities = -0.5 * jnp.square(standard) - log_scale[None]  # a constant cancels but for its share of the weights
        densities = densities - 0.5 * jnp.log(2.0 * jnp.pi)
        return aggregate.total_correlation(densities, self.examples, stratified=self.sampling == "stratified")


@component
class DIP:
    r"""Squared distance of the latents' covariance from the identity, by :func:`ae_jax.losses.aggregate.decorrelation`.

    Of version I it is the covariance of posterior means, of version II that of latents, which has the mean posterior
    variance more on its diagonal.

    Attributes:
      weight: of squared covariances, lambda_od of the paper.
      diagonal: weight of variances relative to it, lambda_d / lambda_od; 10 is usual for I and 1 for II.
      version: ``"I"`` or ``"II"``.

    Raises:
      InvalidInput: a negative weight, another version, or (when called) a deterministic encoder for II.

    Example:
      >>> DIP(weight=10.0, version="II", diagonal=1.0).name
      'dip'

    References:
      Kumar et al., *Variational inference of disentangled latent concepts from unlabeled observations*, ICLR 2018.
    """

    name: ClassVar[str] = "dip"
    weight: Weight = 10.0
    diagonal: Number = 10.0
    version: str = static(default="I")

    def __post_init__(self) -> None:
        require_non_negative(self, weight=self.weight, diagonal=self.diagonal)
        require_known("version of DIP", self.version, ("I", "II"))

    def __call__(self, model: Any, key: Key, batch: Batch, code: Code) -> Float[Array, ""]:
        mean = deterministic(code).reshape(len(batch.x), -1)
        centred = mean - jnp.mean(mean, axis=0, keepdims=True)
        covariance = centred.T @ centred / len(mean)
        if self.version == "II":
            log_scale = _gaussian(self, code).log_scale.reshape(len(mean), -1)
            covariance = covariance + jnp.diag(jnp.mean(jnp.exp(2.0 * log_scale), axis=0))
        return aggregate.decorrelation(covariance, self.diagonal)


@component
class MMD:
    """Distance of latents from draws of the prior, :func:`ae_jax.losses.aggregate.maximum_mean_discrepancy`.

    Attributes:
      weight: lambda.
      kernel: ``"imq"`` or ``"rbf"``.

    Raises:
      InvalidInput: a negative weight, another kernel, or (when called) a model without a prior.

    Example:
      >>> MMD(kernel="rbf").name
      'mmd'

    References:
      Zhao et al., *InfoVAE*, AAAI 2019; Tolstikhin et al., *Wasserstein auto-encoders*, ICLR 2018.
    """

    name: ClassVar[str] = "mmd"
    weight: Weight = 10.0
    kernel: str = static(default="imq")

    def __post_init__(self) -> None:
        require_non_negative(self, weight=self.weight)
        require_known("kernel", self.kernel, aggregate.KERNELS)

    def __call__(self, model: Any, key: Key, batch: Batch, code: Code) -> Float[Array, ""]:
        return aggregate.maximum_mean_discrepancy(*_latents_and_prior(self, model, key, code), kernel=self.kernel)


@component
class SlicedWasserstein:
    """Mean over random directions of :func:`ae_jax.losses.aggregate.sliced_wasserstein` of latents and prior draws.

    Attributes:
      weight: lambda.
      slices: number of directions, drawn anew at every step.

    Raises:
      InvalidInput: a negative weight, no slice, or (when called) a model without a prior.

    Example:
      >>> SlicedWasserstein(slices=50).name
      'sliced_wasserstein'

    References:
      Kolouri et al., *Sliced Wasserstein auto-encoders*, ICLR 2019.
    """

    name: ClassVar[str] = "sliced_wasserstein"
    weight: Weight = 10.0
    slices: int = static(default=50)

    def __post_init__(self) -> None:
        require_non_negative(self, weight=self.weight)
        size(self, "slices", self.slices)

    def __call__(self, model: Any, key: Key, batch: Batch, code: Code) -> Float[Array, ""]:
        draw_key, slice_key = jax.random.split(key)
        latents, draws = _latents_and_prior(self, model, draw_key, code)
        directions = jax.random.normal(slice_key, (self.slices, latents.shape[1]), latents.dtype)
        directions = directions / jnp.linalg.norm(directions, axis=1, keepdims=True)
        return jnp.mean(aggregate.sliced_wasserstein(latents, draws, directions))


def _gaussian(penalty: Any, code: Code) -> DiagonalGaussian:
    if not isinstance(code, DiagonalGaussian):
        kind = "deterministic code" if isinstance(code, jax.Array) else type(code).__name__
        raise InvalidInput(
            f"{type(penalty).__name__} was given a {kind}: expected a diagonal Gaussian posterior, stochastic=True."
        )
    return code


def _latents_and_prior(penalty: Any, model: Any, key: Key, code: Code) -> tuple[Array, Array]:
    """Rows of latents, drawn where the code is a posterior, and as many draws of the prior."""
    if not hasattr(model, "prior"):
        raise InvalidInput(
            f"{type(penalty).__name__} was given a model without a prior: expected one, such as "
            "Reconstruction(prior=StandardNormal())."
        )
    own_key, prior_key = jax.random.split(key)
    latents = code if isinstance(code, jax.Array) else code.sample(own_key)
    draws = model.prior.sample(prior_key, len(latents))
    return latents.reshape(len(latents), -1), draws.reshape(len(latents), -1)
