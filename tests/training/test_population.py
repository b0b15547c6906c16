import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.training import stack, unstack


@pytest.mark.parametrize("member", [0, 3])
def test_a_member_equals_itself_trained_alone(population, small, member):
    rate, seed = (1e-3, 1e-2)[member // 2], (5, 6)[member % 2]
    choice = ae_jax.variational(code=3, hidden=(12,), learning_rate=rate)
    alone, among = ae_jax.fit(choice, small, seeds=seed, epochs=3, batch_size=16), population[member]
    assert int(alone.seeds[0]) == int(among.seeds[0]) == seed
    for split, terms in alone.history.items():
        for term, values in terms.items():
            np.testing.assert_allclose(among.history[split][term], values, rtol=1e-5, err_msg=f"{split} {term}")
    for ours, theirs in zip(jax.tree.leaves(among.params), jax.tree.leaves(alone.params), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())


def test_numbers_read_as_they_were_given_and_stack_to_the_same_bits():
    given = [0.1, 0.002, 1e-30, 1000, 16777215, 0.1 + 0.2, 3.4e38, 1e-45]
    stacked = stack([ae_jax.contractive(weight=weight) for weight in given])
    numbers = [unstack(stacked, member).objective.penalties[0].weight for member in range(len(given))]
    assert numbers[:5] == given[:5]
    again = stack([unstack(stacked, member) for member in range(len(given))])
    for ours, theirs in zip(jax.tree.leaves(again), jax.tree.leaves(stacked), strict=True):
        assert np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()


@pytest.mark.parametrize(
    ("autoencoders", "sentence"),
    [
        ([], "a population was given no autoencoder: expected at least one"),
        ([ae_jax.sparse(), ae_jax.sparse(code=7)], r"autoencoder 1 \(sparse\) differs from the first \(sparse\)"),
        ([ae_jax.sparse(), ae_jax.contractive()], r"autoencoder 1 \(contractive\) differs from the first \(sparse\)"),
        ([ae_jax.denoising(noise=jnp.linspace(0.1, 1.0, 8))], r"an array of shape \(8,\) as .objective.corruption"),
    ],
)
def test_members_of_other_structures_and_arrays_are_refused(autoencoders, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        stack(autoencoders)
