"""The partially importance-weighted autoencoder (PIWAE)."""

from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import BernoulliLikelihood, ImportanceWeighted, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@follows_range
@public
def partial_importance(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    samples: int = 5,
    bounds: int = 5,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder whose decoder is trained by a tighter bound than its encoder.

    .. math::
       \text{decoder: } \min \; -\log \frac{1}{M k} \sum_{m, s} w_{ms}, \qquad
       \text{encoder: } \min \; -\frac{1}{M} \sum_m \log \frac{1}{k} \sum_s w_{ms}, \qquad
       w_{ms} = \frac{p(x | z_{ms}) \, p(z_{ms})}{q(z_{ms} | x)}

    Args:
      code: number of latents.
      hidden: widths of the encoder's hidden layers; the decoder mirrors them.
      activation: of the hidden layers.
      samples: k, latents of each bound of the encoder.
      bounds: M, bounds that the encoder averages; the decoder has one of all M times k latents.
      likelihood: p(x | z).
      learning_rate: of Adam.

    When to use:
      For the highest likelihood of these bounds at one number of latents: tightness helps the decoder, and costs the
      encoder its signal.

    Defaults:
      - ``code=16``, ``hidden=(256,)``, ``activation="gelu"``, ``learning_rate=2e-3``: those of
        :func:`ae_jax.variational`, so that the two differ in the bound alone.
      - ``samples=5``, ``bounds=5``: 25 latents; the paper has 64, in 4 to 16 bounds.
      - ``likelihood=BernoulliLikelihood()``: the paper's, for data in [0, 1].

    Failure modes:
      - Time and memory grow with M times k; the encoder's share takes a second pass backward through the decoder.
      - Its two losses differ, so that the loss alone (the decoder's) does not show whether the encoder still learns.
      - Data outside [0, 1] are refused with a Bernoulli likelihood.

    Example:
      >>> partial_importance(samples=8, bounds=8).objective.gradient
      'partial'

    References:
      Rainforth et al., *Tighter variational bounds are not necessarily better*, ICML 2018, section 6.
    """
    return Autoencoder(
        name="partial_importance",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=ImportanceWeighted(likelihood=likelihood, samples=samples, bounds=bounds, gradient="partial"),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
