"""Names of classes from labels of any type."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def class_names(labels: np.ndarray | None) -> np.ndarray | None:
    """Labels as text, whole numbers without a point; None where there are none, or measurements.

    Example:
      >>> class_names(np.array([0.0, 3.0])), class_names(np.array([0.5]))
      (array(['0', '3'], dtype='<U1'), None)
    """
    if labels is None:
        return None
    known, places = np.unique(labels.astype(str) if labels.dtype.kind in "OU" else labels, return_inverse=True)
    if labels.dtype.kind == "f" and not (np.isfinite(known).all() and (known == np.round(known)).all()):
        return None
    if labels.dtype.kind not in "OUSbiuf":
        return None
    return np.array([class_name(label) for label in known.tolist()])[places]


def class_name(label: Any) -> str:
    """One label as text.

    Example:
      >>> class_name(True), class_name(3.0), class_name("cat"), class_name(b"cat")
      ('1', '3', 'cat', 'cat')
    """
    if isinstance(label, bytes):
        return label.decode("utf-8", "backslashreplace")
    whole = isinstance(label, (bool, int, float, np.bool_, np.number)) and float(label).is_integer()
    return str(int(label)) if whole else str(label)


def shortened(names: Sequence[str] | np.ndarray) -> str:
    """The first names, and how many there are.

    Example:
      >>> shortened(["a", "b"]), shortened(list("abcdefgh"))
      ('a, b', 'a, b, c, d, e, ... (8 in all)')
    """
    return ", ".join(names[:5]) + (f", ... ({len(names)} in all)" if len(names) > 5 else "")


def are_too_many(labels: np.ndarray) -> bool:
    """Whether labels differ in more than half of the rows, as identifiers and counts do, and classes do not.

    Example:
      >>> are_too_many(np.arange(4)), are_too_many(np.array([0, 1, 0, 1]))
      (True, False)
    """
    return 2 * len(np.unique(labels)) > len(labels)
