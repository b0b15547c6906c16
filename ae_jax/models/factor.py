"""The factorising variational autoencoder: a critic penalises the total correlation of the latents."""

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
from jaxtyping import Array, Float

from ae_jax._checks import require_non_negative
from ae_jax.components import component
from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP, PartBuilder
from ae_jax.networks.functional import without_gradient
from ae_jax.objectives import BernoulliLikelihood, Critic, Likelihood, Objective
from ae_jax.objectives.adversarial import critic_loss
from ae_jax.objectives.base import weighted_sum
from ae_jax.objectives.elbo import nll_of_latents, sample_latents
from ae_jax.optimizers import Optimizer
from ae_jax.priors import StandardNormal
from ae_jax.public import public
from ae_jax.types import Batch, Key, Metrics, Weight


@component
class FactorELBO(Objective):
    r"""Negative evidence lower bound plus the total correlation of the latents, as a critic estimates it, in nats.

    .. math::
       -\mathrm{ELBO} + \gamma \, \mathbb{E}_{q(z)} [D(z)], \quad
       D \to \log \frac{q(z)}{\prod_j q(z_j)}

    The critic D minimises the logistic loss of telling latents from latents whose units are permuted over the batch,
    each unit on its own. Both players are in one scalar: the first term stops the gradient of the critic's parameters,
    the critic's loss that of the latents.

    Attributes:
      likelihood: p(x | z).
      gamma: weight of the total correlation.
      critic: its layers.

    Raises:
      InvalidInput: a negative gamma.

    References:
      Kim and Mnih, *Disentangling by factorising*, ICML 2018, algorithm 2.
    """

    selection: ClassVar[str | None] = None
    likelihood: Likelihood = BernoulliLikelihood()
    gamma: Weight = 10.0
    critic: Critic = Critic()

    def __post_init__(self) -> None:
        require_non_negative(self, gamma=self.gamma)

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        """The prior and the critic."""
        return {"prior": StandardNormal(), "critic": self.critic}

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        sample_key, other_key, permutation_key = jax.random.split(key, 3)
        posterior = model.encode(batch.x)
        latents = sample_latents(sample_key, posterior, 1)
        others = jax.lax.stop_gradient(sample_latents(other_key, posterior, 1)[0])
        joint = model.critic(jax.lax.stop_gradient(latents[0]))
        independent = model.critic(permuted_units(permutation_key, others))
        return weighted_sum(
            {
                self.likelihood.name: (1.0, nll_of_latents(self.likelihood, model, latents, batch)[0]),
                "kl": (1.0, model.prior.kl(posterior)),
                "total_correlation": (self.gamma, without_gradient(model.critic)(latents[0])),
                "critic": (1.0, critic_loss(joint, independent)),
            },
            step,
        )


def permuted_units(key: Key, z: Float[Array, "batch latent"]) -> Float[Array, "batch latent"]:
    """Latents whose units are permuted over the batch, each unit on its own.

    Example:
      >>> z = permuted_units(jax.random.key(0), jnp.arange(6.0).reshape(3, 2))
      >>> jnp.sort(z, axis=0).tolist()
      [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    """
    return jax.random.permutation(key, z, axis=0, independent=True)


def players(learning_rate: Weight, critic_rate: Weight) -> dict[str, Optimizer]:
    """Adam for the networks, and for the critic Adam with the decay rates of Kim and Mnih (2018)."""
    critic = Optimizer(learning_rate=critic_rate, settings={"b1": 0.5, "b2": 0.9})
    return {"networks": Optimizer(learning_rate=learning_rate), "critic": critic}


@follows_range
@public
def factor(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    gamma: Weight = 10.0,
    critic: tuple[int, ...] = (128, 128),
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
    critic_rate: Weight = 1e-3,
) -> Autoencoder:
    r"""A variational autoencoder whose latents are pushed to be independent of each other.

    .. math:: \min \; -\mathrm{ELBO} + \gamma \, \mathrm{KL}\Big(q(z) \,\Big\|\, \prod_j q(z_j)\Big)

    The divergence, the total correlation of the aggregate posterior, is estimated by a critic that is trained beside
    the networks with an optimiser of its own (:class:`FactorELBO`). The latest parameters are kept, since the loss of a
    game of two players picks no best epoch.

    Args:
      gamma: weight of the total correlation; may be a schedule.
      critic: widths of the critic's hidden layers.
      critic_rate: of Adam for the critic.
      code, hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      For latents that each follow one factor of variation, at a smaller loss of reconstruction than a large ``beta`` of
      :func:`ae_jax.variational` costs.

    Defaults:
      - ``gamma=10.0``: the lowest of the paper's values.
      - ``critic=(128, 128)``, ``critic_rate=1e-3``: a smaller critic and a higher rate than the paper's six layers of
        1,000 units and 1e-4, for data and budgets of this size; Adam's decay rates are the paper's 0.5 and 0.9.

    Failure modes:
      - A critic that is too weak or too slow reports no total correlation while there is some: the term
        ``total_correlation`` is near zero and the term ``critic`` near 0.69, log 2. Raise ``critic_rate``.
      - A critic that wins gives large, noisy gradients: lower gamma.
      - Small batches: permuted units repeat the same few values.
      - Independence of the latents over the data is not disentanglement; seeds differ in which factor a latent follows.

    Example:
      >>> sorted(factor(gamma=5.0).optimizer)
      ['critic', 'networks']

    References:
      Kim and Mnih, *Disentangling by factorising*, ICML 2018.
    """
    return Autoencoder(
        name="factor",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=FactorELBO(likelihood=likelihood, gamma=gamma, critic=Critic(hidden=critic)),
        optimizer=players(learning_rate, critic_rate),
    )
