"""The variational autoencoder with an annealed capacity."""

from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, BernoulliLikelihood, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.schedules import Linear
from ae_jax.types import Number, Weight


@follows_range
@public
def capacity(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    gamma: Weight = 100.0,
    nats: Number = 15.0,
    steps: Number = 1000,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder whose latents are allowed more and more information during training.

    .. math:: \min \; \mathbb{E} [-\log p(x|z)] + \gamma \, |\mathrm{KL}(q(z|x) \| \mathcal{N}(0, I)) - C(t)|

    The divergence, its mean over the batch, is held at C nats, which rise: the factor that lowers the error most takes
    a latent first, then the next. Epochs are compared at the last C.

    Args:
      gamma: weight of the distance from the capacity.
      nats: C at the end.
      steps: of the optimiser in which C rises to it from zero, in a straight line.
      code, hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      For latents that follow single factors without the blur of a large ``beta``, and to set the rate of a code.

    Defaults:
      - ``gamma=100.0``: holds the divergence within a nat of C; the papers have 100 to 1,000.
      - ``nats=15.0``, ``steps=1000``: to about the divergence that the digits take without it, in the time that they
        train.

    Failure modes:
      - A capacity above what the data need forces noise into the latents: reconstructions stop to gain, the loss grows.
      - A capacity that rises faster than training follows: the term ``capacity`` stays large.
      - The loss is no bound; compare ``negative_elbo`` of the evaluation.

    Example:
      >>> capacity(nats=10.0).objective.capacity
      Linear(start=0.0, end=10.0, steps=1000)

    References:
      Burgess et al., *Understanding disentangling in beta-VAE*, 2018, eq. 8.
    """
    return Autoencoder(
        name="capacity",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=ELBO(likelihood=likelihood, beta=gamma, capacity=Linear(start=0.0, end=nats, steps=steps)),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
