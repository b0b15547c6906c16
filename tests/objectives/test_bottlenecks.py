import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.corruptions import Masking
from ae_jax.losses import l1, lifetime_sparsity, squared_error
from ae_jax.networks import MLP
from ae_jax.objectives import L1, Bottleneck, Reconstruction, WinnerTakeAll
from ae_jax.types import Batch

KEY = jax.random.key(0)
BUILDER = MLP(hidden=(), code=7, code_activation="relu")


@pytest.fixture(scope="module")
def model(model_of):
    return model_of(BUILDER, (4,))


@pytest.fixture(scope="module")
def x() -> jax.Array:
    return jax.random.normal(KEY, (10, 4))


def test_the_decoder_sees_the_winners_of_the_batch_and_penalties_the_whole_code(model, x):
    objective = Reconstruction(bottleneck=WinnerTakeAll(rate=0.2), penalties=(L1(weight=0.5),))
    _, metrics = objective(model, KEY, Batch(x), 0)
    code = model.encode(x)
    outputs = model.decode(lifetime_sparsity(code, 0.2))
    np.testing.assert_allclose(metrics["squared_error"], jnp.mean(squared_error(outputs, x)), rtol=1e-6)
    np.testing.assert_allclose(metrics["l1"], jnp.mean(l1(code)), rtol=1e-6)
    assert metrics["squared_error"] != Reconstruction()(model, KEY, Batch(x), 0)[1]["squared_error"]


def test_a_rate_of_one_is_no_bottleneck(model, x):
    whole, _ = Reconstruction()(model, KEY, Batch(x), 0)
    np.testing.assert_array_equal(Reconstruction(bottleneck=WinnerTakeAll(rate=1.0))(model, KEY, Batch(x), 0)[0], whole)


def test_a_corruption_of_the_code_is_a_bottleneck_with_a_key_of_its_own(model, x):
    assert isinstance(Masking(), Bottleneck)
    blind, _ = Reconstruction(bottleneck=Masking(probability=1.0))(model, KEY, Batch(x), 0)
    nothing = model.decode(jnp.zeros((10, 7)))
    np.testing.assert_allclose(blind, jnp.mean(squared_error(nothing, x)), rtol=1e-6)
    damage = Masking(probability=0.5)
    alike, _ = Reconstruction(corruption=damage, bottleneck=damage)(model, KEY, Batch(x), 0)
    inputs = damage(jax.random.split(KEY, 3)[0], x)
    outputs = model.decode(damage(jax.random.split(KEY, 3)[2], model.encode(inputs)))
    np.testing.assert_allclose(alike, jnp.mean(squared_error(outputs, x)), rtol=1e-6)


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (lambda: WinnerTakeAll(rate=1.5), "WinnerTakeAll was given rate=1.5: expected a probability, from 0 to 1"),
        (
            lambda: Reconstruction(bottleneck=0.05),
            r"Reconstruction was given bottleneck=0.05: expected a bottleneck, such as WinnerTakeAll\(\), or None",
        ),
    ],
)
def test_what_is_no_bottleneck_is_refused(unchecked, choice, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        choice()
