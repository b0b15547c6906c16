"""Classical image filters at their best width, the baselines of denoising."""

import dataclasses
from typing import ClassVar

import numpy as np
from scipy import ndimage

from ae_jax._checks import positive_whole, require_non_negative
from ae_jax.errors import InvalidInput


@dataclasses.dataclass(frozen=True)
class GaussianFilter:
    r"""Blurs images by a Gaussian over height and width, reflecting them at their borders.

    .. math:: \hat x = x * G_\sigma, \quad G_\sigma(u) \propto e^{-\|u\|^2 / 2 \sigma^2}

    Attributes:
      width: standard deviation in pixels; 0 leaves images as they are.

    Example:
      >>> GaussianFilter(0.5).reconstruct(np.eye(3)[None]).round(2)[0, 1]
      array([0.18, 0.64, 0.18])

    References:
      Buades et al., *A review of image denoising algorithms, with a new one*, Multiscale Modeling & Simulation 2005,
      section 2.1.
    """

    width: float
    name: ClassVar[str] = "gaussian filter"
    widths: ClassVar[tuple[float, ...]] = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.25, 1.5, 2.0)

    def __post_init__(self) -> None:
        require_non_negative("GaussianFilter", width=self.width)

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """Filtered images, of the shape and type of x: ``[n, height, width]`` or ``[n, height, width, channels]``."""
        require_images("the Gaussian filter", x)
        return ndimage.gaussian_filter(x, (0, self.width, self.width, 0)[: x.ndim])


@dataclasses.dataclass(frozen=True)
class MedianFilter:
    """Replaces each pixel by the median of the square around it, reflecting images at their borders.

    Attributes:
      width: side of the square in pixels; 1 leaves images as they are.

    Example:
      >>> MedianFilter(3).reconstruct(np.array([[[0.0, 0.0, 0.0], [0.0, 9.0, 1.0], [0.0, 1.0, 1.0]]]))[0, 1]
      array([0., 0., 1.])

    References:
      Huang et al., *A fast two-dimensional median filtering algorithm*, IEEE Transactions on Acoustics, Speech, and
      Signal Processing 1979.
    """

    width: int
    name: ClassVar[str] = "median filter"
    widths: ClassVar[tuple[int, ...]] = (1, 3, 5, 7)

    def __post_init__(self) -> None:
        positive_whole("MedianFilter", "width", self.width)

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """Filtered images, of the shape and type of x: ``[n, height, width]`` or ``[n, height, width, channels]``."""
        require_images("the median filter", x)
        return ndimage.median_filter(x, (1, self.width, self.width, 1)[: x.ndim])


ImageFilter = GaussianFilter | MedianFilter
FILTERS: tuple[type[ImageFilter], ...] = (GaussianFilter, MedianFilter)
"""The kinds of filters; ``widths`` of each are those that :func:`best_filter` chooses from."""


def best_filter(kind: type[ImageFilter], noisy: np.ndarray, clean: np.ndarray) -> ImageFilter:
    """The filter whose images have the lowest mean squared error; the smallest of equally good widths.

    Choose it on examples that the comparison does not use, corrupted in the same way as those of the comparison.

    Args:
      kind: of the filter, one of :data:`FILTERS`.
      noisy: corrupted images, ``[n, height, width]`` or with channels.
      clean: the same images without corruption.

    Raises:
      InvalidInput: the data are not images.

    Example:
      >>> clean = np.zeros((1, 8, 8))
      >>> best_filter(GaussianFilter, clean + np.eye(8), clean)
      GaussianFilter(width=2.0)
    """
    filters = [kind(width) for width in kind.widths]  # pyright: ignore[reportArgumentType]
    return min(filters, key=lambda one: float(np.mean(np.square(one.reconstruct(noisy).astype(np.float64) - clean))))


def are_images(x: np.ndarray) -> bool:
    """Whether examples have height and width, and perhaps channels.

    Example:
      >>> are_images(np.zeros((5, 8, 8))), are_images(np.zeros((5, 64)))
      (True, False)
    """
    return x.ndim in (3, 4)


def require_images(what: str, x: np.ndarray) -> None:
    """Raises InvalidInput where examples are not images."""
    if not are_images(x):
        raise InvalidInput(
            f"{what} was given data of shape {x.shape}: expected images, [n, height, width] or with channels last."
        )
