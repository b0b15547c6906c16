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
      code, hidden, grid, channels, activation, codes, size: as of :func:`ae_jax.vq`.
      beta, rotation, prior_units, likelihood, learning_rate: as of :func:`ae_jax.vq`.

    When to use:
      For large codebooks of large vectors, of which a plain codebook leaves most unused, without replacement of dead
      codes or moving averages.

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
