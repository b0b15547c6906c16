"""The host loop: dispatches chunks ahead of reading their metrics, writes checkpoints and ends on request."""

import signal
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.networks import functional
from ae_jax.training.callbacks import Callback, Progress
from ae_jax.training.checkpoint import Checkpoint, CheckpointWriter
from ae_jax.training.compilation import keep_programs
from ae_jax.training.data_iterator import Chunk, DataIterator, Position, put_split
from ae_jax.training.distributed import Agreement
from ae_jax.training.epoch import EpochData, EpochSettings
from ae_jax.training.interruption import Stop
from ae_jax.training.mesh import gathered, put_members, use_mesh
from ae_jax.training.plan import Plan
from ae_jax.training.population import (
    advance_population,
    init_population,
    memory_budget,
    population_indices,
    put_population,
    take,
    vmap_size,
)
from ae_jax.training.snapshot import EpochRow, Snapshot, arrays_of, copied
from ae_jax.training.state import BatchIndices, BestState, EpochInfo, State
from ae_jax.types import ModelState, Params


class Start(NamedTuple):
    """The parameters and the other variables that a training begins with; every leaf has a leading member axis."""

    params: Params
    model_state: ModelState


class _Unread(NamedTuple):
    """A dispatched epoch: its results, and a copy of the state if a checkpoint is due after it."""

    best: BestState
    chunks: list[EpochInfo]
    after: Position
    kept: tuple[State, BestState] | None


class Loop:
    """Trains a population, one dispatch ahead of reading its metrics, so that the device never waits for the host.

    ``facts`` is called when a checkpoint is written and returns what the checkpoint says beside the position.

    Attributes:
      ended_by: the signal that every process agreed to end by, or None.
      stopped: whether a callback ended the training.
      error: the exception of a callback, which ended the training; None of none.
    """

    def __init__(
        self,
        planned: Plan,
        callbacks: Sequence[Callback] = (),
        stop: Stop | None = None,
        writer: CheckpointWriter | None = None,
        facts: Callable[[], dict[str, Any]] = dict,
    ):
        keep_programs()
        self.plan, self.callbacks, self.stop = planned, callbacks, stop or Stop()
        self.writer, self.facts = writer, facts
        self.mesh, self.agreed = planned.mesh, Agreement(planned.mesh)
        self.iterator = DataIterator(planned)
        self._members = put_members(planned.mesh, planned.autoencoder)
        self._validation_rows = put_members(planned.mesh, planned.validation_subsets)
        self.position, self.running = Position(1), np.ones(len(planned.seeds), bool)
        self.rows: list[EpochRow] = []
        self._chunks: list[EpochInfo] = []
        self._unread: _Unread | None = None
        self.ended_by: int | None = None
        self._indices: tuple[Any, Any] = (None, None)
        self.stopped = False
        self.error: Exception | None = None
        self._writing: Path | None = None

    def start(self, snapshot: Snapshot | None, start: Start | None = None) -> None:
        """Begins at a snapshot, at given parameters, or at fresh ones, of networks that do so from the data."""
        if snapshot is None:
            start = start or start_from_data(self.plan)
            with use_mesh(self.mesh):
                population = self._members, self.plan.seeds
                self.state, self.best = init_population(*population, self.plan.dataset.shape, start, True)
            return
        self.position, state, best, self.running = snapshot[:4]
        self.state, self.best = put_population(self.mesh, state, best)
        self.rows, self._chunks = list(snapshot.rows), list(snapshot.chunks)

    @property
    def finished(self) -> bool:
        """Whether the epochs or the members ran out, or a callback ended the training."""
        return self.stopped or self.position.epoch > self.plan.config.epochs or not self.running.any()

    def train(self) -> bool:
        """Trains until the epochs or the members run out; true if an end was requested first."""
        try:
            with use_mesh(self.mesh):
                self._train()
                self._read()
        except KeyboardInterrupt:
            self.callbacks = ()
            self._read()  # an epoch that was trained and not yet read
            return True
        if self.finished and not self.stopped:  # also in the middle of an epoch in which no member trains
            self.position, self._chunks = Position(len(self.rows) + 1), []
        last = gathered(self.mesh, (self.state, self._latest))
        if self.writer is not None:
            self._write(self.position, last, self._chunks)
            self.writer.wait()
            self._tell_written()
        return not self.finished

    def _train(self) -> None:
        self._latest, data = self.best, self._data()
        while not self.finished:
            with closing(self.iterator.epoch(self.position)) as chunks:
                for chunk in chunks:
                    self._advance(chunk, data)
                    if self._read_before(chunk) or self.ended_by is not None:
                        return

    def _advance(self, chunk: Chunk, data: EpochData) -> None:
        if self._indices[0] != chunk.counters:
            self._indices = chunk.counters, self._indices_of(chunk)
        config = self.plan.config
        self.state, self._latest, trained = advance_population(
            self.state,
            (self._latest, self._members, self.plan.seeds, self._validation_rows),
            self._indices[1],
            chunk.first,
            chunk.counters[0],
            data._replace(train=chunk.examples),
            EpochSettings(
                config.batch_size, chunk.steps, chunk.last, config.on_divergence, self.vmap_size, config.precision
            ),
        )
        if self._chunks:  # the device holds one chunk that trains and one that waits
            jax.block_until_ready(self._chunks[-1])
        self._chunks.append(trained)
        self.position = chunk.after

    def _read_before(self, chunk: Chunk) -> bool:
        """Reads the epoch before a dispatched chunk, and saves if that is due; true if no member trains on."""
        self._read()
        self._tell_written()
        if not self.running.any() or self.stopped:
            return True
        due = self.writer is not None and self.writer.due(self.iterator.steps_before(chunk.after))
        due, self.ended_by = self.agreed(due=due, signal=signal.SIGINT if self.error else self.stop.signal)
        kept = copied((self.state, self._latest)) if due else None
        if chunk.last:
            self._unread = _Unread(self._latest, self._chunks, chunk.after, kept)
            self._chunks = []
        elif kept is not None:
            self._write(chunk.after, kept, list(self._chunks))
        return False

    def _read(self) -> None:
        """Reads the metrics of the epoch that was dispatched and not yet read, and tells the callbacks."""
        unread, self._unread = self._unread, None
        if unread is None:
            return
        chunks, running = jax.device_get((unread.chunks, unread.best.running))
        metrics = chunks[-1].metrics | {"train": _mean(chunks)}
        self.best = unread.best
        ran, self.running = self.running, running
        self.rows.append(EpochRow(ran, metrics))
        if self.callbacks:
            means = jax.tree.map(lambda values: float(np.mean(values[ran])), metrics)
            name, done, most = self.plan.autoencoder.name, len(self.rows), self.plan.config.epochs
            members = jax.tree.map(lambda values: np.where(ran, values, np.nan), metrics)
            self._tell("on_epoch", Progress(name, done, most, means, int(running.sum()), members))
        if unread.kept is not None:
            self._write(unread.after, unread.kept, [])

    def _tell(self, hook: str, news: Any) -> None:
        """Calls a method of every callback; a true result or an exception, which is kept, ends the training."""
        for callback in self.callbacks:
            try:
                self.stopped |= bool(getattr(callback, hook)(news))
            except Exception as error:
                self.error, self.callbacks = error, ()

    def _tell_written(self) -> None:
        """Tells the callbacks of the checkpoint that was begun, once it is written and has its name."""
        if self._writing is not None and self._writing.is_dir():
            folder, self._writing = self._writing, None
            self._tell("on_checkpoint", folder)

    def _write(self, position: Position, kept: tuple[State, BestState], chunks: list[EpochInfo]) -> None:
        if self.writer is None:  # another process writes
            return
        finished = self.stopped or position.epoch > self.plan.config.epochs or not self.running.any()
        facts = self.facts() | {"finished": finished, "position": list(position)}
        arrays = arrays_of(Snapshot(position, *kept, self.running, self.rows, chunks))
        step = self.iterator.steps_before(position)
        begun = self.writer.write(Checkpoint(step, facts, arrays))
        self._tell_written()  # of the one before
        if begun:
            self._writing = self.writer.folder / str(step)

    def _indices_of(self, chunk: Chunk) -> BatchIndices:
        seeds, which = np.unique(self.plan.seeds, return_inverse=True)
        subsets = self.plan.subsets
        examples = len(chunk.examples.x) if subsets is None else subsets.shape[1]
        batch_size = self.plan.config.batch_size
        return population_indices(seeds, which, chunk.counters, examples, batch_size, subsets)

    def _data(self) -> EpochData:
        """What the epochs share; the training examples come with each chunk."""
        dataset, config = self.plan.dataset, self.plan.config
        shared = len(dataset.validation.x) and self.plan.validation_subsets is None
        return EpochData(
            train=None,
            validation=put_split(self.plan, dataset.validation) if shared else None,
            scaling=dataset.scaling,
            patience=np.float32(np.inf if config.patience is None else config.patience),
            last_step=np.int32(config.epochs * self.plan.steps),
        )

    @property
    def vmap_size(self) -> int:
        """Number of members that are trained side by side; on a mesh all of them, over its devices."""
        members = len(self.plan.seeds)
        if self.mesh is not None:
            return members
        parameters = sum(leaf.size for leaf in jax.tree.leaves(self.state.params)) // members
        return vmap_size(members, parameters, memory_budget())


def start_from_data(planned: Plan) -> Start | None:
    """The start of members whose networks begin with their training examples; None of other networks."""
    dataset, spec = planned.dataset, planned.autoencoder.spec(planned.dataset.shape)
    if not functional.starts_from_data(spec):
        return None
    population = planned.autoencoder, planned.seeds, dataset.shape
    abstract, _ = init_population.eval_shape(*population)
    empty = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), Start(abstract.params, abstract.model_state))
    drawn, _ = jax.device_get(init_population(*population, empty, False))
    source, started = planned.source.x, []
    for member in range(len(planned.seeds)):
        rows = slice(None) if planned.subsets is None else planned.subsets[member]
        x = np.asarray(dataset.scaling(source[rows]))
        params, model_state = take((drawn.params, drawn.model_state), member)
        started.append(functional.start_from(spec, params, model_state, x))
    return Start(*jax.tree.map(lambda *leaves: np.stack(leaves), *started))


def _mean(chunks: list[EpochInfo]) -> dict[str, Any]:
    """The mean over all steps of an epoch that were not skipped, of the means over those of its chunks."""
    if len(chunks) == 1:
        return chunks[0].metrics["train"]
    taken = np.stack([chunk.taken for chunk in chunks])
    total = np.where(taken.any(axis=0), taken.sum(axis=0), np.nan)

    def mean(*values: np.ndarray) -> np.ndarray:
        return np.where(taken > 0, taken * np.stack(values), 0.0).sum(axis=0) / total

    return jax.tree.map(mean, *(chunk.metrics["train"] for chunk in chunks))
