"""The denoising autoencoder."""

from ae_jax.corruptions import Gaussian
from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import MLP
from ae_jax.objectives import Likelihood, Reconstruction, SquaredError
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Number, Weight


@public
def denoising(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    noise: Number = 0.3,
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 2e-3,
    shortcut: bool = True,
) -> Autoencoder:
    r"""Reconstructs the clean example from a corrupted one.

    .. math:: \min \; \mathbb{E} \|g(h(x + \sigma\epsilon)) - x\|^2, \quad \epsilon \sim \mathcal{N}(0, I)

    Another corruption is ``Reconstruction(corruption=Masking(probability=0.25))`` in an :class:`Autoencoder`.

    Args:
      noise: sigma, standard deviation of the Gaussian noise, in units of the (scaled) data.
      code, hidden, activation, likelihood, learning_rate, shortcut: as of :func:`ae_jax.undercomplete`.

    When to use:
      To clean data, and for codes that may be larger than the data without copying them.

    Defaults:
      - ``learning_rate=2e-3``: chosen on the validation split of the digits.
      - ``shortcut=True``: 2 to 4 dB better from noisy inputs after 30 epochs than without, on synthetic heartbeats and
        scikit-learn's breast cancer data; there a rate of 5e-4 is no better.
      - ``noise=0.3``: the level at which evaluations corrupt inputs, of data in [0, 1].

    Failure modes:
      - Noise of another level or kind than in training: with little noise it learns to copy, with much to return
        averages, and Gaussian noise does not teach it to fill in masked features. ``ae-jax evaluate --tasks denoising``
        and :func:`ae_jax.evaluation.denoising_grid` show levels and kinds beside each other.
      - The noise is in units of the scaled data: 0.3 is strong in [0, 1] and weak after standardisation.
      - Clean inputs are smoothed too, with an error above that of :func:`undercomplete`.

    Example:
      >>> denoising(noise=0.1).objective.corruption
      Gaussian(scale=0.1)

    References:
      Vincent et al., *Extracting and composing robust features with denoising autoencoders*, ICML 2008.
    """
    return Autoencoder(
        name="denoising",
        networks=MLP(hidden=hidden, code=code, activation=activation, shortcut=shortcut),
        objective=Reconstruction(likelihood=likelihood, corruption=Gaussian(scale=noise)),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
