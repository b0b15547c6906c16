import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from ae_jax.losses import kl_sparsity, l1

RATES = np.linspace(0.01, 0.99, 33).astype(np.float32)


@pytest.mark.parametrize("target", [0.05, 0.3, 0.5])
def test_kl_sparsity_equals_the_relative_entropy_of_two_coins(target):
    rates = RATES.astype(float)
    expected = special.rel_entr(target, rates) + special.rel_entr(1 - target, 1 - rates)
    np.testing.assert_allclose(kl_sparsity(jnp.asarray(RATES), target), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("target", [0.05, 0.3, 0.5])
def test_kl_sparsity_is_zero_at_the_target(target):
    np.testing.assert_allclose(kl_sparsity(jnp.array([target]), target), [0.0], atol=1e-7)


@pytest.mark.parametrize("target", [0.05, 0.3, 0.5])
def test_kl_sparsity_grows_away_from_the_target(target):
    rates = jnp.asarray(RATES)
    slope = jax.grad(lambda r: kl_sparsity(r, target).sum())(rates)
    away = np.abs(RATES - target) > 1e-3
    np.testing.assert_array_equal(np.sign(slope)[away], np.sign(RATES - target)[away])


@pytest.mark.parametrize("target", [0.05, 0.5])
def test_kl_sparsity_is_finite_at_saturated_units(target):
    value, slope = jax.value_and_grad(lambda r: kl_sparsity(r, target).sum())(jnp.array([0.0, 1.0]))
    assert np.isfinite(value)
    assert np.isfinite(slope).all()
    assert (kl_sparsity(jnp.array([0.0, 1.0]), target) > kl_sparsity(jnp.array([0.01, 0.99]), target)).all()


def test_kl_sparsity_accepts_a_traced_target():
    targets = jnp.array([0.05, 0.5])
    values = jax.vmap(lambda target: kl_sparsity(jnp.asarray(RATES), target))(targets)
    np.testing.assert_allclose(values[1], kl_sparsity(jnp.asarray(RATES), 0.5), rtol=1e-6, atol=1e-7)


def test_l1_sums_absolute_activations_of_each_example():
    code = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    np.testing.assert_allclose(l1(jnp.asarray(code)), np.linalg.norm(code, ord=1, axis=1), rtol=1e-6)


def test_l1_pulls_towards_zero_by_the_sign():
    slope = jax.grad(lambda code: l1(code).sum())(jnp.array([[2.0, -0.5]]))
    np.testing.assert_array_equal(slope, [[1.0, -1.0]])
