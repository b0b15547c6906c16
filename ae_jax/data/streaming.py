"""Training data larger than the device budget: read in blocks, shuffled and served in chunks by Grain."""

import dataclasses
import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from ae_jax.data.arrays import RawData, as_examples, require_finite, storage_type
from ae_jax.data.scaling import Statistics
from ae_jax.errors import InvalidInput, import_extra
from ae_jax.types import Shape

DEVICE_BUDGET = 2**30
"""Bytes of examples that the device may hold; a larger source is streamed."""

_CHUNKS = 16
"""A chunk takes the budget divided by this: the device holds two chunks, and the host reads and joins a few more."""

_BLOCKS = 64
"""The least number of blocks in a chunk where rows are short: more blocks mix more places of the source."""

Share = Callable[[int], tuple[int, int]]
"""Maps a number of rows to the first and the last of them that a process reads."""


class Piece(NamedTuple):
    """Rows that are read at once: a block (first and last row of a shard), and its first and last training row."""

    shard: int
    start: int
    stop: int
    low: int
    high: int


class Rows:
    """A source of examples that is read in pieces, from several threads at once.

    Attributes:
      name: for errors.
      shape: of one example.
      dtype: the type that examples are stored in.
      lengths: examples of each shard.
      whole: whether reading part of a shard costs as much as reading all of it.
      columns: names of the features, or None.
    """

    name: str
    shape: Shape
    dtype: np.dtype
    lengths: Sequence[int]
    whole: bool = False
    columns: tuple[str, ...] | None = None

    def read(self, shard: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Examples from ``start`` to ``stop`` of a shard, and their labels or None."""
        raise NotImplementedError

    def place(self, shard: int) -> str:
        """The name of a shard, for errors."""
        return self.name


def bytes_of(rows: Rows) -> int:
    """Bytes of all examples in the type that a device stores."""
    return sum(rows.lengths) * bytes_of_one(rows)


def bytes_of_one(rows: Rows) -> int:
    """Bytes of one example in the type that a device stores."""
    return max(1, int(np.prod(rows.shape))) * storage_type(rows.dtype).itemsize


def read_all(rows: Rows) -> RawData:
    """Reads all examples of a source into memory."""
    if not sum(rows.lengths):
        raise InvalidInput(f"{rows.name} holds no examples: expected at least one.")
    parts = [rows.read(shard, 0, length) for shard, length in enumerate(rows.lengths) if length]
    return _joined(parts, rows.columns)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream:
    """Training examples that are read again in every epoch, each once, in an order that differs between epochs.

    Blocks of neighbouring rows are shuffled across all shards; each chunk is many blocks, and is shuffled as a whole
    on the device. A shard that is only read whole is one block, whose rows are shuffled. The order depends on the seed,
    the epoch, the budget and the batch size.

    Attributes:
      rows: the source.
      held_out: numbers of the rows that are not trained on, sorted, counted over all shards.
      budget: bytes of examples that the device may hold.
      seed: of the order.
      digest: of all examples of the source, as :func:`survey` read them.
    """

    rows: Rows
    held_out: np.ndarray
    budget: int = DEVICE_BUDGET
    seed: int = 0
    digest: str = ""

    def __post_init__(self) -> None:
        largest = max(self.rows.lengths) * bytes_of_one(self.rows)
        if self.rows.whole and largest > self.budget // 4:
            raise InvalidInput(
                f"{self.rows.name} has a row group of {largest:,} bytes: expected at most a quarter of the device "
                f"budget of {self.budget:,}; write it with smaller row groups, or raise the budget."
            )

    def __len__(self) -> int:
        return sum(self.rows.lengths) - len(self.held_out)

    def pieces(self, blocks: int) -> Iterator[tuple[int, int, int]]:
        """Shard, first and last row of pieces of so many blocks each, in the source's order."""
        size = blocks * max(1, self.budget // (_CHUNKS * _BLOCKS * bytes_of_one(self.rows)))
        for shard, length in enumerate(self.rows.lengths):
            step = max(1, length) if self.rows.whole else size
            for start in range(0, length, step):
                yield shard, start, min(start + step, length)

    @cached_property
    def first_rows(self) -> np.ndarray:
        """Number of the first row of each shard, counted over all shards."""
        return np.concatenate([[0], np.cumsum(self.rows.lengths)[:-1]]).astype(np.int64)

    @cached_property
    def _blocks(self) -> tuple[np.ndarray, np.ndarray]:
        """Shard, first and last row of each block that has training rows, ``[blocks, 3]``, and how many it has."""
        blocks = np.array(list(self.pieces(1)))
        low, high = (np.searchsorted(self.held_out, self.first_rows[blocks[:, 0]] + blocks[:, end]) for end in (1, 2))
        trained = blocks[:, 2] - blocks[:, 1] - (high - low)
        return blocks[trained > 0], trained[trained > 0]

    def chunk_size(self, batch_size: int) -> int:
        """Examples in a chunk: whole batches that fill a sixteenth of the budget; the last chunk has one or more.

        Example:
          >>> from ae_jax.data.shards import ArrayRows
          >>> stream = Stream(rows=ArrayRows(np.zeros((103, 4), np.uint8)), held_out=np.arange(0), budget=16 * 4 * 32)
          >>> stream.chunk_size(batch_size=10)
          30
        """
        examples, batches = len(self), len(self) // batch_size
        count = max(1, self.budget // (_CHUNKS * bytes_of_one(self.rows) * batch_size))
        while count <= batches and examples % batch_size and batches % count == 0:
            count += 1
        return min(count * batch_size, examples)

    def chunks(
        self, epoch: int, batch_size: int, *, first: int = 0, share: Share = lambda count: (0, count)
    ) -> Generator[np.ndarray, None, None]:
        """The chunks of an epoch, ``[chunk, *shape]`` in the type that a device stores; the last may be shorter.

        The next chunk is read while one is used. The rows of a chunk depend neither on the first chunk nor on the
        shares.

        Args:
          epoch: its number.
          batch_size: examples in a step.
          first: the chunk to begin with, from 0.
          share: maps the number of rows of a chunk to the first and the last that this process reads; by default all.

        Yields:
          The rows of each chunk, or this process's share of them.

        Raises:
          InvalidInput: Grain is not installed.

        Example:
          >>> from ae_jax.data.shards import ArrayRows
          >>> stream = Stream(rows=ArrayRows(np.arange(96).reshape(96, 1)), held_out=np.arange(0), budget=16 * 4 * 32)
          >>> [len(chunk) for chunk in stream.chunks(epoch=1, batch_size=8)]
          [32, 32, 32]
        """
        size = self.chunk_size(batch_size)
        grain = import_extra("grain", "streaming", "data larger than the device budget, which may be raised,")
        spans = [
            (start + low, start + high)
            for start in range(first * size, len(self), size)
            for low, high in (share(min(size, len(self) - start)),)
        ]
        largest = int(np.diff(self._blocks[0][:, 1:]).max()) * bytes_of_one(self.rows)
        ahead = max(1, min(_BLOCKS // 4, self.budget // (_CHUNKS * largest)))
        options = grain.ReadOptions(num_threads=min(2, ahead), prefetch_buffer_size=ahead)
        pieces = grain.MapDataset.source(self._pieces_of(spans, epoch))
        read = pieces.map(partial(self._read, epoch)).to_iter_dataset(options)
        each = max([1, *(stop - start for start, stop in spans)])
        chunks = grain.experimental.RebatchIterDataset(read, each, drop_remainder=False)
        iterator = iter(grain.experimental.ThreadPrefetchIterDataset(chunks, prefetch_buffer_size=1))
        nothing = np.empty((0, *self.rows.shape), storage_type(self.rows.dtype))
        try:
            for start, stop in spans:
                yield next(iterator) if start < stop else nothing
        finally:
            iterator.close()

    def _pieces_of(self, spans: list[tuple[int, int]], epoch: int) -> list[Piece]:
        """The pieces to read for spans of an epoch's rows; a block that two spans share is read once."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self._blocks[0]))
        blocks, counts = (array[order] for array in self._blocks)
        ends, pieces = np.cumsum(counts), []
        for start, stop in spans:
            number = int(np.searchsorted(ends, start, side="right"))
            while start < stop:
                begin, last = int(ends[number] - counts[number]), min(stop, int(ends[number]))
                piece = Piece(*(int(value) for value in (*blocks[number], start - begin, last - begin)))
                if pieces and pieces[-1][:3] == piece[:3] and pieces[-1].high == piece.low:
                    piece = piece._replace(low=pieces.pop().low)
                pieces.append(piece)
                start, number = last, number + 1
        return pieces

    def _read(self, epoch: int, piece: Piece) -> np.ndarray:
        shard, start, stop, low, high = piece
        kept = np.flatnonzero(~_among(self.held_out, int(self.first_rows[shard]) + start, stop - start))
        if not self.rows.whole:
            kept = kept[low:high]
            start, stop, kept = start + int(kept[0]), start + int(kept[-1]) + 1, kept - kept[0]
        x, _ = self.rows.read(shard, start, stop)
        trained = x[kept].astype(storage_type(self.rows.dtype), copy=False)
        require_finite(trained, f"{self.rows.place(shard)} was changed while it was trained on: it")
        if not self.rows.whole:
            return trained
        return np.random.default_rng([self.seed, epoch, shard]).permutation(trained)[low:high]


def survey(
    stream: Stream, taken: Mapping[str, np.ndarray], *, moments: bool
) -> tuple[Statistics, dict[str, RawData], str]:
    """Reads a stream once, checks every example, and keeps some of them in memory.

    Args:
      stream: the stream.
      taken: name -> numbers of the rows to keep, sorted, counted over all shards.
      moments: whether mean and deviation are computed.

    Returns:
      Statistics of the training examples, the kept examples by name, and a digest of all examples.
    """
    digest = hashlib.sha256()
    found: dict[str, list[tuple[np.ndarray, Any]]] = {name: [] for name in taken}

    def parts() -> Iterator[np.ndarray]:
        for shard, start, stop in stream.pieces(_BLOCKS):
            read, labels = stream.rows.read(shard, start, stop)
            stored = read.astype(storage_type(read.dtype), copy=False)
            x = as_examples(stored, f"{stream.rows.place(shard)}, counted from row {start},")
            digest.update(np.ascontiguousarray(x).data)
            first = int(stream.first_rows[shard]) + start
            for name, numbers in taken.items():
                chosen = _among(numbers, first, len(x))
                found[name].append((x[chosen], None if labels is None else np.asarray(labels)[chosen]))
            if len(trained := x[~_among(stream.held_out, first, len(x))]):
                yield trained

    statistics = Statistics.of(parts(), moments=moments)
    kept = {name: _joined(pieces, stream.rows.columns) for name, pieces in found.items()}
    return statistics, kept, digest.hexdigest()


def _joined(pieces: list[tuple[np.ndarray, Any]], columns: tuple[str, ...] | None) -> RawData:
    labels = None if pieces[0][1] is None else np.concatenate([labels for _, labels in pieces])
    return RawData(np.concatenate([x for x, _ in pieces]), labels, columns)


def _among(numbers: np.ndarray, first: int, count: int) -> np.ndarray:
    """Which of the rows from ``first`` on are among sorted numbers, ``[count]``."""
    chosen = np.zeros(count, bool)
    low, high = np.searchsorted(numbers, [first, first + count])
    chosen[numbers[low:high] - first] = True
    return chosen
