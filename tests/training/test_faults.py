"""How training handles values that are not finite."""

import dataclasses
import signal
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax
from ae_jax import Run, TrainingDiverged, TrainingInterrupted
from ae_jax.components import component
from ae_jax.objectives.base import Objective
from ae_jax.training import Callback, algorithm, data_iterator
from ae_jax.training.checkpoint import latest_checkpoint
from ae_jax.training.epoch import ROLLBACKS, batch_indices
from ae_jax.training.state import INIT, key_for
from ae_jax.types import Batch, Number

EPOCHS, STEPS = 4, 4  # of an epoch: 64 examples in batches of 16
SPOILT = (0.0, np.nan, np.inf, -np.inf, 1e25)
NAN, INF, MINUS_INF, LARGE = 1, 2, 3, 4
"""Places in them: a configuration holds finite numbers only."""


@jax.custom_vjp
def steep(x, slope):
    """Zero, of a derivative that may be anything."""
    return jnp.zeros_like(x)


steep.defvjp(
    lambda x, slope: (jnp.zeros_like(x), slope), lambda slope, cotangent: (cotangent * slope, jnp.zeros_like(slope))
)


@component
class Faulty(Objective):
    """An objective whose loss or gradient is spoilt from one step until another, always or by chance of its key."""

    objective: Any
    value: Number = 0
    slope: Number = 0
    first: Number = 1e9
    until: Number = 1e9
    probability: Number = 1.0

    @property
    def likelihood(self):
        return self.objective.likelihood

    def __call__(self, model, key, batch, step):
        loss, metrics = self.objective(model, key, batch, step)
        met = jax.random.uniform(jax.random.fold_in(key, 7)) < self.probability
        bad = (step >= self.first) & (step < self.until) & met
        value, slope = (jnp.array(SPOILT)[jnp.int32(jnp.where(bad, place, 0))] for place in (self.value, self.slope))
        return loss + value + steep(loss, slope), metrics


class After(Callback):
    """Does something after each epoch."""

    def __init__(self, act):
        self.act = act

    def on_epoch(self, progress):
        self.act(progress)


def faulty(**fault) -> ae_jax.Autoencoder:
    sound = ae_jax.undercomplete(code=3, hidden=(12,), learning_rate=1e-3)
    networks = dataclasses.replace(sound.networks, shortcut=False)  # which starts from the key alone
    return dataclasses.replace(sound, networks=networks, objective=Faulty(objective=sound.objective, **fault))


def fit(autoencoder, data, **settings) -> Run:
    return ae_jax.fit(autoencoder, data, **({"epochs": EPOCHS, "batch_size": 16, "seeds": 5} | settings))


@pytest.fixture(scope="module")
def sound(small) -> Run:
    """Two members without a fault."""
    return fit([faulty(), faulty()], small)


def assert_undisturbed(run: Run, sound: Run) -> None:
    """The first member is as if the second had no fault."""
    chex.assert_trees_all_equal(run[0].params, sound[0].params)
    for split, terms in sound.history.items():
        for term, values in terms.items():
            np.testing.assert_array_equal(run.history[split][term][0], values[0])


FAULTS = {"NaN in the loss": {"value": NAN}, "infinity in the gradient": {"slope": INF}}
of_every_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


@of_every_fault
def test_a_member_with_a_fault_stops_with_its_last_good_parameters_and_the_others_train_on(small, sound, fault):
    with pytest.warns(RuntimeWarning, match="in 1 of 2 members, first with seed 5 at epoch 3 .*epoch 2 are kept"):
        run = fit([faulty(), faulty(first=2 * STEPS + 1, until=2 * STEPS + 2, **fault)], small)
    assert run.finite.tolist() == [True, False]
    assert_undisturbed(run, sound)
    assert run.best_epoch.tolist()[1] == 2
    chex.assert_trees_all_equal(run[1].params, fit([faulty(), faulty()], small, epochs=2)[1].params)


def by_hand(data, bad: list[int]) -> Any:
    """The parameters of member 5 after one epoch that leaves some steps out."""
    init, step = algorithm(faulty(), (8, 8))
    state, step = init(key_for(5, INIT)), jax.jit(step)
    indices = batch_indices(np.uint32(5), (np.int32(1),), 64, 16)
    for number in range(STEPS):
        x = data.scaling(jnp.asarray(data.train.x)[indices.rows[number]])
        after = step(state, indices.keys[number], Batch(x))[0]
        state = state._replace(step=state.step + 1) if number in bad else after
    return state.params


@of_every_fault
def test_skipped_steps_are_as_if_they_were_not(small, fault):
    with pytest.warns(RuntimeWarning, match="undercomplete skipped 2 of its updates, in 1 of 2 members"):
        run = fit([faulty(), faulty(first=1, until=3, **fault)], small, epochs=1, on_divergence="skip")
    assert run.record["skipped_steps"] == [0, 2]
    assert run.finite.all()
    assert np.isfinite(run.history["train"]["loss"]).all()
    for member, bad in ((0, []), (1, [1, 2])):
        ours, theirs = jax.tree.leaves(run[member].params), jax.tree.leaves(by_hand(small, bad))
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one[0], other, rtol=1e-4, atol=1e-6)


def test_an_epoch_of_which_every_step_is_skipped_is_a_divergence(small):
    sentence = r"diverged in 1 of 1 members, first with seed 5 at epoch 2 in squared_error \(train\)"
    with pytest.raises(TrainingDiverged, match=sentence) as told:
        fit(faulty(value=NAN, first=STEPS, until=EPOCHS * STEPS), small, on_divergence="skip")
    chex.assert_trees_all_equal(told.value.run.params, fit(faulty(), small, epochs=1, on_divergence="skip").params)


@pytest.fixture
def in_chunks(monkeypatch) -> None:
    """Epochs in three chunks."""
    monkeypatch.setattr(data_iterator, "chunk_lengths", lambda steps: [2, 1, 1])


@pytest.mark.parametrize("bad", [(0, 2), (5, 8)])
@pytest.mark.usefixtures("in_chunks")
@pytest.mark.filterwarnings("ignore:undercomplete skipped")
def test_chunks_of_which_every_step_is_skipped_are_no_end(small, bad, monkeypatch):
    choices, settings = [faulty(), faulty(value=NAN, first=bad[0], until=bad[1])], {"on_divergence": "skip"}
    run = fit(choices, small, epochs=3, **settings)
    assert run.finite.all()
    assert run.record["skipped_steps"] == [0, bad[1] - bad[0]]
    with monkeypatch.context() as whole:
        whole.setattr(data_iterator, "chunk_lengths", lambda steps: [steps])
        expected = fit(choices, small, epochs=3, **settings)
    for ours, theirs in zip(*(jax.tree.leaves((one.params, one.history)) for one in (run, expected)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_gradient_that_spoils_the_optimiser_is_skipped(small):
    """Its square is infinite, and Adam would divide by that ever after."""
    with pytest.warns(RuntimeWarning, match="skipped 1 of its updates, in 1 of 2 members"):
        run = fit([faulty(), faulty(slope=LARGE, first=1, until=2)], small, epochs=1, on_divergence="skip")
    assert run.finite.all()
    for ours, theirs in zip(jax.tree.leaves(run[1].params), jax.tree.leaves(by_hand(small, [1])), strict=True):
        np.testing.assert_allclose(ours[0], theirs, rtol=1e-4, atol=1e-6)


BY_CHANCE = {"first": STEPS, "until": 2 * STEPS, "probability": 0.3}
"""Of the second epoch, until it comes through with none; with the seed 6, after two attempts."""


def test_a_member_goes_back_and_on_at_a_lower_rate_until_it_comes_through(small, tmp_path):
    choices = [faulty(), faulty(value=NAN, **BY_CHANCE)]
    settings = {"on_divergence": "rollback", "epochs": 8, "seeds": 6}
    with pytest.warns(RuntimeWarning, match="went back 2 times and on with half the learning rate, in 1 of 2"):
        run = fit(choices, small, checkpoints=tmp_path, **settings)
    assert run.record["rollbacks"] == [0, 2]
    assert run.finite.all()
    saved = latest_checkpoint(tmp_path).arrays
    assert saved["state.scale"].tolist() == [1.0, 0.25]
    assert saved["state.step"].tolist() == [8 * STEPS, 6 * STEPS]
    assert_undisturbed(run, fit([faulty(), faulty()], small, **settings))
    loss = run.history["train"]["loss"][1]
    assert np.isfinite(loss).tolist() == [True, False, False, True, True, True, True, True]
    assert loss[-1] < loss[0]


def test_it_gives_up_after_so_many_rollbacks(small):
    epochs = ROLLBACKS + 4
    sentence = rf"diverged in 1 of 1 members, first with seed 5 at epoch {ROLLBACKS + 2} in .*parameters of epoch 1 are"
    with (
        pytest.raises(TrainingDiverged, match=sentence) as told,
        pytest.warns(RuntimeWarning, match=rf"went back {ROLLBACKS} times"),
    ):
        fit(faulty(slope=INF, first=STEPS, until=9 * STEPS), small, on_divergence="rollback", epochs=epochs)
    run = told.value.run
    assert run.record["rollbacks"] == [ROLLBACKS]
    chex.assert_trees_all_equal(run.params, fit(faulty(), small, epochs=1, on_divergence="rollback").params)


@pytest.mark.parametrize(
    ("policy", "fault"),
    [("skip", {"first": 5, "until": 6}), ("rollback", BY_CHANCE), ("stop", {"first": 2 * STEPS, "until": 3 * STEPS})],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_training_with_faults_goes_on_as_if_it_had_not_been_ended(small, policy, fault, tmp_path):
    choices = [faulty(), faulty(value=NAN, **fault)]

    def end(told) -> None:
        if told.epoch == 3:
            signal.raise_signal(signal.SIGTERM)

    settings = {"on_divergence": policy, "epochs": 8, "seeds": 6}
    with pytest.raises(TrainingInterrupted):
        fit(choices, small, checkpoints=tmp_path, callbacks=[After(end)], **settings)
    run, whole = fit(choices, small, checkpoints=tmp_path, resume=True, **settings), fit(choices, small, **settings)
    chex.assert_trees_all_equal((run.params, run.history, run.finite), (whole.params, whole.history, whole.finite))
    for name in ("skipped_steps", "rollbacks", "divergence"):
        assert run.record.get(name) == whole.record.get(name)
