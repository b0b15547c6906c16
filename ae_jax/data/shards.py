"""Sources that are read in pieces: an array in memory, ``.npy`` files, ``.parquet`` files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ae_jax.data.files.damage import reading
from ae_jax.data.files.numpy_files import read_header
from ae_jax.data.files.tables import import_reader
from ae_jax.data.frames import from_frame
from ae_jax.errors import InvalidInput
from ae_jax.types import Shape


class ArrayRows:
    """An array in memory as a source of rows.

    Example:
      >>> ArrayRows(np.arange(6).reshape(3, 2)).read(0, 1, 3)[0]
      array([[2, 3],
             [4, 5]])
    """

    whole = False
    columns = None

    def __init__(self, x: np.ndarray, labels: np.ndarray | None = None, *, name: str = "arrays"):
        self.name, self.x, self.labels = name, x, labels
        self.shape, self.dtype, self.lengths = x.shape[1:], x.dtype, [len(x)]

    def read(self, shard: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Examples of the array, and their labels."""
        return self.x[start:stop], None if self.labels is None else self.labels[start:stop]

    def place(self, shard: int) -> str:
        """The name of the array."""
        return self.name


class NpyRows:
    """``.npy`` files of one shape and type, read by position; memory holds only the requested rows.

    Args:
      paths: the files, in order.

    Raises:
      InvalidInput: a file that is not an array, holds objects, is in Fortran order, is shorter than its header says,
        or has another shape or type than the first.
    """

    whole = False
    columns = None

    def __init__(self, paths: Sequence[Path]):
        self.paths = list(paths)
        headers = [_header(path) for path in self.paths]
        first, self.dtype, _ = headers[0]
        for path, (shape, dtype, _) in zip(self.paths, headers, strict=True):
            if (shape[1:], dtype) != (first[1:], self.dtype):
                raise InvalidInput(
                    f"{path} has examples of shape {shape[1:]} and type {dtype}: expected {first[1:]} and "
                    f"{self.dtype}, as in {self.paths[0].name}."
                )
        self.name = str(self.paths[0] if len(self.paths) == 1 else self.paths[0].parent)
        self.shape: Shape = first[1:]
        self.lengths = [shape[0] for shape, _, _ in headers]
        self._offsets = [offset for _, _, offset in headers]

    def read(self, shard: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Examples of one file; it has no labels."""
        width = int(np.prod(self.shape))
        with self.paths[shard].open("rb") as file:
            file.seek(self._offsets[shard] + start * width * self.dtype.itemsize)
            values = np.fromfile(file, self.dtype, (stop - start) * width)
        if len(values) < (stop - start) * width:
            raise InvalidInput(f"{self.paths[shard]} ends within row {start + len(values) // width}: it is truncated.")
        return values.reshape(stop - start, *self.shape), None

    def place(self, shard: int) -> str:
        """The path of a file."""
        return str(self.paths[shard])


class ParquetRows:
    """``.parquet`` files of the same columns; a shard is a row group, the smallest unit that can be read.

    Args:
      paths: the files, in order.
      columns: names of the features; by default all but the label.
      label: name of the label's column, or None.

    Raises:
      InvalidInput: a file that is not Parquet, or has other columns than the first.
    """

    whole = True

    def __init__(self, paths: Sequence[Path], *, columns: Sequence[str] | None = None, label: str | None = None):
        self.paths, self.label = list(paths), label
        self.name = str(self.paths[0] if len(self.paths) == 1 else self.paths[0].parent)
        files = [_parquet(path) for path in self.paths]
        names = _columns(files[0].schema_arrow)
        for path, file in zip(self.paths, files, strict=True):
            if (found := _columns(file.schema_arrow)) != names:
                raise InvalidInput(
                    f"{path} has the columns {', '.join(found)}: expected those of "
                    f"{self.paths[0].name}, {', '.join(names)}."
                )
        self._groups = [
            (path, group, file.metadata.row_group(group).num_rows)
            for path, file in zip(self.paths, files, strict=True)
            for group in range(file.metadata.num_row_groups)
        ]
        self.lengths = [count for *_, count in self._groups]
        self.columns = tuple(columns or (name for name in names if name != label))
        self.shape: Shape = (len(self.columns),)
        kinds = {str(field.type) for field in files[0].schema_arrow if field.name in self.columns}
        self.dtype = np.dtype(np.uint8 if kinds <= {"bool", "uint8"} else np.float32)

    def read(self, shard: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Examples of one row group, and their labels."""
        path, group, _ = self._groups[shard]
        names = [*self.columns, *([self.label] if self.label else [])]
        frame = _parquet(path).read_row_group(group, columns=names).to_pandas()
        contents = from_frame(frame, columns=self.columns, label=self.label, name=self.place(shard))
        return contents.x[start:stop], None if contents.labels is None else contents.labels[start:stop]

    def place(self, shard: int) -> str:
        """Number and path of a row group."""
        path, group, _ = self._groups[shard]
        return f"row group {group} of {path}"


def _columns(schema: Any) -> list[str]:
    """Names of a file's columns, without those in which pandas keeps an index."""
    index = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
    return [name for name in schema.names if name not in index]


def _header(path: Path) -> tuple[Shape, np.dtype, int]:
    """Shape, type and place of the first value of a ``.npy`` file."""
    with reading(path, "an array written by numpy.save"), path.open("rb") as file:
        shape, in_columns, dtype, offset = read_header(file, path.stat().st_size)
    if in_columns and len(shape) > 1:
        raise InvalidInput(f"{path} is in Fortran order: expected row after row; save np.ascontiguousarray(x).")
    if len(shape) < 2:
        raise InvalidInput(f"{path} has shape {shape}: expected [examples, *features]; reshape it to two axes.")
    return shape, dtype, offset


def _parquet(path: Path) -> Any:
    parquet = import_reader("pyarrow.parquet", path)
    with reading(path, "a Parquet file"):
        return parquet.ParquetFile(path)
