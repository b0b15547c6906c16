"""What is looked for before data are used: each finding a sentence with the place."""

from typing import Any

import numpy as np

from ae_jax.errors import InvalidInput
from ae_jax.types import Shape

STORAGE = ("bool", "uint8", "uint16", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


def as_examples(values: Any, name: str = "data") -> np.ndarray:
    """The values as an array of examples ``[n, *shape]``, in a type that a device stores.

    Booleans and bytes stay bytes; other integers and 64-bit floats become 32-bit floats.

    Raises:
      InvalidInput: not numeric, no examples, fewer than two axes, or NaN or infinity anywhere.

    Example:
      >>> as_examples([[0, 1], [2, 3]]).dtype
      dtype('float32')
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InvalidInput(f"{name} is ragged ({error}): expected examples of one shape.") from error
    if array.dtype.name not in STORAGE and not np.issubdtype(array.dtype, np.number):
        raise InvalidInput(f"{name} has type {array.dtype}: expected numbers; encode text and drop missing values.")
    if np.iscomplexobj(array):
        raise InvalidInput(f"{name} has type {array.dtype}: expected real numbers; take parts or magnitudes.")
    if array.ndim < 2:
        raise InvalidInput(f"{name} has shape {array.shape}: expected [examples, *features]; reshape it to two axes.")
    if array.size == 0:
        raise InvalidInput(f"{name} is empty, of shape {array.shape}: expected at least one example with one feature.")
    if array.dtype.name not in ("bool", "uint8"):
        with np.errstate(over="ignore"):
            array = array.astype(np.float32, copy=False)
        require_finite(array, name)
    return array.astype(np.uint8) if array.dtype == bool else array


def require_finite(array: np.ndarray, name: str) -> None:
    """Raises a sentence that counts NaN and infinities and names the first, where there are any."""
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(index) for index in np.argwhere(bad)[0])
        raise InvalidInput(
            f"{name} has {int(bad.sum())} NaN or infinite values, the first at index {first}: "
            "expected finite numbers; drop or impute them."
        )


def require_shape(array: np.ndarray, shape: Shape, name: str) -> None:
    """Raises a sentence where examples are not of the shape that a run was trained on."""
    if array.shape[1:] != tuple(shape):
        raise InvalidInput(
            f"{name} has shape {array.shape}: expected [examples, {', '.join(map(str, shape))}], "
            "as the autoencoder was trained on."
        )


def require_unit_interval(low: float, high: float, what: str) -> None:
    """Raises a sentence where scaled values leave [0, 1], as a Bernoulli likelihood does not allow."""
    if low < 0.0 or high > 1.0:
        raise InvalidInput(
            f"{what} was given values from {low:g} to {high:g}: expected [0, 1]; "
            "scale the data or choose another likelihood, such as SquaredError or GaussianLikelihood."
        )
