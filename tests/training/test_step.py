from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import ae_jax
from ae_jax import Autoencoder, InvalidInput, Optimizer, losses
from ae_jax.components import component
from ae_jax.data import Scaling
from ae_jax.networks import MLP, from_nnx
from ae_jax.objectives import Contractive, Reconstruction
from ae_jax.training import algorithm, epoch
from ae_jax.training.epoch import EpochData, batch_indices, shuffled_batches, validate
from ae_jax.training.state import INIT, key_for
from ae_jax.types import Batch

KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
LINEAR = MLP(hidden=(), code=2)


RECONSTRUCTION, DESCENT = Reconstruction(), Optimizer(rule="sgd", learning_rate=0.1)


def linear(objective=RECONSTRUCTION, optimizer=DESCENT) -> Autoencoder:
    return Autoencoder(name="linear", networks=LINEAR, objective=objective, optimizer=optimizer)


@pytest.mark.parametrize(("examples", "batch_size"), [(10, 5), (10, 3), (7, 7), (9, 1)])
def test_batches_hold_every_example_and_complete_the_last_from_the_same_order(examples, batch_size):
    rows = np.asarray(shuffled_batches(KEY, examples, batch_size))
    assert rows.shape == (-(-examples // batch_size), batch_size)
    flat = rows.ravel()
    assert sorted(flat[:examples]) == list(range(examples))
    np.testing.assert_array_equal(flat[examples:], flat[: len(flat) - examples])
    assert not np.array_equal(rows, np.asarray(shuffled_batches(jax.random.key(1), examples, batch_size)))


def test_a_step_follows_the_gradient_of_the_mean_over_the_batch():
    autoencoder = linear()
    init, step = algorithm(autoencoder, (3,))
    state = init(KEY)

    def loss(params: Any) -> jax.Array:
        model = autoencoder.bind((3,), params)
        return jnp.mean(losses.squared_error(model.decode(model.encode(jnp.asarray(X))), jnp.asarray(X)))

    value, gradient = jax.value_and_grad(loss)(state.params)
    after, metrics = jax.jit(step)(state, KEY, Batch(jnp.asarray(X)))
    expected = jax.tree.map(lambda old, slope: old - 0.1 * slope, state.params, gradient)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), after.params, expected)
    np.testing.assert_allclose([metrics["loss"], metrics["squared_error"]], [value, value], rtol=1e-6)
    assert int(after.step) == 1


@component
class ScaledPart:
    """A number beside the networks."""

    def __call__(self, networks, shape, code, rngs):
        return nnx.Linear(1, 1, use_bias=False, rngs=rngs)


@component
class TwoPlayers(Reconstruction):
    """A reconstruction, and a second part that learns to give one."""

    @property
    def parts(self):
        return {"critic": ScaledPart()}

    def __call__(self, model, key, batch, step):
        loss, metrics = super().__call__(model, key, batch, step)
        game = jnp.sum(jnp.square(model.critic(jnp.ones((1, 1))) - 1.0))
        return loss + game, metrics | {"game": game}


def test_each_part_has_its_optimiser(small):
    optimizers = {"networks": Optimizer(rule="sgd", learning_rate=1e-30), "critic": Optimizer(learning_rate=0.25)}
    game = linear(TwoPlayers(), optimizers)
    init, step = algorithm(game, (3,))
    before = init(KEY)
    after, _ = step(before, KEY, Batch(jnp.asarray(X)))
    pairs = zip(*(jax.tree.leaves(state.params["networks"]) for state in (after, before)), strict=True)
    assert all(np.abs(new - old).max() < 1e-25 for new, old in pairs)
    moved = np.abs(after.params["critic"]["kernel"] - before.params["critic"]["kernel"])
    np.testing.assert_allclose(moved, 0.25, rtol=1e-3)  # Adam's first step
    assert ae_jax.fit(game, small, epochs=1, batch_size=16).history["train"]["game"].shape == (1, 1)


@pytest.mark.parametrize("optimizers", [{"networks": Optimizer()}, {"networks": Optimizer(), "critik": Optimizer()}])
def test_a_part_without_an_optimiser_is_refused(small, optimizers):
    with pytest.raises(InvalidInput, match="expected one for each part with parameters, critic, networks"):
        ae_jax.fit(linear(TwoPlayers(), optimizers), small, epochs=1)


class Noisy(nnx.Module):
    def __init__(self, shape, rngs):
        self.norm, self.dropout = nnx.BatchNorm(shape[0], rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

    def encode(self, x):
        return self.dropout(self.norm(x))

    def decode(self, z):
        return z


NOISY = Autoencoder(name="noisy", networks=from_nnx(Noisy, code=(3,)), objective=Reconstruction())


def test_a_step_changes_the_state_of_modules_and_draws_dropout_by_its_key():
    init, step = algorithm(NOISY, (3,))
    before = init(KEY)
    first, again, other = (step(before, jax.random.key(seed), Batch(jnp.asarray(X))) for seed in (0, 0, 1))
    norm = first[0].model_state["networks"]["norm"]
    np.testing.assert_allclose(norm["mean"], 0.01 * X.mean(axis=0), rtol=1e-4)
    assert first[1]["loss"] == again[1]["loss"] != other[1]["loss"]


def test_validation_runs_in_evaluation_mode():
    state = algorithm(NOISY, (3,)).init(KEY)
    data = EpochData(Batch(jnp.asarray(X)), Batch(jnp.asarray(X)), Scaling(), np.inf, 0)
    metrics = validate(state, NOISY, KEY, data, 5)
    np.testing.assert_allclose(metrics["loss"], np.square(X - X / np.sqrt(1 + 1e-5)).sum(axis=1).mean(), atol=1e-6)


@pytest.mark.parametrize("in_one", [0, 512])
@pytest.mark.parametrize("batch_size", [5, 8])
def test_validation_counts_each_example_once(batch_size, in_one, monkeypatch):
    monkeypatch.setattr(epoch, "_ONE_BATCH", in_one)
    autoencoder = linear(Reconstruction(penalties=(Contractive(weight=2.0),)))
    state, scaling = algorithm(autoencoder, (3,)).init(KEY), Scaling(scale=16.0)
    stored = np.random.default_rng(0).integers(0, 16, size=(24, 3)).astype(np.uint8)
    data = EpochData(Batch(jnp.asarray(stored)), Batch(jnp.asarray(stored)), scaling, np.inf, 0)
    metrics = validate(state, autoencoder, KEY, data, batch_size)
    model, x = autoencoder.bind((3,), state.params), jnp.asarray(stored / np.float32(16), jnp.float32)
    error = losses.squared_error(model.decode(model.encode(x)), x).mean()
    norm = losses.jacobian.forward_mode(model.networks.encode, x).mean()
    np.testing.assert_allclose(metrics["squared_error"], error, rtol=1e-5)
    np.testing.assert_allclose(metrics["jacobian"], norm, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss"], error + 2.0 * norm, rtol=1e-5)


def test_a_loop_of_one_s_own_equals_fit(small):
    autoencoder = ae_jax.variational(code=3, hidden=(12,))
    run = ae_jax.fit(autoencoder, small, seeds=5, epochs=2, batch_size=16)
    init, step = algorithm(autoencoder, (8, 8))
    state, step = init(key_for(5, INIT)), jax.jit(step)
    for number in (1, 2):
        indices = batch_indices(np.uint32(5), (number,), 64, 16)
        for rows, key in zip(indices.rows, indices.keys, strict=True):
            state, _ = step(state, key, Batch(small.scaling(jnp.asarray(small.train.x)[rows])))
    assert run.best_epoch.tolist() == [2]
    for ours, theirs in zip(jax.tree.leaves(state.params), jax.tree.leaves(run.params), strict=True):
        np.testing.assert_allclose(ours, theirs[0], rtol=1e-4, atol=1e-6)
