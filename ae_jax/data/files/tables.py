"""Reads ``.csv``, ``.tsv`` and ``.parquet`` files by pandas."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ae_jax.data.arrays import RawData
from ae_jax.data.damage import import_extra, reading
from ae_jax.data.frames import from_frame, is_number
from ae_jax.errors import InvalidInput

_EXPECTED = "lines of separated values, as many in each as columns are named, in UTF-8"


def read_csv(
    path: Path, *, columns: Sequence[str] | None = None, label: str | None = None, header: bool = True
) -> dict[str, RawData]:
    """Reads comma-separated (``.csv``) or tab-separated (``.tsv``) rows; columns and label as in :func:`from_frame`.

    Without a header, the columns are named ``"0"``, ``"1"`` and so on.
    """
    with reading(path, _EXPECTED), warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # of values beyond the last named column
        frame = _read_csv(path, header)
    names = [str(name) for name in frame.columns]
    if len(names) == 1 and (other := {";", "\t"} & set(names[0])):
        raise InvalidInput(
            f"{path} seems separated by {other.pop()!r}: expected commas in a .csv file and tabs in a .tsv file."
        )
    counted = [str(place) for place in range(len(names))]
    if header and names != counted and all(map(is_number, names)):
        warnings.warn(
            f"{path} starts with {', '.join(names[:4])}, which are read as the names of the columns: give --no-header "
            "where that line is an example.",
            stacklevel=2,
        )
    return {"all": from_frame(frame, columns=columns, label=label, name=str(path))}


def read_parquet(path: Path, *, columns: Sequence[str] | None = None, label: str | None = None) -> dict[str, RawData]:
    """Reads the rows of a Parquet file; columns and label as in :func:`ae_jax.data.frames.from_frame`."""
    with open_parquet(path) as file, reading(path, "a Parquet file"):
        frame = file.read().to_pandas()
    return {"all": from_frame(frame, columns=columns, label=label, name=str(path))}


def open_parquet(path: Path) -> Any:
    """Opens a Parquet file; a context manager."""
    parquet = import_extra("pyarrow.parquet", "tables", path)
    with reading(path, "a Parquet file"):
        return parquet.ParquetFile(path)


def column_names(path: Path, *, header: bool = True) -> list[str]:
    """Names of the columns of a ``.csv``, ``.tsv`` or ``.parquet`` file."""
    if path.suffix.lower() == ".parquet":
        with open_parquet(path) as file:
            return list(file.schema_arrow.names)
    with reading(path, _EXPECTED):
        return [str(name) for name in _read_csv(path, header, nrows=1).columns]


def _read_csv(path: Path, header: bool, **options: Any) -> pd.DataFrame:
    return pd.read_csv(
        path,
        sep="\t" if path.suffix.lower() == ".tsv" else ",",
        header=0 if header else None,
        index_col=False,
        encoding="utf-8-sig",
        low_memory=False,
        skipinitialspace=True,
        **options,
    )
