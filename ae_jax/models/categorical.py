"""The variational autoencoder with categorical latents."""

from ae_jax._checks import size
from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import BernoulliLikelihood, CategoricalELBO, Categories, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@follows_range
@public
def categorical(
    *,
    variables: int = 30,
    values: int = 10,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    beta: Weight = 1.0,
    temperature: Weight = 0.5,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder whose latents are categorical, trained through a relaxation of them.

    .. math::
       \min \; -\log p(x|z) + \beta \sum_v \mathrm{KL}(q(k_v|x) \,\|\, \mathrm{uniform}), \quad
       z_v = \mathrm{softmax}((l_v(x) + g_v) / \tau), \quad g \sim \mathrm{Gumbel}

    Latents are drawn one-hot wherever nothing is trained: in ``run.sample`` and in bounds that are evaluated.
    ``run.encode`` gives the probabilities of all classes (:class:`ae_jax.objectives.CategoricalELBO`).

    Args:
      variables: number of categorical latents.
      values: number of values of each.
      temperature: tau; may be a schedule, which should end above zero.
      hidden, activation, beta, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      For latents that are choices among few alternatives, with a likelihood and a prior to sample from.

    Defaults:
      - ``variables=30``, ``values=10``: the code of a public implementation by the first author.
      - ``temperature=0.5``: the lowest of the paper's annealing, from the start, for budgets of few steps.

    Failure modes:
      - A high temperature: the decoder is trained on mixtures and fails on one-hot latents; the -ELBO of evaluation is
        then far above that of training. A low one gives gradients of large variance. Anneal it by a schedule.
      - Variables that are uniform whatever the example: the term ``kl`` is low. Lower ``beta``, or let it grow.
      - A uniform prior of many variables draws combinations that no example has, which decode to poor samples.

    Example:
      >>> categorical(variables=4).networks.code
      40

    References:
      Jang et al., *Categorical reparameterization with Gumbel-softmax*, ICLR 2017;
      Maddison et al., *The concrete distribution*, ICLR 2017.
    """
    code = size("categorical", "variables", variables) * size("categorical", "values", values)
    return Autoencoder(
        name="categorical",
        networks=MLP(hidden=hidden, code=code, activation=activation),
        objective=CategoricalELBO(
            likelihood=likelihood, categories=Categories(classes=values), beta=beta, temperature=temperature
        ),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
