"""Short texts and tables by which values show themselves on a terminal and in a notebook."""

import dataclasses
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

_SHOWN = 12
"""Number of values that a list shows."""


def as_text(heading: str, facts: Mapping[str, str]) -> str:
    """A heading and a line for each fact.

    Example:
      >>> print(as_text("Run sparse", {"seeds": "0, 1"}))
      Run sparse
        seeds  0, 1
    """
    width = max(map(len, facts), default=0)
    return "\n".join([heading, *(f"  {name:<{width}}  {fact}" for name, fact in facts.items())])


def as_html(heading: str, facts: Mapping[str, str]) -> str:
    """A heading and a table of the facts."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(fact)}</td></tr>" for name, fact in facts.items())
    return f"<div><strong>{escape(heading)}</strong><table>{rows}</table></div>"


def listed(values: Sequence[Any]) -> str:
    """Values with commas between them, the first ones of many; numbers without needless digits.

    Example:
      >>> listed([1.0, 0.5]), listed(range(100))
      ('1, 0.5', '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... (100)')
    """
    shown = ", ".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values[:_SHOWN])
    return shown if len(values) <= _SHOWN else f"{shown}, ... ({len(values)})"


def brief(value: Any) -> str:
    """A component with the fields that differ from their defaults; of a stack, the values of all members.

    Example:
      >>> from ae_jax.corruptions import Masking
      >>> brief(Masking(probability=0.3))
      'Masking(probability=0.3)'
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        own = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        changed = [f"{field.name}={brief(of)}" for field, of in own if not _same(of, field.default)]
        return f"{type(value).__name__}({', '.join(changed)})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {brief(of)}' for name, of in value.items())}}}"
    if isinstance(value, tuple):
        return f"({', '.join(map(brief, value))}{',' if len(value) == 1 else ''})"
    if hasattr(value, "__array__"):
        return listed([float(str(number)) for number in dict.fromkeys(np.ravel(np.asarray(value)))])
    return getattr(value, "__name__", None) or repr(value)


def _same(value: Any, default: Any) -> bool:
    """Whether a value, or every number of a stack, is the default."""
    if hasattr(value, "__array__"):
        return isinstance(default, (int, float)) and np.allclose(np.asarray(value), default, rtol=1e-6)
    return type(value) is type(default) and repr(value) == repr(default)
