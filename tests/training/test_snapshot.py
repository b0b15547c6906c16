import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.training import data_iterator
from ae_jax.training.data_iterator import Position
from ae_jax.training.plan import plan
from ae_jax.training.population import init_population
from ae_jax.training.snapshot import Row, Snapshot, arrays_of, copied, history_of, snapshot_of
from ae_jax.training.state import Trained

NAN = np.nan


def metrics(first: float) -> dict:
    """Of two splits and two members."""
    of = np.array([first, first + 1], np.float32)
    return {"train": {"loss": of, "kl": of + 2}, "validation": {"loss": of + 4}}


def trained(steps: int, first: float) -> Trained:
    return Trained(np.full(2, steps, np.int32), {"train": metrics(first)["train"]})


ROWS = [
    Row(np.array([True, True]), metrics(0.0)),
    Row(np.array([True, True]), metrics(10.0)),
    Row(np.array([False, True]), metrics(20.0)),
]


@pytest.fixture(autouse=True)
def _in_parts(monkeypatch):
    """Epochs of three chunks."""
    monkeypatch.setattr(data_iterator, "chunk_lengths", lambda steps: [2, 1, 1])


@pytest.fixture(scope="module")
def planned(small):
    choices = [ae_jax.variational(code=3, hidden=(12,), learning_rate=rate) for rate in (1e-3, 1e-2)]
    return plan(choices, small, seeds=5, epochs=3, batch_size=16, patience=None)


@pytest.fixture(scope="module")
def snapshot(planned):
    state, selection = init_population(planned.autoencoder, planned.seeds, planned.dataset.shape)
    chunks = [trained(2, 30.0), trained(1, 40.0)]
    return Snapshot(Position(4, 2), state, selection, np.array([False, True]), ROWS, chunks)


def test_history_is_nan_where_a_member_had_stopped():
    history = history_of(ROWS)
    assert {split: list(terms) for split, terms in history.items()} == {"train": ["kl", "loss"], "validation": ["loss"]}
    np.testing.assert_array_equal(history["train"]["loss"], [[0, 10, NAN], [1, 11, 21]])
    np.testing.assert_array_equal(history["train"]["kl"], [[2, 12, NAN], [3, 13, 23]])
    np.testing.assert_array_equal(history["validation"]["loss"], [[4, 14, NAN], [5, 15, 25]])
    assert history["train"]["loss"].dtype == np.float32


def test_no_epochs_have_no_history():
    assert history_of([]) == {}


def test_copies_outlive_what_they_are_copies_of():
    tree = {"a": jnp.arange(3.0), "b": (jnp.array(True),)}
    copies = copied(tree)
    for leaf in jax.tree.leaves(tree):
        leaf.delete()
    np.testing.assert_array_equal(copies["a"], [0.0, 1.0, 2.0])
    assert bool(copies["b"][0])


def test_a_standing_comes_back_from_its_arrays_bit_for_bit(planned, snapshot):
    arrays = {name: np.asarray(array) for name, array in arrays_of(snapshot).items()}
    again = snapshot_of(arrays, snapshot.position, planned)
    assert jax.tree.structure(again[:3]) == jax.tree.structure(snapshot[:3])
    for ours, theirs in zip(jax.tree.leaves(again[1:4]), jax.tree.leaves(snapshot[1:4]), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    jax.tree.map(np.testing.assert_array_equal, history_of(again.rows), history_of(snapshot.rows))
    assert [row.running.tolist() for row in again.rows] == [row.running.tolist() for row in snapshot.rows]
    jax.tree.map(np.testing.assert_array_equal, again.chunks, snapshot.chunks)


def test_a_standing_before_the_first_epoch_has_neither_rows_nor_parts(planned, snapshot):
    before = snapshot._replace(position=Position(1), rows=[], chunks=[])
    arrays = {name: np.asarray(array) for name, array in arrays_of(before).items()}
    assert {name.split(".")[0] for name in arrays} == {"state", "selection", "running"}
    again = snapshot_of(arrays, before.position, planned)
    assert (again.rows, again.chunks) == ([], [])


def missing(arrays: dict) -> None:
    del arrays["state.params.decoder.0.bias"]


def other_shape(arrays: dict) -> None:
    arrays["state.params.decoder.0.bias"] = np.zeros((2, 13), np.float32)


def other_type(arrays: dict) -> None:
    arrays["state.params.decoder.0.bias"] = np.zeros((2, 12), np.float64)


@pytest.mark.parametrize("change", [missing, other_shape, other_type])
def test_arrays_of_another_population_are_refused(planned, snapshot, change):
    arrays = {name: np.asarray(array) for name, array in arrays_of(snapshot).items()}
    change(arrays)
    with pytest.raises(
        InvalidInput,
        match=r"^the checkpoint's arrays do not fit the population \(state\.params\.decoder\.0\.bias\): it was "
        r"written by another version of a library; use that one, or train anew\.$",
    ):
        snapshot_of(arrays, snapshot.position, planned)


MISPLACED = {
    "running": lambda arrays: arrays.pop("running"),
    "ran": lambda arrays: arrays.update(ran=arrays["ran"][:, 1:]),
    "history.train.loss": lambda arrays: arrays.update({"history.train.loss": np.zeros((2, 9), np.float32)}),
    "history.validation": lambda arrays: arrays.pop("history.validation.loss"),
    "chunks.1.taken": lambda arrays: arrays.update({"chunks.1.taken": np.array([1, 0], np.int32)}),
    "chunks.0.taken": lambda arrays: arrays.update({"chunks.0.taken": np.array([3, 2], np.int32)}),
    "chunks.0.metrics.train": lambda arrays: [arrays.pop(f"chunks.0.metrics.train.{term}") for term in ("loss", "kl")],
    "chunks.2.taken": lambda arrays: arrays.update({"chunks.2.taken": np.ones(2, np.int32)}),
    "objects": lambda arrays: arrays.update(objects=np.zeros(3, np.float32)),
}


@pytest.mark.parametrize("name", MISPLACED)
def test_arrays_of_another_place_are_refused(planned, snapshot, name):
    arrays = {name: np.asarray(array) for name, array in arrays_of(snapshot).items()}
    MISPLACED[name](arrays)
    with pytest.raises(InvalidInput, match=rf"^the checkpoint's arrays do not fit the population \({name}\): it was"):
        snapshot_of(arrays, snapshot.position, planned)


@pytest.mark.parametrize(
    "position", [Position(3, 2), Position(5, 2), Position(4, 1), Position(4, 3), Position(4, 10**12)]
)
def test_a_place_where_there_is_another_history_is_refused(planned, snapshot, position):
    arrays = {name: np.asarray(array) for name, array in arrays_of(snapshot).items()}
    with pytest.raises(InvalidInput, match="the checkpoint's arrays do not fit the population"):
        snapshot_of(arrays, position, planned)


def test_steps_that_were_skipped_are_no_other_place(planned, snapshot):
    arrays = {name: np.asarray(array) for name, array in arrays_of(snapshot).items()}
    arrays["chunks.1.taken"] = np.array([1, 0], np.int32)
    again = snapshot_of(arrays, snapshot.position, planned._replace(on_divergence="skip"))
    assert again.chunks[1].taken.tolist() == [1, 0]
