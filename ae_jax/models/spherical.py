"""The hyperspherical variational autoencoder."""

from ae_jax.distributions import Spherical
from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, BernoulliLikelihood, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.priors import UniformSphere
from ae_jax.public import public
from ae_jax.types import Weight


@follows_range
@public
def spherical(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    beta: Weight = 1.0,
    samples: int = 1,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder whose latents lie on a sphere, uniformly under the prior.

    .. math:: q(z | x) \propto e^{\kappa(x) \mu(x)^\top z}, \quad p(z) = 1 / |S^{m-1}|, \quad \|z\| = 1

    Posteriors are von Mises-Fisher distributions; their divergence depends on the concentration alone, and draws are
    differentiable by the distribution function of the angle (:mod:`ae_jax.losses.sphere`), without rejection.

    Args:
      code, hidden, activation, beta, samples, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      For directional data and cosine similarities: no latent is far from the others, and none is the centre.

    Failure modes:
      - One concentration for all directions: beyond about 20 dimensions Gaussians do better, as the paper reports.
      - Codes are directions: their length says nothing, and a sphere of m dimensions has m - 1 degrees of freedom.
      - ``run.encode`` gives the mean direction, which the mean of draws is shorter than.

    Example:
      >>> import ae_jax
      >>> run = ae_jax.fit(spherical(code=3, hidden=()), ae_jax.data.digits(), epochs=1)
      >>> np.linalg.norm(run.encode(ae_jax.data.digits().test.x[:1]), axis=1).round(3)
      array([1.], dtype=float32)

    References:
      Davidson et al., *Hyperspherical variational auto-encoders*, UAI 2018.
    """
    return Autoencoder(
        name="spherical",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True, posterior=Spherical()),
        objective=ELBO(likelihood=likelihood, beta=beta, samples=samples, prior=UniformSphere()),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
