"""The multiply importance-weighted autoencoder (MIWAE of Rainforth et al.)."""

from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import BernoulliLikelihood, ImportanceWeighted, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@follows_range
@public
def multiple_importance(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    samples: int = 5,
    bounds: int = 5,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder trained by the mean of several importance-weighted bounds.

    .. math::
       \min \; -\frac{1}{M} \sum_{m=1}^M \log \frac{1}{k} \sum_{s=1}^k
       \frac{p(x | z_{ms}) \, p(z_{ms})}{q(z_{ms} | x)}, \quad z_{ms} \sim q(z | x)

    Args:
      code: number of latents.
      hidden: widths of the encoder's hidden layers; the decoder mirrors them.
      activation: of the hidden layers.
      samples: k, latents of each bound.
      bounds: M, bounds that are averaged for each example.
      likelihood: p(x | z).
      learning_rate: of Adam.

    When to use:
      Instead of :func:`ae_jax.importance_weighted` with as many latents, where its encoder learns slowly: the bound is
      less tight, and the gradient of the encoder less noisy. For data with missing values see :func:`ae_jax.missing`,
      which is by other authors and also called MIWAE.

    Defaults:
      - ``code=16``, ``hidden=(256,)``, ``activation="gelu"``, ``learning_rate=2e-3``: those of
        :func:`ae_jax.variational`, so that the two differ in the bound alone.
      - ``samples=5``, ``bounds=5``: 25 latents; the paper has 64, in 4 to 16 bounds.
      - ``likelihood=BernoulliLikelihood()``: the paper's, for data in [0, 1].

    Failure modes:
      - Time and memory grow with M times k.
      - With k of 1 it is the evidence lower bound of M latents, and with M of 1 the importance-weighted autoencoder.
      - Data outside [0, 1] are refused with a Bernoulli likelihood.

    Example:
      >>> multiple_importance(samples=8, bounds=8).objective.bounds
      8

    References:
      Rainforth et al., *Tighter variational bounds are not necessarily better*, ICML 2018, section 6.
    """
    return Autoencoder(
        name="multiple_importance",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=ImportanceWeighted(likelihood=likelihood, samples=samples, bounds=bounds),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
