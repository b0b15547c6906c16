"""What numbers must be, said as sentences when they are not.

Hyper-parameters are numbers that JAX may trace: where there is a tracer, a schedule or None instead of a number, there
is nothing to check yet. In an array, a stack of members, each number is checked.
"""

import dataclasses
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from ae_jax.errors import InvalidInput


def require_number(owner: object, **values: Any) -> None:
    """Raises a sentence for the first value that is neither a finite number nor a schedule."""
    _require(owner, values, lambda _: True, "a number")


def require_positive(owner: object, **values: Any) -> None:
    """Raises a sentence for the first value that is not a number above zero.

    Example:
      >>> require_positive("fit", epochs=0)
      Traceback (most recent call last):
      ae_jax.errors.InvalidInput: fit was given epochs=0: expected a number above zero.
    """
    _require(owner, values, lambda number: number > 0, "a number above zero")


def require_non_negative(owner: object, **values: Any) -> None:
    """Raises a sentence for the first value that is not zero or a number above."""
    _require(owner, values, lambda number: number >= 0, "zero or a number above")


def require_inside(owner: object, low: float | int, high: float | int, **values: Any) -> None:
    """Raises a sentence for the first value that is not strictly between the bounds."""
    _require(owner, values, lambda number: low < number < high, f"a number between {low} and {high}")


def require_probability(owner: object, **values: Any) -> None:
    """Raises a sentence for the first value that is no probability."""
    _require(owner, values, lambda number: 0 <= number <= 1, "a probability, from 0 to 1")


def positive_whole(owner: object, name: str, value: Any) -> int:
    """The value as an integer above zero.

    Raises:
      InvalidInput: it is none; 2.0 is none either.
    """
    try:
        whole = operator.index(value)
    except TypeError:
        whole = 0
    if whole < 1 or isinstance(value, bool):
        raise InvalidInput(f"{_name(owner)} was given {name}={value!r}: expected a whole number above zero.")
    return whole


def non_negative_whole(owner: object, name: str, value: Any) -> int:
    """The value as an integer, zero or above.

    Raises:
      InvalidInput: it is none; 2.0 is none either.
    """
    try:
        whole = operator.index(value)
    except TypeError:
        whole = -1
    if whole < 0 or isinstance(value, bool):
        raise InvalidInput(f"{_name(owner)} was given {name}={value!r}: expected zero or a whole number above.")
    return whole


def widths(owner: object, name: str, values: Any) -> tuple[int, ...]:
    """The values as a tuple of integers above zero.

    Example:
      >>> widths("MLP", "hidden", [256, 128])
      (256, 128)

    Raises:
      InvalidInput: no sequence, or something in it that is no whole number above zero.
    """
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise InvalidInput(
            f"{_name(owner)} was given {name}={values!r}: expected a sequence of widths, such as (256,)."
        )
    return tuple(positive_whole(owner, f"{name}[{place}]", value) for place, value in enumerate(values))


def _require(owner: object, values: dict[str, Any], holds: Callable[[float], bool], expected: str) -> None:
    for name, value in values.items():
        if value is None or isinstance(value, Tracer) or dataclasses.is_dataclass(value):
            continue
        if callable(value):
            raise InvalidInput(
                f"{_name(owner)} was given a function as {name}: "
                f"expected {expected}, or a schedule of ae_jax.schedules."
            )
        is_number = isinstance(value, (int, float, np.ndarray, np.number, jax.Array)) and not isinstance(value, bool)
        if not is_number or not all(math.isfinite(one) and holds(float(one)) for one in np.ravel(value)):
            given = repr(value) if isinstance(value, (str, bool)) else value
            raise InvalidInput(f"{_name(owner)} was given {name}={given}: expected {expected}.")


def _name(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__
