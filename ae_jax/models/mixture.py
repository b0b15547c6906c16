"""The variational autoencoder with a mixture of Gaussians as the prior."""

from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, BernoulliLikelihood, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.priors import GaussianMixture
from ae_jax.public import public
from ae_jax.types import Weight


@follows_range
@public
def mixture(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    components: int = 10,
    beta: Weight = 1.0,
    samples: int = 1,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder whose prior is a trained mixture of Gaussians, one for each kind of example.

    .. math:: p(z) = \sum_k \pi_k \, \mathcal{N}(z; m_k, \mathrm{diag}(s_k^2))

    Args:
      components: K, the number of Gaussians.
      code, hidden, activation, beta, samples, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      For latents that form clusters, and a prior that is cheaper than that of :func:`ae_jax.vamp`.

    Defaults:
      - ``components=10``: one for each digit.

    Failure modes:
      - Components that no example is near get no gradient and stay where they started; samples from them are noise.
      - Components do not find classes by themselves: they follow what the bound gains from.
      - The divergence is estimated from the drawn latents, so that the bound varies more from step to step.

    Example:
      >>> mixture(components=20).objective.prior
      GaussianMixture(components=20)

    References:
      Dilokthanakul et al., *Deep unsupervised clustering with Gaussian mixture variational autoencoders*, 2016;
      Tomczak and Welling, *VAE with a VampPrior*, AISTATS 2018 (the trained mixture as a baseline).
    """
    return Autoencoder(
        name="mixture",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=ELBO(likelihood=likelihood, beta=beta, samples=samples, prior=GaussianMixture(components=components)),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
