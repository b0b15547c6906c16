"""Adversarial objectives: a critic tells two sides apart, and the networks make them alike."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ae_jax._checks import require_non_negative, require_part, require_positive, widths
from ae_jax.components import component, static
from ae_jax.distributions import Posterior
from ae_jax.networks import PartBuilder
from ae_jax.networks.functional import without_gradient
from ae_jax.objectives.base import Objective, weighted_sum
from ae_jax.objectives.elbo import sample_latents
from ae_jax.objectives.likelihoods import BernoulliLikelihood, Likelihood, SquaredError
from ae_jax.priors import StandardNormal
from ae_jax.types import Batch, Key, Metrics, Number, Shape, Weight


@component
class Critic:
    """A classifier of codes, or of examples, with leaky ReLU.

    Attributes:
      hidden: widths of its hidden layers.
      examples: whether it sees examples, flattened, instead of codes.
    """

    hidden: tuple[int, ...] = static(default=(128, 128))
    examples: bool = static(default=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", widths(self, "hidden", self.hidden))

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "CriticPart":
        return CriticPart((math.prod(shape if self.examples else code), *self.hidden, 1), rngs)


class CriticPart(nnx.Module):
    """The part that :class:`Critic` describes, for one size of its input."""

    def __init__(self, sizes: tuple[int, ...], rngs: nnx.Rngs):
        self.layers = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in pairwise(sizes)])

    def features(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch units"]:
        """The last hidden layer of each input."""
        x = x.reshape(len(x), -1)
        for layer in self.layers[:-1]:
            x = jax.nn.leaky_relu(layer(x), 0.2)
        return x

    def __call__(self, x: Float[Array, "batch *shape"]) -> Float[Array, " batch"]:
        """Log-odds that each input is of the side that is to be imitated."""
        return self.layers[-1](self.features(x))[:, 0]


def critic_loss(real: Float[Array, " batch"], made: Float[Array, " batch"]) -> Float[Array, " batch"]:
    r"""The critic's logistic loss for log-odds of both sides, in nats; log 2 where it cannot tell them apart.

    .. math:: -\tfrac{1}{2} (\log \sigma(D_r) + \log(1 - \sigma(D_m)))

    Example:
      >>> critic_loss(jnp.zeros(1), jnp.zeros(1)).round(4)
      Array([0.6931], dtype=float32)

    References:
      Goodfellow et al., *Generative adversarial nets*, NIPS 2014, eq. 1.
    """
    return 0.5 * (jax.nn.softplus(-real) + jax.nn.softplus(made))


@component
class AdversarialPrior(Objective):
    r"""Reconstruction, and a critic that tells codes from draws of the prior.

    .. math::
       \ell(g(z), x) - \lambda \log \sigma(D(z)) \text{ for the networks}, \quad
       -\tfrac{1}{2} (\log \sigma(D(\tilde z)) + \log(1 - \sigma(D(z)))) \text{ for the critic}, \quad
       \tilde z \sim p(z)

    A stochastic encoder's codes are draws of its posterior. Both players are in one scalar: the first stops the
    gradient of the critic's parameters, the second that of the codes.

    Attributes:
      likelihood: the reconstruction loss.
      weight: lambda, of the networks' loss in the game.
      critic: its layers.
      prior: p(z), a distribution that can be sampled.

    Raises:
      InvalidInput: a negative weight, or a component that is no critic or prior.
    """

    selection: ClassVar[str | None] = None
    bounds_evidence: ClassVar[bool | None] = False
    likelihood: Likelihood = SquaredError()
    weight: Weight = 1.0
    critic: Critic = Critic()
    prior: PartBuilder = StandardNormal()

    def __post_init__(self) -> None:
        require_non_negative(self, weight=self.weight)
        require_part(self, Critic, "a critic, such as Critic()", critic=self.critic)
        require_part(self, PartBuilder, "a prior, such as StandardNormal()", prior=self.prior)

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        """The prior and the critic."""
        return {"prior": self.prior, "critic": self.critic}

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        code_key, prior_key = jax.random.split(key)
        code = model.encode(batch.x, batch.condition)
        drawn = not isinstance(code, jax.Array) and isinstance(code, Posterior)
        z: Any = sample_latents(code_key, code, 1)[0] if drawn else code
        real, made = model.critic(model.prior.sample(prior_key, len(z))), model.critic(jax.lax.stop_gradient(z))
        return weighted_sum(
            {
                self.likelihood.name: (1.0, self.likelihood(model.decode(z, batch.condition), batch.x)),
                "adversary": (self.weight, jax.nn.softplus(-without_gradient(model.critic)(z))),
                "critic": (1.0, critic_loss(real, made)),
            },
            step,
        )


@component
class AdversarialELBO(Objective):
    r"""A variational autoencoder whose reconstructions are judged by the features of a critic of examples.

    .. math::
       \mathrm{KL}(q(z|x) \| p(z)) + \tfrac{1}{2} \|f(g(z)) - f(x)\|^2 \text{ for the encoder}, \quad
       \tfrac{\gamma}{2} \|f(g(z)) - f(x)\|^2 - \log \sigma(D(g(z))) - \log \sigma(D(g(\tilde z)))
       \text{ for the decoder}

    f is the critic's last hidden layer. The critic tells examples from reconstructions and from decoded draws of the
    prior, by the mean of two logistic losses, so that examples weigh as much as all that is made (in the paper, half as
    much). The gradient of the feature error reaches the encoder at weight one and the decoder at gamma; that of the
    game reaches the decoder alone.

    Attributes:
      likelihood: what outputs of the decoder mean; its loss is reported, and trained at ``pixel`` by the decoder and at
        ``pixel / gamma`` by the encoder.
      gamma: weight of the feature error for the decoder.
      pixel: weight of the reconstruction loss itself, which the paper has not.
      critic: its layers; it sees examples.

    Raises:
      InvalidInput: a gamma that is not above zero, or a negative weight of the reconstruction loss.
    """

    selection: ClassVar[str | None] = None
    likelihood: Likelihood = BernoulliLikelihood()
    gamma: Number = 1.0
    pixel: Weight = 0.0
    critic: Critic = Critic(examples=True)

    def __post_init__(self) -> None:
        require_positive(self, gamma=self.gamma)
        require_non_negative(self, pixel=self.pixel)

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        """The prior and the critic."""
        return {"prior": StandardNormal(), "critic": self.critic}

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        code_key, prior_key = jax.random.split(key)
        posterior = model.encode(batch.x, batch.condition)
        z = sample_latents(code_key, posterior, 1)[0]
        fixed, judge = jax.lax.stop_gradient(z), without_gradient(model.critic)
        outputs = model.decode(fixed + (z - fixed) / self.gamma, batch.condition)
        features = judge.features(self.likelihood.mean(outputs)) - judge.features(batch.x)
        made = self.likelihood.mean(model.decode(fixed, batch.condition))
        drawn = self.likelihood.mean(model.decode(model.prior.sample(prior_key, len(z)), batch.condition))
        seen = (model.critic(jax.lax.stop_gradient(x)) for x in (batch.x, made, drawn))
        real, of_made, of_drawn = seen
        return weighted_sum(
            {
                self.likelihood.name: (self.pixel, self.likelihood(outputs, batch.x)),
                "kl": (1.0, model.prior.kl(posterior)),
                "feature_error": (self.gamma, 0.5 * jnp.sum(jnp.square(features), axis=-1)),
                "adversary": (1.0, jax.nn.softplus(-judge(made)) + jax.nn.softplus(-judge(drawn))),
                "critic": (1.0, 0.5 * (critic_loss(real, of_made) + critic_loss(real, of_drawn))),
            },
            step,
        )
