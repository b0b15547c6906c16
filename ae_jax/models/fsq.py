"""The autoencoder with finite scalar quantisation: every unit of the code is rounded to one of few levels."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.models.code_networks import code_networks
from ae_jax.objectives import FiniteScalar, Likelihood, Quantized, SquaredError
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@public
def fsq(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    grid: tuple[int, ...] = (),
    channels: tuple[int, ...] = (16, 32),
    activation: str = "gelu",
    levels: tuple[int, ...] = (8, 8),
    prior_units: int = 64,
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 5e-3,
) -> Autoencoder:
    r"""An autoencoder with a discrete code that needs no codebook: every unit is rounded to one of few levels.

    .. math::
       \min \; \mathbb{E} \|g(\hat z) - x\|^2, \quad
       \hat z_j = \mathrm{round}\big(\tfrac{L_j - 1}{2} \tanh h_j(x)\big)

    As many units as there are ``levels`` are one code of prod(levels) (:class:`ae_jax.objectives.FiniteScalar`). The
    decoder's gradient passes the rounding as if it were not there. ``run.encode`` gives the rounded code in [-1, 1].

    Args:
      levels: number of levels of each unit of a vector; their number divides ``code``.
      code, hidden, grid, channels, activation, prior_units, likelihood, learning_rate: as of :func:`ae_jax.vq`.

    When to use:
      For discrete codes without a codebook that collapses, a commitment to weigh or moving averages: nearly all codes
      are used at any size.

    Defaults:
      - ``levels=(8, 8)``: eight vectors of 64 codes, the bits of :func:`ae_jax.vq`.

    Failure modes:
      - Fewer than five levels a unit: the paper finds worse reconstructions. For more codes take more units.
      - Few codes of two units are less expressive than those of a learned codebook of the same number, which lie where
        the data are: on the digits they err 1.5% more, which intervals over three seeds do not tell apart. From about a
        thousand codes on the paper finds no difference.
      - Gradients ignore the rounding: Jacobians of the encoder are those of its bounded output before it.

    Example:
      >>> fsq(code=6, levels=(8, 6, 5)).objective.codes
      240

    References:
      Mentzer et al., *Finite scalar quantization: VQ-VAE made simple*, ICLR 2024.
    """
    return Autoencoder(
        name="fsq",
        networks=code_networks("fsq", code, hidden, grid, channels, activation),
        objective=Quantized(likelihood=likelihood, quantizer=FiniteScalar(levels=levels), prior_units=prior_units),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
