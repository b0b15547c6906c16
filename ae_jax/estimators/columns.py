"""From the columns of a table to model units and back, in 64 bits, so that a column far from zero keeps its digits."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ae_jax.data import Scaling
from ae_jax.errors import InvalidInput
from ae_jax.types import Shape

SCALINGS = ("standard", "unit", None)
"""What columns can be scaled by; None leaves them."""

_SAME = 16 * np.finfo(np.float64).eps
"""Values that differ by less, relative to their size, differ by rounding."""


class ColumnScaling(NamedTuple):
    r"""An affine map of each column.

    .. math:: x_{model} = (x - a) / b

    Attributes:
      offset: a, in units of the column, ``[columns]``.
      scale: b, the same; 1 of a column that is constant.

    Example:
      >>> ColumnScaling(np.array([1.0]), np.array([2.0]))(np.array([[5.0]]))
      array([[2.]])
    """

    offset: Float[np.ndarray, " columns"]
    scale: Float[np.ndarray, " columns"]

    def __call__(self, x: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, "n columns"]:
        """Rows in model units."""
        return (x - self.offset[None]) / self.scale[None]

    def invert(self, values: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, "n columns"]:
        """Rows in model units back in the units of the columns."""
        return values * self.scale[None] + self.offset[None]

    def as_stored(self, shape: Shape) -> Scaling:
        """The same map in 32 bits for examples of a shape, as a run holds it."""
        return Scaling(offset=self.offset.reshape(shape), scale=self.scale.reshape(shape))


def fit_columns(kind: str | None, x: Float[np.ndarray, "n columns"]) -> ColumnScaling:
    """The scaling of that name, fitted to rows.

    Args:
      kind: ``"standard"`` to mean zero and standard deviation one, ``"unit"`` to [0, 1], None for none.
      x: rows, ``[n, columns]``.

    Returns:
      The scaling; it moves a column that is constant to zero and does not stretch it.

    Raises:
      InvalidInput: an unknown name.

    Example:
      >>> fit_columns("standard", np.array([[1.0, 7.0], [3.0, 7.0]])).scale
      array([1., 1.])
    """
    if kind not in SCALINGS:
        raise InvalidInput(f"unknown scaling {kind!r}: expected 'standard', 'unit' or None.")
    if kind is None:
        return ColumnScaling(np.zeros(x.shape[1]), np.ones(x.shape[1]))
    low, high = x.min(axis=0).astype(np.float64), x.max(axis=0).astype(np.float64)
    reach = high - low
    constant = reach <= _SAME * np.maximum(np.abs(low), np.abs(high))
    reach = np.where(constant, 1.0, reach)
    if kind == "unit":
        return ColumnScaling(low, reach)
    fractions = (x - low[None]) / reach[None]  # whose squares neither overflow nor vanish
    deviation = np.where(constant, 1.0, reach * fractions.std(axis=0))
    return ColumnScaling(low + reach * fractions.mean(axis=0), deviation)
