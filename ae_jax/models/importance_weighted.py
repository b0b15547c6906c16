"""The importance-weighted autoencoder."""

from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import BernoulliLikelihood, ImportanceWeighted, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@follows_range
@public
def importance_weighted(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    samples: int = 5,
    gradient: str = "plain",
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder trained by a tighter bound: the logarithm of a mean of importance weights.

    .. math::
       \min \; -\log \frac{1}{k} \sum_{s=1}^k \frac{p(x | z_s) \, p(z_s)}{q(z_s | x)}, \quad z_s \sim q(z | x)

    Args:
      samples: k, latents drawn for each example and step; time and memory grow with it.
      gradient: of the encoder: plain, or doubly (reparameterised, of lower variance).
      code, hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      For a higher likelihood and more active latents than the evidence lower bound gives, where k decoder passes for
      each example are affordable.

    Defaults:
      - ``samples=5``: the fewest of the paper, which also has 50.
      - ``gradient="plain"``: the paper's; ``"doubly"`` helps from tens of latents on, where the plain gradient of the
        encoder is mostly noise.

    Failure modes:
      - With many latents the encoder's gradient loses its signal: its signal-to-noise ratio falls with the root of k.
        Take ``gradient="doubly"``, or :func:`ae_jax.multiple_importance`.
      - The posterior spreads beyond the true one, since only its best latents count: codes (means) may reconstruct
        worse than those of :func:`ae_jax.variational`.

    Example:
      >>> importance_weighted(samples=50, gradient="doubly").objective.samples
      50

    References:
      Burda, Grosse and Salakhutdinov, *Importance weighted autoencoders*, ICLR 2016;
      Tucker et al., *Doubly reparameterized gradient estimators for Monte Carlo objectives*, ICLR 2019;
      Rainforth et al., *Tighter variational bounds are not necessarily better*, ICML 2018 (the failure).
    """
    return Autoencoder(
        name="importance_weighted",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=ImportanceWeighted(likelihood=likelihood, samples=samples, gradient=gradient),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
