"""Training data that need not fit in memory: read in blocks, shuffled, and handed on in chunks, by Grain."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ae_jax.data.checks import as_examples, storage_type
from ae_jax.data.contents import Contents
from ae_jax.data.scaling import Statistics
from ae_jax.errors import InvalidInput
from ae_jax.types import Shape

DEVICE_BUDGET = 2**30
"""Bytes of examples that are kept on the device; a source that has more of them is streamed."""

_CHUNKS = 16
"""Parts of the budget that a chunk is one of: the device holds two, and the host a few that are read and joined."""

_BLOCKS = 64
"""Blocks in a chunk, at least where rows are short: how many places of the source meet in one shuffle."""


@runtime_checkable
class Rows(Protocol):
    """A source of examples that can be read in pieces, from several threads at once."""

    @property
    def name(self) -> str:
        """For errors."""
        ...

    @property
    def shape(self) -> Shape:
        """Of one example."""
        ...

    @property
    def dtype(self) -> Any:
        """That examples are stored in."""
        ...

    @property
    def lengths(self) -> Sequence[int]:
        """Examples of each shard."""
        ...

    @property
    def whole(self) -> bool:
        """Whether a shard cannot be read in part at less cost."""
        ...

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Names of the features, or None."""
        ...

    def read(self, shard: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Examples from ``start`` to ``stop`` of a shard, and their labels or None."""
        ...

    def place(self, shard: int) -> str:
        """What a shard is called, for errors."""
        ...


def bytes_of(rows: Rows) -> int:
    """What all examples take in the type that a device stores."""
    return sum(rows.lengths) * bytes_of_one(rows)


def bytes_of_one(rows: Rows) -> int:
    """What one example takes in the type that a device stores."""
    return max(1, int(np.prod(rows.shape))) * storage_type(rows.dtype).itemsize


def read_all(rows: Rows) -> Contents:
    """Everything that a source holds, in memory."""
    if not sum(rows.lengths):
        raise InvalidInput(f"{rows.name} holds no examples: expected at least one.")
    parts = [rows.read(shard, 0, length) for shard, length in enumerate(rows.lengths) if length]
    return _joined(parts, rows.columns)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream:
    """Training examples that are read anew in every epoch, each once, in an order of the epoch's own.

    Blocks of neighbouring rows are shuffled across all shards; each chunk is many blocks, and is shuffled as a whole
    on the device. Where a shard is only read whole, it is one block, and its rows are shuffled. The order of what is
    read depends on the seed, the epoch, the budget and the batch size.

    Attributes:
      rows: where they are read.
      held_out: rows that are not trained on, sorted, counted over all shards.
      budget: bytes of examples that the device may hold.
      seed: of the order.
    """

    rows: Rows
    held_out: np.ndarray
    budget: int = DEVICE_BUDGET
    seed: int = 0

    def __post_init__(self) -> None:
        largest = max(length for length in self.rows.lengths) * bytes_of_one(self.rows)
        if self.rows.whole and largest > self.budget // 4:
            raise InvalidInput(
                f"{self.rows.name} has a row group of {largest:,} bytes: expected at most a quarter of the device "
                f"budget of {self.budget:,}; write it with smaller row groups, or raise the budget."
            )

    def __len__(self) -> int:
        return sum(self.rows.lengths) - len(self.held_out)

    @cached_property
    def blocks(self) -> list[tuple[int, int, int]]:
        """What is read at a time: shard, first and last row; those with something to train on."""
        found = []
        for shard, start, stop in self.pieces(1):
            first = int(self.first_rows[shard])
            low, high = np.searchsorted(self.held_out, [first + start, first + stop])
            if high - low < stop - start:
                found.append((shard, start, stop))
        return found

    def pieces(self, blocks: int) -> Iterator[tuple[int, int, int]]:
        """Shard, first and last row of pieces that have as many rows as so many blocks, in the source's order."""
        size = blocks * max(1, self.budget // (_CHUNKS * _BLOCKS * bytes_of_one(self.rows)))
        for shard, length in enumerate(self.rows.lengths):
            step = max(1, length) if self.rows.whole else size
            for start in range(0, length, step):
                yield shard, start, min(start + step, length)

    @cached_property
    def first_rows(self) -> np.ndarray:
        """Number of the first row of each shard, counted over all shards."""
        return np.concatenate([[0], np.cumsum(self.rows.lengths)[:-1]]).astype(np.int64)

    def chunk_size(self, batch_size: int) -> int:
        """Examples in a chunk: whole batches, as many as a sixteenth of the budget holds; the last has one at least.

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

    def chunks(self, epoch: int, batch_size: int) -> Any:
        """The chunks of an epoch, ``[chunk, *shape]`` in the type that a device stores; the last may be shorter.

        The next chunk is read while one is used.

        Args:
          epoch: its number.
          batch_size: examples in a step.

        Returns:
          A Grain iterator: ``get_state()`` is its position, ready for JSON, and ``set_state`` goes on from there;
          ``close()`` ends its threads.

        Raises:
          InvalidInput: Grain is not installed.
        """
        grain = _grain()
        seed = int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0])
        order = grain.MapDataset.source(self.blocks).shuffle(seed=seed)
        largest = max(stop - start for _, start, stop in self.blocks) * bytes_of_one(self.rows)
        ahead = max(1, min(_BLOCKS // 4, self.budget // (_CHUNKS * largest)))
        options = grain.ReadOptions(num_threads=min(2, ahead), prefetch_buffer_size=ahead)
        blocks = order.map(partial(self._read, seed)).to_iter_dataset(options)
        chunks = grain.experimental.RebatchIterDataset(blocks, self.chunk_size(batch_size), drop_remainder=False)
        return iter(grain.experimental.ThreadPrefetchIterDataset(chunks, prefetch_buffer_size=1))

    def _read(self, seed: int, block: tuple[int, int, int]) -> np.ndarray:
        shard, start, stop = block
        x, _ = self.rows.read(shard, start, stop)
        first = int(self.first_rows[shard]) + start
        trained = x[~_among(self.held_out, first, len(x))].astype(storage_type(self.rows.dtype), copy=False)
        return np.random.default_rng([seed, shard]).permutation(trained) if self.rows.whole else trained


def survey(stream: Stream, taken: Mapping[str, np.ndarray], *, moments: bool) -> tuple[Statistics, dict[str, Contents]]:
    """Reads a stream once, checks every example, and takes some of them into memory.

    Args:
      stream: the stream.
      taken: name -> rows to take, sorted, counted over all shards.
      moments: whether mean and deviation are asked for.

    Returns:
      Statistics of what is trained on, and what was taken, by name.

    Raises:
      InvalidInput: examples that :func:`ae_jax.data.checks.as_examples` refuses, with shard and row.
    """
    found: dict[str, list[tuple[np.ndarray, Any]]] = {name: [] for name in taken}

    def parts() -> Iterator[np.ndarray]:
        for shard, start, stop in stream.pieces(_BLOCKS):
            read, labels = stream.rows.read(shard, start, stop)
            stored = read.astype(storage_type(read.dtype), copy=False)
            x = as_examples(stored, f"{stream.rows.place(shard)}, counted from row {start},")
            first = int(stream.first_rows[shard]) + start
            for name, numbers in taken.items():
                chosen = _among(numbers, first, len(x))
                found[name].append((x[chosen], None if labels is None else np.asarray(labels)[chosen]))
            if len(trained := x[~_among(stream.held_out, first, len(x))]):
                yield trained

    statistics = Statistics.of(parts(), moments=moments)
    return statistics, {name: _joined(pieces, stream.rows.columns) for name, pieces in found.items()}


def _joined(pieces: list[tuple[np.ndarray, Any]], columns: tuple[str, ...] | None) -> Contents:
    labels = None if pieces[0][1] is None else np.concatenate([labels for _, labels in pieces])
    return Contents(np.concatenate([x for x, _ in pieces]), labels, columns)


def _among(numbers: np.ndarray, first: int, count: int) -> np.ndarray:
    """Which of the rows from ``first`` on are among sorted numbers, ``[count]``."""
    chosen = np.zeros(count, bool)
    low, high = np.searchsorted(numbers, [first, first + count])
    chosen[numbers[low:high] - first] = True
    return chosen


def _grain() -> Any:
    try:
        import grain
    except ImportError as error:
        raise InvalidInput(
            "data larger than the device budget are streamed by Grain, which is not installed: "
            'pip install "ae_jax[streaming]", or raise the budget.'
        ) from error
    return grain
