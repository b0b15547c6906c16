"""Reads tables by pandas: separated values, Parquet, Feather and Excel."""

import gzip
import re
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from ae_jax.data.arrays import RawData
from ae_jax.data.damage import reading
from ae_jax.data.frames import from_frame, is_number
from ae_jax.errors import import_extra

_EXPECTED = "lines of separated values, as many in each as columns are named, in UTF-8"
_LINE = 1 << 20
"""Number of bytes of a first line that is searched for a separator, at most."""


def read_csv(path: Path, *, header: bool = True, separator: str | None = None, **how: Any) -> dict[str, RawData]:
    """Reads rows of separated values, compressed by gzip where the name ends in ``.gz``.

    Without a header, the columns are named ``"0"``, ``"1"`` and so on.

    Args:
      path: of the file.
      header: whether the first line names the columns.
      separator: one character; by default the most frequent of comma, semicolon, tab and bar in the first line.
      how: columns, label and id, as of :func:`ae_jax.data.frames.from_frame`.
    """
    with reading(path, _EXPECTED), warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # of values beyond the last named column
        frame = _read_csv(path, header, separator)
    names = [str(name) for name in frame.columns]
    counted = [str(place) for place in range(len(names))]
    if header and names != counted and all(map(is_number, names)):
        warnings.warn(
            f"{path} starts with {', '.join(names[:4])}, which are read as the names of the columns: give --no-header "
            "where that line is an example.",
            stacklevel=2,
        )
    return {"all": from_frame(frame, name=str(path), **how)}


def read_parquet(path: Path, **how: Any) -> dict[str, RawData]:
    """Reads the rows of a Parquet file; the rest as of :func:`read_csv`."""
    with open_parquet(path) as file, reading(path, "a Parquet file"):
        frame = file.read().to_pandas()
    return {"all": from_frame(frame, name=str(path), **how)}


def read_feather(path: Path, **how: Any) -> dict[str, RawData]:
    """Reads the rows of a Feather file, version 2; the rest as of :func:`read_csv`."""
    feather = import_extra("pyarrow.feather", "tables", path)
    with reading(path, "a Feather file"):
        frame = feather.read_table(path, memory_map=False).to_pandas()
    return {"all": from_frame(frame, name=str(path), **how)}


def read_excel(path: Path, *, key: str | None = None, header: bool = True, **how: Any) -> dict[str, RawData]:
    """Reads the rows of a sheet, by default the first, of an Excel file; the rest as of :func:`read_csv`."""
    with reading(path, "an Excel workbook" + (f" with the sheet {key}" if key else "")):
        frame = _read_excel(path, key, header)
    return {"all": from_frame(frame, name=str(path), **how)}


def open_parquet(path: Path) -> Any:
    """Opens a Parquet file; a context manager."""
    parquet = import_extra("pyarrow.parquet", "tables", path)
    with reading(path, "a Parquet file"):
        return parquet.ParquetFile(path)


def column_names(path: Path, *, header: bool = True, separator: str | None = None) -> list[str]:
    """Names of the columns of a table."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        with open_parquet(path) as file, reading(path, "a Parquet file"):
            return list(file.schema_arrow.names)
    if suffix == ".feather":
        ipc = import_extra("pyarrow.ipc", "tables", path)
        with reading(path, "a Feather file"), path.open("rb") as file:
            return list(ipc.open_file(file).schema.names)
    with reading(path, _EXPECTED if suffix != ".xlsx" else "an Excel workbook"):
        frame = _read_excel(path, None, header, nrows=1) if suffix == ".xlsx" else None
        frame = _read_csv(path, header, separator, nrows=1) if frame is None else frame
        return [str(name) for name in frame.columns]


def _read_excel(path: Path, key: str | None, header: bool, **options: Any) -> pd.DataFrame:
    import_extra("openpyxl", "tables", path)
    return pd.read_excel(path, sheet_name=key or 0, header=0 if header else None, engine="openpyxl", **options)


def _read_csv(path: Path, header: bool, separator: str | None, **options: Any) -> pd.DataFrame:
    return pd.read_csv(
        path,
        sep=separator or _separator(path),
        header=0 if header else None,
        index_col=False,
        encoding="utf-8-sig",
        low_memory=False,
        skipinitialspace=True,
        **options,
    )


def _separator(path: Path) -> str:
    """The most frequent separator outside quotes in the first line; that of the file's name where none is more."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        line = re.sub(r'"[^"]*"', "", file.readline(_LINE).decode("utf-8", "replace"))
    own = "\t" if ".tsv" in (suffix.lower() for suffix in path.suffixes) else ","
    return max(own, ",", ";", "\t", "|", key=line.count)
