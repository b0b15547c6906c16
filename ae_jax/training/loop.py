"""The host loop: dispatches chunks ahead of reading their metrics, writes checkpoints and ends on request."""

from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.training.checkpoint import Checkpoint, Writer
from ae_jax.training.data_iterator import Chunk, DataIterator, Position
from ae_jax.training.distributed import Agreement
from ae_jax.training.interruption import Stop
from ae_jax.training.mesh import gathered, put_examples, put_members, share_of, use_mesh
from ae_jax.training.plan import Plan
from ae_jax.training.population import (
    advance_population,
    initial_population,
    members_at_once,
    order_of_population,
    put_population,
    room,
)
from ae_jax.training.snapshot import Row, Snapshot, arrays_of, copied
from ae_jax.training.state import Order, Selection, State, Trained


class Progress(NamedTuple):
    """What a progress callback is told after each epoch.

    Attributes:
      name: of the autoencoder.
      epoch: done so far, from 1.
      epochs: at most.
      metrics: split -> term -> mean over the members that are running.
      running: how many members still train.
    """

    name: str
    epoch: int
    epochs: int
    metrics: dict[str, dict[str, float]]
    running: int


class _Unread(NamedTuple):
    """An epoch that was dispatched: what it leaves, and a copy of the state where a checkpoint is due after it."""

    selection: Selection
    chunks: list[Trained]
    after: Position
    kept: tuple[State, Selection] | None


class Loop:
    """Trains a population, one dispatch ahead of reading its metrics, so that the device never waits for the host.

    Args:
      planned: what is trained.
      progress: called after each epoch.
      stop: asks for an end.
      writer: of checkpoints, or None.
      facts: what a checkpoint says beside where training stands; called when one is written.

    Attributes:
      ended_by: the signal that every process agreed to end by, or None.
    """

    def __init__(
        self,
        planned: Plan,
        progress: Callable[[Progress], None] | None,
        stop: Stop,
        writer: Writer | None,
        facts: Callable[[], dict[str, Any]],
    ):
        self.plan, self.progress, self.stop, self.writer, self.facts = planned, progress, stop, writer, facts
        self.mesh, self.agreed = planned.mesh, Agreement(planned.mesh)
        self.iterator = DataIterator(planned.dataset, planned.batch_size, planned.mesh)
        self._members = put_members(planned.mesh, planned.autoencoder)
        self.position, self.running = Position(1), np.ones(len(planned.seeds), bool)
        self.rows: list[Row] = []
        self._chunks: list[Trained] = []
        self._unread: _Unread | None = None
        self.ended_by: int | None = None
        self._order: tuple[Any, Any] = (None, None)

    def start(self, snapshot: Snapshot | None) -> None:
        """Begins with fresh parameters, or where training stood."""
        if snapshot is None:
            with use_mesh(self.mesh):
                population = self._members, self.plan.seeds, self.plan.dataset.shape
                self.state, self.selection = initial_population(*population)
            return
        self.position, state, selection, self.running = snapshot[:4]
        self.state, self.selection = put_population(self.mesh, state, selection)
        self.rows, self._chunks = list(snapshot.rows), list(snapshot.chunks)

    @property
    def finished(self) -> bool:
        """Whether the epochs or the members ran out."""
        return self.position.epoch > self.plan.epochs or not self.running.any()

    def train(self) -> bool:
        """Trains until the epochs or the members run out; true where an end was asked for first."""
        try:
            with use_mesh(self.mesh):
                self._train()
                self._read()
        except KeyboardInterrupt:
            self.progress = None
            self._read()  # an epoch that was trained and not yet read
            return True
        if self.finished:  # also in the middle of an epoch that nobody trains in
            self.position, self._chunks = Position(len(self.rows) + 1), []
        last = gathered(self.mesh, (self.state, self._latest))
        if self.writer is not None:
            self._write(self.position, last, self._chunks)
            self.writer.wait()
        return not self.finished

    def _train(self) -> None:
        self._latest, settings = self.selection, self._settings()
        while not self.finished:
            with closing(self.iterator.epoch(self.position)) as chunks:
                for chunk in chunks:
                    self._advance(chunk, settings)
                    if self._read_before(chunk) or self.ended_by is not None:
                        return

    def _advance(self, chunk: Chunk, settings: dict[str, Any]) -> None:
        """Dispatches a chunk of an epoch."""
        if self._order[0] != chunk.counters:
            self._order = chunk.counters, self._order_of(chunk)
        self.state, self._latest, trained = advance_population(
            self.state,
            self._latest,
            self._members,
            self.plan.seeds,
            self._order[1],
            chunk.first,
            chunk.counters[0],
            chunk.examples,
            steps=chunk.steps,
            finish=chunk.last,
            **settings,
        )
        if self._chunks:  # the device holds one chunk that trains and one that waits
            jax.block_until_ready(self._chunks[-1])
        self._chunks.append(trained)
        self.position = chunk.after

    def _read_before(self, chunk: Chunk) -> bool:
        """Reads the epoch before a chunk that was dispatched, and puts a checkpoint aside where one is due.

        Returns:
          Whether no member trains on.
        """
        self._read()
        if not self.running.any():
            return True
        due = self.writer is not None and self.writer.due(steps=chunk.steps, epochs=chunk.last)
        due, self.ended_by = self.agreed(due=due, signal=self.stop.signal)
        kept = copied((self.state, self._latest)) if due else None
        if chunk.last:
            self._unread = _Unread(self._latest, self._chunks, chunk.after, kept)
            self._chunks = []
        elif kept is not None:
            self._write(chunk.after, kept, list(self._chunks))
        return False

    def _read(self) -> None:
        """Takes in what the epoch that was dispatched and not yet read gave."""
        unread, self._unread = self._unread, None
        if unread is None:
            return
        chunks, running = jax.device_get((unread.chunks, unread.selection.running))
        metrics = chunks[-1].metrics | {"train": _mean(chunks)}
        self.selection = unread.selection
        ran, self.running = self.running, running
        self.rows.append(Row(ran, metrics))
        if unread.kept is not None:
            self._write(unread.after, unread.kept, [])
        if self.progress is not None:
            means = jax.tree.map(lambda values: float(np.mean(values[ran])), metrics)
            done = len(self.rows)
            self.progress(Progress(self.plan.autoencoder.name, done, self.plan.epochs, means, int(running.sum())))

    def _write(self, position: Position, kept: tuple[State, Selection], chunks: list[Trained]) -> None:
        """Begins to write a checkpoint of where training stood at a position."""
        if self.writer is None:  # another process writes
            return
        finished = position.epoch > self.plan.epochs or not self.running.any()
        facts = self.facts() | {"finished": finished}
        arrays = arrays_of(Snapshot(position, *kept, self.running, self.rows, chunks))
        self.writer.write(Checkpoint(position.epoch - 1, position.chunk, facts, arrays))

    def _order_of(self, chunk: Chunk) -> Order:
        seeds, which = np.unique(self.plan.seeds, return_inverse=True)
        return order_of_population(
            seeds, which, chunk.counters, examples=len(chunk.examples), batch_size=self.plan.batch_size
        )

    def _settings(self) -> dict[str, Any]:
        dataset = self.plan.dataset
        held_out = dataset.validation.x
        first, last = share_of(self.mesh, len(held_out))
        return {
            "validation": put_examples(self.mesh, held_out[first:last], len(held_out)) if len(held_out) else None,
            "scaling": dataset.scaling,
            "patience": np.float32(np.inf if self.plan.patience is None else self.plan.patience),
            "last_step": np.int32(self.plan.epochs * self.iterator.steps),
            "batch_size": self.plan.batch_size,
            "on_divergence": self.plan.on_divergence,
            "at_once": self.at_once,
        }

    @property
    def at_once(self) -> int:
        """How many members are trained side by side; on a mesh all of them, over its devices."""
        members = len(self.plan.seeds)
        if self.mesh is not None:
            return members
        parameters = sum(leaf.size for leaf in jax.tree.leaves(self.state.params)) // members
        return members_at_once(members, parameters, room())


def _mean(chunks: list[Trained]) -> dict[str, Any]:
    """The mean over all steps of an epoch that were not skipped, of the means over those of its chunks."""
    if len(chunks) == 1:
        return chunks[0].metrics["train"]
    taken = np.stack([chunk.taken for chunk in chunks])
    total = np.where(taken.any(axis=0), taken.sum(axis=0), np.nan)

    def mean(*values: np.ndarray) -> np.ndarray:
        return np.where(taken > 0, taken * np.stack(values), 0.0).sum(axis=0) / total

    return jax.tree.map(mean, *(chunk.metrics["train"] for chunk in chunks))
