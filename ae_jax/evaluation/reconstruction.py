"""Quality of reconstructions: squared error, PSNR, SSIM and explained variance."""

import math

import numpy as np
from jaxtyping import Float
from sklearn.utils import gen_batches

from ae_jax._checks import require_positive
from ae_jax.errors import InvalidInput
from ae_jax.evaluation.filters import are_images
from ae_jax.losses.shapes import require_equal_shapes
from ae_jax.losses.structural_similarity import compare_windows

_PIXELS = 2**20
"""How many pixels are compared at a time."""

Examples = Float[np.ndarray, "n *features"]


def mean_squared_error(reconstruction: Examples, target: Examples) -> float:
    r"""Mean over features and examples of the squared error.

    .. math:: \frac{1}{n d} \sum_{b,i} (\hat x_{bi} - x_{bi})^2

    Both are ``[n, *features]``; InvalidInput is raised where their shapes differ.

    Example:
      >>> mean_squared_error(np.zeros((1, 4)), np.full((1, 4), 0.5))
      0.25
    """
    return float(np.mean(_squared_errors(reconstruction, target)))


def mean_squared_errors(reconstruction: Examples, target: Examples) -> Float[np.ndarray, " n"]:
    """Mean over features of the squared error of each example, ``[n]``; :func:`mean_squared_error` is their mean."""
    return np.mean(_squared_errors(reconstruction, target), axis=1)


def psnr(reconstruction: Examples, target: Examples, *, data_range: float | int = 1.0) -> Float[np.ndarray, " n"]:
    r"""Peak signal-to-noise ratio of each example.

    .. math:: 10 \log_{10} \frac{R^2}{\frac{1}{d} \sum_i (\hat x_i - x_i)^2}

    Args:
      reconstruction, target: ``[n, *features]``, of one shape.
      data_range: R, from the lowest to the highest possible value; 1 for data in [0, 1], 255 for bytes.

    Returns:
      The ratio of each example, ``[n]``, in decibels; infinite where the reconstruction is exact.

    Raises:
      InvalidInput: the shapes differ, or the range is not above zero.

    Example:
      >>> psnr(np.zeros((1, 4)), np.full((1, 4), 0.1)).round(2)
      array([20.])
    """
    require_positive("psnr", data_range=data_range)
    with np.errstate(divide="ignore"):
        errors = 10.0 * np.log10(mean_squared_errors(reconstruction, target))
    return 20.0 * np.log10(data_range) - errors


def explained_variance(reconstruction: Examples, target: Examples, mean: Float[np.ndarray, "*features"]) -> float:
    r"""Share of the data's variance that the reconstruction keeps.

    .. math:: 1 - \frac{\sum_b \|x_b - \hat x_b\|^2}{\sum_b \|x_b - \mu\|^2}

    Of PCA on its own training data, the sum of its explained variance ratios.

    Args:
      reconstruction, target: ``[n, *features]``, of one shape.
      mean: of the training data, ``[*features]``: the best reconstruction without a code.

    Returns:
      The share, at most 1; below 0 where the mean would have been the better reconstruction.

    Raises:
      InvalidInput: the shapes differ, or every target is the mean.

    Example:
      >>> target = np.array([[0.0, 0.0], [2.0, 2.0]])
      >>> explained_variance(np.array([[0.0, 1.0], [2.0, 1.0]]), target, np.array([1.0, 1.0]))
      0.5
    """
    residual = _squared_errors(reconstruction, target).sum()
    if mean.shape != target.shape[1:]:
        raise InvalidInput(
            f"the mean has shape {mean.shape} and the target {target.shape}: expected the shape of one example."
        )
    total = np.square(target.astype(np.float64) - mean[None]).sum()
    if total == 0:
        raise InvalidInput("every target is the mean: expected targets that vary, or there is nothing to explain.")
    return float(1.0 - residual / total)


def structural_similarity(
    reconstruction: Examples, target: Examples, *, data_range: float | int = 1.0
) -> Float[np.ndarray, " n"]:
    r"""Structural similarity (SSIM) of each image: luminance, contrast and structure, compared window by window.

    .. math:: \frac{(2 \mu_x \mu_y + C_1)(2 \sigma_{xy} + C_2)}
       {(\mu_x^2 + \mu_y^2 + C_1)(\sigma_x^2 + \sigma_y^2 + C_2)}, \quad C_1 = (0.01 R)^2, C_2 = (0.03 R)^2

    Moments are weighted by a Gaussian window of 11 x 11 pixels and standard deviation 1.5; the similarity is the mean
    over the windows inside the image and over channels. In an image with a side s below 11 pixels the window has the
    radius (s - 1) // 2. Values of windows of different sizes are not comparable.

    Args:
      reconstruction, target: images ``[n, height, width]`` or ``[n, height, width, channels]``, of one shape.
      data_range: R, from the lowest to the highest possible value; 1 for data in [0, 1], 255 for bytes.

    Returns:
      The similarity of each image, ``[n]``, in [-1, 1]; 1 where the reconstruction is exact.

    Raises:
      InvalidInput: the shapes differ, are no images', or have a side below 3 pixels; the range is not above zero.

    Example:
      >>> image = np.linspace(0.0, 1.0, 64).reshape(1, 8, 8)
      >>> structural_similarity(image, image), structural_similarity(1.0 - image, image).round(3)
      (array([1.]), array([-0.941]))

    References:
      Wang et al., *Image quality assessment: from error visibility to structural similarity*, IEEE Transactions on
      Image Processing 2004.
    """
    require_positive("structural_similarity", data_range=data_range)
    require_equal_shapes("the reconstruction", reconstruction, "the target", target)
    if target.ndim not in (3, 4) or min(target.shape[1:3]) < 3:
        raise InvalidInput(
            f"structural similarity was given shape {target.shape}: expected images [n, height, width] or "
            "[n, height, width, channels] of at least 3 pixels on a side; ask for the mean squared error instead."
        )
    parts = []
    for rows in gen_batches(len(target), max(1, _PIXELS // target[0].size)):
        found = compare_windows(_by_channel(reconstruction[rows]), _by_channel(target[rows]), data_range)
        parts.append(np.mean(np.multiply(*found), axis=(1, 2, 3)))
    return np.concatenate(parts)


def image_quality(reconstruction: Examples, clean: Examples, *, data_range: float = 1.0) -> dict[str, float]:
    r"""PSNR and SSIM of reconstructions of all examples together, against the clean examples.

    .. math:: \mathrm{PSNR} = 10 \log_{10} \frac{R^2}{\frac{1}{n d} \sum_{b,i} (\hat x_{bi} - x_{bi})^2}

    The error is the mean over all examples, as the decibels of one example may be infinite.

    Args and Raises are those of :func:`psnr`.

    Returns:
      ``psnr`` in decibels and, of images of at least 3 pixels on a side, ``ssim``, the mean of
      :func:`ae_jax.evaluation.structural_similarity`; NaN of reconstructions that are not finite.

    Example:
      >>> image_quality(np.zeros((1, 4)), np.full((1, 4), 0.1))
      {'psnr': 20.0}

    References:
      Jain and Seung, *Natural image denoising with convolutional networks*, NIPS 2008 (PSNR of learned denoisers).
    """
    images = are_images(clean) and min(clean.shape[1:3]) >= 3
    if not np.isfinite(reconstruction).all():
        return dict.fromkeys(("psnr", "ssim") if images else ("psnr",), math.nan)
    error = mean_squared_error(reconstruction, clean)
    values = {"psnr": 10.0 * math.log10(data_range**2 / error) if error != 0 else math.inf}
    if images:
        values["ssim"] = float(np.mean(structural_similarity(reconstruction, clean, data_range=data_range)))
    return values


def _by_channel(images: np.ndarray) -> np.ndarray:
    """Images as ``[n, channels, height, width]``, in double precision."""
    images = images.astype(np.float64)
    return images[:, None] if images.ndim == 3 else np.moveaxis(images, 3, 1)


def _squared_errors(reconstruction: np.ndarray, target: np.ndarray) -> np.ndarray:
    require_equal_shapes("the reconstruction", reconstruction, "the target", target)
    return np.square(reconstruction.astype(np.float64) - target).reshape(len(target), -1)
