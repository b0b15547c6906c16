"""Networks of a user's own: batch normalisation, dropout and a connection from encoder to decoder."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from flax import nnx

import ae_jax
from ae_jax import InvalidInput, TrainingInterrupted, components
from ae_jax.components import from_config, to_config
from ae_jax.networks import from_nnx
from ae_jax.objectives import Reconstruction
from ae_jax.training import Callback


class Residual(nnx.Module):
    def __init__(self, shape, rngs):
        self.enter, self.leave = nnx.Linear(64, 5, rngs=rngs), nnx.Linear(5, 64, rngs=rngs)
        self.norm, self.dropout = nnx.BatchNorm(5, rngs=rngs), nnx.Dropout(0.2, rngs=rngs)
        self.gate = nnx.Linear(5, 5, rngs=rngs)

    def encode(self, x):
        self.skip = self.norm(self.enter(x.reshape(len(x), -1)))
        return self.dropout(self.skip)

    def decode(self, z):
        skip = self.skip if hasattr(self, "skip") else z
        return self.leave(z + self.gate(skip)).reshape(-1, 8, 8)


class Stop(Callback):
    """Raises an interruption after an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch(self, progress):
        if progress.epoch == self.epoch:
            raise KeyboardInterrupt


MINE = ae_jax.Autoencoder(name="residual", networks=from_nnx(Residual, code=(5,)), objective=Reconstruction())


@pytest.fixture(scope="module")
def residual(small):
    return ae_jax.fit(MINE, small, seeds=[5, 6], epochs=4, batch_size=16)


def test_it_trains_in_a_population_with_the_statistics_of_each_member(residual, small):
    loss = residual.history["validation"]["loss"]
    assert (loss[:, -1] < loss[:, 0]).all()
    norm = residual.state["networks"]["norm"]
    assert norm["mean"].shape == (2, 5)
    assert not np.allclose(norm["mean"][0], norm["mean"][1])
    # Evaluation changes no statistics, draws no dropout, and treats each example alone.
    codes = residual.encode(small.test.x)
    np.testing.assert_allclose(residual.encode(small.test.x[:1]), codes[:, :1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(residual[1].encode(small.test.x), codes[1], rtol=1e-4, atol=1e-5)


def test_saved_and_loaded_it_is_the_same(residual, small, tmp_path):
    back = ae_jax.load(residual.save(tmp_path / "run"))
    jax.tree.map(np.testing.assert_array_equal, back.state, residual.state)
    np.testing.assert_array_equal(back.reconstruct(small.test.x), residual.reconstruct(small.test.x))


def test_resumed_it_comes_to_the_same_bits(residual, small, tmp_path):
    settings = {"seeds": [5, 6], "epochs": 4, "batch_size": 16, "checkpoints": tmp_path}
    with pytest.raises(TrainingInterrupted):
        ae_jax.fit(MINE, small, callbacks=[Stop(2)], **settings)
    resumed = ae_jax.fit(MINE, small, resume=True, **settings)
    for ours, theirs in ((resumed.params, residual.params), (resumed.state, residual.state)):
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_a_configuration_finds_registered_functions_only(monkeypatch):
    config = json.loads(json.dumps(to_config(MINE)))
    assert "Residual" in str(config["networks"]["build"])
    assert from_config(config) == MINE
    monkeypatch.setattr(components, "_functions", {})
    with pytest.raises(InvalidInput, match="Residual"):
        from_config(config)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("choice", "sentence"),
    [({"build": 3}, "from_nnx was given 3: expected a function"), ({"code": (0,)}, r"code\[0\]=0: expected a whole")],
)
def test_what_cannot_be_used_is_refused(choice, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        from_nnx(**({"build": Residual, "code": (5,)} | choice))


def test_numbers_of_its_autoencoder_are_leaves():
    faster = dataclasses.replace(MINE, optimizer=ae_jax.Optimizer(learning_rate=0.1))
    assert jax.tree.structure(faster) == jax.tree.structure(MINE)
