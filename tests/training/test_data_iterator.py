import warnings

import jax
import numpy as np
import pytest

import ae_jax
from ae_jax import TrainingDiverged
from ae_jax.data import Dataset, ReadOptions
from ae_jax.data.shards import ArrayRows
from ae_jax.data.splits import from_rows
from ae_jax.training import Callback, TrainConfig
from ae_jax.training.compilation import watch_compilation
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
    assert iterator.steps == 4
    assert iterator.lengths == [4]
    assert iterator.steps_before(Position(3)) == 8


def test_a_streamed_epoch_is_many_and_sees_every_example_once(streamed):
    iterator = DataIterator(plan(autoencoder(), streamed, TrainConfig(batch_size=16), seeds=0))
    chunks = list(iterator.epoch(Position(2)))
    assert [chunk.counters for chunk in chunks] == [(2, position) for position in range(len(chunks))]
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert [chunk.steps for chunk in chunks] == iterator.lengths
    assert sum(chunk.steps for chunk in chunks) == iterator.steps == -(-streamed.training_examples // 16)
    seen = np.concatenate([np.asarray(chunk.examples.x) for chunk in chunks])
    held_out = np.concatenate([streamed.validation.x, streamed.test.x])
    everything = np.concatenate([seen, held_out]).reshape(len(seen) + len(held_out), -1)
    source = streamed.stream.rows.x.reshape(len(everything), -1)
    np.testing.assert_array_equal(np.unique(everything, axis=0), np.unique(source, axis=0))
    assert len(seen) == streamed.training_examples


def test_a_streamed_run_learns_and_repeats_itself(streamed, run):
    again = ae_jax.fit(autoencoder(), streamed, seeds=[3, 4], epochs=3, batch_size=16)
    jax.tree.map(np.testing.assert_array_equal, again.params, run.params)
    jax.tree.map(np.testing.assert_array_equal, again.history, run.history)
    losses = run.history["validation"]["loss"]
    assert (losses[:, -1] < losses[:, 0]).all()
    assert run.data.examples["train"] == streamed.training_examples


def test_a_member_of_a_streamed_population_equals_itself_alone(streamed, run):
    alone = ae_jax.fit(autoencoder(), streamed, seeds=4, epochs=3, batch_size=16)
    for ours, theirs in zip(jax.tree.leaves(run[1].params), jax.tree.leaves(alone.params), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_further_epoch_compiles_nothing(streamed, run):
    with watch_compilation() as compilation:
        ae_jax.fit(autoencoder(2e-3), streamed, seeds=[8, 9], epochs=3, batch_size=16)
    assert compilation.programs == 0


def test_the_training_loss_of_an_epoch_is_the_mean_over_its_steps(streamed):
    """At a learning rate of nearly zero each step sees the same parameters, and the mean is that over all examples."""
    still = ae_jax.fit(autoencoder(1e-12), streamed, epochs=1, batch_size=1)
    trained = np.delete(streamed.stream.rows.x, streamed.stream.held_out, axis=0)
    error = np.square(still.reconstruct(trained) - trained).sum(axis=(1, 2)) / 255.0**2
    np.testing.assert_allclose(still.history["train"]["squared_error"][0, 0], error.mean(), rtol=1e-3)


def test_a_loss_that_is_not_finite_stops_in_the_middle_of_an_epoch(streamed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(TrainingDiverged, match=r"diverged in 2 of 2 members, first with seed 0 at epoch 1") as told:
            ae_jax.fit(autoencoder(1e30), streamed, seeds=[0, 1], epochs=2, batch_size=16)
    kept = told.value.run
    assert not kept.finite.any()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(kept.params))


def test_an_epoch_is_told_before_the_next_is_read_to_its_end(streamed, monkeypatch):
    told, chunks = [], []
    epoch = DataIterator.epoch

    def counted(self, position):
        for chunk in epoch(self, position):
            chunks.append(chunk.counters)
            yield chunk

    monkeypatch.setattr(DataIterator, "epoch", counted)

    class Told(Callback):
        def on_epoch(self, progress):
            told.append(len(chunks))

    ae_jax.fit(autoencoder(), streamed, seeds=[3, 4], epochs=2, batch_size=16, callbacks=[Told()])
    assert told[0] == len(chunks) // 2 + 1


def test_a_member_that_stopped_in_an_earlier_chunk_has_no_validation_loss(streamed):
    with pytest.warns(RuntimeWarning, match="diverged in 1 of 2 members"):
        run = ae_jax.fit([autoencoder(), autoencoder(1e30)], streamed, epochs=1, batch_size=16)
    losses = run.history["validation"]["loss"][:, 0]
    assert np.isfinite(losses).tolist() == [True, False]
