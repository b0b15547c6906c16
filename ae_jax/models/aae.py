"""The adversarial autoencoder: a critic makes the codes of the data follow a prior."""

from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.models.factor import players
from ae_jax.networks import MLP
from ae_jax.objectives import AdversarialPrior, BernoulliLikelihood, Critic, Likelihood
from ae_jax.public import public
from ae_jax.types import Weight


@follows_range
@public
def aae(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    weight: Weight = 3.0,
    critic: tuple[int, ...] = (128, 128),
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
    critic_rate: Weight = 2e-4,
) -> Autoencoder:
    r"""An autoencoder whose codes follow a prior, since a critic tells codes from draws of it.

    .. math::
       \min_{g, h} \; \mathbb{E}[-\log p(x|z) - \lambda \log \sigma(D(z))], \quad
       \min_D \; -\mathbb{E}[\log \sigma(D(\tilde z)) + \log(1 - \sigma(D(z)))] / 2, \quad
       z \sim q(z|x), \; \tilde z \sim \mathcal{N}(0, I)

    In place of a divergence for each example, the game compares the codes of all examples with the prior
    (:class:`ae_jax.objectives.AdversarialPrior`). Each player has an optimiser of its own.

    Args:
      weight: lambda, of the encoder's loss in the game.
      code, hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.variational`.
      critic, critic_rate: as of :func:`ae_jax.factor`.

    When to use:
      For sampling from an autoencoder with sharper reconstructions than a variational one has, and for priors that can
      be sampled but have no density.

    Defaults:
      - ``weight=3.0``, ``critic_rate=2e-4``: chosen on the validation split of the digits, where rates of 1e-3 and
        weights of 10 and more let the codes run away; the paper's two phases have equal weights.

    Failure modes:
      - The critic wins: the term ``critic`` is near zero, far below log 2, and ``adversary`` grows; evaluation says so.
        Lower ``critic_rate`` or raise ``weight``.
      - The latest epoch is kept, whatever its loss: a game has no best one. Watch the terms over epochs.
      - The codes run away from the prior: ``adversary`` grows with their spread. Lower ``critic_rate``.
      - The posterior of an example may shrink to a point; the model has no bound of the evidence.

    Example:
      >>> sorted(aae(weight=0.5).optimizer)
      ['critic', 'networks']

    References:
      Makhzani et al., *Adversarial autoencoders*, ICLR workshop 2016.
    """
    return Autoencoder(
        name="aae",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=AdversarialPrior(likelihood=likelihood, weight=weight, critic=Critic(hidden=critic)),
        optimizer=players(learning_rate, critic_rate),
    )
