import jax
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.training import TrainConfig
from ae_jax.training.data_iterator import Position
from ae_jax.training.plan import plan
from ae_jax.training.population import init_population
from ae_jax.training.snapshot import EpochRow, Snapshot, arrays_of, history_of, snapshot_of
from ae_jax.training.state import EpochInfo

NAN = np.nan


def metrics(first: float) -> dict:
    """Metrics of two splits and two members."""
    of = np.array([first, first + 1], np.float32)
    return {"train": {"loss": of, "kl": of + 2}, "validation": {"loss": of + 4}}


def trained(steps: int, first: float) -> EpochInfo:
    return EpochInfo(np.full(2, steps, np.int32), {"train": metrics(first)["train"]})


ROWS = [
    EpochRow(np.array([True, True]), metrics(0.0)),
    EpochRow(np.array([True, True]), metrics(10.0)),
    EpochRow(np.array([False, True]), metrics(20.0)),
]


@pytest.fixture(scope="module")
def planned(small):
    choices = [ae_jax.variational(code=3, hidden=(12,), learning_rate=rate) for rate in (1e-3, 1e-2)]
    return plan(choices, small, TrainConfig(epochs=3, batch_size=16), seeds=5)


@pytest.fixture(scope="module")
def snapshot(planned):
    state, best = init_population(planned.autoencoder, planned.seeds, planned.dataset.shape)
    chunks = [trained(2, 30.0), trained(1, 40.0)]
    return Snapshot(Position(4, 2), state, best, np.array([False, True]), ROWS, chunks)


def test_history_is_nan_after_a_member_stopped():
    history = history_of(ROWS)
    assert {split: list(terms) for split, terms in history.items()} == {"train": ["kl", "loss"], "validation": ["loss"]}
    np.testing.assert_array_equal(history["train"]["loss"], [[0, 10, NAN], [1, 11, 21]])
    np.testing.assert_array_equal(history["validation"]["loss"], [[4, 14, NAN], [5, 15, 25]])
    assert history["train"]["loss"].dtype == np.float32
    assert history_of([]) == {}


def test_a_snapshot_comes_back_from_its_arrays_bit_for_bit(planned, snapshot):
    before = snapshot._replace(position=Position(1), rows=[], chunks=[])
    for one in (snapshot, before):
        arrays = {name: np.asarray(array) for name, array in arrays_of(one).items()}
        again = snapshot_of(arrays, one.position, planned)
        assert jax.tree.structure(again[:3]) == jax.tree.structure(one[:3])
        for ours, theirs in zip(jax.tree.leaves(again[1:4]), jax.tree.leaves(one[1:4]), strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
        jax.tree.map(np.testing.assert_array_equal, history_of(again.rows), history_of(one.rows))
        assert [row.running.tolist() for row in again.rows] == [row.running.tolist() for row in one.rows]
        jax.tree.map(np.testing.assert_array_equal, again.chunks, one.chunks)


NAME = "state.params.networks.decoder.0.bias"


@pytest.mark.parametrize("replaced", [None, np.zeros((2, 13), np.float32), np.zeros((2, 12), np.float64)])
def test_arrays_of_another_population_are_refused(planned, snapshot, replaced):
    arrays = {name: np.asarray(array) for name, array in arrays_of(snapshot).items()}
    del arrays[NAME]
    arrays |= {} if replaced is None else {NAME: replaced}
    with pytest.raises(InvalidInput, match=r"do not fit the population \(state\.params\.networks\.decoder\.0\.bias\)"):
        snapshot_of(arrays, snapshot.position, planned)
