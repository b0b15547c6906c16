"""The variational autoencoder with optimal variance (sigma-VAE)."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, OptimalGaussianLikelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@public
def sigma(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    samples: int = 1,
    smallest_log_scale: float = -6.0,
    learning_rate: Weight = 2e-3,
    shortcut: bool = True,
) -> Autoencoder:
    r"""A variational autoencoder whose Gaussian likelihood has the variance that makes each example most likely.

    .. math::
       \min \; \mathbb{E}_{q(z|x)} \left[\frac{d}{2} \log \frac{\|x - g(z)\|^2}{d}\right]
       + \mathrm{KL}(q(z|x) \| \mathcal{N}(0, I)) + \text{const}

    The best variance given a reconstruction is its mean squared error, so that neither a scale nor a weight of the
    divergence needs to be tuned.

    Args:
      smallest_log_scale: the least logarithm of the standard deviation, in model units.
      code, hidden, activation, samples, learning_rate, shortcut: as of :func:`ae_jax.variational`.

    When to use:
      For data of real numbers, where the fixed scale of a Gaussian likelihood would have to be searched for: sharp
      reconstructions and latents that stay active.

    Defaults:
      - ``smallest_log_scale=-6.0``: the authors'.

    Failure modes:
      - An example that is reconstructed exactly: the variance stops at the smallest one, and the loss at a large
        negative number. Noise-free data that a large code copies come there.
      - The variance depends on the example, which is no density: log-likelihoods are not estimated, and the loss is not
        comparable with that of another likelihood.

    Example:
      >>> sigma().objective.likelihood
      OptimalGaussianLikelihood(smallest_log_scale=-6.0)

    References:
      Rybkin, Daniilidis and Levine, *Simple and effective VAE training with calibrated decoders*, ICML 2021.
    """
    return Autoencoder(
        name="sigma",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True, shortcut=shortcut),
        objective=ELBO(likelihood=OptimalGaussianLikelihood(smallest_log_scale=smallest_log_scale), samples=samples),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
