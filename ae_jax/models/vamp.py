"""The variational autoencoder with a VampPrior."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ae_jax._checks import size
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput
from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, BernoulliLikelihood, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Key, Shape, Weight


@component
class VampPrior:
    r"""A mixture of the posteriors of trained pseudo-inputs.

    .. math:: p(z) = \frac{1}{K} \sum_k q(z | u_k)

    Attributes:
      components: K, the number of pseudo-inputs.
      unit_interval: whether pseudo-inputs are kept in [0, 1], by a sigmoid.

    Raises:
      InvalidInput: no component.

    Example:
      >>> VampPrior(components=50).components
      50

    References:
      Tomczak and Welling, *VAE with a VampPrior*, AISTATS 2018, eq. 9.
    """

    components: int = static(default=100)
    unit_interval: bool = static(default=True)

    def __post_init__(self) -> None:
        size(self, "components", self.components)

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "VampPriorPart":
        return VampPriorPart(self, networks, shape, rngs)


class VampPriorPart(nnx.Module):
    """The prior that :class:`VampPrior` describes, for the networks of one model."""

    def __init__(self, config: VampPrior, networks: Any, shape: Shape, rngs: nnx.Rngs):
        self.config, self.networks = config, networks
        self.pseudo_inputs = nnx.Param(jax.random.normal(rngs.params(), (config.components, *shape)))

    def posterior(self, chosen: Any = ...) -> Any:
        """The posterior of each pseudo-input, or of those of these numbers."""
        inputs = self.pseudo_inputs[...][chosen]
        return self.networks.encode(jax.nn.sigmoid(inputs) if self.config.unit_interval else inputs)

    def log_prob(self, z: Float[Array, "batch *latent"]) -> Float[Array, " batch"]:
        """Log-density of each latent, in nats."""
        components = self.posterior()
        if not hasattr(components, "log_prob"):
            raise InvalidInput(
                f"VampPrior was given a {type(components).__name__}, whose density is known at its own draws alone: "
                "expected another family, such as FullCovariance()."
            )
        densities = jax.vmap(lambda one: components.log_prob(jnp.broadcast_to(one, components.mean.shape)))(z)
        return jax.nn.logsumexp(densities, axis=1) - math.log(self.config.components)

    def sample(self, key: Key, n: int) -> Float[Array, "{n} *latent"]:
        """Draws n latents, each from the posterior of a random pseudo-input."""
        choice_key, sample_key = jax.random.split(key)
        chosen = jax.random.randint(choice_key, (n,), 0, self.config.components)
        return self.posterior(chosen).sample(sample_key)

    def kl(self, posterior: Any) -> None:
        """None: the divergence from a mixture has no closed form and is estimated from latents."""


@follows_range
@public
def vamp(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    components: int = 100,
    beta: Weight = 1.0,
    samples: int = 1,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder whose prior is learned: the mixture of the posteriors of trained pseudo-inputs.

    .. math::
       \min \; \mathbb{E}_{q(z|x)} \left[-\log p(x|z) + \beta (\log q(z|x) - \log p(z))\right], \quad
       p(z) = \frac{1}{K} \sum_k q(z | u_k)

    The prior that minimises the bound is the aggregate posterior, the mean of q(z|x) over all examples. K pseudo-inputs
    u, trained with everything else, stand for the examples.

    Args:
      components: K, the number of pseudo-inputs; each costs a pass through the encoder at every step.
      code, hidden, activation, beta, samples, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      For a tighter bound and better samples than a standard normal prior gives, of data that form clusters.

    Defaults:
      - ``components=100``: fewer than the paper's 500, for data as small as the digits; they lie in [0, 1] where the
        likelihood is one of such data.

    Failure modes:
      - Overfitting of small data: a prior of many components fits the training posteriors, and the bound on held-out
        data rises again. Take fewer components, or a patience.
      - Unused pseudo-inputs: those far from the data get no gradient and stay noise; samples from them are noise too.
        More components do not help then.
      - The divergence is estimated from the drawn latents, so that the bound varies more from step to step.

    Example:
      >>> import ae_jax
      >>> run = ae_jax.fit(vamp(code=2, hidden=(), components=5), ae_jax.data.digits(), epochs=1)
      >>> run.sample(3).shape, run.params["prior"]["pseudo_inputs"].shape
      ((3, 8, 8), (1, 5, 8, 8))

    References:
      Tomczak and Welling, *VAE with a VampPrior*, AISTATS 2018.
    """
    return Autoencoder(
        name="vamp",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=ELBO(
            likelihood=likelihood,
            beta=beta,
            samples=samples,
            prior=VampPrior(components=components, unit_interval=likelihood.unit_interval),
        ),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
