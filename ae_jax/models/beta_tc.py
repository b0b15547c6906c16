"""The beta-TCVAE."""

from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, BernoulliLikelihood, Likelihood, TotalCorrelation
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Number, Weight


@follows_range
@public
def beta_tc(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    weight: Weight = 5.0,
    examples: Number = 1000,
    sampling: str = "stratified",
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder that pays extra for the dependence of its latents on each other.

    .. math:: \min \; -\mathrm{ELBO} + (\beta - 1) \, \mathrm{KL}\Big(q(z) \,\Big\|\, \prod_d q(z_d)\Big)

    The divergence of the bound is the mutual information of data and latents, plus the total correlation of the
    latents, plus the divergence of each from its prior; only the second is weighted. It is estimated from the
    minibatch itself (:class:`ae_jax.objectives.TotalCorrelation`), without the critic of :func:`ae_jax.factor`.

    Args:
      weight: beta - 1 of the paper; may be a schedule.
      examples: number of training examples; the command line takes it from the data.
      sampling: ``"stratified"`` or ``"weighted"`` estimates.
      code, hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      For latents that each follow one factor of variation, where a game of two players is too delicate.

    Defaults:
      - ``weight=5.0``: the paper's beta of 6 for dSprites.
      - ``examples=1000``: about those of the digits.
      - ``sampling="stratified"``: unbiased in the density of the aggregate posterior; the paper's experiments took
        the other.

    Failure modes:
      - Small batches: the estimate rests on the other posteriors of the batch; the paper has 2,000 examples in one.
      - A large weight switches latents off: the term ``kl`` falls and reconstructions blur.
      - Independence of the latents over the data is not disentanglement; seeds differ in which factor a latent follows.

    Example:
      >>> beta_tc(weight=3.0).objective.penalties[0].weight
      3.0

    References:
      Chen et al., *Isolating sources of disentanglement in variational autoencoders*, NeurIPS 2018.
    """
    return Autoencoder(
        name="beta_tc",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=ELBO(
            likelihood=likelihood,
            penalties=(TotalCorrelation(weight=weight, examples=examples, sampling=sampling),),
        ),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
