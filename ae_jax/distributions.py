"""Posteriors: the distributions over latents that stochastic encoders return, and components that make other families.

Encoders give diagonal Gaussians unless their networks name another family, as ``MLP(stochastic=True,
posterior=FullCovariance())`` does; :mod:`ae_jax.flows` has more.
"""

import math
from collections.abc import Hashable
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ae_jax.components import component
from ae_jax.errors import InvalidInput
from ae_jax.losses import gaussian_kl, gaussian_kl_between, gaussian_nll, sphere
from ae_jax.types import Key


@runtime_checkable
class Posterior(Protocol):
    """A distribution over the latents of each example: its mean, and a reparameterised draw with its log-density.

    A family whose density is known at every latent has ``log_prob(z)``, too; one whose divergence from the standard
    normal is closed form has ``kl()``.
    """

    @property
    def mean(self) -> Float[Array, "batch *latent"]: ...

    def sample(self, key: Key) -> Float[Array, "batch *latent"]: ...

    def sample_and_log_prob(self, key: Key) -> tuple[Float[Array, "batch *latent"], Float[Array, " batch"]]: ...


def log_scale_of(outputs: Float[Array, "*any"]) -> Float[Array, "*any"]:
    r"""Returns the log-scales that an encoder's unbounded outputs stand for.

    .. math:: \sigma = e^a \; (a \le 0), \quad 1 + a \; (a > 0)

    A posterior narrower than the standard normal has the usual exponential; a wider one grows linearly, so that an
    extreme example (a standardised feature at 80 standard deviations, say) does not overflow the loss.

    Example:
      >>> [round(float(scale), 3) for scale in jnp.exp(log_scale_of(jnp.array([-1.0, 0.0, 9.0])))]
      [0.368, 1.0, 10.0]
    """
    return jnp.where(outputs > 0, jnp.log1p(jnp.maximum(outputs, 0)), outputs)


class DiagonalGaussian(NamedTuple):
    r"""A Gaussian with independent components for each example.

    .. math:: q(z | x) = \prod_j \mathcal{N}(z_j; \mu_j(x), \sigma_j(x)^2)

    Attributes:
      mean: ``[batch, *latent]``.
      log_scale: natural logarithm of the standard deviation, ``[batch, *latent]``.

    Example:
      >>> posterior = DiagonalGaussian(jnp.zeros((1, 2)), jnp.zeros((1, 2)))
      >>> posterior.kl(), posterior.sample(jax.random.key(0)).shape
      (Array([0.], dtype=float32), (1, 2))

    References:
      Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014.
    """

    mean: Float[Array, "batch *latent"]
    log_scale: Float[Array, "batch *latent"]

    def sample(self, key: Key) -> Float[Array, "batch *latent"]:
        """A draw for each example, differentiable in mean and scale (reparameterised), of the shape of the mean."""
        return self.mean + jnp.exp(self.log_scale) * jax.random.normal(key, self.mean.shape, self.mean.dtype)

    def sample_and_log_prob(self, key: Key) -> tuple[Float[Array, "batch *latent"], Float[Array, " batch"]]:
        """A draw for each example and its log-density, in nats."""
        z = self.sample(key)
        return z, self.log_prob(z)

    def log_prob(self, z: Float[Array, "batch *latent"]) -> Float[Array, " batch"]:
        """Log-density of each example's latent, in nats, ``[batch]``.

        A draw is rounded to the numbers of its type: where the scale is below that rounding (in 32 bits 1e-7 of the
        mean), its density is that of the rounded draw.
        """
        return -gaussian_nll(self.mean, z, self.log_scale)

    def kl(self, other: "DiagonalGaussian | None" = None) -> Float[Array, " batch"]:
        """Divergence from another Gaussian, by default from the standard normal, in nats, ``[batch]``."""
        mean, log_scale = (values.reshape(len(values), -1) for values in self)
        if other is None:
            return gaussian_kl(mean, log_scale)
        return gaussian_kl_between(mean, log_scale, *(values.reshape(len(values), -1) for values in other))


@runtime_checkable
class PosteriorBuilder(Hashable, Protocol):
    """A family of posteriors: a component, all of its fields static, that builds the last part of an encoder.

    Called with the number of latents and random streams it gives a module with the attribute ``inputs``, the number of
    outputs of the encoder for each example, which maps these outputs, ``[batch, inputs]``, to a posterior.
    """

    def __call__(self, code: int, rngs: nnx.Rngs) -> nnx.Module: ...


class FullGaussian(NamedTuple):
    r"""A Gaussian of any covariance for each example.

    .. math:: q(z | x) = \mathcal{N}(z; \mu(x), L(x) L(x)^\top)

    Attributes:
      mean: ``[batch, latent]``.
      factor: L, lower triangular with a positive diagonal, ``[batch, latent, latent]``.

    Example:
      >>> posterior = FullGaussian(jnp.zeros((1, 2)), 2.0 * jnp.eye(2)[None])
      >>> round(float(posterior.kl()[0]), 4), round(float(posterior.log_prob(jnp.zeros((1, 2)))[0]), 4)
      (1.6137, -3.2242)

    References:
      Kingma and Welling, *An introduction to variational autoencoders*, 2019, section 2.5.1.
    """

    mean: Float[Array, "batch latent"]
    factor: Float[Array, "batch latent latent"]

    def sample(self, key: Key) -> Float[Array, "batch latent"]:
        """A draw for each example, differentiable in mean and factor (reparameterised)."""
        noise = jax.random.normal(key, self.mean.shape, self.mean.dtype)
        return self.mean + jnp.einsum("bij,bj->bi", self.factor, noise)

    def sample_and_log_prob(self, key: Key) -> tuple[Float[Array, "batch latent"], Float[Array, " batch"]]:
        """A draw for each example and its log-density, in nats."""
        z = self.sample(key)
        return z, self.log_prob(z)

    def log_prob(self, z: Float[Array, "batch latent"]) -> Float[Array, " batch"]:
        """Log-density of each example's latent, in nats, ``[batch]``."""
        whitened = jax.scipy.linalg.solve_triangular(self.factor, (z - self.mean)[..., None], lower=True)[..., 0]
        constant = 0.5 * math.log(2.0 * math.pi) * z.shape[-1]
        return -0.5 * jnp.sum(jnp.square(whitened), axis=-1) - self._log_diagonal() - constant

    def kl(self) -> Float[Array, " batch"]:
        r"""Divergence from the standard normal in nats, ``[batch]``.

        .. math:: \tfrac12 (\|\mu\|^2 + \|L\|_F^2 - k) - \sum_j \log L_{jj}
        """
        squares = jnp.sum(jnp.square(self.mean), axis=-1) + jnp.sum(jnp.square(self.factor), axis=(-2, -1))
        return 0.5 * (squares - self.mean.shape[-1]) - self._log_diagonal()

    def _log_diagonal(self) -> Float[Array, " batch"]:
        return jnp.sum(jnp.log(jnp.diagonal(self.factor, axis1=-2, axis2=-1)), axis=-1)


@component
class FullCovariance:
    """Posteriors of any covariance, :class:`FullGaussian`: the encoder gives every entry of the factor.

    Entries below the diagonal are the encoder's outputs over the number of latents, so that training starts near
    independent latents.

    Example:
      >>> FullCovariance()(3, nnx.Rngs(0)).inputs  # three means, three log-scales, three entries below them
      9
    """

    def __call__(self, code: int, rngs: nnx.Rngs) -> "FullCovarianceHead":
        return FullCovarianceHead(code)


class FullCovarianceHead(nnx.Module):
    """Makes full Gaussians of means, logarithms of the factor's diagonal, and the entries below it."""

    def __init__(self, code: int):
        self.code, self.inputs = code, 2 * code + code * (code - 1) // 2

    def __call__(self, outputs: Float[Array, "batch inputs"]) -> FullGaussian:
        mean, log_diagonal, below = jnp.split(outputs, [self.code, 2 * self.code], axis=1)
        rows, columns = jnp.tril_indices(self.code, -1)
        factor = jax.vmap(jnp.diag)(jnp.exp(log_scale_of(log_diagonal))).at[:, rows, columns].set(below / self.code)
        return FullGaussian(mean, factor)


class VonMisesFisher(NamedTuple):
    r"""A von Mises-Fisher distribution on the unit sphere for each example; densities are per area of the sphere.

    .. math:: q(z | x) \propto e^{\kappa(x) \mu(x)^\top z}, \quad \|z\| = \|\mu(x)\| = 1

    Attributes:
      mean: the mean direction mu, ``[batch, latent]``; the mean itself is inside the sphere.
      concentration: kappa, ``[batch]``.

    Example:
      >>> posterior = VonMisesFisher(jnp.array([[1.0, 0.0, 0.0]]), jnp.array([5.0]))
      >>> z, _ = posterior.sample_and_log_prob(jax.random.key(0))
      >>> jnp.linalg.norm(z, axis=1).round(4)
      Array([1.], dtype=float32)

    References:
      Davidson et al., *Hyperspherical variational auto-encoders*, UAI 2018.
    """

    mean: Float[Array, "batch latent"]
    concentration: Float[Array, " batch"]
    on_sphere = True

    def sample(self, key: Key) -> Float[Array, "batch latent"]:
        """A draw for each example, differentiable in direction and concentration (reparameterised)."""
        angle_key, tangent_key = jax.random.split(key)
        uniform = jax.random.uniform(angle_key, self.concentration.shape, self.mean.dtype)
        angle = sphere.von_mises_fisher_angle(uniform, self.concentration, self.mean.shape[1])[:, None]
        noise = jax.random.normal(tangent_key, self.mean.shape, self.mean.dtype)
        tangent = direction(noise - jnp.sum(noise * self.mean, axis=1, keepdims=True) * self.mean)
        return direction(jnp.cos(angle) * self.mean + jnp.sin(angle) * tangent)

    def sample_and_log_prob(self, key: Key) -> tuple[Float[Array, "batch latent"], Float[Array, " batch"]]:
        """A draw for each example and its log-density, in nats."""
        z = self.sample(key)
        return z, self.log_prob(z)

    def log_prob(self, z: Float[Array, "batch latent"]) -> Float[Array, " batch"]:
        """Log-density of each example's latent, which is on the sphere, in nats, ``[batch]``."""
        normaliser = sphere.von_mises_fisher_log_normaliser(self.concentration, z.shape[1])
        # Half the squared distance is 1 - cos without its cancellation.
        return -0.5 * self.concentration * jnp.sum(jnp.square(z - self.mean), axis=1) - normaliser

    def kl(self) -> Float[Array, " batch"]:
        """Divergence from the uniform distribution on the sphere in nats, ``[batch]``."""
        return sphere.von_mises_fisher_kl(self.concentration, self.mean.shape[1])


def direction(x: Float[Array, "batch latent"]) -> Float[Array, "batch latent"]:
    """Rows of unit length."""
    return x / jnp.sqrt(jnp.sum(jnp.square(x), axis=1, keepdims=True) + 1e-12)


@component
class Spherical:
    """Posteriors on the unit sphere, :class:`VonMisesFisher`; the prior is :class:`ae_jax.priors.UniformSphere`.

    Raises:
      InvalidInput: (when built) a code of one unit, whose sphere is two points.

    Example:
      >>> Spherical()(3, nnx.Rngs(0)).inputs
      4
    """

    def __call__(self, code: int, rngs: nnx.Rngs) -> "SphericalHead":
        return SphericalHead(code)


class SphericalHead(nnx.Module):
    """Makes von Mises-Fisher distributions of directions of any length and of concentrations, which are above 1."""

    def __init__(self, code: int):
        if code < 2:
            raise InvalidInput("Spherical was given a code of one unit: expected two or more, for a sphere to be on.")
        self.inputs = code + 1

    def __call__(self, outputs: Float[Array, "batch inputs"]) -> VonMisesFisher:
        return VonMisesFisher(direction(outputs[:, :-1]), 1.0 + jax.nn.softplus(outputs[:, -1]))
