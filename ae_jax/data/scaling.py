"""How stored values become the numbers that networks see, and back."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ae_jax.components import component
from ae_jax.errors import InvalidInput
from ae_jax.types import Number


@component
class Scaling:
    r"""An affine map from stored values to model units, applied inside the compiled step.

    .. math:: x_{model} = (x_{stored} - a) / b

    Attributes:
      offset: a, in units of the stored data.
      scale: b, in the same units, not zero; 255 brings bytes to [0, 1].

    Raises:
      InvalidInput: an offset or a scale that is not one finite number, or a scale of zero.

    Example:
      >>> Scaling(scale=16.0)(jnp.array([[0, 8, 16]], jnp.uint8))
      Array([[0. , 0.5, 1. ]], dtype=float32)
    """

    offset: Number = 0.0
    scale: Number = 1.0

    def __post_init__(self) -> None:
        for name, value in (("offset", self.offset), ("scale", self.scale)):
            if not _is_one_number(value):
                raise InvalidInput(f"Scaling was given {name}={value!r}: expected one finite number of 32 bits.")
        if abs(float(self.scale)) < np.finfo(np.float32).tiny:
            raise InvalidInput(f"Scaling was given scale={self.scale!r}: expected a number that one can divide by.")

    def __call__(self, stored: Any) -> Float[Array, "*shape"]:
        """Stored values in model units, as floating-point numbers."""
        return (jnp.asarray(stored, jnp.result_type(float)) - self.offset) / self.scale

    def invert(self, values: Any) -> Any:
        """Values in model units back in the units of the data."""
        return values * self.scale + self.offset

    def agrees(self, other: "Scaling") -> bool:
        """Whether the other is the same map, in 32 bits.

        Example:
          >>> Scaling(scale=255.0).agrees(Scaling(scale=255)), Scaling().agrees(Scaling(scale=255.0))
          (True, False)
        """
        mine, theirs = (np.asarray([one.offset, one.scale], np.float32) for one in (self, other))
        return bool((mine == theirs).all())

    @classmethod
    def of(cls, stored: np.ndarray) -> "Scaling":
        """The scaling that a storage type implies: bytes above 1 over 255, anything else as it is."""
        return cls(scale=255.0) if stored.dtype == np.uint8 and stored.max() > 1 else cls()


def _is_one_number(value: Any) -> bool:
    """Whether a value is one real number, but no truth value, that is finite as a 32-bit float."""
    if not isinstance(value, (int, float, np.generic, np.ndarray, Array)):
        return False
    array = np.asarray(value)
    return array.shape == () and array.dtype.kind in "iuf" and bool(abs(array) <= np.finfo(np.float32).max)
