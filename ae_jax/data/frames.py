"""Examples and labels from data frames of pandas and Polars."""

import numbers
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from ae_jax.data.arrays import EXACT, RawData, are_allowed_missing, as_examples, as_labels
from ae_jax.errors import InvalidInput, unknown

_CATEGORIES = ("category", "categorical", "enum", "dictionary")
"""Types whose values name categories, even where they are numbers."""

_FAULTS = 10
"""Number of faults or rows that a sentence names."""

_CHOOSE = "name the columns to use with --columns, or make it the label (--label) or the id (--id)"
_CORRECT = "correct those rows, or make a column of names the id (--id)"
"""What to do about columns to train on, and about rows for a trained autoencoder."""


def is_frame(values: Any) -> bool:
    """Whether the values are a data frame of pandas or Polars."""
    return all(hasattr(type(values), name) for name in ("columns", "dtypes", "to_numpy"))


def from_frame(
    frame: Any,
    *,
    columns: Sequence[str] | None = None,
    label: str | None = None,
    id: str | None = None,
    name: str = "data",
    leave_out: bool = False,
) -> RawData:
    """Reads the rows of a data frame as examples.

    Args:
      frame: of pandas or Polars.
      columns: names of the columns to use, in this order; by default all but those of label and ids.
      label: name of the column of labels, or None.
      id: name of the column of ids; by default the index of a frame of pandas, where it is more than row numbers.
      name: of the frame, for errors.
      leave_out: whether rows without a number in every column are left out, with a warning that names them; labels are
        left out where some are missing.

    Returns:
      The examples ``[rows, columns]``, as bytes where every column holds booleans or bytes and else as 32-bit floats;
      the labels; the names of the columns; and the ids.

    Raises:
      InvalidInput: the columns cannot be used, or values are missing; the sentence has the faults of all columns.
    """
    named = {str(column): column for column in frame.columns}
    remedy = _CORRECT if leave_out else _CHOOSE
    features = _features(named, columns, (label, id), name, remedy)
    repeated = Counter(str(column) for column in frame.columns)
    for column in [*features, *filter(None, (label, id))]:
        if repeated[column] > 1:
            raise InvalidInput(f"{name} has {repeated[column]} columns named {column!r}: expected one; rename them.")
    if not len(frame):
        raise InvalidInput(f"{name} has no rows: expected at least one example.")
    faults: list[str] = []

    def tried(read: Callable[..., np.ndarray], column: str) -> np.ndarray | None:
        try:
            return read(frame[named[column]], f"column {column!r} of {name}", remedy)
        except InvalidInput as error:
            faults.append(str(error))

    x, rows = _at_once(frame, [named[column] for column in features], name), None
    if x is None:
        read = [tried(_numbers, column) for column in features]
        if faults and leave_out:
            x, rows = _readable_rows(frame, [named[column] for column in features], name, faults)
        elif not faults:
            x = np.stack([values for values in read if values is not None], 1)
    labels = None if label is None else tried(_labels, label)
    if faults and not leave_out:
        raise _refusal(faults, name)
    if label is not None and labels is None:
        warnings.warn(f"{faults.pop()[:-1]}: the labels of all rows are left out.", stacklevel=3)
    ids = _ids(frame, None if id is None else named[id])
    found = (each if each is None or rows is None else each[rows] for each in (labels, ids))
    return RawData(x, next(found), tuple(features), next(found), rows)


def _at_once(frame: Any, columns: list[Any], name: str) -> np.ndarray | None:
    """The values of all columns of a frame of pandas that holds plain finite numbers; else None."""
    if not isinstance(frame, pd.DataFrame):
        return None
    kinds = [kind if isinstance(kind, np.dtype) else np.dtype(object) for kind in frame.dtypes[columns]]
    if not (all(kind.kind in "iuf" for kind in kinds) or all(kind == np.bool_ for kind in kinds)):
        return None
    values = frame[columns].to_numpy()
    plain = np.isfinite(values).all() and values.min() >= -EXACT and values.max() <= EXACT
    return as_examples(values, name) if plain else None


def _readable_rows(frame: Any, columns: list[Any], name: str, faults: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The rows with a number in every column, and where they are; warns of the others."""
    read = [pd.to_numeric(pd.Series(np.asarray(frame[column]), dtype=object), errors="coerce") for column in columns]
    x = np.stack([np.asarray(values, np.float64) for values in read], 1)
    fits = (np.abs(x) <= np.finfo(np.float32).max).all(axis=1)
    if not fits.any():
        raise InvalidInput(f"{name} has no row that can be used: {_joined(faults)}")
    warnings.warn(f"{left_out(np.flatnonzero(~fits), len(fits), name)}: {_joined(faults)}", stacklevel=4)
    return as_examples(x[fits], name), np.flatnonzero(fits)


def left_out(rows: np.ndarray, count: int, name: str) -> str:
    """Says which rows of a source are left out, counted from 1.

    Example:
      >>> left_out(np.array([2, 7]), 9, "mine.csv")
      'mine.csv: 2 of 9 rows are left out, rows 3, 8'
    """
    more = f" and {len(rows) - _FAULTS:,} more" if len(rows) > _FAULTS else ""
    shown = ", ".join(str(row + 1) for row in rows[:_FAULTS])
    return f"{name}: {len(rows):,} of {count:,} rows are left out, row{'s' if len(rows) > 1 else ''} {shown}{more}"


def _refusal(faults: list[str], name: str) -> InvalidInput:
    return InvalidInput(faults[0] if len(faults) == 1 else f"{name} has {len(faults)} faults. {_joined(faults)}")


def _joined(faults: list[str]) -> str:
    numbered = [f"({number}) {fault}" for number, fault in enumerate(faults[:_FAULTS], 1)]
    more = [f"And {len(faults) - _FAULTS} more."] if len(faults) > _FAULTS else []
    return " ".join([*(numbered if len(faults) > 1 else faults), *more])


def _ids(frame: Any, column: Any) -> np.ndarray | None:
    """The ids of a column or of an index that is more than row numbers."""
    if column is not None:
        return np.asarray(frame[column])
    index = getattr(frame, "index", None)
    if not isinstance(index, pd.Index) or isinstance(index, pd.RangeIndex):
        return None
    return np.asarray(index.map(str)) if isinstance(index, pd.MultiIndex) else np.asarray(index)


def _labels(column: Any, what: str, remedy: str) -> np.ndarray:
    values = np.asarray(column)
    _require_complete(values, what, "drop those rows, or do without labels")
    return as_labels(values, len(values), what)


def _features(
    names: Sequence[str] | dict[str, Any], columns: Any, roles: tuple[str | None, str | None], source: str, remedy: str
) -> list[str]:
    if columns is None:
        features = [name for name in names if name not in roles]
    else:
        features = [columns] if isinstance(columns, str) else [str(column) for column in columns]
    missing = [name for name in (*features, *filter(None, roles)) if name not in names]
    if len(missing) > 1:
        shown, known = (", ".join(map(repr, list(each)[:_FAULTS])) for each in (missing, names))
        raise InvalidInput(f"{source} lacks {len(missing)} columns, {shown}: expected them among its own, {known}.")
    if missing:
        raise unknown(f"column of {source}", missing[0], names)
    if not features:
        raise InvalidInput(f"{source} leaves no column of examples: expected at least one beside the label.")
    for role, name in zip(("the label", "the id"), roles, strict=True):
        if name in features:
            raise InvalidInput(f"column {name!r} of {source} is both {role} and a feature: expected it as one of them.")
    if len(set(features)) < len(features):
        raise InvalidInput(f"the columns {', '.join(features)} of {source} are not distinct: expected each one once.")
    unnamed = [name for name in features if name == "" or name.startswith("Unnamed: ")]
    if columns is None and unnamed:
        raise InvalidInput(
            f"{source} has a column without a name: expected a name, as it may be an index (which pandas writes unless "
            f"index=False); {remedy}."
        )
    return features


def _numbers(column: Any, what: str, remedy: str) -> np.ndarray:
    """The values of a column, in a type that a device stores."""
    values, kind = np.asarray(column), str(column.dtype).lower()
    if kind.startswith(_CATEGORIES) or values.ndim > 1 or values.dtype.kind not in "buifO":
        raise _not_numbers(values, kind, what, remedy)
    if values.dtype.kind == "O":
        known = [value for value in values if not _is_missing(value)]
        if not all(isinstance(value, (bool, np.bool_, numbers.Real, Decimal)) for value in known):
            raise _not_numbers(values, kind, what, remedy)
    if not are_allowed_missing():
        _require_complete(values, what, f"drop or impute them, or {remedy}")
    if values.dtype.kind == "O":
        truth = all(isinstance(value, (bool, np.bool_)) for value in values)
        try:
            values = np.where(pd.isna(values), np.nan, values).astype(bool if truth else float)
        except OverflowError as error:
            raise InvalidInput(
                f"{what} has integers beyond 32-bit floats: expected smaller ones; rescale them."
            ) from error
    if values.dtype.kind in "iu":
        low, high = values.min(), values.max()
        if low < high and np.float32(low) == np.float32(high):
            raise InvalidInput(
                f"{what} holds {len(np.unique(values)):,} integers from {low} to {high}, which 32-bit floats do not "
                f"tell apart: expected measurements; {remedy}, or subtract an offset."
            )
    return as_examples(values[:, None], what)[:, 0]


def _require_complete(values: np.ndarray, what: str, remedy: str) -> None:
    missing = np.asarray(pd.isna(values), bool)
    if missing.any():
        raise InvalidInput(
            f"{what} has {int(missing.sum())} missing values, the first in row {int(missing.argmax()) + 1}: expected "
            f"one in every row; {remedy}."
        )


def _not_numbers(values: np.ndarray, kind: str, what: str, remedy: str) -> InvalidInput:
    """The error for a column, with the first value that is not a number."""
    row = next((row for row, value in enumerate(values) if not _is_missing(value) and not is_number(value)), 0)
    shown = repr(str(values[row])) if isinstance(values[row], str) else str(values[row])
    return InvalidInput(f"{what}, of type {kind}, holds {shown[:60]} in row {row + 1}: expected numbers; {remedy}.")


def _is_missing(value: Any) -> bool:
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))


def is_number(value: Any) -> bool:
    """Whether a value is a real number or text that spells one."""
    try:
        return isinstance(value, (numbers.Real, str)) and float(value) is not None
    except ValueError:
        return False
