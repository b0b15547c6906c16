"""Examples in the containers of other libraries, told by their attributes, so that none of these is imported."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ae_jax.data.arrays import RawData, to_array
from ae_jax.data.damage import reading
from ae_jax.data.frames import from_frame, is_frame
from ae_jax.errors import InvalidInput, import_extra, unknown

_ARRAYS = ("__array__", "__array_interface__", "__dlpack__", "detach", "toarray")
"""Attributes of which an array, a tensor or a sparse matrix has at least one."""


class Opened(NamedTuple):
    """What a container holds, and whether it is a table of named columns."""

    raw: RawData
    table: bool = False


def opened(
    values: Any, labels: Any = None, *, columns: Sequence[str] | None = None, ids: Any = None, name: str = "data"
) -> Opened:
    """Returns the examples of a container, with its labels, columns and ids.

    Args:
      values: a table of pandas, Polars, Arrow or AnnData; a data set of Hugging Face, whose columns are numbers or of
        which one holds arrays; a data set of PyTorch, whose items are examples or pairs (example, label); or an array.
      labels, ids: one for each example; or the name of a column; or None.
      columns: of a table, the features; of an array, their names.
      name: of the data, for errors.
    """
    given = None if columns is None else tuple(map(str, columns)) if not isinstance(columns, str) else (columns,)
    label, id_column = (each if isinstance(each, str) else None for each in (labels, ids))
    frame = as_frame(values, label, name)
    if frame is not None:
        raw, table = from_frame(frame, columns=columns, label=label, id=id_column, name=name), True
    elif _is_items(values):
        raw, table = _from_items(values, given, label, name), False
    else:
        raw, table, label, id_column = RawData(values, None, given), False, None, None
    return Opened(
        raw._replace(
            labels=raw.labels if label is not None or labels is None else labels,
            ids=raw.ids if id_column is not None or ids is None else ids,
        ),
        table,
    )


def as_frame(values: Any, label: str | None = None, name: str = "data") -> Any:
    """Returns the data frame of pandas or Polars that a table is or becomes; None for what is no table.

    Args:
      values: a data frame; a table of Arrow, or anything that exports itself as one; a data set of Hugging Face whose
        columns are numbers or text; or an AnnData, whose rows are ``X``, with ``obs_names`` as the index.
      label: of an AnnData, the name of the column of ``obs`` that joins the frame.
      name: of the data, for errors.
    """
    if is_frame(values):
        return values
    if _has(values, "obs_names", "to_df"):  # AnnData
        frame = values.to_df()
        if label is None:
            return frame
        if label not in values.obs:
            raise unknown(f"column of obs of {name}", label, map(str, values.obs.columns))
        return frame.assign(**{label: np.asarray(values.obs[label])})
    if _has(values, "features", "with_format"):  # Hugging Face's
        plain = all(type(kind).__name__ in ("Value", "ClassLabel") for kind in values.features.values())
        return values.to_pandas() if plain else None
    if _has(values, "column_names", "to_pandas"):  # Arrow's
        return values.to_pandas()
    if hasattr(values, "__arrow_c_stream__") and not hasattr(values, "__array__"):
        with reading(name, "a table of Arrow"):
            return import_extra("pyarrow", "tables", name).table(values).to_pandas()
    return None


def _from_items(values: Any, columns: tuple[str, ...] | None, label: str | None, name: str) -> RawData:
    """The examples of a data set that is indexed: of Hugging Face with a column of arrays, or of PyTorch."""
    if not len(values):
        raise InvalidInput(f"{name} has no examples: expected at least one.")
    if hasattr(values, "column_names"):
        features = columns or tuple(column for column in values.column_names if column != label)
        for column in (*features, *([] if label is None else [label])):
            if column not in values.column_names:
                raise unknown(f"column of {name}", column, values.column_names)
        if len(features) != 1:
            raise InvalidInput(
                f"{name} has the columns {', '.join(features)}: expected numbers in all, or one column of arrays or "
                "images; choose it by columns=."
            )
        return RawData(_stacked(values[features[0]], name), None if label is None else np.asarray(values[label]))
    items = [values[place] for place in range(len(values))]
    if not isinstance(items[0], (tuple, list)):
        return RawData(_stacked(items, name))
    if any(len(item) != 2 for item in items):
        raise InvalidInput(f"{name} has items of {len(items[0])} values: expected examples, or pairs (example, label).")
    return RawData(
        _stacked([x for x, _ in items], name), np.asarray([to_array(y, "labels").tolist() for _, y in items])
    )


def _stacked(items: Any, name: str) -> np.ndarray:
    arrays = [to_array(item, name) for item in items]
    if len(shapes := {array.shape for array in arrays}) > 1:
        raise InvalidInput(f"{name} has examples of the shapes {sorted(shapes)[:3]}: expected one shape; resize them.")
    return np.stack(arrays)


def _is_items(values: Any) -> bool:
    """Whether the values are a data set that is indexed, and neither an array nor a sequence of Python."""
    plain = isinstance(values, (Sequence, Mapping)) or any(hasattr(values, each) for each in _ARRAYS)
    return not plain and _has(values, "__getitem__", "__len__")


def _has(values: Any, *names: str) -> bool:
    return not isinstance(values, type) and all(hasattr(values, name) for name in names)
