"""What a denoiser has to beat: classical filters of images, at their best width."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from ae_jax._checks import positive_whole, require_non_negative
from ae_jax.errors import InvalidInput
from ae_jax.evaluation.reconstruction import mean_squared_error

Images = Float[np.ndarray, "n *features"]
Filter = Callable[[np.ndarray, Any], np.ndarray]
"""``(images, width) -> images``."""


def gaussian_filter(x: Images, sigma: float | int) -> Images:
    r"""Images blurred by a Gaussian over height and width; examples and channels stay apart.

    .. math:: \hat x = x * G_\sigma, \quad G_\sigma(u) \propto e^{-\|u\|^2 / 2 \sigma^2}

    Args:
      x: images, ``[n, height, width]`` or ``[n, height, width, channels]``.
      sigma: standard deviation in pixels; 0 leaves the image as it is.

    Returns:
      The images, of the same shape and type; beyond their borders they are reflected.

    Raises:
      InvalidInput: data that are no images, or a sigma below zero.

    Example:
      >>> gaussian_filter(np.eye(3)[None], 0.5).round(2)[0, 1]
      array([0.18, 0.64, 0.18])

    References:
      Buades et al., *A review of image denoising algorithms, with a new one*, Multiscale Modeling & Simulation 2005,
      section 2.1.
    """
    require_images("the Gaussian filter", x)
    require_non_negative("gaussian_filter", sigma=sigma)
    return ndimage.gaussian_filter(x, (0, sigma, sigma, 0)[: x.ndim])


def median_filter(x: Images, size: int) -> Images:
    """Each pixel the median of the square around it; examples and channels stay apart.

    Args:
      x: images, ``[n, height, width]`` or ``[n, height, width, channels]``.
      size: side of the square in pixels; 1 leaves the image as it is.

    Returns:
      The images, of the same shape and type; beyond their borders they are reflected.

    Raises:
      InvalidInput: data that are no images, or a size that is no whole number above zero.

    Example:
      >>> median_filter(np.array([[[0.0, 0.0, 0.0], [0.0, 9.0, 1.0], [0.0, 1.0, 1.0]]]), 3)[0, 1]
      array([0., 0., 1.])

    References:
      Huang et al., *A fast two-dimensional median filtering algorithm*, IEEE Transactions on Acoustics, Speech, and
      Signal Processing 1979.
    """
    require_images("the median filter", x)
    size = positive_whole("median_filter", "size", size)
    return ndimage.median_filter(x, (1, size, size, 1)[: x.ndim])


FILTERS: dict[str, tuple[Filter, tuple[float | int, ...]]] = {
    "gaussian filter": (gaussian_filter, (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.25, 1.5, 2.0)),
    "median filter": (median_filter, (1, 3, 5, 7)),
}
"""Each filter with the widths in pixels that :func:`best_width` chooses from; the first does nothing."""


def best_width(smooth: Filter, widths: Sequence[float | int], noisy: Images, clean: Images) -> float | int:
    """The width whose images are nearest to the clean ones, by mean squared error; the first of equals.

    Choose it on examples that the comparison does not use, and damage them as the comparison does: the filter is at
    its best then, as an autoencoder is that was trained on this damage.

    Args:
      smooth: the filter.
      widths: what to choose from, in pixels.
      noisy: damaged images, ``[n, height, width]`` or with channels.
      clean: the same ones, undamaged.

    Returns:
      The width.

    Raises:
      InvalidInput: data that are no images, or no width to choose from.

    Example:
      >>> clean = np.zeros((1, 8, 8))
      >>> best_width(gaussian_filter, (0.0, 1.0), clean + np.eye(8), clean)
      1.0
    """
    if not widths:
        raise InvalidInput("best_width was given no widths: expected at least one to choose from.")
    return min(widths, key=lambda width: mean_squared_error(smooth(noisy, width), clean))


def are_images(x: np.ndarray) -> bool:
    """Whether examples have height and width, and perhaps channels.

    Example:
      >>> are_images(np.zeros((5, 8, 8))), are_images(np.zeros((5, 64)))
      (True, False)
    """
    return x.ndim in (3, 4)


def require_images(what: str, x: np.ndarray) -> None:
    """Raises a sentence where examples are no images."""
    if not are_images(x):
        raise InvalidInput(
            f"{what} was given data of shape {x.shape}: expected images, [n, height, width] or with channels last."
        )
