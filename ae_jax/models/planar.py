"""The variational autoencoder with planar or radial flows as posteriors."""

from ae_jax.errors import require_known
from ae_jax.flows import Planar, Radial
from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, BernoulliLikelihood, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@follows_range
@public
def planar(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    steps: int = 8,
    kind: str = "planar",
    beta: Weight = 1.0,
    samples: int = 1,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder whose posteriors are Gaussians bent by simple maps, chosen for each example.

    .. math:: z_t = z_{t-1} + \hat u_t \tanh(w_t^\top z_{t-1} + b_t), \quad z_0 \sim \mathcal{N}(\mu(x), \sigma(x)^2)

    The encoder gives u, w and b of every step. Radial steps contract or expand around a point instead
    (:func:`ae_jax.flows.radial`). ``run.encode`` gives the Gaussian's mean after the steps.

    Args:
      steps: number of maps.
      kind: ``"planar"`` or ``"radial"``.
      code, hidden, activation, beta, samples, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      As a light step from Gaussian posteriors to bent ones; for many latents take :func:`ae_jax.iaf`.

    Defaults:
      - ``steps=8``, ``kind="planar"``: a few of the paper's 10 to 80.

    Failure modes:
      - Each step bends along one direction: in 16 dimensions and more, dozens of steps are needed for a visible gain.
      - The divergence is estimated from the drawn latents, so that the bound varies more from step to step.
      - The density is known at the posterior's own draws alone: it goes with no VampPrior.

    Example:
      >>> planar(steps=4, kind="radial").networks.posterior
      Radial(steps=4)

    References:
      Rezende and Mohamed, *Variational inference with normalizing flows*, ICML 2015.
    """
    require_known("kind of planar", kind, ("planar", "radial"))
    posterior = Planar(steps=steps) if kind == "planar" else Radial(steps=steps)
    return Autoencoder(
        name="planar",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True, posterior=posterior),
        objective=ELBO(likelihood=likelihood, beta=beta, samples=samples),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
