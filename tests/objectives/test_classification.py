import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special
from sklearn.metrics import log_loss, zero_one_loss

from ae_jax import Autoencoder, InvalidInput
from ae_jax.networks import MLP
from ae_jax.objectives import Classification
from ae_jax.types import Batch

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
Y = np.array([0, 1, 2, 2, 1, 0])
MINE = Autoencoder(name="mine", networks=MLP(hidden=(), code=3, stochastic=True), objective=Classification(classes=3))


def test_terms_are_the_log_loss_and_error_of_scikit_learn():
    params, state = MINE.init((4,), jax.random.key(0))
    np.testing.assert_array_equal(params["head"]["kernel"], np.zeros((3, 3)))
    params["head"]["kernel"] = jax.random.normal(jax.random.key(1), (3, 3))
    model = MINE.bind((4,), params, state)
    loss, metrics = MINE.objective(model, jax.random.key(0), Batch(jnp.asarray(X), jnp.asarray(Y)), 0)
    logits = np.asarray(model.encode(jnp.asarray(X)).mean) @ np.asarray(params["head"]["kernel"], float)
    probabilities = special.softmax(logits, axis=1)
    np.testing.assert_allclose(loss, log_loss(Y, probabilities), rtol=1e-5)
    np.testing.assert_allclose(metrics["categorical_nll"], loss, rtol=1e-6)
    np.testing.assert_allclose(metrics["error"], zero_one_loss(Y, probabilities.argmax(axis=1)), rtol=1e-6)


def test_the_decoder_has_no_gradient():
    params, state = MINE.init((4,), jax.random.key(0))
    params["head"]["kernel"] = jnp.ones((3, 3)).at[0, 0].set(2.0)

    def loss(params):
        return MINE.objective(
            MINE.bind((4,), params, state), jax.random.key(0), Batch(jnp.asarray(X), jnp.asarray(Y)), 0
        )[0]

    gradient = jax.jit(jax.grad(loss))(params)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient["networks"]["decoder"]))
    assert np.any(gradient["networks"]["encoder"][0]["kernel"])


def test_classes_are_counted_from_one():
    with pytest.raises(InvalidInput, match="Classification was given classes=0: expected a whole number above zero"):
        Classification(classes=0)
