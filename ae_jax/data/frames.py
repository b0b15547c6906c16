"""Examples and labels from data frames of pandas and Polars."""

import numbers
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from ae_jax.data.arrays import RawData, as_examples, as_labels
from ae_jax.errors import InvalidInput, unknown

_CATEGORIES = ("category", "categorical", "enum", "dictionary")
"""Types whose values name categories, even where they are numbers."""


def is_frame(values: Any) -> bool:
    """Whether the values are a data frame of pandas or Polars."""
    return all(hasattr(type(values), name) for name in ("columns", "dtypes", "to_numpy"))


def from_frame(
    frame: Any, *, columns: Sequence[str] | None = None, label: str | None = None, name: str = "data"
) -> RawData:
    """Reads the rows of a data frame as examples.

    Args:
      frame: of pandas or Polars.
      columns: names of the columns to use, in this order; by default all but the label's.
      label: name of the column of labels, or None.
      name: of the frame, for errors.

    Returns:
      The examples ``[rows, columns]``, as bytes where every column holds booleans or bytes and else as 32-bit floats;
      the labels; and the names of the columns.

    Raises:
      InvalidInput: the columns cannot be used, or values are missing.
    """
    named = {str(column): column for column in frame.columns}
    features = _features(named, columns, label, name)
    repeated = Counter(str(column) for column in frame.columns)
    for column in [*features, *([] if label is None else [label])]:
        if repeated[column] > 1:
            raise InvalidInput(f"{name} has {repeated[column]} columns named {column!r}: expected one; rename them.")
    if not len(frame):
        raise InvalidInput(f"{name} has no rows: expected at least one example.")
    x = np.stack([_numbers(frame[named[column]], f"column {column!r} of {name}") for column in features], 1)
    if label is None:
        return RawData(x, None, tuple(features))
    what = f"column {label!r} of {name}"
    values = np.asarray(frame[named[label]])
    _require_complete(values, what, "drop those rows, or do without labels")
    return RawData(x, as_labels(values, len(values), what), tuple(features))


def _features(names: Sequence[str] | dict[str, Any], columns: Any, label: str | None, source: str) -> list[str]:
    """Names of the columns to use."""
    if columns is None:
        features = [name for name in names if name != label]
    else:
        features = [columns] if isinstance(columns, str) else [str(column) for column in columns]
    for column in features if label is None else [*features, label]:
        if column not in names:
            raise unknown(f"column of {source}", column, names)
    if not features:
        raise InvalidInput(f"{source} leaves no column of examples: expected at least one beside the label.")
    if label in features:
        raise InvalidInput(f"column {label!r} of {source} is both the label and a feature: leave it out of --columns.")
    if len(set(features)) < len(features):
        raise InvalidInput(f"the columns {', '.join(features)} of {source} are not distinct: expected each one once.")
    unnamed = [name for name in features if name == "" or name.startswith("Unnamed: ")]
    if columns is None and unnamed:
        raise InvalidInput(
            f"{source} has a column without a name: expected a name, as it may be an index (which pandas writes unless "
            "index=False); name it, or choose columns with --columns."
        )
    return features


def _numbers(column: Any, what: str) -> np.ndarray:
    """The values of a column, in a type that a device stores."""
    values, kind = np.asarray(column), str(column.dtype).lower()
    if kind.startswith(_CATEGORIES) or values.ndim > 1 or values.dtype.kind not in "buifO":
        raise _not_numbers(values, kind, what)
    if values.dtype.kind == "O":
        known = [value for value in values if not _is_missing(value)]
        if not all(isinstance(value, (bool, np.bool_, numbers.Real, Decimal)) for value in known):
            raise _not_numbers(values, kind, what)
    _require_complete(values, what, "drop or impute them, or choose other columns with --columns")
    if values.dtype.kind == "O":
        truth = all(isinstance(value, (bool, np.bool_)) for value in values)
        try:
            values = values.astype(bool if truth else float)
        except OverflowError as error:
            raise InvalidInput(
                f"{what} has integers beyond 32-bit floats: expected smaller ones; rescale them."
            ) from error
    return as_examples(values[:, None], what)[:, 0]


def _require_complete(values: np.ndarray, what: str, remedy: str) -> None:
    missing = np.asarray(pd.isna(values), bool)
    if missing.any():
        raise InvalidInput(
            f"{what} has {int(missing.sum())} missing values, the first in row {int(missing.argmax()) + 1}: expected "
            f"one in every row; {remedy}."
        )


def _not_numbers(values: np.ndarray, kind: str, what: str) -> InvalidInput:
    """The error for a column, with the first value that is not a number."""
    row = next((row for row, value in enumerate(values) if not _is_missing(value) and not is_number(value)), 0)
    shown = repr(str(values[row])) if isinstance(values[row], str) else str(values[row])
    return InvalidInput(
        f"{what}, of type {kind}, holds {shown[:60]} in row {row + 1}: expected numbers; name the columns to use with "
        "--columns, or the one that is the label with --label."
    )


def _is_missing(value: Any) -> bool:
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))


def is_number(value: Any) -> bool:
    """Whether a value is a real number or text that spells one."""
    try:
        return isinstance(value, (numbers.Real, str)) and float(value) is not None
    except ValueError:
        return False
