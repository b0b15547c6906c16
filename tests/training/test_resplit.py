"""Members that have a split of their own, by ``resplit=True``."""

import jax
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput, Optimizer
from ae_jax.data import RawData, from_arrays
from ae_jax.data.splits import from_raw
from ae_jax.networks import MLP
from ae_jax.objectives import Reconstruction
from ae_jax.training import fit_layerwise, untrained

SETTINGS = {"epochs": 3, "batch_size": 16, "resplit": True}
SEEDS = [5, 6]


def same(ours, theirs, **tolerance) -> None:
    jax.tree.map(lambda *both: np.testing.assert_allclose(*both, **tolerance), ours, theirs)


@pytest.fixture(scope="module")
def choices() -> list[ae_jax.Autoencoder]:
    return [ae_jax.variational(code=3, hidden=(12,), learning_rate=rate) for rate in (1e-3, 1e-2)]


@pytest.fixture(scope="module")
def together(choices, redrawn) -> ae_jax.Run:
    return ae_jax.fit(choices, redrawn, seeds=SEEDS, **SETTINGS)


def test_a_member_is_that_of_a_training_on_the_split_of_its_seed(choices, together, redrawn):
    """Bit for bit where it trains alone; in a population up to the rounding of matrix products of several members."""
    for member, (choice, seed) in enumerate([(choice, seed) for choice in choices for seed in SEEDS]):
        alone = ae_jax.fit(choice, redrawn, seeds=seed, **SETTINGS)
        apart = ae_jax.fit(choice, redrawn.resplit(seed), seeds=seed, **SETTINGS | {"resplit": False})
        same(alone.params, apart.params, rtol=0)
        same(alone.history, apart.history, rtol=0)
        same(together[member].history, apart.history, rtol=1e-5)
    assert together.settings["resplit"]
    assert not apart.settings["resplit"]


def test_a_member_of_a_population_in_turns_has_the_bits_of_that_alone(choices, together, redrawn, monkeypatch):
    monkeypatch.setattr("ae_jax.training.population._SMALL", 0)
    turns = ae_jax.fit(choices, redrawn, seeds=SEEDS, **SETTINGS)
    alone = ae_jax.fit(choices[1], redrawn, seeds=SEEDS[1], **SETTINGS)
    same(turns[3].params, alone.params, rtol=0)
    same(turns[3].history, alone.history, rtol=1e-6)
    same(turns.history, together.history, rtol=1e-5)


def test_a_member_learns_from_its_own_training_rows_alone():
    """Each example has a feature of its own, whose weights change if it is trained on."""
    data = from_arrays(np.eye(20, dtype=np.float32), np.arange(20) % 2, test=0.3, validation=0.2)
    linear = ae_jax.Autoencoder(
        name="linear",
        networks=MLP(hidden=(), code=2),
        objective=Reconstruction(),
        optimizer=Optimizer(rule="sgd", learning_rate=0.1),
    )
    run = ae_jax.fit(linear, data, seeds=SEEDS, epochs=1, batch_size=4, resplit=True)
    before = untrained(linear, data, seeds=SEEDS).params["networks"]["encoder"][0]["kernel"]
    changed = (np.asarray(run.params["networks"]["encoder"][0]["kernel"]) != np.asarray(before)).any(axis=-1)
    for member, seed in enumerate(SEEDS):
        assert np.flatnonzero(changed[member]).tolist() == np.sort(data.resplit(seed).train.x.argmax(axis=1)).tolist()


def test_conditions_go_with_their_examples(redrawn):
    choice = ae_jax.NAMED["conditional"](classes=10, code=3, hidden=(12,))
    alone = ae_jax.fit(choice, redrawn, seeds=5, **SETTINGS)
    apart = ae_jax.fit(choice, redrawn.resplit(5), seeds=5, **SETTINGS | {"resplit": False})
    same(alone.history, apart.history, rtol=0)


def test_only_the_validation_rows_are_redrawn_of_a_test_split_that_is_given(digits):
    data = from_raw({"train": RawData(digits.train.x[:80]), "test": RawData(digits.test.x[:9])}, name="official")
    choice = ae_jax.undercomplete(code=3, hidden=(12,))
    run = ae_jax.fit(choice, data, seeds=6, **SETTINGS)
    same(run.params, ae_jax.fit(choice, data.resplit(6), seeds=6, **SETTINGS | {"resplit": False}).params, rtol=0)


@pytest.mark.usefixtures("unchecked")
def test_what_has_one_split_is_refused_in_a_sentence(small, redrawn):
    choice = ae_jax.Autoencoder(name="linear", networks=MLP(hidden=(), code=3), objective=Reconstruction())
    with pytest.raises(InvalidInput, match="small has splits that are given, which cannot be drawn anew for each seed"):
        ae_jax.fit(choice, small, **SETTINGS)
    with pytest.raises(InvalidInput, match="fit_layerwise was given resplit=True: expected one split"):
        fit_layerwise([choice], redrawn, **SETTINGS)
