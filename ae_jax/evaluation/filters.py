"""Classical image filters, baselines of denoising."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage


def gaussian_filter(x: np.ndarray, width: float | int) -> np.ndarray:
    r"""Blurs images by a Gaussian over height and width, reflecting them at their borders.

    .. math:: \hat x = x * G_\sigma, \quad G_\sigma(u) \propto e^{-\|u\|^2 / 2 \sigma^2}

    Args:
      x: images, ``[n, height, width]`` or ``[n, height, width, channels]``.
      width: standard deviation in pixels; 0 leaves images as they are.

    Returns:
      Filtered images, of the shape and type of x.

    Example:
      >>> gaussian_filter(np.eye(3)[None], 0.5).round(2)[0, 1]
      array([0.18, 0.64, 0.18])

    References:
      Buades et al., *A review of image denoising algorithms, with a new one*, Multiscale Modeling & Simulation 2005,
      section 2.1.
    """
    return ndimage.gaussian_filter(x, (0, width, width, 0)[: x.ndim])


def median_filter(x: np.ndarray, width: int) -> np.ndarray:
    """Replaces each pixel by the median of the square around it, reflecting images at their borders.

    Args:
      x: as of :func:`gaussian_filter`.
      width: side of the square in pixels; 1 leaves images as they are.

    Returns:
      Filtered images, of the shape and type of x.

    References:
      Huang et al., *A fast two-dimensional median filtering algorithm*, IEEE Transactions on Acoustics, Speech, and
      Signal Processing 1979.
    """
    return ndimage.median_filter(x, (1, width, width, 1)[: x.ndim])


FILTERS: dict[str, tuple[Callable[..., np.ndarray], tuple[float | int, ...]]] = {
    "gaussian filter": (gaussian_filter, (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.25, 1.5, 2.0)),
    "median filter": (median_filter, (1, 3, 5, 7)),
}
"""Filters by name, each with the widths that are chosen from."""


def are_images(x: np.ndarray) -> bool:
    """Whether examples have height and width, and perhaps channels.

    Example:
      >>> are_images(np.zeros((5, 8, 8))), are_images(np.zeros((5, 64)))
      (True, False)
    """
    return x.ndim in (3, 4)
