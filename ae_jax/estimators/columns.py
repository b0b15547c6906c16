"""Scaling of the columns of a table to model units and back, in 64 bits, so that columns far from zero stay precise."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from ae_jax.data import Scaling
from ae_jax.errors import InvalidInput
from ae_jax.types import Shape


class ColumnScaling(NamedTuple):
    r"""An affine map of each column to model units.

    .. math:: x_{model} = (x - a) / b

    Attributes:
      offset: a, in units of the column, ``[columns]``.
      scale: b, the same; 1 for a constant column.
    """

    offset: Float[np.ndarray, " columns"]
    scale: Float[np.ndarray, " columns"]

    def __call__(self, x: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, "n columns"]:
        """Returns rows in model units."""
        return (x - self.offset[None]) / self.scale[None]

    def invert(self, values: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, "n columns"]:
        """Returns rows in the units of the columns."""
        return values * self.scale[None] + self.offset[None]

    def as_stored(self, shape: Shape) -> Scaling:
        """Returns the same map in 32 bits for examples of a shape, as a run holds it."""
        return Scaling(offset=self.offset.reshape(shape), scale=self.scale.reshape(shape))


def fit_columns(kind: str | None, x: Float[np.ndarray, "n columns"]) -> ColumnScaling:
    """Fits ``"standard"``, ``"unit"`` or no scaling to rows by scikit-learn's scalers; a constant column becomes zero.

    Example:
      >>> fit_columns("standard", np.array([[1.0, 7.0], [3.0, 7.0]])).scale
      array([1., 1.])
    """
    x = x.astype(np.float64)
    with np.errstate(all="ignore"):  # columns beyond 32 bits are refused by as_stored
        if kind is None:
            return ColumnScaling(np.zeros(x.shape[1]), np.ones(x.shape[1]))
        if kind == "standard":
            standard = StandardScaler().fit(x)
            return ColumnScaling(np.asarray(standard.mean_), np.asarray(standard.scale_))
        if kind == "unit":
            unit = MinMaxScaler().fit(x)
            return ColumnScaling(unit.data_min_, 1 / unit.scale_)
    raise InvalidInput(f"unknown scaling {kind!r}: expected 'standard', 'unit' or None.")
