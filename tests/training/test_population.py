import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.training import stack, unstack

RATES, SEEDS = (5e-4, 1e-3, 2e-3, 5e-3), (3, 4)


def variational(rate: float):
    return ae_jax.variational(code=4, hidden=(24,), activation="tanh", learning_rate=rate)


@pytest.fixture(scope="module")
def eight(digits):
    return ae_jax.fit([variational(rate) for rate in RATES], digits, seeds=SEEDS, epochs=2)


@pytest.mark.parametrize("member", range(8))
def test_a_member_equals_itself_trained_alone(eight, digits, member):
    rate, seed = RATES[member // 2], SEEDS[member % 2]
    alone, among = ae_jax.fit(variational(rate), digits, seeds=seed, epochs=2), eight[member]
    assert int(alone.seeds[0]) == int(among.seeds[0]) == seed
    for split, terms in alone.history.items():
        for term, values in terms.items():
            np.testing.assert_allclose(among.history[split][term], values, rtol=1e-5, err_msg=f"{split} {term}")
    for ours, theirs in zip(jax.tree.leaves(among.params), jax.tree.leaves(alone.params), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


def test_members_differ(eight):
    losses = eight.history["train"]["loss"][:, -1]
    assert len(set(losses.tolist())) == 8


def test_a_stack_has_its_members_numbers_on_a_leading_axis():
    members = [ae_jax.contractive(weight=weight, learning_rate=0.5) for weight in (0.25, 2.0, 4)]
    stacked = stack(members)
    np.testing.assert_array_equal(stacked.objective.penalties[0].weight, [0.25, 2.0, 4.0])
    assert [unstack(stacked, member) for member in range(3)] == members


@pytest.mark.parametrize(
    ("autoencoders", "sentence"),
    [
        ([], "a population was given no autoencoder: expected at least one"),
        (
            [ae_jax.sparse(), ae_jax.sparse(code=7)],
            r"autoencoder 1 \(sparse\) differs from the first \(sparse\) in more than numbers: .*fit the others apart",
        ),
        (
            [ae_jax.sparse(), ae_jax.sparse(), ae_jax.contractive()],
            r"autoencoder 2 \(contractive\) differs from the first \(sparse\)",
        ),
    ],
)
def test_members_of_other_structures_are_refused(autoencoders, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        stack(autoencoders)


def test_an_array_where_one_number_belongs_is_refused():
    with pytest.raises(InvalidInput, match=r"was given an array of shape \(8,\) as .objective.corruption.scale"):
        stack([ae_jax.denoising(noise=jnp.linspace(0.1, 1.0, 8))])
