"""The variational autoencoder with posteriors of any covariance."""

from ae_jax.distributions import FullCovariance
from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, BernoulliLikelihood, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@follows_range
@public
def full_covariance(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    beta: Weight = 1.0,
    samples: int = 1,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder whose posteriors are Gaussians with correlated latents.

    .. math:: q(z | x) = \mathcal{N}(z; \mu(x), L(x) L(x)^\top)

    Args:
      code, hidden, activation, beta, samples, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      Where the posterior of an example is a tilted ellipsoid, of which a diagonal Gaussian covers a part; for few
      latents.

    Failure modes:
      - The encoder gives k (k + 3) / 2 numbers for k latents: beyond about a hundred it is too large.
      - A tighter bound for a decoder that is trained with it is often small: the decoder turns the latents instead.
      - Failures of :func:`ae_jax.variational`, such as a collapsed posterior.

    Example:
      >>> full_covariance().networks.posterior
      FullCovariance()

    References:
      Kingma and Welling, *An introduction to variational autoencoders*, 2019, section 2.5.1.
    """
    return Autoencoder(
        name="full_covariance",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True, posterior=FullCovariance()),
        objective=ELBO(likelihood=likelihood, beta=beta, samples=samples),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
