"""Records that TensorFlow Datasets wrote, as arrays: what a feature is stored as, and how it is read back."""

import functools
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from ae_jax.data.arrays import RawData
from ae_jax.errors import InvalidInput
from ae_jax.types import Shape

_BLOCK = 4096
"""Records that are parsed at once: they are in memory twice meanwhile."""


class Column(NamedTuple):
    """How one feature of a record becomes an array.

    Attributes:
      key: its name in the records.
      shape: of one example.
      dtype: of its values.
      decode: from the features of some records to ``[n, *shape]``.
    """

    key: str
    shape: Shape
    dtype: np.dtype
    decode: Callable[[list[Any]], np.ndarray]


class Records:
    """One split of a prepared data set, read by position and from several threads at once.

    Args:
      paths: of the shards, array_record files.
      lengths: examples of each shard.
      example: the column of the examples.
      label: the column of the labels, or None.
      name: of the split, for sentences.

    Attributes:
      name: of the split.
      shape: of one example.
      dtype: that examples are stored in.
      lengths: examples of each shard.
    """

    whole = False
    columns = None

    def __init__(
        self, paths: Sequence[Path], lengths: Sequence[int], example: Column, label: Column | None, *, name: str
    ):
        self.name, self.lengths = name, list(lengths)
        self.shape, self.dtype = example.shape, example.dtype
        self._example, self._label = example, label
        self._shards = [_Shard(path, length, name) for path, length in zip(paths, lengths, strict=True)]

    def read(self, shard: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Examples from ``start`` to ``stop`` of a shard, in the order of the records, and their labels or None.

        Raises:
          InvalidInput: positions that the shard does not have, or records that cannot be decoded.
        """
        if not 0 <= start <= stop <= self.lengths[shard]:
            raise InvalidInput(
                f"{self.name} was asked for examples {start} to {stop} of shard {shard}: expected positions from 0 to "
                f"{self.lengths[shard]}."
            )
        columns = [self._example, *([] if self._label is None else [self._label])]
        arrays = [np.empty((stop - start, *column.shape), column.dtype) for column in columns]
        for first in range(start, stop, _BLOCK):
            last = min(first + _BLOCK, stop)
            features = self._shards[shard].features(first, last)
            for column, array in zip(columns, arrays, strict=True):
                array[first - start : last - start] = self._decoded(column, features, shard)
        return arrays[0], None if self._label is None else arrays[1]

    def place(self, shard: int) -> str:
        """The path of a shard."""
        return str(self._shards[shard].path)

    def all(self) -> RawData:
        """All examples of the split, and their labels."""
        count = sum(self.lengths)
        x = np.empty((count, *self.shape), self.dtype)
        labels = None if self._label is None else np.empty(count, self._label.dtype)
        first = 0
        for shard, length in enumerate(self.lengths):
            for start in range(0, length, _BLOCK):
                stop = min(start + _BLOCK, length)
                rows = slice(first + start, first + stop)
                x[rows], part = self.read(shard, start, stop)
                if labels is not None:
                    labels[rows] = part
            first += length
        return RawData(x, labels)

    def _decoded(self, column: Column, features: list[Any], shard: int) -> np.ndarray:
        try:
            return column.decode(features).reshape(len(features), *column.shape)
        except Exception as error:  # zlib, Pillow and NumPy raise many kinds over damaged records
            raise InvalidInput(
                f"{self._shards[shard].path} holds {column.key} values that cannot be decoded ({_first_line(error)}): "
                f"expected {column.dtype} of shape {column.shape} in each record; prepare the data set anew."
            ) from error


class _Shard:
    """One file, opened when it is first read."""

    def __init__(self, path: Path, length: int, name: str):
        self.path, self._length, self._name = path, length, name
        self._reader: Any = None
        self._lock = Lock()

    def features(self, start: int, stop: int) -> list[Any]:
        """The features of some records, by name."""
        parse = _example_type().FromString
        try:
            with self._lock:
                if self._reader is None:
                    self._reader = self._open()
                records = self._reader.read(start, stop)
            return [parse(record).features.feature for record in records]
        except InvalidInput:
            raise
        except Exception as error:  # the reader and the parser raise many kinds over damaged files
            raise InvalidInput(
                f"{self.path} cannot be read ({_first_line(error)}): expected a shard of {self._name}; "
                "prepare the data set anew."
            ) from error

    def _open(self) -> Any:
        from array_record.python.array_record_module import ArrayRecordReader

        if not self.path.is_file():
            raise InvalidInput(f"there is no file {self.path}: expected a shard of {self._name}; prepare it anew.")
        reader = ArrayRecordReader(str(self.path))
        if reader.num_records() != self._length:
            raise InvalidInput(
                f"{self.path} holds {reader.num_records()} records: expected {self._length}; prepare {self._name} anew."
            )
        return reader


def column_of(key: str, feature: Any, name: str) -> Column:
    """How a feature of TFDS is read, where it has one shape and no text.

    Args:
      key: the feature's name.
      feature: as TFDS describes it.
      name: of the data set, for sentences.

    Raises:
      InvalidInput: text, a sequence, or a shape that differs from example to example.
    """
    from tensorflow_datasets import features as kinds

    kind = type(feature).__name__
    known = type(feature) in (kinds.Tensor, kinds.Scalar, kinds.ClassLabel, kinds.Image)
    if not known or np.dtype(feature.np_dtype).kind not in "buif":
        raise InvalidInput(
            f"{name} has the feature {key}, which is {kind} of {getattr(feature, 'np_dtype', None)}: "
            "expected numbers of one shape, an Image, a Tensor, a Scalar or a ClassLabel; choose another data set."
        )
    if None in feature.shape:
        raise InvalidInput(
            f"{name} has the feature {key} of shape {feature.shape}: expected one shape for all examples; "
            "choose another data set."
        )
    dtype = np.dtype(feature.np_dtype)
    return Column(key, tuple(feature.shape), dtype, _decoder(key, feature, dtype))


def is_readable(feature: Any) -> bool:
    """Whether :func:`column_of` reads a feature."""
    try:
        column_of("", feature, "")
    except InvalidInput:
        return False
    return True


def _decoder(key: str, feature: Any, dtype: np.dtype) -> Callable[[list[Any]], np.ndarray]:
    from tensorflow_datasets import features as kinds

    if isinstance(feature, kinds.Image):
        return functools.partial(_images, key, feature)
    encoding = getattr(feature.to_json_content(), "encoding", "none")
    if encoding == "bytes":
        return lambda records: np.frombuffer(b"".join(_payloads(key, records)), dtype)
    if encoding == "zlib":
        return lambda records: np.frombuffer(b"".join(map(zlib.decompress, _payloads(key, records))), dtype)
    if dtype.kind == "f":
        return lambda records: np.array([x for record in records for x in record[key].float_list.value], dtype)
    return lambda records: _integers(key, records).astype(dtype)


def _integers(key: str, records: list[Any]) -> np.ndarray:
    return np.array([x for record in records for x in record[key].int64_list.value], np.int64)


def _images(key: str, feature: Any, records: list[Any]) -> np.ndarray:
    channels = feature.shape[-1]
    return np.stack([feature.decode_example_np_with_pil(payload, channels) for payload in _payloads(key, records)])


def _payloads(key: str, records: list[Any]) -> list[bytes]:
    return [record[key].bytes_list.value[0] for record in records]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160].rstrip(".")


@functools.cache
def _example_type() -> Any:
    """What TFDS writes in each record, as it carries it with itself for machines without TensorFlow."""
    from tensorflow_datasets.proto import tf_example_generated_pb2

    return tf_example_generated_pb2.Example  # pyright: ignore[reportAttributeAccessIssue]
