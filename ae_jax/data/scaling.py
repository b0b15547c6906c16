"""How stored values become the numbers that networks see, and back."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ae_jax.components import component
from ae_jax.types import Number


@component
class Scaling:
    r"""An affine map from stored values to model units, applied inside the compiled step.

    .. math:: x_{model} = (x_{stored} - a) / b

    Attributes:
      offset: a, in units of the stored data.
      scale: b, in the same units; 255 brings bytes to [0, 1].

    Example:
      >>> Scaling(scale=16.0)(jnp.array([[0, 8, 16]], jnp.uint8))
      Array([[0. , 0.5, 1. ]], dtype=float32)
    """

    offset: Number = 0.0
    scale: Number = 1.0

    def __call__(self, stored: Any) -> Float[Array, "*shape"]:
        """Stored values in model units, as floating-point numbers."""
        return (jnp.asarray(stored, jnp.result_type(float)) - self.offset) / self.scale

    def invert(self, values: Any) -> Any:
        """Values in model units back in the units of the data."""
        return values * self.scale + self.offset

    @classmethod
    def of(cls, stored: np.ndarray) -> "Scaling":
        """The scaling that a storage type implies: bytes above 1 over 255, anything else as it is."""
        return cls(scale=255.0) if stored.dtype == np.uint8 and stored.max() > 1 else cls()
