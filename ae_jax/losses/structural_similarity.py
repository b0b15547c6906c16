"""Structural similarity of images at several scales, as a differentiable function."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ae_jax.errors import InvalidInput
from ae_jax.losses.shapes import require_equal_shapes

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, from the finest to the coarsest (Wang et al., 2003, section 3.2)."""

_RADIUS, _SIGMA = 5, 1.5
_LEAST = 1e-6
"""Of a scale's similarity, which can be negative, before it is raised to a power."""


def multiscale_ssim(
    prediction: Float[Array, "batch *shape"], target: Float[Array, "batch *shape"]
) -> Float[Array, " batch"]:
    r"""Structural similarity of each pair of images of values in [0, 1], over up to five scales.

    .. math:: \mathrm{SSIM}_M^{w_M} \prod_{j < M} \mathrm{CS}_j^{w_j}

    CS compares contrast and structure in Gaussian windows of 11 pixels, SSIM luminance as well; each scale halves
    the one before by means of 2 x 2 pixels. Where five scales leave fewer than 3 pixels a side, there are fewer, with
    weights that sum to one, and a window is no larger than the image.

    Args:
      prediction: ``[batch, height, width]`` or ``[batch, height, width, channels]``; the mean over channels is taken.
      target: of the same shape.

    Returns:
      The similarity of each pair, ``[batch]``: 1 for equal images, at least 0.

    Raises:
      InvalidInput: the shapes differ, or are not those of images of at least 3 pixels a side.

    Example:
      >>> x = jnp.linspace(0.0, 1.0, 64).reshape(1, 8, 8)
      >>> multiscale_ssim(x, x), bool(multiscale_ssim(1.0 - x, x)[0] < 0.1)
      (Array([1.], dtype=float32), True)

    References:
      Wang, Simoncelli and Bovik, *Multiscale structural similarity for image quality assessment*, Asilomar 2003, eq. 7.
    """
    require_equal_shapes("prediction", prediction, "target", target)
    if target.ndim not in (3, 4) or min(target.shape[1:3]) < 3:
        raise InvalidInput(
            f"multi-scale structural similarity was given examples of shape {target.shape[1:]}: expected images of at "
            "least 3 pixels a side; choose another likelihood."
        )
    x, y = (images[:, None] if images.ndim == 3 else jnp.moveaxis(images, 3, 1) for images in (prediction, target))
    sides = [min(target.shape[1:3]) >> scale for scale in range(len(_WEIGHTS))]
    count = sum(side >= 3 for side in sides)
    powers = np.array(_WEIGHTS[:count]) / sum(_WEIGHTS[:count])
    similarity = jnp.ones(x.shape[:2], x.dtype)
    for scale, power in enumerate(powers.tolist()):
        luminance, structure = compare_windows(x, y)
        found = luminance * structure if scale == count - 1 else structure
        similarity = similarity * jnp.maximum(jnp.mean(found, axis=(2, 3)), _LEAST) ** power
        x, y = _halved(x), _halved(y)
    return jnp.mean(similarity, axis=1)


def gaussian_windows(side: int, radius: int) -> np.ndarray:
    """Weights of every window that lies inside a side, ``[side - 2 radius, side]``; a mean is one matrix product."""
    window = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / _SIGMA))
    windows = np.zeros((side - 2 * radius, side))
    for start, row in enumerate(windows):
        row[start : start + len(window)] = window / window.sum()
    return windows


def compare_windows(x: Any, y: Any, data_range: float | int = 1.0) -> tuple[Any, Any]:
    """Luminance, and contrast with structure, of every window of images ``[batch, channels, height, width]``.

    Of arrays of NumPy they are computed by NumPy.
    """
    height, width = x.shape[2:]
    radius = min(_RADIUS, (min(height, width) - 1) // 2)
    down, across = (gaussian_windows(side, radius).astype(x.dtype) for side in (height, width))

    def mean(images: Any) -> Any:
        return down @ images @ across.T

    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * covariance + c2) / (variances + c2)


def _halved(images: Array) -> Array:
    """Means of 2 x 2 pixels; an odd row or column is left out."""
    batch, channels, height, width = images.shape
    even = images[:, :, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(batch, channels, height // 2, 2, width // 2, 2).mean(axis=(3, 5))
