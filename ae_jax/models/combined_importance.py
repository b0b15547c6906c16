"""The combined importance-weighted autoencoder (CIWAE)."""

from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import BernoulliLikelihood, ImportanceWeighted, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@follows_range
@public
def combined_importance(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    samples: int = 25,
    beta: Weight = 0.05,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder trained by a weighted mean of the importance-weighted and the evidence lower bound.

    .. math::
       \min \; -\beta \frac{1}{k} \sum_s \log w_s - (1 - \beta) \log \frac{1}{k} \sum_s w_s, \quad
       w_s = \frac{p(x | z_s) \, p(z_s)}{q(z_s | x)}, \quad z_s \sim q(z | x)

    Args:
      code: number of latents.
      hidden: widths of the encoder's hidden layers; the decoder mirrors them.
      activation: of the hidden layers.
      samples: k, latents drawn for each example and step.
      beta: share of the evidence lower bound, from 0 to 1; may be a schedule.
      likelihood: p(x | z).
      learning_rate: of Adam.

    When to use:
      To keep the encoder of :func:`ae_jax.importance_weighted` learning with many latents, by a share of a bound whose
      gradient does not lose its signal.

    Defaults:
      - ``code=16``, ``hidden=(256,)``, ``activation="gelu"``, ``learning_rate=2e-3``: those of
        :func:`ae_jax.variational`, so that the two differ in the bound alone.
      - ``samples=25``: as many latents as :func:`ae_jax.multiple_importance` has; the paper has 64.
      - ``beta=0.05``: little, so that the bound stays tight; the paper tries 0.5 as well.
      - ``likelihood=BernoulliLikelihood()``: the paper's, for data in [0, 1].

    Failure modes:
      - A beta near 1 gives the evidence lower bound, and its tendency to switch latents off.
      - Time and memory grow with k.
      - Data outside [0, 1] are refused with a Bernoulli likelihood.

    Example:
      >>> combined_importance(beta=0.5).objective.beta
      0.5

    References:
      Rainforth et al., *Tighter variational bounds are not necessarily better*, ICML 2018, section 6.
    """
    return Autoencoder(
        name="combined_importance",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=ImportanceWeighted(likelihood=likelihood, samples=samples, beta=beta),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
