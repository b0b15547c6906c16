"""Sources that are read in pieces: an array in memory, ``.npy`` files, ``.parquet`` files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ae_jax.data.damage import reading
from ae_jax.data.files.numpy_files import Header, read_header
from ae_jax.data.files.tables import open_parquet
from ae_jax.data.frames import from_frame
from ae_jax.data.streaming import Rows
from ae_jax.errors import InvalidInput


class ArrayRows(Rows):
    """An array in memory as a source of rows.

    Example:
      >>> ArrayRows(np.arange(6).reshape(3, 2)).read(0, 1, 3)[0]
      array([[2, 3],
             [4, 5]])
    """

    def __init__(self, x: np.ndarray, labels: np.ndarray | None = None, *, name: str = "arrays"):
        self.name, self.x, self.labels = name, x, labels
        self.shape, self.dtype, self.lengths = x.shape[1:], x.dtype, [len(x)]

    def read(self, shard: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Examples of the array, and their labels."""
        return self.x[start:stop], None if self.labels is None else self.labels[start:stop]


class NpyRows(Rows):
    """``.npy`` files of one shape and type, read by position; memory holds only the requested rows."""

    def __init__(self, paths: Sequence[Path]):
        self.paths, self._headers = list(paths), [_header(path) for path in paths]
        first = self._headers[0]
        for path, header in zip(self.paths, self._headers, strict=True):
            if (header.shape[1:], header.dtype) != (first.shape[1:], first.dtype):
                raise InvalidInput(
                    f"{path} has examples of shape {header.shape[1:]} and type {header.dtype}: expected "
                    f"{first.shape[1:]} and {first.dtype}, as in {self.paths[0].name}."
                )
        self.name = str(self.paths[0] if len(self.paths) == 1 else self.paths[0].parent)
        self.shape, self.dtype = first.shape[1:], first.dtype
        self.lengths = [header.shape[0] for header in self._headers]

    def read(self, shard: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Examples of one file, which has no labels."""
        width = int(np.prod(self.shape))
        with reading(self.paths[shard], "the file that was opened"), self.paths[shard].open("rb") as file:
            file.seek(self._headers[shard].offset + start * width * self.dtype.itemsize)
            values = np.fromfile(file, self.dtype, (stop - start) * width)
        if len(values) < (stop - start) * width:
            raise InvalidInput(f"{self.paths[shard]} ends within row {start + len(values) // width}: it is truncated.")
        return values.reshape(stop - start, *self.shape), None

    def place(self, shard: int) -> str:
        """The path of a file."""
        return str(self.paths[shard])


class ParquetRows(Rows):
    """``.parquet`` files of the same columns; a shard is a row group, the smallest unit that can be read.

    ``columns`` are the features, by default all but the ``label``.
    """

    whole = True

    def __init__(self, paths: Sequence[Path], *, columns: Sequence[str] | None = None, label: str | None = None):
        self.label = label
        self.name = str(paths[0] if len(paths) == 1 else paths[0].parent)
        self._groups, self.lengths, names, kinds = [], [], [], {}
        for path in paths:
            with open_parquet(path) as file, reading(path, "a Parquet file"):
                found, metadata = _columns(file.schema_arrow), file.metadata
                names, kinds = names or found, kinds or {field.name: str(field.type) for field in file.schema_arrow}
            if found != names:
                raise InvalidInput(
                    f"{path} has the columns {', '.join(found)}: expected those of {paths[0].name}, {', '.join(names)}."
                )
            self._groups += [(path, group) for group in range(metadata.num_row_groups)]
            self.lengths += [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self.columns = tuple(columns or (name for name in names if name != label))
        self.shape = (len(self.columns),)
        as_bytes = {kinds.get(name) for name in self.columns} <= {"bool", "uint8"}
        self.dtype = np.dtype(np.uint8 if as_bytes else np.float32)

    def read(self, shard: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Examples of one row group, and their labels."""
        path, group = self._groups[shard]
        names = [*(self.columns or ()), *([self.label] if self.label else [])]
        with open_parquet(path) as file, reading(path, "a Parquet file"):
            frame = file.read_row_group(group, columns=names).to_pandas()
        contents = from_frame(frame, columns=self.columns, label=self.label, name=self.place(shard))
        return contents.x[start:stop], None if contents.labels is None else contents.labels[start:stop]

    def place(self, shard: int) -> str:
        """Number and path of a row group."""
        path, group = self._groups[shard]
        return f"row group {group} of {path}"


def _columns(schema: Any) -> list[str]:
    """Names of a file's columns, without those in which pandas keeps an index."""
    index = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
    return [name for name in schema.names if name not in index]


def _header(path: Path) -> Header:
    with reading(path, "an array written by numpy.save"), path.open("rb") as file:
        header = read_header(file, path.stat().st_size)
    if header.fortran_order and len(header.shape) > 1:
        raise InvalidInput(f"{path} is in Fortran order: expected row after row; save np.ascontiguousarray(x).")
    if len(header.shape) < 2:
        raise InvalidInput(f"{path} has shape {header.shape}: expected [examples, *features]; reshape it to two axes.")
    return header
