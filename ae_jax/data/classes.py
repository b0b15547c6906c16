"""Labels as classes, and as the conditions that conditional autoencoders take."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ae_jax.data.spec import Label
from ae_jax.errors import InvalidInput


def as_condition(labels: Any, classes: Sequence[Label] | None, name: str = "the label") -> np.ndarray:
    """The labels as positions among the classes, 32-bit integers ``[n]``, as conditional autoencoders take them.

    Args:
      labels: ``[n]``.
      classes: of the training data, ``Dataset.classes`` or ``DataSpec.classes``.
      name: of a label, for errors.

    Raises:
      InvalidInput: no classes, no labels, or a label that is none of the classes.

    Example:
      >>> as_condition(np.array(["dog", "cat", "dog"]), ("cat", "dog"))
      array([1, 0, 1], dtype=int32)
    """
    if classes is None:
        raise InvalidInput("the training data have no classes: expected labels of classes, as conditions are made of.")
    if labels is None:
        raise InvalidInput(f"{name} is missing: expected one for each example, as the condition.")
    positions = {label: position for position, label in enumerate(classes)}
    distinct, inverse = np.unique(np.asarray(labels), return_inverse=True)
    given = [_as_label(label) for label in distinct.tolist()]
    for label in given:
        if label not in positions:
            shown = ", ".join(map(repr, classes[:10])) + (", ..." if len(classes) > 10 else "")
            raise InvalidInput(f"{name} {label!r} was not trained on: expected one of the classes {shown}.")
    return np.array([positions[label] for label in given], np.int32)[inverse.reshape(-1)]


def classes_of(labels: np.ndarray | None) -> tuple[Label, ...] | None:
    """The distinct labels, sorted; None where there are no labels or where they name no classes.

    Measurements (numbers that are not whole) and identifiers (labels that hardly repeat) name no classes.

    Example:
      >>> classes_of(np.array([2.0, 1.0, 1.0, 2.0])), classes_of(np.array([0.5, 1.0, 0.5, 1.0]))
      ((1, 2), None)
    """
    if labels is None or not len(labels) or labels.dtype.kind not in "biufSU":
        return None
    distinct = np.unique(labels)
    if 2 * len(distinct) > len(labels) or (labels.dtype.kind == "f" and (distinct != np.rint(distinct)).any()):
        return None
    return tuple(_as_label(label) for label in distinct.tolist())


def _as_label(label: Any) -> Any:
    """A label as text or a whole number, which JSON can hold."""
    if isinstance(label, bytes):
        return label.decode(errors="replace")
    return int(label) if isinstance(label, (bool, float)) and float(label).is_integer() else label
