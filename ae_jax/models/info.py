"""The InfoVAE."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, MMD, BernoulliLikelihood, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.types import Weight


def info(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    alpha: float = 0.5,
    weight: float = 10.0,
    kernel: str = "imq",
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder that keeps the aggregate of its posteriors, more than each of them, near the prior.

    .. math:: \min \; \mathbb{E} [-\log p(x|z)] + (1 - \alpha) \mathrm{KL}(q(z|x) \| p(z))
       + (\alpha + \lambda - 1) \mathrm{MMD}(q(z), p(z))

    The divergence of each posterior costs information about the example; that of their aggregate, measured by the
    maximum mean discrepancy (:class:`ae_jax.objectives.MMD`), does not. With ``alpha=1`` it is the MMD-VAE.

    Args:
      code: number of latents.
      hidden: widths of the encoder's hidden layers; the decoder mirrors them.
      activation: of the hidden layers.
      alpha: how much of the divergence is left out, from 0 to 1.
      weight: lambda of the paper, at least 1 - alpha.
      kernel: of the discrepancy, ``"imq"`` or ``"rbf"``.
      likelihood: p(x | z).
      learning_rate: of Adam.

    When to use:
      Where posteriors of :func:`ae_jax.variational` collapse, or latents should keep more of the data.

    Defaults:
      - ``code=16``, ``hidden=(256,)``, ``activation="gelu"``, ``learning_rate=2e-3``: those of
        :func:`ae_jax.variational`, so that the two differ in the penalty alone.
      - ``alpha=0.5``: half of the divergence.
      - ``weight=10.0``, ``kernel="imq"``: those of :func:`ae_jax.wae`.
      - ``likelihood=BernoulliLikelihood()``: for data in [0, 1].

    Failure modes:
      - The loss is no bound for ``alpha`` above 0: compare likelihoods by importance samples.
      - In many dimensions the discrepancy of a batch is noise unless distributions differ much: a larger batch or
        weight.
      - ``alpha=1`` with a small weight leaves scales of posteriors free to shrink to zero.

    Example:
      >>> objective = info(alpha=1.0, weight=100.0).objective
      >>> objective.beta, objective.penalties[0].weight
      (0.0, 100.0)

    References:
      Zhao et al., *InfoVAE: balancing learning and inference in variational autoencoders*, AAAI 2019, eq. 6.
    """
    return Autoencoder(
        name="info",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=ELBO(
            likelihood=likelihood, beta=1.0 - alpha, penalties=(MMD(weight=alpha + weight - 1.0, kernel=kernel),)
        ),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
