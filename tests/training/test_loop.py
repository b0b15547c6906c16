from signal import SIGINT, SIGTERM, raise_signal

import chex
import numpy as np
import pytest

import ae_jax
from ae_jax import TrainConfig
from ae_jax.training import Callback, data_iterator
from ae_jax.training.data_iterator import DataIterator, Position
from ae_jax.training.interruption import Stop, stop_on_signal
from ae_jax.training.loop import Loop, _mean
from ae_jax.training.plan import plan
from ae_jax.training.snapshot import history_of
from ae_jax.training.state import EpochInfo

EPOCHS = 3
CONFIG = TrainConfig(epochs=EPOCHS, batch_size=16)


class Call(Callback):
    """Calls a function after each epoch."""

    def __init__(self, function):
        self.function = function

    def on_epoch(self, progress):
        return self.function(progress)


@pytest.fixture(scope="module")
def planned(small):
    return plan(ae_jax.undercomplete(code=3, hidden=(12,), learning_rate=1e-3), small, CONFIG, seeds=5)


def loop_of(planned, callback=None, stop=None) -> Loop:
    loop = Loop(planned, () if callback is None else (Call(callback),), stop or Stop(), None, dict)
    loop.start(None)
    return loop


@pytest.fixture(scope="module")
def trained(planned) -> Loop:
    loop = loop_of(planned)
    assert loop.train() is False
    return loop


def test_training_ends_after_the_last_epoch(trained):
    assert trained.finished
    assert trained.position == Position(EPOCHS + 1)
    assert len(trained.rows) == EPOCHS
    assert trained.state.step.tolist() == [4 * EPOCHS]
    assert trained.best.epoch.tolist() == [1 + np.argmin(history_of(trained.rows)["validation"]["loss"])]


def test_an_epoch_is_read_once_the_next_is_dispatched(planned, monkeypatch):
    happened, epoch = [], DataIterator.epoch

    def dispatched(self, position):
        for chunk in epoch(self, position):
            happened.append(f"dispatched {position.epoch}")
            yield chunk

    monkeypatch.setattr(DataIterator, "epoch", dispatched)
    loop_of(planned, lambda progress: happened.append(f"read {progress.epoch}")).train()
    assert happened == ["dispatched 1", "dispatched 2", "read 1", "dispatched 3", "read 2", "read 3"]


@pytest.fixture
def in_chunks(planned, monkeypatch):
    """Epochs of three chunks: two steps, one, and one."""
    monkeypatch.setattr(data_iterator, "chunk_lengths", lambda steps: [2, 1, 1])
    return planned


def test_an_epoch_in_chunks_is_the_epoch(in_chunks, trained):
    loop = loop_of(in_chunks)
    assert loop.train() is False
    # Other programs: the same but for rounding.
    ours, theirs = ((one.state.params, history_of(one.rows)) for one in (loop, trained))
    chex.assert_trees_all_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert loop.state.step.tolist() == trained.state.step.tolist()


def test_a_signal_while_processes_agree_is_heeded_at_the_next_chunk(in_chunks):
    with stop_on_signal() as stop:
        loop, asked = loop_of(in_chunks, stop=stop), []

        def agreed(*, due, signal):
            asked.append(signal)
            if len(asked) == 1:
                raise_signal(SIGTERM)
            return due, signal

        loop.agreed = agreed
        assert loop.train() is True
    assert asked == [None, SIGTERM]
    assert (loop.ended_by, loop.position) == (SIGTERM, Position(1, 2))


def test_an_end_asked_for_with_the_last_epoch_is_no_interruption(planned):
    stop = Stop()

    def ask(progress) -> None:
        if progress.epoch == EPOCHS - 1:  # the last is dispatched
            stop.signal = SIGINT

    assert loop_of(planned, ask, stop).train() is False


def test_a_mean_over_chunks_weighs_them_by_their_steps_that_were_not_skipped():
    chunks = [
        EpochInfo(np.array([3, 2, 0, 0]), {"train": {"loss": np.array([1.0, 2.0, np.nan, np.nan])}}),
        EpochInfo(np.array([1, 1, 1, 0]), {"train": {"loss": np.array([4.0, -1.0, 5.0, np.nan])}, "validation": {}}),
    ]
    np.testing.assert_allclose(_mean(chunks)["loss"], [(3 * 1 + 4) / 4, (2 * 2 - 1) / 3, 5.0, np.nan])
