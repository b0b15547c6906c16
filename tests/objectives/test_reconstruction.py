import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax import losses
from ae_jax.corruptions import Masking
from ae_jax.networks import MLP
from ae_jax.objectives import L1, BernoulliLikelihood, Contractive, Reconstruction, SquaredError
from ae_jax.types import Batch

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def model(model_of):
    return model_of(MLP(hidden=(5,), code=3, activation="tanh", code_activation="sigmoid"), (4, 2))


@pytest.fixture(scope="module")
def x() -> jax.Array:
    return jax.random.uniform(jax.random.key(2), (6, 4, 2))


@pytest.mark.parametrize(
    ("likelihood", "loss"), [(SquaredError(), losses.squared_error), (BernoulliLikelihood(), losses.bernoulli_nll)]
)
def test_without_more_it_is_the_mean_error(likelihood, loss, model, x):
    value, metrics = Reconstruction(likelihood=likelihood)(model, KEY, Batch(x), 0)
    expected = jnp.mean(loss(model.decode(model.encode(x)), x))
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert metrics == {likelihood.name: value}


def test_a_corrupted_input_is_to_give_the_clean_example(model, x):
    value, _ = Reconstruction(corruption=Masking(probability=1.0))(model, KEY, Batch(x), 0)
    blind = model.decode(model.encode(jnp.zeros_like(x)))
    np.testing.assert_allclose(value, jnp.mean(losses.squared_error(blind, x)), rtol=1e-6)


def test_penalties_see_what_the_encoder_sees(model, x):
    objective = Reconstruction(corruption=Masking(probability=1.0), penalties=(Contractive(weight=2.0), L1(weight=0.5)))
    value, metrics = jax.jit(lambda x: objective(model, KEY, Batch(x), 0))(x)
    zeros = jnp.zeros_like(x)
    norm = jnp.mean(jax.jit(lambda x: losses.jacobian.forward_mode(model.encode, x))(zeros))
    np.testing.assert_allclose(metrics["jacobian"], norm, rtol=1e-5)
    np.testing.assert_allclose(metrics["l1"], jnp.mean(losses.l1(model.encode(zeros))), rtol=1e-5)
    expected = metrics["squared_error"] + 2.0 * metrics["jacobian"] + 0.5 * metrics["l1"]
    np.testing.assert_allclose(value, expected, rtol=1e-6)
