"""The DIP-VAE."""

from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import DIP, ELBO, BernoulliLikelihood, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Number, Weight


@follows_range
@public
def dip(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    weight: Weight = 10.0,
    diagonal: Number = 10.0,
    version: str = "I",
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder whose latents are pushed to have the identity as covariance over the data.

    .. math:: \min \; -\mathrm{ELBO} + \lambda \sum_{i \ne j} C_{ij}^2 + \lambda \nu \sum_i (C_{ii} - 1)^2

    C is the covariance of the posterior means (version I) or of the latents (II) over the batch.

    Args:
      weight: lambda, of squared covariances; may be a schedule.
      diagonal: nu, the weight of variances relative to it.
      version: ``"I"`` or ``"II"``.
      code, hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      For uncorrelated latents at little cost: no critic, no densities, one matrix product.

    Defaults:
      - ``weight=10.0``, ``diagonal=10.0``, ``version="I"``: the paper's for version I; for II take a diagonal of 1.

    Failure modes:
      - Uncorrelated is not independent: a ring of codes has no covariance.
      - Version I keeps means spread over unit variance, also of latents that carry nothing; those are noise then.
      - Fewer examples in a batch than latents: the covariance is mostly sampling error.

    Example:
      >>> dip(version="II", diagonal=1.0).objective.penalties[0].version
      'II'

    References:
      Kumar et al., *Variational inference of disentangled latent concepts from unlabeled observations*, ICLR 2018.
    """
    return Autoencoder(
        name="dip",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=ELBO(likelihood=likelihood, penalties=(DIP(weight=weight, diagonal=diagonal, version=version),)),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
