"""Tables in files, read by pandas."""

import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from ae_jax.data.arrays import RawData
from ae_jax.data.files.damage import reading
from ae_jax.data.frames import from_frame
from ae_jax.errors import InvalidInput

_EXPECTED = "lines of separated values, as many in each as columns are named, in UTF-8"


def read_csv(
    path: Path, *, columns: Sequence[str] | None = None, label: str | None = None, header: bool = True
) -> dict[str, RawData]:
    """Reads the rows of a file of comma-separated (``.csv``) or tab-separated (``.tsv``) values.

    Args:
      path: of the file, in UTF-8.
      columns: names of the columns to use; by default all but the label's.
      label: name of the column of labels, or None.
      header: whether the first line names the columns; otherwise their names are ``"0"``, ``"1"`` and so on.

    Returns:
      The examples, under ``"all"``.

    Raises:
      InvalidInput: a file that cannot be read, lines that do not fit the names of the columns, or what
        :func:`ae_jax.data.frames.from_frame` refuses.
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
    if header and names != counted and all(map(_is_number, names)):
        warnings.warn(
            f"{path} starts with {', '.join(names[:4])}, which are read as the names of the columns: give --no-header "
            "where that line is an example.",
            stacklevel=2,
        )
    return {"all": from_frame(frame, columns=columns, label=label, name=str(path))}


def read_parquet(path: Path, *, columns: Sequence[str] | None = None, label: str | None = None) -> dict[str, RawData]:
    """Reads the rows of a Parquet file.

    Args:
      path: of the file.
      columns: names of the columns to use; by default all but the label's.
      label: name of the column of labels, or None.

    Returns:
      The examples, under ``"all"``.

    Raises:
      InvalidInput: a file that cannot be read, or what :func:`ae_jax.data.frames.from_frame` refuses.
    """
    parquet = import_reader("pyarrow.parquet", path)
    with reading(path, "a Parquet file"), parquet.ParquetFile(path) as file:
        frame = file.read().to_pandas()
    return {"all": from_frame(frame, columns=columns, label=label, name=str(path))}


def column_names(path: Path, *, header: bool = True) -> list[str]:
    """Names of the columns of a ``.csv``, ``.tsv`` or ``.parquet`` file.

    Raises:
      InvalidInput: a file that cannot be read.
    """
    if path.suffix.lower() == ".parquet":
        parquet = import_reader("pyarrow.parquet", path)
        with reading(path, "a Parquet file"):
            return list(parquet.read_schema(path).names)
    with reading(path, _EXPECTED):
        return [str(name) for name in _read_csv(path, header, nrows=1).columns]


def import_reader(module: str, path: Path) -> Any:
    """Imports a module of the extra ``tables``, which reads or writes a file.

    Raises:
      InvalidInput: the extra is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InvalidInput(
            f'{path} needs {module.split(".")[0]}: expected it to be installed; run pip install "ae_jax[tables]".'
        ) from error


def _read_csv(path: Path, header: bool, **options: Any) -> pd.DataFrame:
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    return pd.read_csv(
        path,
        sep=separator,
        header=0 if header else None,
        index_col=False,
        encoding="utf-8-sig",
        low_memory=False,
        skipinitialspace=True,
        **options,
    )


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True
