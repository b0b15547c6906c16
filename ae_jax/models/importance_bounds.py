"""Autoencoders between the evidence and the importance-weighted bound: MIWAE, PIWAE and CIWAE of Rainforth et al."""

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
    r"""A variational autoencoder trained by the mean of several importance-weighted bounds (MIWAE).

    .. math::
       \min \; -\frac{1}{M} \sum_{m=1}^M \log \frac{1}{k} \sum_{s=1}^k
       \frac{p(x | z_{ms}) \, p(z_{ms})}{q(z_{ms} | x)}, \quad z_{ms} \sim q(z | x)

    Args:
      samples: k, latents of each bound.
      bounds: M, bounds that are averaged for each example.
      code, hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      Instead of :func:`ae_jax.importance_weighted` with as many latents, where its encoder learns slowly: the bound is
      less tight, and the gradient of the encoder less noisy. For data with missing values see :func:`ae_jax.missing`,
      which is by other authors and also called MIWAE.

    Defaults:
      - ``samples=5``, ``bounds=5``: 25 latents; the paper has 64, in 4 to 16 bounds.

    Failure modes:
      - Time and memory grow with M times k.
      - With k of 1 it is the evidence lower bound of M latents, and with M of 1 the importance-weighted autoencoder.

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
    r"""A variational autoencoder whose decoder is trained by a tighter bound than its encoder (PIWAE).

    .. math::
       \text{decoder: } \min \; -\log \frac{1}{M k} \sum_{m, s} w_{ms}, \qquad
       \text{encoder: } \min \; -\frac{1}{M} \sum_m \log \frac{1}{k} \sum_s w_{ms}, \qquad
       w_{ms} = \frac{p(x | z_{ms}) \, p(z_{ms})}{q(z_{ms} | x)}

    Args:
      samples, bounds: as of :func:`ae_jax.multiple_importance` for the encoder; the decoder has one of all latents.
      code, hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      For the highest likelihood of these bounds at one number of latents: tightness helps the decoder, and costs the
      encoder its signal.

    Failure modes:
      - Time and memory grow with M times k; the encoder's share takes a second pass backward through the decoder.
      - Its two losses differ, so that the loss alone (the decoder's) does not show whether the encoder still learns.

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
    r"""A variational autoencoder trained by a mean of the importance-weighted and the evidence lower bound (CIWAE).

    .. math::
       \min \; -\beta \frac{1}{k} \sum_s \log w_s - (1 - \beta) \log \frac{1}{k} \sum_s w_s, \quad
       w_s = \frac{p(x | z_s) \, p(z_s)}{q(z_s | x)}, \quad z_s \sim q(z | x)

    Args:
      samples: k, latents drawn for each example and step; time and memory grow with it.
      beta: share of the evidence lower bound, from 0 to 1; may be a schedule.
      code, hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      To keep the encoder of :func:`ae_jax.importance_weighted` learning with many latents, by a share of a bound whose
      gradient does not lose its signal.

    Defaults:
      - ``samples=25``: as many latents as :func:`ae_jax.multiple_importance` has; the paper has 64.
      - ``beta=0.05``: little, so that the bound stays tight; the paper tries 0.5 as well.

    Failure modes:
      - A beta near 1 gives the evidence lower bound, and its tendency to switch latents off.

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
