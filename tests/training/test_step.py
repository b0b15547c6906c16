from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import ae_jax
from ae_jax import Autoencoder, Optimizer, losses
from ae_jax.components import component, static
from ae_jax.data import Scaling
from ae_jax.objectives import Contractive, Likelihood, Reconstruction, SquaredError
from ae_jax.training import step as stepping
from ae_jax.training.state import State, initial
from ae_jax.training.step import batches, epoch, evaluate, order_of, step

KEY = jax.random.key(0)


class Counter(nnx.Module):
    def __init__(self, examples):
        self.seen = nnx.Param(jnp.zeros(examples))

    def encode(self, x):
        return x

    def decode(self, z):
        return z


@component
class CounterBuilder:
    code: int = static(default=1)

    def __call__(self, shape, outputs, rngs):
        return Counter(shape[0])


@component
class Counting:
    """Each step of gradient descent adds one to the entry of every example in the batch."""

    name: ClassVar[str] = "counting"
    likelihood: Likelihood = SquaredError()

    def __call__(self, networks, key, x, step):
        loss = -jnp.sum(x @ networks.seen.get_value())
        return loss, {"counting": loss}


def started(autoencoder: Autoencoder, shape, seed: int = 0) -> State:
    return jax.jit(lambda: initial(autoencoder, shape, seed)[0])()


@pytest.mark.parametrize(("examples", "batch_size"), [(10, 5), (10, 3), (7, 7), (5, 4), (9, 1), (1, 1)])
def test_batches_hold_every_example_and_complete_the_last_from_the_same_order(examples, batch_size):
    rows = np.asarray(batches(KEY, examples, batch_size))
    steps = -(-examples // batch_size)
    assert rows.shape == (steps, batch_size)
    flat = rows.ravel()
    assert sorted(flat[:examples]) == list(range(examples))
    np.testing.assert_array_equal(flat[examples:], flat[: len(flat) - examples])


def test_batches_are_shuffled_by_their_key():
    first, again, other = (np.asarray(batches(jax.random.key(seed), 64, 8)).ravel() for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, np.arange(64))


@pytest.mark.parametrize(("examples", "batch_size"), [(10, 4), (12, 4)])
def test_an_epoch_sees_every_example(examples, batch_size):
    counter = Autoencoder(
        name="counter",
        networks=CounterBuilder(),
        objective=Counting(),
        optimizer=Optimizer(rule="sgd", learning_rate=1.0),
    )
    state = started(counter, (examples,))
    stored = jnp.eye(examples)
    after, _ = epoch(state, counter, order_of(0, (1,), examples, batch_size), stored, Scaling())
    seen = np.asarray(after.params["seen"])
    assert set(seen) <= {1.0, 2.0}
    assert seen.sum() == -(-examples // batch_size) * batch_size
    assert int(after.step) == -(-examples // batch_size)


def test_a_step_follows_the_gradient_of_the_mean_over_the_batch():
    autoencoder = Autoencoder(
        name="linear",
        networks=ae_jax.networks.MLP(hidden=(), code=2),
        objective=Reconstruction(),
        optimizer=Optimizer(rule="sgd", learning_rate=0.1),
    )
    state = started(autoencoder, (3,))
    x = jax.random.normal(jax.random.key(1), (5, 3))

    def loss(params: Any) -> jax.Array:
        networks = autoencoder.bind((3,), params)
        return jnp.mean(losses.squared_error(networks.decode(networks.encode(x)), x))

    value, gradient = jax.jit(jax.value_and_grad(loss))(state.params)
    after, metrics = jax.jit(step)(state, autoencoder, KEY, x)
    jax.tree.map(
        lambda new, old, slope: np.testing.assert_allclose(new, old - 0.1 * slope, rtol=1e-5, atol=1e-7),
        after.params,
        state.params,
        gradient,
    )
    np.testing.assert_allclose([metrics["loss"], metrics["squared_error"]], [value, value], rtol=1e-6)


@pytest.mark.parametrize("in_one", [0, 512])
@pytest.mark.parametrize("batch_size", [5, 8, 24, 64])
def test_evaluation_counts_each_example_once(batch_size, in_one, monkeypatch):
    monkeypatch.setattr(stepping, "_ONE_BATCH", in_one)
    autoencoder = Autoencoder(
        name="linear",
        networks=ae_jax.networks.MLP(hidden=(), code=2, code_activation="tanh"),
        objective=Reconstruction(penalties=(Contractive(weight=2.0),)),
    )
    state = started(autoencoder, (3,))
    stored = np.random.default_rng(0).integers(0, 16, size=(24, 3)).astype(np.uint8)
    scaling = Scaling(scale=16.0)
    metrics = jax.jit(lambda s: evaluate(s, autoencoder, KEY, jnp.asarray(stored), scaling, batch_size, 0))(state)
    networks, x = autoencoder.bind((3,), state.params), jnp.asarray(stored / np.float32(16), jnp.float32)
    error = losses.squared_error(networks.decode(networks.encode(x)), x).mean()
    norm = losses.jacobian.forward_mode(networks.encode, x).mean()
    np.testing.assert_allclose(metrics["squared_error"], error, rtol=1e-5)
    np.testing.assert_allclose(metrics["jacobian"], norm, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss"], error + 2.0 * norm, rtol=1e-5)
