"""What benchmarks are trained on: bytes of MNIST's shape that any machine draws alike, and the digits."""

import numpy as np
from jaxtyping import UInt8
from sklearn.datasets import load_digits

from ae_jax import data
from ae_jax.errors import InvalidInput

_STROKES = 4


def blobs(count: int, *, side: int = 28, seed: int = 0) -> UInt8[np.ndarray, "count side side"]:
    """Images of a few soft strokes on black: mostly zeros as MNIST's are, and with something to learn.

    Args:
      count: how many.
      side: of the square images, in pixels.
      seed: of where strokes lie and how wide they are.

    Returns:
      Bytes, ``[count, side, side]``.

    Example:
      >>> blobs(2, side=8).shape, blobs(2).dtype, bool((blobs(64)[0] == blobs(1)[0]).all())
      ((2, 8, 8), dtype('uint8'), True)
    """
    drawn = np.random.default_rng(seed).uniform(size=(count, _STROKES, 4)).astype(np.float32)
    centres = side * (0.25 + 0.5 * drawn[..., :2])
    widths = side * (0.04 + 0.1 * drawn[..., 2:])
    pixels = np.arange(side, dtype=np.float32)
    profiles = np.exp(-0.5 * np.square((pixels - centres[..., None]) / widths[..., None]))
    images = np.einsum("nsi,nsj->nij", profiles[:, :, 0], profiles[:, :, 1])
    return np.floor(255.0 * np.minimum(images, 1.0)).astype(np.uint8)


def images_of(source: str | None, count: int) -> UInt8[np.ndarray, "count 28 28"]:
    """The first training images of a source, or :func:`blobs` where there is none.

    Raises:
      InvalidInput: other images than bytes of 28 by 28 pixels, or fewer.
    """
    if source is None:
        return blobs(count)
    x = data.load(source).train.x
    if x.shape[1:] != (28, 28) or x.dtype != np.uint8 or len(x) < count:
        raise InvalidInput(
            f"{source} has {len(x)} training examples of shape {x.shape[1:]} and type {x.dtype}: the benchmarks "
            f"expected at least {count} images of 28 by 28 bytes; give MNIST's idx files, or fewer examples."
        )
    return x[:count]


def digit_images(count: int) -> UInt8[np.ndarray, "count 64"]:
    """The first of scikit-learn's digits as rows of 64 whole numbers from 0 to 16.

    Example:
      >>> digit_images(2).shape, int(digit_images(8).max())
      ((2, 64), 16)
    """
    return np.asarray(load_digits(return_X_y=True)[0][:count], np.uint8)
