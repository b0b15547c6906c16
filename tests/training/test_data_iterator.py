import numpy as np
import pytest

import ae_jax
from ae_jax.data import Dataset, ReadOptions
from ae_jax.data.shards import ArrayRows
from ae_jax.data.splits import from_rows
from ae_jax.training import TrainConfig
from ae_jax.training.data_iterator import DataIterator, Position
from ae_jax.training.plan import plan

BUDGET = 16 * 64 * 64


@pytest.fixture(scope="module")
def streamed(digits: Dataset) -> Dataset:
    """The training digits in chunks of 64."""
    rows = ArrayRows(digits.train.x, digits.train.labels)
    return from_rows(rows, name="streamed", scaling="unit", reading=ReadOptions(budget=BUDGET))


def autoencoder(rate: float = 1e-3) -> ae_jax.Autoencoder:
    return ae_jax.undercomplete(code=3, hidden=(12,), learning_rate=rate)


@pytest.fixture(scope="module")
def run(streamed: Dataset) -> ae_jax.Run:
    return ae_jax.fit(autoencoder(), streamed, seeds=[3, 4], epochs=3, batch_size=16)


def test_an_epoch_in_memory_is_one_chunk(small):
    iterator = DataIterator(plan(autoencoder(), small, TrainConfig(batch_size=16), seeds=0))
    chunks = list(iterator.epoch(Position(7)))
    assert [(chunk.counters, chunk.last, chunk.steps) for chunk in chunks] == [((7,), True, 4)]
    assert iterator.lengths == [4]
    assert iterator.steps_before(Position(3)) == 8


def test_a_streamed_epoch_is_many_and_sees_every_example_once(streamed):
    iterator = DataIterator(plan(autoencoder(), streamed, TrainConfig(batch_size=16), seeds=0))
    chunks = list(iterator.epoch(Position(2)))
    assert [chunk.counters for chunk in chunks] == [(2, position) for position in range(len(chunks))]
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert [chunk.steps for chunk in chunks] == iterator.lengths
    assert sum(chunk.steps for chunk in chunks) == -(-streamed.training_examples // 16)
    seen = np.concatenate([np.asarray(chunk.examples.x) for chunk in chunks])
    held_out = np.concatenate([streamed.validation.x, streamed.test.x])
    everything = np.concatenate([seen, held_out]).reshape(len(seen) + len(held_out), -1)
    source = streamed.stream.rows.x.reshape(len(everything), -1)
    np.testing.assert_array_equal(np.unique(everything, axis=0), np.unique(source, axis=0))
    assert len(seen) == streamed.training_examples


def test_a_member_that_stopped_in_an_earlier_chunk_has_no_validation_loss(streamed):
    with pytest.warns(RuntimeWarning, match="diverged in 1 of 2 members"):
        run = ae_jax.fit([autoencoder(), autoencoder(1e30)], streamed, epochs=1, batch_size=16)
    losses = run.history["validation"]["loss"][:, 0]
    assert np.isfinite(losses).tolist() == [True, False]
