"""The variational autoencoder whose reconstruction error is one of a critic's features."""

from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.models.factor import players
from ae_jax.networks import MLP
from ae_jax.objectives import AdversarialELBO, BernoulliLikelihood, Critic, Likelihood
from ae_jax.public import public
from ae_jax.types import Number, Weight


@follows_range
@public
def vaegan(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    gamma: Number = 1.0,
    pixel: Weight = 1.0,
    critic: tuple[int, ...] = (128, 128),
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
    critic_rate: Weight = 1e-3,
) -> Autoencoder:
    r"""A variational autoencoder and an adversarial network in one: reconstructions are judged by features of a critic.

    .. math::
       \min_h \; \mathrm{KL}(q(z|x) \| p(z)) + \tfrac{1}{2} \|f(g(z)) - f(x)\|^2, \quad
       \min_g \; \tfrac{\gamma}{2} \|f(g(z)) - f(x)\|^2 - \log \sigma(D(g(z))) - \log \sigma(D(g(\tilde z)))

    f is the last hidden layer of the critic D, which tells examples from reconstructions and samples
    (:class:`ae_jax.objectives.AdversarialELBO`). The reconstruction loss has the weight ``pixel``.

    Args:
      gamma: weight of the feature error for the decoder, relative to its part in the game.
      pixel: weight of the reconstruction loss of the data themselves; the paper has none.
      code, hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.variational`.
      critic, critic_rate: as of :func:`ae_jax.factor`.

    When to use:
      For samples and reconstructions that look like data, where an error of each pixel blurs them.

    Defaults:
      - ``gamma=1.0``: the paper leaves it open.
      - ``pixel=1.0``: not the paper's, which is 0: features of a small dense critic alone reconstruct poorly.

    Failure modes:
      - The critic wins, and the latest epoch is kept, as of :func:`ae_jax.aae`; raise ``gamma`` for its ``weight``.
      - Reconstructions have the right kind and the wrong details, as features ignore them: raise ``pixel``.

    Example:
      >>> vaegan(pixel=0.0).objective.critic.examples
      True

    References:
      Larsen et al., *Autoencoding beyond pixels using a learned similarity metric*, ICML 2016, algorithm 1.
    """
    return Autoencoder(
        name="vaegan",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=AdversarialELBO(
            likelihood=likelihood, gamma=gamma, pixel=pixel, critic=Critic(hidden=critic, examples=True)
        ),
        optimizer=players(learning_rate, critic_rate),
    )
