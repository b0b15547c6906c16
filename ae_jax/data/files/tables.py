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

_EXPECTED = {".parquet": "a Parquet file", ".feather": "a Feather file", ".xlsx": "an Excel workbook"}
_LINES = "lines of separated values, as many in each as columns are named, in UTF-8"
_LINE = 1 << 20
"""Number of bytes of a first line that is searched for a separator, at most."""


def read_table(
    path: Path, *, key: str | None = None, header: bool = True, separator: str | None = None, **how: Any
) -> dict[str, RawData]:
    """Reads the rows of a table: Parquet, Feather (version 2), Excel, or separated values, also compressed by gzip.

    Without a header, the columns are named ``"0"``, ``"1"`` and so on.

    Args:
      path: of the file.
      key: name of the sheet of an Excel file; by default the first.
      header: whether the first line names the columns.
      separator: one character; by default the most frequent of comma, semicolon, tab and bar in the first line.
      how: columns, label and id, as of :func:`ae_jax.data.frames.from_frame`.
    """
    kind = path.suffix.lower()
    expected = _EXPECTED.get(kind, _LINES) + (f" with the sheet {key}" if key else "")
    with reading(path, expected), warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # of values beyond the last named column
        frame = _read(path, key, header, separator)
    names = [str(name) for name in frame.columns]
    counted = [str(place) for place in range(len(names))]
    if kind not in _EXPECTED and header and names != counted and all(map(is_number, names)):
        warnings.warn(
            f"{path} starts with {', '.join(names[:4])}, which are read as the names of the columns: give --no-header "
            "where that line is an example.",
            stacklevel=2,
        )
    return {"all": from_frame(frame, name=str(path), **how)}


def open_parquet(path: Path) -> Any:
    """Opens a Parquet file; a context manager."""
    parquet = import_extra("pyarrow.parquet", "tables", path)
    with reading(path, "a Parquet file"):
        return parquet.ParquetFile(path)


def column_names(path: Path, *, header: bool = True, separator: str | None = None) -> list[str]:
    """Names of the columns of a table."""
    kind = path.suffix.lower()
    with reading(path, _EXPECTED.get(kind, _LINES)):
        if kind == ".parquet":
            with open_parquet(path) as file:
                return list(file.schema_arrow.names)
        if kind == ".feather":
            with path.open("rb") as file:
                return list(import_extra("pyarrow.ipc", "tables", path).open_file(file).schema.names)
        return [str(name) for name in _read(path, None, header, separator, nrows=1).columns]


def _read(path: Path, key: str | None, header: bool, separator: str | None, **options: Any) -> pd.DataFrame:
    kind, first = path.suffix.lower(), 0 if header else None
    if kind == ".parquet":
        with open_parquet(path) as file:
            return file.read().to_pandas()
    if kind == ".feather":
        return import_extra("pyarrow.feather", "tables", path).read_table(path, memory_map=False).to_pandas()
    if kind == ".xlsx":
        import_extra("openpyxl", "tables", path)
        return pd.read_excel(path, sheet_name=key or 0, header=first, engine="openpyxl", **options)
    return pd.read_csv(
        path,
        sep=separator or _separator(path),
        header=first,
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
