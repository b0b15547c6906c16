"""The vector-quantised autoencoder whose codebook is one trained linear map of fixed vectors."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.models.code_networks import code_networks
from ae_jax.objectives import Likelihood, SimVectorQuantizer, SquaredError, VectorQuantized
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@public
def sim_vq(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    grid: tuple[int, ...] = (),
    channels: tuple[int, ...] = (16, 32),
    activation: str = "gelu",
    codes: int = 64,
    size: int = 2,
    beta: Weight = 0.25,
    rotation: bool = False,
    prior_units: int = 64,
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 5e-3,
) -> Autoencoder:
    r"""An autoencoder with a discrete code whose codebook moves as a whole: a linear map of fixed random vectors.

    .. math:: \min \; \mathbb{E} \|g(e) - x\|^2 + \beta \|h(x) - \mathrm{sg}(e)\|^2 + \|\mathrm{sg}(h(x)) - e\|^2, \quad
       e = \arg\min_{W^\top c_k} \|h(x) - W^\top c_k\|

    The gradient of any used code moves W, and with it all others, so that none is left behind
    (:class:`ae_jax.objectives.SimVectorQuantizer`).

    Args:
      code: size of the code, or number of its channels with ``grid``.
      hidden: widths of the encoder's hidden layers; the decoder mirrors them. Not used with ``grid``.
      grid: height and width of a convolutional code, for images; empty for dense layers.
      channels: of each convolutional stage, which halves height and width; used with ``grid`` alone.
      activation: of the hidden layers or stages.
      codes: number of codes in the codebook.
      size: of each code, a divisor of ``code``.
      beta: weight of the commitment of the encoder to its codes.
      rotation: gradients pass the quantisation by a rotation (:func:`ae_jax.vq`).
      prior_units: width of the autoregressive prior over codes, which ``run.sample`` draws from.
      likelihood: the reconstruction loss.
      learning_rate: of Adam.

    When to use:
      For large codebooks of large vectors, of which a plain codebook leaves most unused, without replacement of dead
      codes or moving averages.

    Defaults:
      - ``code=16``, ``codes=64``, ``size=2``: those of :func:`ae_jax.vq`.
      - ``beta=0.25``, ``rotation=False``: those of :func:`ae_jax.vq`.
      - ``hidden=(256,)``, ``grid=()``, ``channels=(16, 32)``, ``activation="gelu"``, ``prior_units=64``,
        ``likelihood=SquaredError()``, ``learning_rate=5e-3``: those of :func:`ae_jax.vq`.

    Failure modes:
      - Vectors of few units: a map of two by two can only stretch and turn the cloud of codes, which stays Gaussian.
      - Those of :func:`ae_jax.vq` about the commitment.

    Example:
      >>> sim_vq(codes=512, size=8).objective.codes
      512

    References:
      Zhu et al., *Addressing representation collapse in vector quantized models with one linear layer*, ICCV 2025.
    """
    return Autoencoder(
        name="sim_vq",
        networks=code_networks("sim_vq", code, hidden, grid, channels, activation),
        objective=VectorQuantized(
            likelihood=likelihood,
            quantizer=SimVectorQuantizer(codes=codes, size=size, rotation=rotation),
            prior_units=prior_units,
            beta=beta,
            dead_after=None,
        ),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
