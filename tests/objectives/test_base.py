import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ae_jax.objectives.terms import penalty_terms, weighted_sum

from ae_jax import InvalidInput
from ae_jax.objectives import ELBO, L1, Contractive, KLSparsity, Objective, Reconstruction
from ae_jax.schedules import Linear


class Identity:
    def encode(self, x):
        return x

    def decode(self, z):
        return z


def test_terms_are_unweighted_means_and_the_loss_their_weighted_sum():
    terms = {"a": (2.0, jnp.array([1.0, 3.0])), "b": (Linear(start=0.0, end=1.0, steps=10), jnp.array(4.0))}
    for step, weight in ((0, 0.0), (5, 0.5), (100, 1.0)):
        loss, metrics = weighted_sum(terms, step)
        assert {name: float(value) for name, value in metrics.items()} == {"a": 2.0, "b": 4.0}
        np.testing.assert_allclose(loss, 2.0 * 2.0 + weight * 4.0)


def test_each_penalty_stands_under_its_name_with_its_weight():
    x = jax.random.uniform(jax.random.key(0), (4, 3))
    penalties = (L1(weight=0.5), KLSparsity(weight=2.0), Contractive(weight=3.0))
    terms = penalty_terms(penalties, Identity(), jax.random.key(0), x, x)
    assert {name: weight for name, (weight, _) in terms.items()} == {"l1": 0.5, "kl_sparsity": 2.0, "jacobian": 3.0}
    np.testing.assert_allclose(terms["jacobian"][1], np.full(4, 3.0), rtol=1e-6)
    np.testing.assert_allclose(terms["l1"][1], np.sum(x, axis=1), rtol=1e-6)


def test_penalties_of_one_name_are_refused():
    with pytest.raises(InvalidInput, match="an objective was given the penalties l1, l1: expected each name once"):
        penalty_terms((L1(), L1(weight=2.0)), Identity(), jax.random.key(0), jnp.ones((2, 3)), jnp.ones((2, 3)))


def test_the_objectives_here_are_objectives():
    assert isinstance(Reconstruction(), Objective)
    assert isinstance(ELBO(), Objective)
