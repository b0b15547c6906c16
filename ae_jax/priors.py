"""Priors over latents: components that build the part ``prior`` of a model."""

import math
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ae_jax._checks import size, widths
from ae_jax.components import component, static
from ae_jax.distributions import DiagonalGaussian, FullGaussian, VonMisesFisher, direction
from ae_jax.errors import InvalidInput, require_known
from ae_jax.flows import Flow
from ae_jax.losses.sphere import log_sphere_area
from ae_jax.types import Key, Shape


@runtime_checkable
class Prior(Protocol):
    """The part ``prior`` of a model: a distribution over latents.

    ``log_prob`` is the log-density of each latent in nats, ``sample`` draws n latents, and ``kl`` is the divergence of
    each example's posterior from the prior in nats, or None where there is no closed form.
    """

    def log_prob(self, z: Float[Array, "batch *latent"]) -> Float[Array, " batch"]: ...

    def sample(self, key: Key, n: int) -> Float[Array, "{n} *latent"]: ...

    def kl(self, posterior: Any) -> Float[Array, " batch"] | None: ...


@component
class StandardNormal:
    r"""The standard normal prior.

    .. math:: p(z) = \mathcal{N}(z; 0, I)

    Example:
      >>> prior = StandardNormal()(None, (8,), (2,), nnx.Rngs(0))
      >>> prior.sample(jax.random.key(0), 3).shape, round(float(prior.log_prob(jnp.zeros((1, 2)))[0]), 4)
      ((3, 2), -1.8379)

    References:
      Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014.
    """

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "StandardNormalPrior":
        return StandardNormalPrior(code)


class StandardNormalPrior(nnx.Module):
    """The prior that :class:`StandardNormal` describes, for one shape of the code."""

    def __init__(self, code: Shape):
        self.code = code

    def log_prob(self, z: Float[Array, "batch *latent"]) -> Float[Array, " batch"]:
        """Log-density of each latent, in nats."""
        return _normal_log_prob(z.reshape(len(z), -1))

    def sample(self, key: Key, n: int) -> Float[Array, "{n} *latent"]:
        """Draws n latents."""
        return jax.random.normal(key, (n, *self.code))

    def kl(self, posterior: Any) -> Float[Array, " batch"] | None:
        """Divergence of a Gaussian posterior, in nats; None for other posteriors."""
        return posterior.kl() if isinstance(posterior, DiagonalGaussian | FullGaussian) else None


def _normal_log_prob(z: Float[Array, "batch units"]) -> Float[Array, " batch"]:
    return -jnp.sum(0.5 * jnp.square(z) + 0.5 * math.log(2.0 * math.pi), axis=1)


@component
class GaussianMixture:
    r"""A mixture of diagonal Gaussians whose weights, means and scales are trained; of one component, a learned normal.

    .. math:: p(z) = \sum_k \pi_k \, \mathcal{N}(z; m_k, \mathrm{diag}(s_k^2))

    Means start as draws of the standard normal and scales at 1.

    Attributes:
      components: K.

    Raises:
      InvalidInput: no component.

    Example:
      >>> prior = GaussianMixture(components=10)(None, (8,), (2,), nnx.Rngs(0))
      >>> prior.sample(jax.random.key(0), 3).shape
      (3, 2)

    References:
      Dilokthanakul et al., *Deep unsupervised clustering with Gaussian mixture variational autoencoders*, 2016;
      Tomczak and Welling, *VAE with a VampPrior*, AISTATS 2018, section 4 (the mixture as a baseline).
    """

    components: int = static(default=10)

    def __post_init__(self) -> None:
        size(self, "components", self.components)

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "GaussianMixturePrior":
        return GaussianMixturePrior(self.components, code, rngs)


class GaussianMixturePrior(nnx.Module):
    """The prior that :class:`GaussianMixture` describes, for one shape of the code."""

    def __init__(self, components: int, code: Shape, rngs: nnx.Rngs):
        self.code = code
        means = jax.random.normal(rngs.params(), (components, math.prod(code)))
        self.means = nnx.Param(means if components > 1 else jnp.zeros_like(means))
        self.log_scales = nnx.Param(jnp.zeros_like(means))
        self.logits = nnx.Param(jnp.zeros(components))

    def log_prob(self, z: Float[Array, "batch *latent"]) -> Float[Array, " batch"]:
        """Log-density of each latent, in nats."""
        components = DiagonalGaussian(self.means[...], self.log_scales[...])
        rows = z.reshape(len(z), -1)
        densities = jax.vmap(lambda one: components.log_prob(jnp.broadcast_to(one[None], components.mean.shape)))(rows)
        return jax.nn.logsumexp(densities + jax.nn.log_softmax(self.logits[...])[None], axis=1)

    def sample(self, key: Key, n: int) -> Float[Array, "{n} *latent"]:
        """Draws n latents, each of a component by the weights."""
        choice_key, sample_key = jax.random.split(key)
        chosen = jax.random.categorical(choice_key, self.logits[...], shape=(n,))
        draws = DiagonalGaussian(self.means[...][chosen], self.log_scales[...][chosen]).sample(sample_key)
        return draws.reshape(n, *self.code)

    def kl(self, posterior: Any) -> Float[Array, " batch"] | None:
        """Divergence of a diagonal Gaussian posterior from a single component, in nats; None for several."""
        if len(self.logits[...]) > 1 or not isinstance(posterior, DiagonalGaussian):
            return None
        shape = (len(posterior.mean), *self.code)
        mean, log_scale = (
            jnp.broadcast_to(of.reshape(self.code), shape) for of in (self.means[...], self.log_scales[...])
        )
        return posterior.kl(DiagonalGaussian(mean, log_scale))


FLOWS = ("coupling", "autoregressive")


@component
class FlowPrior:
    r"""A standard normal that a trained flow maps to the latents.

    .. math:: \log p(z) = \log \mathcal{N}(f(z); 0, I) + \log |\det \partial f(z) / \partial z|

    Attributes:
      kind: ``"coupling"`` for a RealNVP, whose samples take two passes of each step, or ``"autoregressive"`` for a
        masked autoregressive flow, whose samples take a pass of each step for each unit.
      steps: of :class:`ae_jax.flows.Flow`.
      hidden: widths of the network of each step.

    Raises:
      InvalidInput: another kind, no step, or a width not above zero.

    Example:
      >>> prior = FlowPrior(steps=2)(None, (8,), (2,), nnx.Rngs(0))  # starts as the standard normal
      >>> round(float(prior.log_prob(jnp.zeros((1, 2)))[0]), 4)
      -1.8379

    References:
      Dinh et al., *Density estimation using Real NVP*, ICLR 2017; Papamakarios et al., *Masked autoregressive flow for
      density estimation*, NeurIPS 2017; Chen et al., *Variational lossy autoencoder*, ICLR 2017 (as a prior).
    """

    kind: str = static(default="coupling")
    steps: int = static(default=4)
    hidden: tuple[int, ...] = static(default=(64,))

    def __post_init__(self) -> None:
        require_known("kind of FlowPrior", self.kind, FLOWS)
        size(self, "steps", self.steps)
        object.__setattr__(self, "hidden", widths(self, "hidden", self.hidden))

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "FlowPriorPart":
        groups = 2 if self.kind == "coupling" else math.prod(code)
        return FlowPriorPart(Flow(math.prod(code), self.steps, self.hidden, rngs, groups=groups), code)


class FlowPriorPart(nnx.Module):
    """The prior that :class:`FlowPrior` describes, for one shape of the code."""

    def __init__(self, flow: Flow, code: Shape):
        self.flow, self.code = flow, code

    def log_prob(self, z: Float[Array, "batch *latent"]) -> Float[Array, " batch"]:
        """Log-density of each latent, in nats."""
        moved, log_determinant = self.flow(z.reshape(len(z), -1))
        return _normal_log_prob(moved) + log_determinant

    def sample(self, key: Key, n: int) -> Float[Array, "{n} *latent"]:
        """Draws n latents."""
        return self.flow.inverse(jax.random.normal(key, (n, math.prod(self.code)))).reshape(n, *self.code)

    def kl(self, posterior: Any) -> None:
        """None: the divergence has no closed form and is estimated from latents."""


@component
class UniformSphere:
    r"""The uniform prior on the unit sphere, for posteriors there, :class:`ae_jax.distributions.Spherical`.

    .. math:: p(z) = 1 / |S^{m-1}|, \quad \|z\| = 1

    Raises:
      InvalidInput: (when built) a code of one unit.

    Example:
      >>> prior = UniformSphere()(None, (8,), (3,), nnx.Rngs(0))
      >>> round(float(prior.log_prob(jnp.array([[1.0, 0.0, 0.0]]))[0]), 4)  # -log 4 pi
      -2.531

    References:
      Davidson et al., *Hyperspherical variational auto-encoders*, UAI 2018.
    """

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "UniformSpherePrior":
        return UniformSpherePrior(code)


class UniformSpherePrior(nnx.Module):
    """The prior that :class:`UniformSphere` describes, for one size of the code."""

    on_sphere = True

    def __init__(self, code: Shape):
        if len(code) != 1 or code[0] < 2:
            raise InvalidInput(f"UniformSphere was given a code of shape {code}: expected one size, of two or more.")
        self.code = code

    def log_prob(self, z: Float[Array, "batch latent"]) -> Float[Array, " batch"]:
        """Log-density of each latent per area of the sphere, in nats."""
        return jnp.full(len(z), -log_sphere_area(self.code[0]), z.dtype)

    def sample(self, key: Key, n: int) -> Float[Array, "{n} latent"]:
        """Draws n latents."""
        return direction(jax.random.normal(key, (n, *self.code)))

    def kl(self, posterior: Any) -> Float[Array, " batch"] | None:
        """Divergence of a von Mises-Fisher posterior, in nats; None for other posteriors."""
        return posterior.kl() if isinstance(posterior, VonMisesFisher) else None
