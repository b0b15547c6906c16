"""Tables in files, read by pandas and PyArrow."""

import csv
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ae_jax.data.arrays import RawData
from ae_jax.data.files.damage import reading
from ae_jax.data.frames import from_frame
from ae_jax.errors import InvalidInput

_EXPECTED = "lines of separated values, as many in each as columns are named, in UTF-8"
_COUNTED = 3
"""From how many on 0, 1, 2 and so on are names rather than an example; fewer may well be one."""


def read_csv(path: Path, *, columns: Sequence[str] | None = None, label: str | None = None) -> dict[str, RawData]:
    """The rows of a file of comma-separated (``.csv``) or tab-separated (``.tsv``) values.

    A first line of numbers only is an example, and the columns are then named ``"0"``, ``"1"`` and so on. Numbers are
    names where they are 0, 1, 2 and so on, alone or beside words, as pandas writes them; and where the whole first line
    stands in quotes and the second one does not, as :func:`ae_jax.data.writing.write_table` and R write them.

    Args:
      path: of the file, in UTF-8.
      columns: names of the columns to use; by default all but the label's.
      label: name of the column of labels, or None.

    Returns:
      The contents, under ``"all"``.

    Raises:
      InvalidInput: a file that cannot be read, lines that do not fit the names of the columns, or what
        :func:`ae_jax.data.frames.from_frame` refuses.
    """
    pandas, separated = import_reader("pandas", path), _separated(path)
    try:
        with reading(path, _EXPECTED), warnings.catch_warnings():
            names, header = _first_line(path)
            warnings.simplefilter("error", pandas.errors.ParserWarning)  # of values beyond the last named column
            frame = pandas.read_csv(path, header=0 if header else None, index_col=False, **separated)
    except InvalidInput as error:
        if isinstance(error.__cause__, pandas.errors.EmptyDataError):
            raise InvalidInput(f"{path} is empty: expected a line of names and a line for each example.") from error
        if isinstance(error.__cause__, pandas.errors.ParserWarning):
            raise InvalidInput(
                f"{path} has more values in its lines than the {len(names)} columns that its first line names: "
                "expected as many; name every column."
            ) from error
        raise
    frame.columns = names
    return {"all": from_frame(frame, columns=columns, label=label, name=str(path))}


def read_parquet(path: Path, *, columns: Sequence[str] | None = None, label: str | None = None) -> dict[str, RawData]:
    """The rows of a Parquet file.

    Args:
      path: of the file.
      columns: names of the columns to use; by default all but the label's.
      label: name of the column of labels, or None.

    Returns:
      The contents, under ``"all"``.

    Raises:
      InvalidInput: a file that cannot be read, or what :func:`ae_jax.data.frames.from_frame` refuses.
    """
    import_reader("pandas", path)
    parquet = import_reader("pyarrow.parquet", path)
    with reading(path, "a Parquet file"), parquet.ParquetFile(path) as file:
        frame = file.read().to_pandas()
    return {"all": from_frame(frame, columns=columns, label=label, name=str(path))}


def column_names(path: Path) -> list[str]:
    """Names of the columns of a ``.csv``, ``.tsv`` or ``.parquet`` file, as its reader calls them.

    Raises:
      InvalidInput: a file that cannot be read.
    """
    if path.suffix.lower() == ".parquet":
        parquet = import_reader("pyarrow.parquet", path)
        with reading(path, "a Parquet file"):
            return list(parquet.read_schema(path).names)
    with reading(path, _EXPECTED):
        return _first_line(path)[0]


def _separated(path: Path) -> dict[str, Any]:
    """How pandas is told what a file of separated values is like."""
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    return {"sep": separator, "encoding": "utf-8-sig", "low_memory": False, "skipinitialspace": True}


def _first_line(path: Path) -> tuple[list[str], bool]:
    """Names of the columns, and whether the first line says them; otherwise they are counted."""
    pandas = import_reader("pandas", path)
    first = pandas.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, **_separated(path))
    fields = [name.strip() for name in first.iloc[0]]
    header = _is_header(fields, path)
    return (fields if header else [str(place) for place in range(len(fields))]), header


def _quoted_above_bare(path: Path) -> bool:
    """Whether the whole first line stands in quotes and the second one does not."""
    form = {"delimiter": _separated(path)["sep"], "skipinitialspace": True, "quoting": csv.QUOTE_NONNUMERIC}
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = filter(None, csv.reader(file, **form))  # what is not quoted is a number to it, or a ValueError
        try:
            quoted = all(isinstance(field, str) for field in next(lines, [0.0]))
        except (csv.Error, ValueError):
            return False
        try:
            return quoted and not all(isinstance(field, str) for field in next(lines, []))
        except (csv.Error, ValueError):
            return quoted


def _is_header(fields: list[str], path: Path) -> bool:
    """Whether the first line holds names rather than an example."""
    if len(fields) == 1 and (other := {";", "\t"} & set(fields[0])):
        raise InvalidInput(
            f"{path} seems separated by {other.pop()!r}: expected commas in a .csv file and tabs in a .tsv file; "
            "write it with those."
        )
    numbers = [field for field in fields if is_number(field)]
    if numbers and _quoted_above_bare(path):
        return True
    counted = numbers == [str(place) for place in range(len(numbers))]
    if len(numbers) < len(fields):
        if counted and len(numbers) >= _COUNTED:
            return True
        if 2 * len(numbers) > len(fields) and "" not in fields:  # pandas writes no name for an index
            raise InvalidInput(
                f"{path} starts with {', '.join(fields[:4])}, mostly numbers: expected the names of the columns; add "
                "them as the first line."
            )
        return True
    if counted and len(fields) < _COUNTED:
        raise InvalidInput(
            f"{path} starts with the line {','.join(fields)}, which may name columns or be an example: "
            "expected names that are no numbers; add them as the first line."
        )
    return counted


def is_number(field: str) -> bool:
    """Whether a field of a line is a number.

    Example:
      >>> is_number("-1e3"), is_number("x1")
      (True, False)
    """
    try:
        float(field)
    except ValueError:
        return False
    return True


def import_reader(module: str, path: Path) -> Any:
    """A module of the extra ``tables`` that reads a file, or the sentence that names the extra."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InvalidInput(
            f'{path} needs {module.split(".")[0]}: expected it to be installed; run pip install "ae_jax[tables]".'
        ) from error
