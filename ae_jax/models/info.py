"""The InfoVAE."""

from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, MMD, BernoulliLikelihood, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@follows_range
@public
def info(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    beta: Weight = 0.5,
    weight: Weight = 10.0,
    kernel: str = "imq",
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder that keeps the aggregate of its posteriors, more than each of them, near the prior.

    .. math:: \min \; \mathbb{E} [-\log p(x|z)] + \beta \, \mathrm{KL}(q(z|x) \| p(z))
       + \lambda \, \mathrm{MMD}(q(z), p(z))

    The divergence of each posterior costs information about the example; that of their aggregate, measured by the
    maximum mean discrepancy (:class:`ae_jax.objectives.MMD`), does not. With ``beta=0`` it is the MMD-VAE.

    Args:
      beta: weight of the divergence, 1 - alpha of the paper; may be a schedule.
      weight: lambda, of the discrepancy, alpha + lambda - 1 of the paper; may be a schedule.
      kernel: of the discrepancy, ``"imq"`` or ``"rbf"``.
      code, hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      Where posteriors of :func:`ae_jax.variational` collapse, or latents should keep more of the data.

    Defaults:
      - ``beta=0.5``: half of the divergence.
      - ``weight=10.0``, ``kernel="imq"``: those of :func:`ae_jax.wae`.

    Failure modes:
      - The loss is no bound for ``beta`` below 1: compare likelihoods by importance samples.
      - In many dimensions the discrepancy of a batch is noise unless distributions differ much: a larger batch or
        weight.
      - A beta of 0 with a small weight leaves scales of posteriors free to shrink to zero.

    Example:
      >>> info(beta=0.0, weight=100.0).objective.penalties
      (MMD(weight=100.0, kernel='imq'),)

    References:
      Zhao et al., *InfoVAE: balancing learning and inference in variational autoencoders*, AAAI 2019, eq. 6.
    """
    return Autoencoder(
        name="info",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=ELBO(likelihood=likelihood, beta=beta, penalties=(MMD(weight=weight, kernel=kernel),)),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
