"""A training that was interrupted and resumed ends with the bits of one that was not."""

import contextlib
import dataclasses
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import ae_jax
from ae_jax import InvalidInput, Run, TrainingInterrupted
from ae_jax.data import Dataset, ReadOptions
from ae_jax.data.shards import ArrayRows
from ae_jax.data.splits import from_rows
from ae_jax.networks.from_nnx import from_nnx
from ae_jax.objectives import Reconstruction
from ae_jax.training import Callback, Checkpoints, data_iterator, stop_on_signal
from ae_jax.training.checkpoint import checkpoint_info, latest_checkpoint
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.data_iterator import DataIterator

EPOCHS = 6


class Crash(Exception):
    """An error that no part of the library expects."""


def undercomplete(rate: float = 1e-3) -> ae_jax.Autoencoder:
    return ae_jax.undercomplete(code=3, hidden=(12,), learning_rate=rate)


def variational(rate: float = 1e-3, beta: Any = 1.0) -> ae_jax.Autoencoder:
    return ae_jax.variational(code=3, hidden=(12,), learning_rate=rate, beta=beta)


@pytest.fixture(scope="module")
def streamed(digits: Dataset) -> Dataset:
    """160 digits in chunks of 32, but for what is held out."""
    rows = ArrayRows(digits.train.x[:160], digits.train.labels[:160])
    return from_rows(rows, name="streamed", scaling="unit", reading=ReadOptions(budget=16 * 64 * 32))


@dataclasses.dataclass(frozen=True)
class Training:
    """The arguments of ``fit`` other than those of checkpoints."""

    autoencoder: Any
    data: Any
    settings: dict[str, Any]

    def fit(self, **settings) -> Run:
        given = {"epochs": EPOCHS, "batch_size": 16, "seeds": 5} | self.settings | settings
        return ae_jax.fit(self.autoencoder, self.data, **given)


class Counting(nnx.Module):
    """Networks with state of three kinds: statistics in floats, a counter in integers, and a flag."""

    def __init__(self, shape, rngs):
        self.enter, self.leave = (nnx.Linear(*sizes, rngs=rngs) for sizes in ((64, 3), (3, 64)))
        self.norm, self.dropout = nnx.BatchNorm(3, rngs=rngs), nnx.Dropout(0.2, rngs=rngs)
        self.calls, self.called = nnx.BatchStat(jnp.zeros((), jnp.int32)), nnx.BatchStat(jnp.array(False))

    def encode(self, x):
        if not self.norm.use_running_average:
            self.calls[...], self.called[...] = self.calls[...] + 1, jnp.array(True)
        return self.dropout(self.norm(self.enter(x.reshape(len(x), 64))))

    def decode(self, z):
        return self.leave(z).reshape(len(z), 8, 8)


def stateful() -> ae_jax.Autoencoder:
    networks = from_nnx(Counting, code=(3,))
    return ae_jax.Autoencoder(name="stateful", networks=networks, objective=Reconstruction())


TRAININGS = {
    "stateful": (stateful(), {"seeds": [5, 6]}),
    "single": (undercomplete(), {}),
    "patience": ([variational(1e-3), variational(0.3)], {"seeds": [5, 6], "patience": 2, "resplit": True}),
    "streamed": (undercomplete(), {"seeds": [5, 6]}),
    "in chunks": (undercomplete(), {}),
}


@pytest.fixture
def training(request, small, redrawn, streamed, monkeypatch) -> Training:
    """The training of that name; "in chunks", an epoch has three of unequal length; "patience" redraws splits."""
    if request.param == "in chunks":
        monkeypatch.setattr(data_iterator, "_CHUNK_STEPS", (2, 2))
        small = dataclasses.replace(small, train=small.train._replace(x=small.train.x[:40], labels=None))
    autoencoder, settings = TRAININGS[request.param]
    return Training(autoencoder, {"streamed": streamed, "patience": redrawn}.get(request.param, small), settings)


of_one_kind = pytest.mark.parametrize("training", ["single"], indirect=True)
of_several_kinds = pytest.mark.parametrize("training", ["patience", "stateful", "streamed", "in chunks"], indirect=True)
in_the_middle_of_epochs = pytest.mark.parametrize("training", ["streamed", "in chunks"], indirect=True)

_uninterrupted: dict[str, Run] = {}


@pytest.fixture
def whole(request, training) -> Run:
    """The training without an interruption."""
    name = request.node.callspec.params["training"]
    if name not in _uninterrupted:
        _uninterrupted[name] = training.fit()
    return _uninterrupted[name]


def assert_same(run: Run, other: Run) -> None:
    for ours, theirs in ((run.params, other.params), (run.state, other.state), (run.history, other.history)):
        assert jax.tree.structure(ours) == jax.tree.structure(theirs)
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    assert run.best_epoch.tolist() == other.best_epoch.tolist()
    assert run.finite.tolist() == other.finite.tolist()


class At(Callback):
    """Calls a function after an epoch."""

    def __init__(self, epoch: int, end):
        self.epoch, self.end = epoch, end

    def on_epoch(self, progress) -> None:
        if progress.epoch == self.epoch:
            self.end()


def send(number: signal.Signals):
    """An end by a signal."""
    return lambda: signal.raise_signal(number)


def crash() -> None:
    raise Crash


def interrupt(training: Training, folder: Path, epoch: int, end=None, **settings) -> Any:
    """Ends a training after an epoch, by default with SIGTERM, and returns the exception."""
    callback = At(epoch, end or send(signal.SIGTERM))
    with pytest.raises((TrainingInterrupted, Crash)) as told:
        training.fit(checkpoints=Checkpoints(folder=folder, **settings), resume=True, callbacks=[callback])
    return told.value


ENDS = {
    "SIGTERM, twice": [(2, send(signal.SIGTERM)), (4, send(signal.SIGTERM))],
    "a crash after a resume": [(2, send(signal.SIGINT)), (5, crash)],
    "before anything was saved": [(1, crash)],
}


@of_several_kinds
@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_it_comes_to_the_same_bits(training, whole, ends, tmp_path):
    for epoch, end in ends:
        interrupt(training, tmp_path, epoch, end, every_epochs=2, every_minutes=None)
    assert_same(training.fit(checkpoints=tmp_path, resume=True), whole)


class Counter:
    """Notes the chunks that are trained on, and ends training before the one of some number, from 0."""

    def __init__(self, monkeypatch, before: int = -1, end=crash):
        self.positions, epoch = [], DataIterator.epoch

        def counted(iterator, position):
            for chunk in epoch(iterator, position):
                if len(self.positions) == before:
                    end()
                self.positions.append((int(chunk.counters[0]), chunk.after))
                yield chunk

        monkeypatch.setattr(DataIterator, "epoch", counted)


@in_the_middle_of_epochs
@pytest.mark.parametrize("before", [1, 4])
@pytest.mark.parametrize("end", [crash, send(signal.SIGTERM)], ids=["crash", "SIGTERM"])
def test_in_the_middle_of_an_epoch_it_goes_on_there(training, whole, before, end, tmp_path, monkeypatch):
    with monkeypatch.context() as ended:
        ended_there = Counter(ended, before, end)
        with pytest.raises((Crash, TrainingInterrupted)):
            training.fit(checkpoints=Checkpoints(folder=tmp_path, every_steps=1))
    with monkeypatch.context() as counted:
        went_on = Counter(counted)
        run = training.fit(checkpoints=tmp_path, resume=True)
    assert_same(run, whole)
    with monkeypatch.context() as counted:
        everything = Counter(counted)
        training.fit()
    assert went_on.positions == everything.positions[-len(went_on.positions) :]
    again = len(ended_there.positions) + len(went_on.positions) - len(everything.positions)
    # After a crash, chunks that were dispatched and not yet read are trained again.
    assert 0 <= again <= (2 if end is crash else 0)


@of_one_kind
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training_with_what_was_under_way_saved(training, tmp_path, number):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    stopped = interrupt(training, tmp_path, 2, send(number))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert stopped.signal == number
    assert stopped.run.record["interrupted"]
    assert stopped.run.history["train"]["loss"].shape == (1, 3)  # one was dispatched ahead
    assert checkpoint_info(tmp_path) == (3, EPOCHS, False)
    assert_same(stopped.run, training.fit(epochs=3))


@of_one_kind
def test_a_signal_with_the_last_epoch_is_raised_with_the_whole_run(training, whole, tmp_path):
    stopped = interrupt(training, tmp_path, EPOCHS)
    assert stopped.signal == signal.SIGTERM
    assert not stopped.run.record["interrupted"]
    assert_same(stopped.run, whole)
    assert checkpoint_info(tmp_path).finished
    with stop_on_signal() as stop:  # the block around takes it
        assert_same(training.fit(callbacks=[At(EPOCHS, send(signal.SIGTERM))]), whole)
    assert stop.signal == signal.SIGTERM


@of_one_kind
def test_a_second_signal_ends_at_once_and_what_was_saved_stays(training, whole, tmp_path):
    def twice() -> None:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)  # which raises KeyboardInterrupt

    assert interrupt(training, tmp_path, 3, twice, every_epochs=1).signal == signal.SIGTERM
    assert checkpoint_info(tmp_path).epoch < EPOCHS
    assert_same(training.fit(checkpoints=tmp_path, resume=True), whole)


@of_several_kinds
def test_a_finished_training_is_returned_with_nothing_trained_or_compiled(training, whole, tmp_path, monkeypatch):
    finished = training.fit(checkpoints=tmp_path)
    monkeypatch.setattr(DataIterator, "epoch", lambda *_: pytest.fail("it trained"))
    with watch_compilation() as compilation:
        again = training.fit(checkpoints=tmp_path, resume=True)
    assert compilation.programs == 0
    assert_same(again, whole)
    assert again.record["wall_s"] >= latest_checkpoint(tmp_path).facts["record"]["wall_s"] > 0
    assert again.record["programs_compiled"] == finished.record["programs_compiled"]
    assert again.settings == finished.settings


@pytest.mark.parametrize("training", ["stateful"], indirect=True)
def test_a_saved_run_keeps_the_state_of_its_models(training, whole, tmp_path):
    state = whole.state["networks"]
    assert {np.asarray(leaf).dtype.kind for leaf in jax.tree.leaves(state)} == {"f", "i", "b"}
    assert state["calls"].tolist() == [4 * EPOCHS] * 2
    assert_same(ae_jax.load(whole.save(tmp_path / "run")), whole)


@of_one_kind
def test_an_extension_equals_the_longer_training(training, whole, tmp_path):
    with pytest.raises(InvalidInput, match="holds no checkpoint: expected those of the training to extend"):
        training.fit(checkpoints=tmp_path, resume="extend")
    training.fit(checkpoints=tmp_path, epochs=EPOCHS - 2)
    with pytest.raises(InvalidInput, match=r"has 4 epochs and was resumed with 6: expected 4; to train for more"):
        training.fit(checkpoints=tmp_path, resume=True)
    assert_same(training.fit(checkpoints=tmp_path, resume="extend"), whole)
    with pytest.raises(InvalidInput, match=r"has 6 epochs and was resumed with 4: expected 6"):
        training.fit(checkpoints=tmp_path, resume="extend", epochs=4)


@of_one_kind
def test_an_unfinished_training_is_neither_replaced_nor_resumed_unasked(training, whole, tmp_path):
    interrupt(training, tmp_path, 1)
    with pytest.raises(InvalidInput, match="holds an unfinished training, at epoch 2 of 6: resume=True goes on"):
        training.fit(checkpoints=tmp_path)
    assert_same(training.fit(checkpoints=tmp_path, resume=True), whole)


@of_one_kind
def test_what_cannot_be_read_is_not_replaced_unasked(training, tmp_path):
    (tmp_path / "16").mkdir()
    for resume in (False, True):
        with pytest.raises(InvalidInput, match=r"no checkpoint can be used: .*; remove .* to start anew"):
            training.fit(checkpoints=tmp_path, resume=resume)
    assert (tmp_path / "16").is_dir()


@of_one_kind
def test_a_finished_training_is_replaced(training, whole, tmp_path):
    training.fit(checkpoints=tmp_path, epochs=2, seeds=8)
    assert_same(training.fit(checkpoints=tmp_path), whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["24", "lock"]


@of_one_kind
@pytest.mark.usefixtures("unchecked")
def test_resuming_from_nowhere_or_in_an_unknown_way_is_refused(training, tmp_path):
    with pytest.raises(InvalidInput, match="resume=True and no checkpoints: expected their folder"):
        training.fit(resume=True)
    with pytest.raises(InvalidInput, match="resume='yes': expected True, False or 'extend'"):
        training.fit(checkpoints=tmp_path, resume="yes")


@of_one_kind
def test_a_training_locks_its_folder_until_it_ends(training, tmp_path):
    refused = []

    def intrude() -> None:
        with pytest.raises(InvalidInput, match="is in use by another training: wait for it") as told:
            training.fit(checkpoints=tmp_path, resume=True)
        refused.append(told)

    training.fit(checkpoints=tmp_path, callbacks=[At(1, intrude)])
    assert len(refused) == 1
    training.fit(checkpoints=tmp_path, resume=True)


@contextlib.contextmanager
def file_limit() -> Iterator[Callable[[bool], None]]:
    """No file may be longer than some bytes, as if the disk was full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda full: resource.setrlimit(resource.RLIMIT_FSIZE, (1000 if full else soft, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@of_one_kind
def test_a_disk_that_is_full_for_a_while_ends_nothing(training, tmp_path):
    folder = tmp_path / "checkpoints"
    with file_limit() as fill:
        settings = {"checkpoints": Checkpoints(folder=folder, every_epochs=1), "epochs": 8}
        ends = [At(2, lambda: fill(True)), At(5, lambda: fill(False))]
        with pytest.warns(UserWarning, match=r"could not be written to .*: the previous ones stay"):
            run = training.fit(callbacks=ends, **settings)
        assert sorted(path.name for path in folder.iterdir()) == ["28", "32", "lock"]
        again = training.fit(checkpoints=folder, epochs=8, resume=True)
    assert_same(run, again)
    assert_same(again, training.fit(epochs=8))


@of_several_kinds
def test_of_a_damaged_checkpoint_the_previous_one_is_used_and_nothing_is_lost(training, whole, tmp_path):
    interrupt(training, tmp_path, 3, every_epochs=1)
    older, newer = sorted(int(path.name) for path in tmp_path.iterdir() if path.is_dir())
    data = max((tmp_path / str(newer)).rglob("d/*"), key=lambda path: path.stat().st_size)
    data.write_bytes(data.read_bytes()[:20])
    with pytest.warns(UserWarning, match=rf"{newer} is damaged \(.*\): training goes on from .*{older}, the previous"):
        run = training.fit(checkpoints=tmp_path, resume=True)
    assert_same(run, whole)
    assert (tmp_path / f"damaged-{newer}").is_dir()
