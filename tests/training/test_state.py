import itertools

import jax
import numpy as np
import pytest

import ae_jax
from ae_jax.data import Scaling
from ae_jax.training import stack
from ae_jax.training.epoch import EpochData, EpochSettings
from ae_jax.training.population import advance_population, init_population, population_indices
from ae_jax.training.state import INIT, TRAIN, VALIDATE, key_for
from ae_jax.types import Batch


def test_every_purpose_and_position_has_its_own_key():
    positions = [(seed, purpose) for seed in (0, 1) for purpose in (INIT, TRAIN, VALIDATE)]
    positions += [(seed, TRAIN, epoch) for seed, epoch in itertools.product((0, 1), (1, 2))]
    keys = {tuple(jax.random.key_data(key_for(*position)).tolist()) for position in positions}
    assert len(keys) == len(positions)


def test_a_member_starts_from_its_seed_alone():
    choices = [ae_jax.contractive(code=2, hidden=(), learning_rate=rate) for rate in (1e-3, 1e-1, 1e-3)]
    state, best = init_population(stack(choices), np.array([4, 4, 5], np.uint32), (3,))
    kernel = state.params["networks"]["encoder"][0]["kernel"]
    np.testing.assert_array_equal(kernel[0], kernel[1])
    assert not np.array_equal(kernel[0], kernel[2])
    jax.tree.map(np.testing.assert_array_equal, state.params, best.params)
    assert state.step.tolist() == best.epoch.tolist() == [0, 0, 0]
    assert np.isinf(best.loss).all()
    assert best.running.all()


@pytest.mark.parametrize("validation", [None, Batch(np.zeros((4, 3), np.float32))], ids=["none", "validation"])
def test_an_epoch_returns_the_types_that_it_took_so_that_a_second_one_compiles_nothing(validation):
    population, seeds = stack([ae_jax.variational(code=2, hidden=(4,))]), np.zeros(1, np.uint32)
    data = EpochData(Batch(np.zeros((8, 3), np.float32)), validation, Scaling(), np.float32(3), np.int32(4))

    indices = population_indices(seeds, np.zeros(1, int), (np.int32(1),), 8, 4)

    def trained(state, best):
        settings = EpochSettings(batch_size=4, steps=2)
        others = best, population, seeds, None
        return advance_population(state, others, indices, np.int32(0), np.int32(1), data, settings)[:2]

    before = init_population.eval_shape(population, seeds, (3,))
    after = jax.eval_shape(trained, *before)
    assert [(leaf.dtype, leaf.weak_type) for leaf in jax.tree.leaves(after)] == [
        (leaf.dtype, leaf.weak_type) for leaf in jax.tree.leaves(before)
    ]
