import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from ae_jax import InvalidInput
from ae_jax.losses import kl_sparsity, l1, lifetime_sparsity, top_k

RATES = np.linspace(0.01, 0.99, 33).astype(np.float32)


@pytest.mark.parametrize("target", [0.05, 0.3, 0.5])
def test_kl_sparsity_equals_the_relative_entropy_of_two_coins(target):
    rates = RATES.astype(float)
    expected = special.rel_entr(target, rates) + special.rel_entr(1 - target, 1 - rates)
    np.testing.assert_allclose(kl_sparsity(jnp.asarray(RATES), target), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("target", [0.05, 0.5])
def test_kl_sparsity_of_logits_equals_its_formula_also_where_units_are_off(target):
    logits = np.array([-40.0, -30.0, -20.0, -17.0, -16.0, -15.0, -5.0, 0.0, 5.0])
    value, slope = jax.value_and_grad(lambda logit: kl_sparsity(jax.nn.sigmoid(logit), target).sum())(
        jnp.float32(logits)
    )
    off, on = special.log_expit(logits), special.log_expit(-logits)
    entropy = target * np.log(target) + (1 - target) * np.log(1 - target)
    np.testing.assert_allclose(value, np.sum(entropy - target * off - (1 - target) * on), rtol=1e-6)
    # The slope at each logit is the mean activation less the target.
    np.testing.assert_allclose(slope, special.expit(logits) - target, rtol=2e-5)


@pytest.mark.parametrize("target", [0.05, 0.5])
@pytest.mark.parametrize(("saturated", "nearest"), [(0.0, np.finfo(np.float32).tiny ** 0.5), (1.0, 1 - 2.0**-24)])
def test_kl_sparsity_of_saturated_units_is_that_of_the_nearest_activation(target, saturated, nearest):
    rates = np.array([saturated, nearest])
    value = kl_sparsity(jnp.float32(rates), target)
    slope = jax.grad(lambda r: 1e4 * kl_sparsity(r, target).sum())(jnp.float32(rates)) / 1e4
    expected = special.rel_entr(target, nearest) + special.rel_entr(1 - target, 1 - nearest)
    np.testing.assert_allclose(value, [expected] * 2, rtol=1e-5)
    np.testing.assert_allclose(slope, [(1 - target) / (1 - nearest) - target / nearest] * 2, rtol=1e-5)
    assert np.isfinite(jnp.square(slope)).all()
    through = jax.grad(lambda logit: 1e4 * kl_sparsity(jax.nn.sigmoid(logit), target).sum())(jnp.array([-1e3, 1e3]))
    np.testing.assert_array_equal(through, [0.0, 0.0])


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


def test_the_share_of_an_empty_batch_is_refused():
    with pytest.raises(InvalidInput, match=r"given an empty batch of shape \(0, 3\): expected an example or more"):
        lifetime_sparsity(jnp.zeros((0, 3)), 0.05)
