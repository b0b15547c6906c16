import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from ae_jax.losses import kl_sparsity, l1, lifetime_sparsity, top_k

RATES = np.linspace(0.01, 0.99, 33).astype(np.float32)


@pytest.mark.parametrize("target", [0.05, 0.3, 0.5])
def test_kl_sparsity_equals_the_relative_entropy_of_two_coins(target):
    rates = RATES.astype(float)
    expected = special.rel_entr(target, rates) + special.rel_entr(1 - target, 1 - rates)
    np.testing.assert_allclose(kl_sparsity(jnp.asarray(RATES), target), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("target", [0.05, 0.5])
def test_kl_sparsity_is_finite_at_saturated_units(target):
    value, slope = jax.value_and_grad(lambda r: kl_sparsity(r, target).sum())(jnp.array([0.0, 1.0]))
    assert np.isfinite(value)
    assert np.isfinite(slope).all()
    assert (kl_sparsity(jnp.array([0.0, 1.0]), target) > kl_sparsity(jnp.array([0.01, 0.99]), target)).all()


def test_l1_sums_absolute_activations_of_each_example():
    code = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    np.testing.assert_allclose(l1(jnp.asarray(code)), np.linalg.norm(code, ord=1, axis=1), rtol=1e-6)


def largest_of_rows(z: np.ndarray, count: int) -> np.ndarray:
    """Each row's largest values at their places, of equal ones the first, by NumPy's stable sort."""
    places = np.argsort(-z, axis=1, kind="stable")[:, :count]
    kept = np.zeros_like(z)
    np.put_along_axis(kept, places, np.take_along_axis(z, places, axis=1), axis=1)
    return kept


@pytest.fixture(scope="module")
def z() -> np.ndarray:
    """Activations of twelve examples and seven units in steps of a half, so that many are equal, also at zero."""
    return np.round(2 * np.random.default_rng(0).normal(size=(12, 7))).astype(np.float32) / 2


@pytest.mark.parametrize("k", [1, 3, 7])
def test_exactly_k_units_of_each_example_win(z, k):
    np.testing.assert_array_equal(top_k(jnp.asarray(z), k), largest_of_rows(z, k))
    distinct = z + 0.01 * np.arange(7, dtype=np.float32)[None] + 5.0
    assert (np.count_nonzero(top_k(jnp.asarray(distinct), k), axis=1) == k).all()


@pytest.mark.parametrize(("rate", "count"), [(0.0, 1), (0.05, 1), (0.25, 3), (0.3, 4), (1.0, 12)])
def test_each_unit_keeps_its_share_of_the_batch_rounded_and_at_least_one(z, rate, count):
    np.testing.assert_array_equal(lifetime_sparsity(jnp.asarray(z), rate), largest_of_rows(z.T, count).T)


def test_a_traced_rate_is_one_program_for_all(z):
    values = jax.jit(jax.vmap(lambda rate: lifetime_sparsity(jnp.asarray(z), rate)))(jnp.array([0.1, 0.5]))
    for value, rate in zip(values, (0.1, 0.5), strict=True):
        np.testing.assert_array_equal(value, lifetime_sparsity(jnp.asarray(z), rate))


@pytest.mark.parametrize("winners", [lambda z: top_k(z, 2), lambda z: lifetime_sparsity(z, 0.2)])
def test_gradients_flow_through_winners_only(z, winners):
    apart = jnp.asarray(z + np.random.default_rng(1).uniform(0.0, 0.4, size=z.shape).astype(np.float32))
    cotangent = jnp.arange(1.0, z.size + 1).reshape(z.shape)
    kept, pull = jax.vjp(winners, apart)
    np.testing.assert_array_equal(pull(cotangent)[0], np.where(kept != 0, cotangent, 0.0))


@pytest.mark.parametrize("winners", [lambda z: top_k(z, 2), lambda z: lifetime_sparsity(z, 0.2)])
def test_nan_is_not_taken_for_a_loser(z, winners):
    kept = winners(jnp.asarray(z).at[3, 4].set(jnp.nan))
    assert np.flatnonzero(np.isnan(kept)).tolist() == [3 * 7 + 4]
