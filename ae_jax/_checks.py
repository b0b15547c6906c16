"""Checks of values that users give; each raises one sentence.

Hyper-parameters may be traced: tracers, schedules and None pass. Of an array (a stack of members) every number is
checked.
"""

import dataclasses
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ae_jax.errors import InvalidInput

_LAYERS = 100
"""Number of layers above which compilation takes minutes."""

_SHOWN = 100
"""Number of characters of a value that are shown."""


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
    """Raises a sentence for the first value that is not a probability."""
    _require(owner, values, lambda number: 0 <= number <= 1, "a probability, from 0 to 1")


def require_part(owner: object, kind: type, expected: str, **values: Any) -> None:
    """Raises a sentence for the first value that is not an instance of a class or protocol.

    Example:
      >>> require_part("MLP", str, "a name", activation=3)
      Traceback (most recent call last):
      ae_jax.errors.InvalidInput: MLP was given activation=3: expected a name.
    """
    for name, value in values.items():
        if isinstance(value, type) or not isinstance(value, kind):
            raise InvalidInput(f"{_name(owner)} was given {name}={shown(value)}: expected {expected}.")


def positive_whole(owner: object, name: str, value: Any) -> int:
    """The value as an integer above zero, of 64 bits.

    Raises:
      InvalidInput: it is not such an integer; 2.0 is refused too.
    """
    return _of_bits(64, owner, name, _whole(owner, name, value, 1, "a whole number above zero"))


def size(owner: object, name: str, value: Any) -> int:
    """The value as an integer above zero, of 32 bits, as sizes of arrays and numbers of steps are.

    Raises:
      InvalidInput: it is not such an integer.
    """
    return _of_bits(32, owner, name, positive_whole(owner, name, value))


def _of_bits(bits: int, owner: object, name: str, value: int) -> int:
    if value >= 2 ** (bits - 1):
        raise InvalidInput(f"{_name(owner)} was given {name}={shown(value)}: expected a number below 2**{bits - 1}.")
    return value


def non_negative_whole(owner: object, name: str, value: Any) -> int:
    """The value as an integer, zero or above, of 64 bits.

    Raises:
      InvalidInput: it is not such an integer; 2.0 is refused too.
    """
    return _of_bits(64, owner, name, _whole(owner, name, value, 0, "zero or a whole number above"))


def _whole(owner: object, name: str, value: Any, least: int, expected: str) -> int:
    try:
        whole = operator.index(value)
    except TypeError:
        whole = least - 1
    if whole < least or isinstance(value, bool):
        raise InvalidInput(f"{_name(owner)} was given {name}={shown(value)}: expected {expected}.")
    return whole


def widths(owner: object, name: str, values: Any) -> tuple[int, ...]:
    """The values as a tuple of integers above zero, of 32 bits and no more than a program may have layers.

    Example:
      >>> widths("MLP", "hidden", [256, 128])
      (256, 128)

    Raises:
      InvalidInput: not a sequence, too long a sequence, or an element that is not a whole number above zero.
    """
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise InvalidInput(
            f"{_name(owner)} was given {name}={shown(values)}: expected a sequence of widths, such as (256,)."
        )
    if len(values) > _LAYERS:
        raise InvalidInput(f"{_name(owner)} was given {len(values):,} {name}: expected {_LAYERS:,} at most.")
    return tuple(size(owner, f"{name}[{place}]", value) for place, value in enumerate(values))


def _require(owner: object, values: dict[str, Any], holds: Callable[[float], bool], expected: str) -> None:
    for name, value in values.items():
        if value is None or isinstance(value, Tracer) or dataclasses.is_dataclass(value):
            continue
        if callable(value):
            raise InvalidInput(
                f"{_name(owner)} was given a function as {name}: "
                f"expected {expected}, or a schedule of ae_jax.schedules."
            )
        if not isinstance(value, (int, float, np.ndarray, np.number, jax.Array)) or not _fits(value, holds):
            given = shown(value) if isinstance(value, (str, bool, int)) else shown_text(str(value))
            raise InvalidInput(f"{_name(owner)} was given {name}={given}: expected {expected}.")


def _fits(value: Any, holds: Callable[[float], bool]) -> bool:
    """Whether every number, as a 32-bit float, is finite and meets the condition."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" and not jnp.issubdtype(array.dtype, np.floating):
        return False
    with np.errstate(over="ignore"):
        numbers = np.ravel(array).astype(np.float32).tolist()
    return all(math.isfinite(number) and holds(number) for number in numbers)


def shown(value: Any) -> str:
    """A value as text for a sentence, shortened where it is long.

    Example:
      >>> shown("7"), shown(10**5000)
      ("'7'", 'an integer of 16,610 bits')
    """
    if isinstance(value, int) and value.bit_length() > 300:
        return f"an integer of {value.bit_length():,} bits"
    try:
        text = repr(value)
    except Exception as error:  # raised by a user's class
        return f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"
    return shown_text(text)


def shown_text(text: str) -> str:
    """A text for a sentence, shortened to its beginning."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _name(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__
