import itertools

import jax
import numpy as np
import pytest

import ae_jax
from ae_jax.data import Scaling
from ae_jax.training import stack
from ae_jax.training.population import advance_population, init_population, population_indices
from ae_jax.training.state import INIT, TRAIN, VALIDATE, initial, key_for


def test_every_purpose_and_position_has_its_own_key():
    positions = [(seed, purpose) for seed in (0, 1) for purpose in (INIT, TRAIN, VALIDATE)]
    positions += [(seed, TRAIN, epoch) for seed, epoch in itertools.product((0, 1), (1, 2))]
    keys = {tuple(jax.random.key_data(key_for(*position)).tolist()) for position in positions}
    assert len(keys) == len(positions)


def test_a_key_is_the_same_wherever_it_is_derived():
    traced = jax.jit(jax.vmap(lambda seed: jax.random.key_data(key_for(seed, TRAIN, 3))))(np.arange(4, dtype=np.uint32))
    np.testing.assert_array_equal(traced[2], jax.random.key_data(key_for(2, TRAIN, 3)))


def test_a_member_starts_from_its_seed_alone():
    one, other = (ae_jax.undercomplete(code=2, hidden=(), learning_rate=rate) for rate in (1e-3, 1e-1))
    starting = jax.jit(lambda autoencoder, seed: initial(autoencoder, (3,), seed))
    (state, selection), (again, _), (different, _) = starting(one, 4), starting(other, 4), starting(one, 5)
    jax.tree.map(np.testing.assert_array_equal, state.params, again.params)
    jax.tree.map(np.testing.assert_array_equal, state.params, selection.params)
    assert not np.array_equal(state.params["encoder"][0]["kernel"], different.params["encoder"][0]["kernel"])
    assert int(state.step) == int(selection.epoch) == 0
    assert np.isinf(selection.loss)
    assert bool(selection.running)
    assert bool(selection.finite)


@pytest.mark.parametrize("validation", [None, np.zeros((4, 3), np.float32)], ids=["no validation", "validation"])
def test_an_epoch_gives_back_the_types_that_it_took_so_that_a_second_one_compiles_nothing(validation):
    population, seeds = stack([ae_jax.variational(code=2, hidden=(4,))]), np.zeros(1, np.uint32)
    rows, first, number = np.zeros((8, 3), np.float32), np.int32(0), np.int32(1)
    limits = {"patience": np.float32(3), "last_step": np.int32(4), "steps": 2, "batch_size": 4, "finish": True}

    def trained(state, selection):
        order = population_indices(seeds, np.zeros(1, int), (number,), 8, 4)
        data = rows, validation, Scaling()
        return advance_population(state, selection, population, seeds, order, first, number, *data, **limits)[:2]

    before = jax.eval_shape(lambda: init_population(population, seeds, (3,)))
    after = jax.eval_shape(trained, *before)
    assert [(leaf.dtype, leaf.weak_type) for leaf in jax.tree.leaves(after)] == [
        (leaf.dtype, leaf.weak_type) for leaf in jax.tree.leaves(before)
    ]
