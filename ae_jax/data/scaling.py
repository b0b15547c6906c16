"""Affine scaling between stored values and the model units that networks see."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ae_jax.components import component
from ae_jax.errors import InvalidInput, require_known
from ae_jax.types import Number, Shape

SCALINGS = ("unit", "standard", "bytes", "none")
"""Scalings by name, fitted on the training split."""

_CERTAIN, _BYTE = 127, 255.0
"""Bytes above the first number are certainly of the range from 0 to the second."""

_PART = 1 << 22
"""Numbers that are processed at a time."""


@component
class Scaling:
    r"""An affine map from stored values to model units, applied inside the compiled step.

    .. math:: x_{model} = (x_{stored} - a) / b

    Attributes:
      offset: a, in units of the stored data: one number, or one for each feature, ``[*shape]``.
      scale: b, the same, not zero; 255 brings bytes to [0, 1].

    Raises:
      InvalidInput: an offset or a scale that is neither one finite number nor an array of them, or is zero as a scale.

    Example:
      >>> Scaling(scale=16.0)(jnp.array([[0, 8, 16]], jnp.uint8))
      Array([[0. , 0.5, 1. ]], dtype=float32)
    """

    offset: Number | Sequence[Any] = 0.0
    scale: Number | Sequence[Any] = 1.0

    def __post_init__(self) -> None:
        for name, value in (("offset", self.offset), ("scale", self.scale)):
            if not _holds_numbers(value):
                raise InvalidInput(
                    f"Scaling was given {name}={value!r}: expected one finite number of 32 bits, or one a feature."
                )
            if np.ndim(value):
                object.__setattr__(self, name, np.asarray(value, np.float32))
        if (np.abs(np.asarray(self.scale, np.float64)) < np.finfo(np.float32).tiny).any():
            raise InvalidInput(f"Scaling was given scale={self.scale!r}: expected a number that one can divide by.")

    def __call__(self, stored: Any) -> Float[Array, "*shape"]:
        """Stored values in model units, as floating-point numbers; features are the last axes."""
        return _scaled(stored if isinstance(stored, jax.Array) else np.asarray(stored), self.offset, self.scale)

    def invert(self, values: Any) -> Any:
        """Values in model units back in the units of the data."""
        axes = np.ndim(values)
        return values * _aligned(self.scale, axes) + _aligned(self.offset, axes)

    def log_determinant(self, shape: Shape) -> float:
        """Adds to a log-density of an example of this shape in model units what makes it one of stored values, in nats.

        Example:
          >>> round(Scaling(scale=16.0).log_determinant((8, 8)), 2)
          -177.45
        """
        return -float(np.log(np.abs(np.broadcast_to(np.asarray(self.scale, np.float64), shape))).sum())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scaling) and self._bits() == other._bits()

    def __hash__(self) -> int:
        return hash(self._bits())

    def _bits(self) -> tuple[Any, ...]:
        numbers = (np.asarray(number, np.float32) + np.float32(0) for number in (self.offset, self.scale))  # -0 is 0
        return tuple((number.shape, number.tobytes()) for number in numbers)

    @classmethod
    def of_bytes(cls, highest: Any) -> "Scaling":
        """The scaling of bytes: above 127 they are divided by 255, else by the highest of them; 0 and 1 stay.

        Example:
          >>> [Scaling.of_bytes(highest).scale for highest in (1, 16, 128)]
          [1.0, 16.0, 255.0]
        """
        return cls(scale=_BYTE if highest > _CERTAIN else float(max(highest, 1)))


class Statistics(NamedTuple):
    """Statistics that a scaling is fitted to: of each feature where examples are vectors, else of all values together.

    They hold the number of values (of each feature where some are missing), the lowest and the highest, and, where
    computed, the mean and the sum of squared distances from it.
    """

    count: Any
    low: Any
    high: Any
    mean: Any = None
    squares: Any = None

    @property
    def deviation(self) -> Any:
        """Standard deviation, in units of the stored data."""
        return np.sqrt(self.squares / self.count)

    def merge(self, other: "Statistics") -> "Statistics":
        """The statistics of both parts together.

        References:
          Chan et al., *Algorithms for computing the sample variance*, The American Statistician 1983, eq. 2.1.
        """
        count = self.count + other.count
        merged = Statistics(count, np.minimum(self.low, other.low), np.maximum(self.high, other.high))
        if self.mean is None:
            return merged
        distance = other.mean - self.mean
        squares = self.squares + other.squares + np.square(distance) * (self.count * other.count / count)
        return merged._replace(mean=self.mean + distance * (other.count / count), squares=squares)

    @staticmethod
    def of(parts: Iterable[np.ndarray], *, moments: bool = True) -> "Statistics":
        """Statistics of examples that come in parts ``[n, *shape]``; with ``moments``, of mean and deviation too.

        Example:
          >>> Statistics.of([np.array([[0.0, 1.0]]), np.array([[2.0, 1.0]])]).deviation
          array([1., 0.])
        """
        pieces = (
            _statistics(part[start : start + rows], moments)
            for part in parts
            for rows in (max(1, _PART // part[0].size),)
            for start in range(0, len(part), rows)
        )
        return reduce(Statistics.merge, pieces)


def fitted(kind: str, statistics: Statistics, *, of_bytes: bool) -> Scaling:
    """The scaling of that name, fitted to statistics of the training split.

    Args:
      kind: ``"unit"`` to [0, 1], bytes by :meth:`Scaling.of_bytes` and anything else by its lowest and highest value;
        ``"standard"`` to mean zero and standard deviation one; ``"bytes"`` divides by 255; ``"none"``. A constant
        feature becomes zero by the first two.
      statistics: of the training split; of rows, each feature is scaled by its own.
      of_bytes: whether the values are stored as bytes.

    Raises:
      InvalidInput: an unknown name.

    Example:
      >>> fitted("unit", Statistics.of([np.array([[1.0, 0.0], [3.0, 10.0]])]), of_bytes=False).scale
      array([ 2., 10.], dtype=float32)
    """
    require_known("scaling", kind, SCALINGS)
    if kind in ("none", "bytes"):
        return Scaling(scale=_BYTE) if kind == "bytes" else Scaling()
    if kind == "unit" and of_bytes:
        return Scaling.of_bytes(np.max(statistics.high))
    low, high = (np.asarray(extreme, np.float64) for extreme in (statistics.low, statistics.high))
    constant = high - low <= np.finfo(np.float32).eps * np.abs(low)
    if kind == "standard":
        deviation = np.where(constant, 1.0, statistics.deviation)
        return Scaling(offset=_number(statistics.mean), scale=_number(deviation if deviation.shape else deviation[()]))
    offset, scale = np.float32(low), np.where(constant, 1, high - low).astype(np.float32)
    while (beyond := (np.float32(high) - offset) / scale > 1).any():  # by rounding, which no likelihood allows
        scale = np.where(beyond, np.nextafter(scale, np.float32(np.inf)), scale)
    return Scaling(offset=_number(offset), scale=_number(scale))


def _number(value: Any) -> Any:
    return value.astype(np.float32) if np.ndim(value) else float(value)


def _of_observed(part: np.ndarray, observed: np.ndarray, axis: int | None, moments: bool) -> Statistics:
    """Statistics of the values that are not missing; a feature without any has infinite extremes."""
    count: Any = observed.sum(axis=axis)
    low, high = part.min(axis, where=observed, initial=np.inf), part.max(axis, where=observed, initial=-np.inf)
    if not moments:
        return Statistics(count, low, high)
    mean = part.sum(axis, dtype=np.float64, where=observed) / np.maximum(count, 1)
    return Statistics(count, low, high, mean, np.square(part - mean).sum(axis, dtype=np.float64, where=observed))


def _statistics(part: np.ndarray, moments: bool) -> Statistics:
    axis = 0 if part.ndim == 2 else None
    if part.dtype.kind == "f" and (missing := np.isnan(part)).any():
        return _of_observed(part, ~missing, axis, moments)
    found = Statistics(len(part) if axis == 0 else part.size, part.min(axis=axis), part.max(axis=axis))
    if not moments:
        return found
    mean = part.mean(axis=axis, dtype=np.float64)
    return found._replace(mean=mean, squares=np.square(part - mean).sum(axis=axis, dtype=np.float64))


@jax.jit
def _scaled(stored: Any, offset: Any, scale: Any) -> Any:
    values = stored.astype(jnp.result_type(float))
    return (values - _aligned(offset, values.ndim)) / _aligned(scale, values.ndim)


def _aligned(number: Any, axes: int) -> Any:
    """One number as it is; one a feature with leading axes for the examples."""
    shape: Shape = np.shape(number)
    return number if not shape else number.reshape((1,) * (axes - len(shape)) + shape)


def _holds_numbers(value: Any) -> bool:
    """Whether a value is one real number or an array of them, no truth values, finite as 32-bit floats."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_holds_numbers, value)) and len({np.shape(one) for one in value}) == 1
    if not isinstance(value, (int, float, np.generic, np.ndarray, Array)):
        return False
    array = np.asarray(value)
    return array.size > 0 and array.dtype.kind in "iuf" and bool((abs(array) <= np.finfo(np.float32).max).all())
