"""The Wasserstein autoencoder with an adversarial penalty on the distribution of codes."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.models.factor import players
from ae_jax.networks import MLP
from ae_jax.objectives import AdversarialPrior, Critic, Likelihood, SquaredError
from ae_jax.public import public
from ae_jax.types import Weight


@public
def wae_gan(
    *,
    code: int = 8,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    weight: Weight = 1.0,
    critic: tuple[int, ...] = (128, 128),
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 2e-3,
    critic_rate: Weight = 2e-4,
) -> Autoencoder:
    r"""A deterministic autoencoder of least transport cost, whose codes follow a prior by a game with a critic.

    .. math::
       \min_{g, h} \; \mathbb{E}[\|x - g(h(x))\|^2 - \lambda \log \sigma(D(h(x)))], \quad
       \min_D \; -\mathbb{E}[\log \sigma(D(\tilde z)) + \log(1 - \sigma(D(h(x))))] / 2

    With the codes distributed as the prior, the first term is an optimal transport cost between data and model
    (:class:`ae_jax.objectives.AdversarialPrior`).

    Args:
      weight: lambda, of the encoder's loss in the game.
      likelihood: as of :func:`ae_jax.undercomplete`.
      code, hidden, activation, learning_rate: as of :func:`ae_jax.variational`.
      critic, critic_rate: as of :func:`ae_jax.factor`.

    When to use:
      For sampling from a deterministic autoencoder; the same without a game is a penalty by maximum mean discrepancy.

    Defaults:
      - ``code=8``: the paper's for MNIST. ``weight=1.0``, ``critic_rate=2e-4``: of those tried on the validation split
        of the digits the samples vary least beyond the data, which is still three times as much; the paper's weight is
        10, for 784 features.

    Failure modes:
      - The critic wins, and the latest epoch is kept, as of :func:`ae_jax.aae`.
      - A code of more dimensions than the data have: deterministic codes cannot fill the prior, and draws between them
        decode to values beyond the data. Take a smaller code, or :func:`ae_jax.aae`, whose encoder is stochastic.

    Example:
      >>> wae_gan(weight=10.0).objective.weight
      10.0

    References:
      Tolstikhin et al., *Wasserstein auto-encoders*, ICLR 2018, algorithm 1.
    """
    return Autoencoder(
        name="wae_gan",
        networks=MLP(hidden=hidden, code=code, activation=activation),
        objective=AdversarialPrior(likelihood=likelihood, weight=weight, critic=Critic(hidden=critic)),
        optimizer=players(learning_rate, critic_rate),
    )
