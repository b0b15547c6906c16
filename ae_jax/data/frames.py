"""Tables of pandas and Polars, of which neither is imported here."""

import math
import numbers
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from ae_jax.data.arrays import RawData, as_examples, as_labels
from ae_jax.errors import InvalidInput, unknown

_NO_NUMBERS = ("category", "categorical", "enum", "dictionary")
"""Types whose values may look like numbers and are names."""


def is_frame(values: Any) -> bool:
    """Whether the values are a data frame of pandas, Polars or the like.

    Example:
      >>> is_frame(np.zeros((3, 2)))
      False
    """
    return all(hasattr(type(values), name) for name in ("columns", "dtypes", "to_numpy"))


def from_frame(
    frame: Any, *, columns: Sequence[str] | None = None, label: str | None = None, name: str = "data"
) -> RawData:
    """Examples, one for each row of a data frame, with the labels in one of its columns.

    Args:
      frame: of pandas or Polars.
      columns: names of the columns to use, in this order; by default all but the label's.
      label: name of the column of labels, or None.
      name: what sentences call the frame.

    Returns:
      The examples ``[rows, columns]``, as bytes where every column is of booleans or bytes and else as 32-bit floats;
      the labels; and the names of the columns.

    Raises:
      InvalidInput: no rows; a column that is unknown, there twice, without a name, of something else than numbers, or
        with missing values or numbers that 32-bit floats do not hold; a label that is missing or also a feature.
    """
    names = [str(column) for column in frame.columns]
    features = _features(names, columns, label, name)
    if not len(frame):
        raise InvalidInput(f"{name} has no rows: expected at least one example below the names of the columns.")
    x = np.stack([_numbers(_column(frame, names.index(each)), f"column {each!r} of {name}") for each in features], 1)
    labels = None if label is None else _labels(_column(frame, names.index(label)), f"column {label!r} of {name}")
    return RawData(x, labels, tuple(features))


def _features(names: list[str], columns: Sequence[str] | None, label: str | None, source: str) -> list[str]:
    """Names of the columns to use, each of which is there once."""
    if columns is not None:
        features = [columns] if isinstance(columns, str) else [str(column) for column in columns]
    else:
        features = [each for each in names if each != label]
    used = features if label is None else [*features, label]
    for each in used:
        if each not in names:
            raise unknown(f"column of {source}", each, set(names))
    if not features:
        raise InvalidInput(f"{source} leaves no column of examples: expected at least one beside the label.")
    if label in features:
        raise InvalidInput(
            f"column {label!r} of {source} is both the label and a feature: expected one of them; leave it out of "
            "--columns."
        )
    there = Counter(names)
    for each, count in Counter(used).items():
        if there[each] > 1:
            raise InvalidInput(f"{source} has {there[each]} columns named {each!r}: expected one; rename the others.")
        if count > 1:
            raise InvalidInput(f"column {each!r} of {source} was named {count} times: expected each column once.")
    if columns is None and "" in features:
        raise InvalidInput(
            f"column {names.index('') + 1} of {source} has no name: expected one, as it may be an index (which pandas "
            "writes unless index=False); choose columns with --columns, or name it."
        )
    return features


def _column(frame: Any, place: int) -> Any:
    return frame.iloc[:, place] if hasattr(frame, "iloc") else frame.to_series(place)


def _missing(column: Any) -> np.ndarray:
    return np.asarray(column.is_null() if hasattr(column, "is_null") else column.isna(), bool)


def _numbers(column: Any, what: str) -> np.ndarray:
    """The values of a column, in a type that a device stores."""
    missing, values = _missing(column), np.asarray(column)
    _require_numbers(values, missing, str(column.dtype), what)
    if not missing.any() and values.dtype.kind == "f":
        missing = np.isnan(values)  # in Polars, NaN is not null
    if missing.any():
        raise InvalidInput(
            f"{what} has {int(missing.sum())} missing values, the first in row {int(missing.argmax()) + 1}: "
            "expected a number in every row; drop or impute them, or choose other columns with --columns."
        )
    if values.dtype.kind == "O":
        truth = all(isinstance(value, (bool, np.bool_)) for value in values)
        values = values.astype(bool) if truth else np.array([_float(value) for value in values])
    with np.errstate(invalid="ignore"):
        beyond = ~(np.abs(values) <= np.finfo(np.float32).max) if values.dtype.kind == "f" else np.zeros(1, bool)
    if beyond.any():
        first = int(beyond.argmax())
        raise InvalidInput(
            f"{what} has {int(beyond.sum())} values that 32-bit floats do not hold, the first in row {first + 1} "
            f"({values[first]}): expected finite numbers; drop, impute or rescale them."
        )
    return as_examples(values[:, None], what)[:, 0]


def _require_numbers(values: np.ndarray, missing: np.ndarray, dtype: str, what: str) -> None:
    """Raises a sentence with the first value that is no number, or with the type whose values are none."""
    kind = dtype.lower().split("(")[0].split("<")[0]
    if values.ndim == 1 and values.dtype.kind in "buif" and kind not in _NO_NUMBERS:
        return
    real = (bool, np.bool_, numbers.Real, Decimal)
    known = [(row, value) for row, value in enumerate(values) if not missing[row]]
    wrong = [(row, value) for row, value in known if not isinstance(value, real)]
    if not wrong and kind not in _NO_NUMBERS:
        return
    # Of text such as '7', '?', '9', what no one reads as a number is why it is text.
    row, value = next((pair for pair in wrong if not _spells_number(pair[1])), (wrong or known or [(0, None)])[0])
    shown = repr(str(value)) if isinstance(value, str) else str(value)
    raise InvalidInput(
        f"{what}, of type {kind}, holds {shown[:60]} in row {row + 1}: expected numbers; "
        "name the columns to use with --columns, or the one that is the label with --label."
    )


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _spells_number(value: Any) -> bool:
    try:
        float(value) if isinstance(value, str) else None
    except ValueError:
        return False
    return isinstance(value, str)


def _labels(column: Any, what: str) -> np.ndarray:
    missing, values = _missing(column), np.asarray(column)
    if not missing.any() and values.dtype.kind == "f":
        missing = np.isnan(values)
    if missing.any():
        raise InvalidInput(
            f"{what} has {int(missing.sum())} missing labels, the first in row {int(missing.argmax()) + 1}: "
            "expected one in every row; drop those rows, or do without labels."
        )
    return as_labels(values, len(values), what)
