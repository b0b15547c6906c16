"""Averages of weights, accumulation and 16 bits in whole trainings: alone, in populations, resumed."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax
from ae_jax import Optimizer
from ae_jax.data import from_arrays
from ae_jax.networks import Convolutional
from ae_jax.objectives import Reconstruction
from ae_jax.training import algorithm
from ae_jax.types import Batch

KEY = jax.random.key(0)
MODEL = ae_jax.undercomplete(code=2, hidden=(4,), shortcut=False)


def averaged(average, **settings):
    return dataclasses.replace(MODEL, optimizer=Optimizer(learning_rate=0.05, average=average, **settings))


def test_the_average_of_the_parameters_is_that_of_their_course():
    init, step = algorithm(averaged(0.6), (3,))
    state = init(KEY)
    expected = jax.tree.map(np.asarray, state.params)
    stepped = jax.jit(step)
    for number in range(8):
        state, _ = stepped(state, jax.random.fold_in(KEY, number), Batch(jax.random.normal(KEY, (5, 3))))
        decay = min(0.6, (1 + number) / (10 + number))
        expected = jax.tree.map(lambda e, p, d=decay: d * e + (1 - d) * np.asarray(p), expected, state.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), state.evaluated, expected)
    assert not np.allclose(
        state.params["networks"]["encoder"][0]["kernel"], expected["networks"]["encoder"][0]["kernel"]
    )


def test_averages_are_validated_kept_resumed_and_the_same_in_a_population(small, tmp_path):
    settings = {"seeds": [5], "batch_size": 16, "checkpoints": tmp_path / "a"}
    whole = ae_jax.fit(averaged(0.9, accumulate=3), small, epochs=4, **settings | {"checkpoints": None})
    ae_jax.fit(averaged(0.9, accumulate=3), small, epochs=2, **settings)
    resumed = ae_jax.fit(averaged(0.9, accumulate=3), small, epochs=4, resume="extend", **settings)
    jax.tree.map(np.testing.assert_array_equal, resumed.params, whole.params)
    best = int(whole.best_epoch[0]) - 1
    error = np.square(whole.reconstruct(small.validation.x)[0] / 16.0 - small.validation.x / 16.0).sum(axis=(1, 2))
    np.testing.assert_allclose(error.mean(), whole.history["validation"]["loss"][0, best], rtol=1e-4)
    pair = ae_jax.fit(
        [averaged(0.9, accumulate=3), averaged(0.5, accumulate=3)], small, epochs=4, batch_size=16, seeds=5
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b[0], rtol=1e-4, atol=1e-6), pair.params, whole.params)
    assert not np.allclose(*jax.tree.leaves(pair.params)[1])


@pytest.mark.parametrize(
    "networks", [MODEL.networks, Convolutional(channels=(4,), code=2)], ids=["mlp", "convolutional"]
)
def test_networks_compute_with_16_bits_and_all_else_stays_in_32(small, networks):
    mine = ae_jax.Autoencoder(name="mine", networks=networks, objective=Reconstruction())
    batch = Batch(jnp.asarray(small.train.x[:16] / np.float32(16)))
    init, exact = algorithm(mine, small.shape)
    narrow = algorithm(mine, small.shape, precision="bfloat16").step
    (state, metrics), (full, known) = (jax.jit(step)(init(KEY), KEY, batch) for step in (narrow, exact))
    assert {leaf.dtype for leaf in jax.tree.leaves((state.params, state.optimizer))} <= {
        jnp.dtype("float32"),
        jnp.dtype("int32"),
    }
    assert metrics["loss"].dtype == jnp.float32
    assert metrics["loss"] != known["loss"]
    np.testing.assert_allclose(metrics["loss"], known["loss"], rtol=0.02)
    text = jax.jit(narrow).lower(init(KEY), KEY, batch).as_text()
    assert [line for line in text.splitlines() if "dot_general" in line and "bf16" not in line.split("->")[0]] == []
    assert jax.tree.structure(state) == jax.tree.structure(full)


@pytest.mark.parametrize("name", ["conditional", "vq"])
def test_named_autoencoders_train_with_16_bits(small, name):
    mine = ae_jax.named(name)(classes=10) if name == "conditional" else ae_jax.named(name)()
    run = ae_jax.fit(
        mine, from_arrays(small.train.x, small.train.labels), epochs=1, batch_size=16, precision="bfloat16"
    )
    assert run.settings["precision"] == "bfloat16"
    assert np.isfinite(run.history["train"]["loss"]).all()
