"""How well does it reconstruct what it is shown?"""

import numpy as np
from jaxtyping import Float

from ae_jax.errors import InvalidInput


def mean_squared_error(
    reconstruction: Float[np.ndarray, "n *features"], target: Float[np.ndarray, "n *features"]
) -> float:
    r"""Mean over features and examples of the squared error.

    .. math:: \frac{1}{n d} \sum_{b,i} (\hat x_{bi} - x_{bi})^2

    Args:
      reconstruction, target: ``[n, *features]``, of one shape.

    Returns:
      The error, in squared units of the data.

    Raises:
      InvalidInput: the shapes differ.

    Example:
      >>> mean_squared_error(np.zeros((1, 4)), np.full((1, 4), 0.5))
      0.25
    """
    return float(np.mean(_squared_errors(reconstruction, target)))


def psnr(
    reconstruction: Float[np.ndarray, "n *features"], target: Float[np.ndarray, "n *features"]
) -> Float[np.ndarray, " n"]:
    r"""Peak signal-to-noise ratio of each example, for data in [0, 1].

    .. math:: -10 \log_{10} \frac{1}{d} \sum_i (\hat x_i - x_i)^2

    Args:
      reconstruction, target: ``[n, *features]``, of one shape.

    Returns:
      The ratio of each example, ``[n]``, in decibels; infinite where the reconstruction is exact.

    Raises:
      InvalidInput: the shapes differ.

    Example:
      >>> psnr(np.zeros((1, 4)), np.full((1, 4), 0.1)).round(2)
      array([20.])

    References:
      Vincent et al., *Stacked denoising autoencoders*, JMLR 2010, judge by error; PSNR is its decibel scale.
    """
    with np.errstate(divide="ignore"):
        return -10.0 * np.log10(np.mean(_squared_errors(reconstruction, target), axis=1))


def _squared_errors(reconstruction: np.ndarray, target: np.ndarray) -> np.ndarray:
    if reconstruction.shape != target.shape:
        raise InvalidInput(
            f"the reconstruction has shape {reconstruction.shape} and the target {target.shape}: expected equal shapes."
        )
    return np.square(reconstruction.astype(np.float64) - target).reshape(len(target), -1)
