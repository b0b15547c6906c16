"""Categorical latents: their posterior, uniform prior and relaxation, alone or beside Gaussian ones."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from ae_jax._checks import require_non_negative, require_positive, size
from ae_jax.components import component, static
from ae_jax.distributions import DiagonalGaussian
from ae_jax.errors import InvalidInput
from ae_jax.networks import PartBuilder
from ae_jax.objectives.base import Objective, weighted_sum
from ae_jax.objectives.elbo import nll_of_latents
from ae_jax.objectives.likelihoods import BernoulliLikelihood, Likelihood
from ae_jax.schedules import value_at
from ae_jax.types import Batch, Key, Metrics, Shape, Weight


class Categorical(NamedTuple):
    r"""Independent categorical variables for each example, one-hot and flat: ``[batch, variables * classes]``.

    .. math:: q(z | x) = \prod_v \pi_{v, k_v}(x), \quad \pi_v = \mathrm{softmax}(l_v)

    Attributes:
      logits: ``[batch, variables, classes]``.

    Example:
      >>> posterior = Categorical(jnp.zeros((1, 2, 4)))
      >>> posterior.kl(), posterior.sample(jax.random.key(0)).sum()
      (Array([0.], dtype=float32), Array(2., dtype=float32))

    References:
      Jang et al., *Categorical reparameterization with Gumbel-softmax*, ICLR 2017;
      Maddison et al., *The concrete distribution*, ICLR 2017.
    """

    logits: Float[Array, "batch variables classes"]

    @property
    def mean(self) -> Float[Array, "batch latent"]:
        """The probability of each class."""
        return jax.nn.softmax(self.logits).reshape(len(self.logits), -1)

    def indices(self) -> Int[Array, "batch variables"]:
        """The most probable class of each variable."""
        return jnp.argmax(self.logits, axis=-1)

    def sample(self, key: Key) -> Float[Array, "batch latent"]:
        """A one-hot draw for each example, without a gradient."""
        drawn = jax.random.categorical(key, self.logits)
        return jax.nn.one_hot(drawn, self.logits.shape[-1], dtype=self.logits.dtype).reshape(len(drawn), -1)

    def relaxed(self, key: Key, temperature: Any) -> Float[Array, "batch latent"]:
        r"""A draw that is differentiable in the logits, near one-hot at a low temperature.

        .. math:: z_v = \mathrm{softmax}((l_v + g_v) / \tau), \quad g \sim \mathrm{Gumbel}(0, 1)
        """
        noise = jax.random.gumbel(key, self.logits.shape, self.logits.dtype)
        return jax.nn.softmax((self.logits + noise) / temperature).reshape(len(noise), -1)

    def sample_and_log_prob(self, key: Key) -> tuple[Float[Array, "batch latent"], Float[Array, " batch"]]:
        """A one-hot draw for each example and its log-probability, in nats."""
        z = self.sample(key)
        return z, self.log_prob(z)

    def log_prob(self, z: Float[Array, "batch latent"]) -> Float[Array, " batch"]:
        """Log-probability of one-hot latents, in nats."""
        return jnp.sum(z.reshape(self.logits.shape) * jax.nn.log_softmax(self.logits), axis=(1, 2))

    def kl(self) -> Float[Array, " batch"]:
        r"""Divergence from the uniform distribution, in nats: :math:`\sum_v \log K - H(\pi_v)`."""
        log_share = jax.nn.log_softmax(self.logits)
        terms = jnp.sum(jnp.exp(log_share) * log_share, axis=-1) + math.log(self.logits.shape[-1])
        return jnp.sum(terms, axis=-1)


class Joint(NamedTuple):
    """Gaussian and categorical latents side by side.

    Attributes:
      continuous: the Gaussian ones, the first units of the code.
      discrete: the categorical ones.
    """

    continuous: DiagonalGaussian
    discrete: Categorical

    @property
    def mean(self) -> Float[Array, "batch latent"]:
        return jnp.concatenate([self.continuous.mean, self.discrete.mean], axis=1)

    def indices(self) -> Int[Array, "batch variables"]:
        return self.discrete.indices()

    def sample(self, key: Key) -> Float[Array, "batch latent"]:
        one, two = jax.random.split(key)
        return jnp.concatenate([self.continuous.sample(one), self.discrete.sample(two)], axis=1)

    def relaxed(self, key: Key, temperature: Any) -> Float[Array, "batch latent"]:
        """A differentiable draw."""
        one, two = jax.random.split(key)
        return jnp.concatenate([self.continuous.sample(one), self.discrete.relaxed(two, temperature)], axis=1)

    def sample_and_log_prob(self, key: Key) -> tuple[Float[Array, "batch latent"], Float[Array, " batch"]]:
        z = self.sample(key)
        return z, self.log_prob(z)

    def log_prob(self, z: Float[Array, "batch latent"]) -> Float[Array, " batch"]:
        units = self.continuous.mean.shape[1]
        return self.continuous.log_prob(z[:, :units]) + self.discrete.log_prob(z[:, units:])

    def kl(self) -> Float[Array, " batch"]:
        return self.continuous.kl() + self.discrete.kl()


@component
class Categories:
    """Builds the parts of categorical latents: as ``bottleneck`` the posterior, as ``prior`` the uniform distribution.

    Attributes:
      classes: number of values of each variable; the units of the code after ``continuous`` are variables of as many.
      continuous: number of Gaussian latents, the first units of the code, whose encoder is stochastic.
      prior: whether the prior is built, not the posterior.

    Raises:
      InvalidInput: fewer than two classes, or (when built) a code that they do not divide.
    """

    classes: int = static(default=10)
    continuous: int = static(default=0)
    prior: bool = static(default=False)

    def __post_init__(self) -> None:
        if size(self, "classes", self.classes) < 2:
            raise InvalidInput(f"Categories was given classes={self.classes}: expected at least two.")

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> nnx.Module:
        discrete = math.prod(code) - self.continuous
        if discrete < 1 or discrete % self.classes:
            raise InvalidInput(
                f"Categories was given classes={self.classes}, and {discrete} units of the code for them: expected a "
                "divisor of the number of units."
            )
        return (UniformPrior if self.prior else CategoricalBottleneck)(self, discrete // self.classes)


class CategoricalBottleneck(nnx.Module):
    """The part ``bottleneck`` that :class:`Categories` describes: the encoder's outputs as a posterior."""

    def __init__(self, config: Categories, variables: int):
        self.config, self.variables = config, variables

    def __call__(self, code: Any) -> Categorical | Joint:
        """The posterior; of a stochastic encoder the first means and scales are Gaussian, the other means logits."""
        units, shape = self.config.continuous, (self.variables, self.config.classes)
        if not units:
            return Categorical(code.reshape(len(code), *shape))
        gaussian = DiagonalGaussian(code.mean[:, :units], code.log_scale[:, :units])
        return Joint(gaussian, Categorical(code.mean[:, units:].reshape(-1, *shape)))

    def indices(self, code: Any) -> Int[Array, "batch 1 variables"]:
        """The most probable class of each variable; every variable is a codebook of its own."""
        return self(code).indices()[:, None]


class UniformPrior(nnx.Module):
    """The part ``prior`` that :class:`Categories` describes: uniform classes, standard normal continuous latents."""

    def __init__(self, config: Categories, variables: int):
        self.config, self.variables = config, variables

    def log_prob(self, z: Float[Array, "batch latent"]) -> Float[Array, " batch"]:
        """Log-density of each latent, in nats."""
        continuous = jax.scipy.stats.norm.logpdf(z[:, : self.config.continuous])
        return jnp.sum(continuous, axis=1) - self.variables * math.log(self.config.classes)

    def sample(self, key: Key, n: int) -> Float[Array, "{n} latent"]:
        """Draws n latents, one-hot where they are categorical."""
        one, two = jax.random.split(key)
        continuous = jax.random.normal(one, (n, self.config.continuous))
        drawn = Categorical(jnp.zeros((n, self.variables, self.config.classes))).sample(two)
        return jnp.concatenate([continuous, drawn], axis=1)

    def kl(self, posterior: Any) -> Float[Array, " batch"] | None:
        """Divergence of a categorical or joint posterior, in nats."""
        return posterior.kl()


@component
class CategoricalELBO(Objective):
    r"""Negative evidence lower bound of categorical latents, by one relaxed draw, in nats.

    .. math:: -\log p(x | z) + \beta \, \mathrm{KL}(q(z|x) \| p(z)), \quad z \text{ relaxed at temperature } \tau

    The divergence is that of the categorical variables, in closed form. Evaluation draws one-hot latents.

    Attributes:
      likelihood: p(x | z).
      categories: number of classes, and of Gaussian latents beside.
      beta: weight of the divergence.
      temperature: of the relaxation; may be a schedule.

    Raises:
      InvalidInput: a negative beta or a temperature not above zero.
    """

    bounds_evidence: ClassVar[bool | None] = True
    likelihood: Likelihood = BernoulliLikelihood()
    categories: Categories = Categories()
    beta: Weight = 1.0
    temperature: Weight = 0.5

    def __post_init__(self) -> None:
        require_non_negative(self, beta=self.beta)
        require_positive(self, temperature=self.temperature)

    @property
    def codes(self) -> int:
        """Number of classes of each variable."""
        return self.categories.classes

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        """The posterior as the bottleneck, and the prior."""
        prior = Categories(classes=self.categories.classes, continuous=self.categories.continuous, prior=True)
        return {"bottleneck": self.categories, "prior": prior}

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        posterior = model.encode(batch.x, batch.condition)
        latents = posterior.relaxed(key, value_at(self.temperature, step))[None]
        nll = nll_of_latents(self.likelihood, model, latents, batch)[0]
        return weighted_sum({self.likelihood.name: (1.0, nll)} | self.divergences(posterior, step), step)

    def divergences(self, posterior: Any, step: Any) -> dict[str, tuple[Weight, Array]]:
        """The terms that keep the posterior near the prior, weighted."""
        return {"kl": (self.beta, posterior.kl())}


@component
class JointELBO(CategoricalELBO):
    r"""Reconstruction with Gaussian and categorical latents whose divergences follow capacities, in nats.

    .. math:: -\log p(x | z, c) + \gamma \, |\mathrm{KL}(q(z|x)) - C_z| + \gamma \, |\mathrm{KL}(q(c|x)) - C_c|

    Each divergence is the mean over the batch. The capacity of the categorical latents is at most what they can carry,
    the logarithm of the number of their values.

    Attributes:
      likelihood, categories, temperature: as of :class:`CategoricalELBO`; ``beta`` is gamma.
      continuous_capacity, discrete_capacity: C_z and C_c, in nats; may be schedules.

    Raises:
      InvalidInput: a negative beta or capacity, or a temperature not above zero.
    """

    categories: Categories = Categories(continuous=10)
    beta: Weight = 30.0
    continuous_capacity: Weight = 5.0
    discrete_capacity: Weight = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_non_negative(
            self, continuous_capacity=self.continuous_capacity, discrete_capacity=self.discrete_capacity
        )

    def divergences(self, posterior: Any, step: Any) -> dict[str, tuple[Weight, Array]]:
        continuous, discrete = jnp.mean(posterior.continuous.kl()), jnp.mean(posterior.discrete.kl())
        variables, classes = posterior.discrete.logits.shape[1:]
        most = jnp.minimum(value_at(self.discrete_capacity, step), variables * math.log(classes))
        return {
            "kl_continuous": (0.0, continuous),
            "kl_discrete": (0.0, discrete),
            "continuous_gap": (self.beta, jnp.abs(continuous - value_at(self.continuous_capacity, step))),
            "discrete_gap": (self.beta, jnp.abs(discrete - most)),
        }
