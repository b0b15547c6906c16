"""Arrays of examples and labels, checked where the user gives them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax.errors import InvalidInput
from ae_jax.types import Shape

EXACT = 2**24
"""Up to this magnitude, every integer is a 32-bit float."""


class RawData(NamedTuple):
    """Examples as a source holds them, before they are split and scaled.

    Attributes:
      x: ``[n, *shape]``, in the type that they are stored in.
      labels: ``[n]``, or None.
      columns: names of the features, where the source names them; else None.
      ids: names of the examples, ``[n]``: of a column, an index or files; else None.
      rows: numbers of the examples in their source, ``[n]``, where some were left out; else None.
    """

    x: Any
    labels: np.ndarray | None = None
    columns: tuple[str, ...] | None = None
    ids: np.ndarray | None = None
    rows: np.ndarray | None = None


_ALLOWED: ContextVar[bool] = ContextVar("missing values are allowed", default=False)


@contextmanager
def missing_values(allowed: bool = True) -> Iterator[None]:
    """Lets examples that are read inside have missing values, which are NaN."""
    token = _ALLOWED.set(allowed)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def are_allowed_missing() -> bool:
    """Whether examples may have missing values here."""
    return _ALLOWED.get()


def as_examples(values: Any, name: str = "data") -> np.ndarray:
    """Converts the values to an array of examples ``[n, *shape]``, in a type that a device stores.

    The values are anything that NumPy or DLPack reads: arrays of JAX, tensors of PyTorch, frames of numbers, sparse
    matrices of SciPy. Booleans and bytes become bytes; other numbers become 32-bit floats, with a warning where
    integers lose digits. Masked entries are NaN.

    Raises:
      InvalidInput: not numeric, no examples, fewer than two axes, or anywhere NaN, infinity or a number beyond 32-bit
        floats.

    Example:
      >>> as_examples([[0, 1], [2, 3]]).dtype
      dtype('float32')
    """
    array = to_array(values, name)
    require_examples(array, name)
    if array.dtype.kind == "f":
        require_finite(array, f"{name} (masked entries are NaN)" if np.ma.is_masked(values) else name)
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind in "iu":
        warn_of_lost_digits(array.min(), array.max(), name)
    return array.astype(np.float32, copy=False)


def warn_of_lost_digits(low: Any, high: Any, name: str) -> None:
    """Warns of integers that 32-bit floats do not tell apart."""
    if high > EXACT or low < -EXACT:
        warnings.warn(
            f"{name} has integers from {low:.0f} to {high:.0f}: beyond 2**24, 32-bit floats lose digits; "
            "subtract an offset first if the digits matter, or give a column of identifiers as the ids.",
            stacklevel=4,
        )


def storage_type(dtype: Any) -> np.dtype:
    """The type in which a device stores numbers: bytes for bytes and booleans, 32-bit floats for all others."""
    return np.dtype(np.uint8 if np.dtype(dtype) in (np.bool_, np.uint8) else np.float32)


def as_labels(values: Any, count: int, name: str = "labels") -> np.ndarray:
    """Converts the values to one label for each example, ``[count]``.

    Raises:
      InvalidInput: another number of labels, or a label that is None, NaN or neither text nor a number.

    Example:
      >>> as_labels(["cat", "dog"], 2).shape
      (2,)
    """
    try:
        values = np.where(np.ma.getmaskarray(values), None, values.data) if np.ma.is_masked(values) else values
        labels = np.asarray(values)
        if labels.dtype.kind in "SU" and not isinstance(values, np.ndarray):  # NumPy wrote NaN among text as text
            labels = np.asarray(values, object)
    except ValueError as error:
        raise InvalidInput(f"{name} are ragged ({error}): expected one label for each example.") from error
    if labels.shape != (count,):
        raise InvalidInput(
            f"{name} have shape {labels.shape} for {count} examples: expected one label for each example."
        )
    if labels.dtype.kind == "O":
        known = (str, bytes, int, float, np.generic)
        missing = np.array([not isinstance(label, known) or bool(label != label) for label in labels], bool)
    else:
        missing = labels != labels  # NaN and NaT
    if missing.any():
        raise InvalidInput(
            f"{name} are missing (None, NaN or no label) for {int(missing.sum())} examples, the first at index "
            f"{int(missing.argmax())}: expected one label for each example; drop those examples, or all labels."
        )
    return np.asarray(labels.tolist()) if labels.dtype.kind == "O" else labels


def require_examples(array: np.ndarray, name: str) -> None:
    """Raises where an array does not hold real numbers of at least one example; reads no values."""
    if array.dtype.kind == "c":
        raise InvalidInput(f"{name} has type {array.dtype}: expected real numbers; take parts or magnitudes.")
    if array.dtype.kind not in "buif":
        raise InvalidInput(f"{name} has type {array.dtype}: expected numbers; encode text and drop missing values.")
    if array.ndim < 2:
        raise InvalidInput(f"{name} has shape {array.shape}: expected [examples, *features]; reshape it to two axes.")
    if array.size == 0:
        raise InvalidInput(f"{name} is empty, of shape {array.shape}: expected at least one example with one feature.")


def require_finite(array: np.ndarray, name: str) -> None:
    """Raises where values are NaN, infinite or beyond 32-bit floats."""
    bad = np.isinf(array) if _ALLOWED.get() else ~np.isfinite(array)
    if bad.any():
        raise InvalidInput(
            f"{name} has {int(bad.sum())} NaN or infinite values, the first at index {_first(bad)}: "
            "expected finite numbers; drop or impute them, or train an autoencoder for missing values, "
            "ae_jax.missing."
        )
    limit = np.finfo(np.float32).max
    if array.dtype.itemsize > limit.itemsize and (beyond := np.abs(array) > limit).any():
        raise InvalidInput(
            f"{name} has {int(beyond.sum())} values beyond {limit:.1e}, the first at index {_first(beyond)}: "
            "expected numbers that 32-bit floats hold; rescale them."
        )


def require_shape(array: np.ndarray, shape: Shape, name: str) -> None:
    """Raises where examples are not of the shape that a run was trained on."""
    if array.shape[1:] != tuple(shape):
        raise InvalidInput(
            f"{name} has shape {array.shape}: expected [examples, {', '.join(map(str, shape))}], "
            "as the autoencoder was trained on."
        )


def require_unit_interval(low: float, high: float, what: str) -> None:
    """Raises where scaled values leave [0, 1], as a Bernoulli likelihood does not allow."""
    if low < 0.0 or high > 1.0:
        raise InvalidInput(
            f"{what} was given values from {low:g} to {high:g}: expected [0, 1]; "
            "scale the data (held-out values may leave the range that a scaling was fitted to), or choose another "
            "likelihood, such as SquaredError or GaussianLikelihood."
        )


def to_array(values: Any, name: str) -> np.ndarray:
    """The values on the host, in a type of NumPy's own."""
    if np.ma.is_masked(values):
        return np.where(np.ma.getmaskarray(values), np.nan, values.data)
    if hasattr(values, "toarray"):  # a sparse matrix of SciPy
        values = values.toarray()
    if hasattr(values, "detach"):  # a tensor of PyTorch, which may have a gradient or be on a device
        values = values.detach().cpu()
    exchanged = hasattr(values, "__dlpack__")
    try:
        array = np.asarray(values) if hasattr(values, "__array__") or not exchanged else np.from_dlpack(values)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        if not exchanged:
            what = "is ragged" if isinstance(error, ValueError) else "is no array"
            raise InvalidInput(f"{name} {what} ({error}): expected examples of one shape.") from error
        try:
            array = np.asarray(jax.dlpack.from_dlpack(values))  # JAX knows more devices and types
        except Exception as error:  # JAX raises many kinds, of its own and of the array's library
            raise InvalidInput(f"{name} cannot be read ({error}): expected an array; convert it to NumPy's.") from error
    narrow = array.dtype.kind == "V" and jnp.issubdtype(array.dtype, np.number)  # such as bfloat16
    return array.astype(np.float32) if narrow else array


def _first(found: np.ndarray) -> tuple[int, ...]:
    return tuple(int(index) for index in np.argwhere(found)[0])
