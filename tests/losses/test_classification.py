import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from ae_jax import InvalidInput, losses

LOGITS = np.random.default_rng(0).normal(scale=3.0, size=(6, 4)).astype(np.float32)
CLASSES = np.array([0, 3, 1, 1, 2, 3])


def test_equals_the_log_softmax_of_scipy():
    expected = -special.log_softmax(LOGITS.astype(float), axis=1)[np.arange(6), CLASSES]
    np.testing.assert_allclose(losses.categorical_nll(jnp.asarray(LOGITS), jnp.asarray(CLASSES)), expected, rtol=1e-5)


def test_its_gradient_is_the_softmax_less_the_class():
    gradient = jax.grad(lambda logits: losses.categorical_nll(logits, jnp.asarray(CLASSES)).sum())(jnp.asarray(LOGITS))
    np.testing.assert_allclose(gradient, special.softmax(LOGITS, axis=1) - np.eye(4)[CLASSES], atol=1e-6)


@pytest.mark.parametrize("logit", [-1e30, -1e4, 1e4, 1e30])
def test_is_finite_for_every_finite_logit(logit):
    value, gradient = jax.value_and_grad(lambda logits: losses.categorical_nll(logits, jnp.array([0])).sum())(
        jnp.array([[logit, 0.0]])
    )
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(value, max(-logit, 0.0), rtol=1e-6)


@pytest.mark.parametrize("target", [jnp.zeros(5, int), jnp.zeros((6, 1), int), jnp.zeros((), int)])
def test_another_number_of_classes_than_examples_is_refused(target):
    with pytest.raises(InvalidInput, match=r"expected one class for each example"):
        losses.categorical_nll(jnp.asarray(LOGITS), target)


@pytest.mark.parametrize("wrong", [-1, 4])
def test_a_class_that_there_is_not_makes_nan(wrong):
    nll = losses.categorical_nll(jnp.asarray(LOGITS), jnp.asarray(CLASSES).at[2].set(wrong))
    assert np.isnan(nll).tolist() == [False, False, True, False, False, False]
