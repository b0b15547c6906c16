"""The joint variational autoencoder: continuous and categorical latents, each with a capacity."""

from ae_jax._checks import size
from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import BernoulliLikelihood, Categories, JointELBO, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.schedules import Linear
from ae_jax.types import Number, Weight


@follows_range
@public
def joint(
    *,
    continuous: int = 10,
    variables: int = 1,
    values: int = 10,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    gamma: Weight = 30.0,
    continuous_capacity: Number = 5.0,
    discrete_capacity: Number = 5.0,
    steps: Number = 1000,
    temperature: Weight = 0.67,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder with Gaussian latents for styles and categorical ones for kinds.

    .. math::
       \min \; -\log p(x|z,c) + \gamma \, |\mathrm{KL}(q(z|x) \| p(z)) - C_z|
       + \gamma \, |\mathrm{KL}(q(c|x) \| p(c)) - C_c|

    The capacities grow, so that no divergence is without a use from the start
    (:class:`ae_jax.objectives.JointELBO`). The code is the Gaussian latents followed by the classes' probabilities.

    Args:
      continuous: number of Gaussian latents.
      variables: number of categorical latents.
      values: number of values of each.
      gamma: weight of both distances from the capacities.
      continuous_capacity: C_z in the end, in nats.
      discrete_capacity: C_c in the end, in nats; the logarithm of the number of values is the most that counts.
      steps: number of steps over which both capacities grow from zero.
      temperature: of the relaxed categorical latents.
      hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      For data that are of several kinds with styles in common, to separate the two without labels.

    Defaults:
      - ``continuous=10``, ``variables=1``, ``values=10``, ``gamma=30.0``, ``temperature=0.67``,
        ``continuous_capacity=5.0``, ``discrete_capacity=5.0``: the paper's for MNIST.
      - ``steps=1000``: fewer than the paper's 25,000, for budgets of this size.

    Failure modes:
      - The kinds found are not those of the labels, and differ between seeds.
      - All examples are of one or two kinds, each of them surely: the divergence of every example is then as large as
        if they were of ten. Evaluation says so by ``codes_used``; lower ``gamma`` or raise ``steps``.
      - Capacities still grow at the last epoch: the loss then measures another quantity at each epoch.

    Example:
      >>> joint(continuous=4).networks.code
      14

    References:
      Dupont, *Learning disentangled joint continuous and discrete representations*, NeurIPS 2018, eq. 7.
    """
    code = size("joint", "continuous", continuous) + size("joint", "variables", variables) * values
    return Autoencoder(
        name="joint",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=JointELBO(
            likelihood=likelihood,
            categories=Categories(classes=values, continuous=continuous),
            beta=gamma,
            temperature=temperature,
            continuous_capacity=Linear(start=0.0, end=continuous_capacity, steps=steps),
            discrete_capacity=Linear(start=0.0, end=discrete_capacity, steps=steps),
        ),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
