import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

import ae_jax
from ae_jax import Autoencoder, InvalidInput
from ae_jax.corruptions import Masking
from ae_jax.data import Dataset, ReadOptions, Split
from ae_jax.networks import MLP
from ae_jax.objectives import BernoulliLikelihood, Reconstruction, SquaredError
from ae_jax.training import Callback, fit_layerwise, stacking, untrained


def layer(code: int, **changes: Any) -> Autoencoder:
    settings = {"hidden": (), "code_activation": "sigmoid", "tied": True} | changes
    objective = Reconstruction(likelihood=BernoulliLikelihood(), corruption=Masking(probability=0.2))
    return Autoencoder(name="stacked", networks=MLP(code=code, **settings), objective=objective)


LAYERS = [layer(12), layer(6)]


@pytest.fixture(scope="module")
def stacked(small):
    return fit_layerwise(LAYERS, small, seeds=[5, 6], epochs=3, batch_size=16)


def test_each_layer_is_what_its_autoencoder_learns_of_the_codes_beneath(stacked, small):
    first = ae_jax.fit(LAYERS[0], small, seeds=6, epochs=3, batch_size=16)
    codes = [Split(first.encode(split.x)) for split in (small.train, small.validation, small.test)]
    beneath = Dataset(name="codes", train=codes[0], validation=codes[1], test=codes[2])
    second = ae_jax.fit(LAYERS[1], beneath, seeds=stacking._seed_of(6, 1), epochs=3, batch_size=16)
    np.testing.assert_allclose(stacked.encode(small.test.x)[1], second.encode(codes[2].x), rtol=1e-5)
    expected = first.decode(second.reconstruct(codes[2].x))
    np.testing.assert_allclose(stacked.reconstruct(small.test.x)[1], expected, rtol=1e-4, atol=1e-4)
    for member in (first, second):
        loss = member.history["validation"]["loss"][0]
        place = 0 if member is first else 3
        np.testing.assert_allclose(stacked.history["validation"]["loss"][1, place : place + 3], loss, rtol=1e-6)
    assert stacked.best_epoch[1] == 3 + second.best_epoch[0]


def test_it_is_a_run_of_one_deep_autoencoder(stacked, small, tmp_path):
    assert stacked.autoencoder.networks == MLP(
        hidden=(12,), code=6, activation="sigmoid", code_activation="sigmoid", tied=True
    )
    assert stacked.seeds.tolist() == [5, 6]
    assert stacked.history["train"]["loss"].shape == (2, 6)
    assert stacked.finite.all()
    codes = stacked.encode(small.test.x)
    np.testing.assert_array_equal(ae_jax.load(stacked.save(tmp_path / "run")).encode(small.test.x), codes)
    assert jax.tree.map(np.shape, stacked.params) == jax.tree.map(
        np.shape, untrained(stacked.members[0], small, seeds=[5, 6]).params
    )


class Told(Callback):
    def __init__(self):
        self.epochs = []

    def on_epoch(self, progress):
        self.epochs.append(progress.epoch)


def test_layers_that_are_done_are_not_trained_again(small, tmp_path, monkeypatch):
    settings: Any = {"epochs": 2, "batch_size": 16, "checkpoints": tmp_path}
    trained = []

    def counting(*arguments: Any, **options: Any):
        trained.append(options["checkpoints"].folder.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return ae_jax.fit(*arguments, **options)

    monkeypatch.setattr(stacking, "fit", counting)
    with pytest.raises(KeyboardInterrupt):
        fit_layerwise(LAYERS, small, **settings)
    told = Told()
    monkeypatch.setattr(stacking, "fit", ae_jax.fit)
    resumed = fit_layerwise(LAYERS, small, **settings, resume=True, callbacks=[told])
    assert trained == ["seed-0-layer-1", "seed-0-layer-2"]
    assert told.epochs == [1, 2]  # of the second layer
    whole = fit_layerwise(LAYERS, small, epochs=2, batch_size=16)
    jax.tree.map(np.testing.assert_array_equal, resumed.params, whole.params)


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ([], "fit_layerwise was given no layers: expected an autoencoder for each"),
        ([layer(4), layer(4, hidden=(3,))], r"layer 2 has the networks MLP\(hidden=\(3,\).* one layer each way"),
        ([ae_jax.convolutional()], "layer 1 has the networks Convolutional"),
        ([layer(4), layer(4, tied=False)], "layer 2 has tied=False and the first True"),
        (
            [layer(4), dataclasses.replace(layer(4), objective=Reconstruction(likelihood=SquaredError()))],
            "layer 2 reconstructs sigmoid codes by a SquaredError",
        ),
    ],
)
def test_layers_that_make_no_network_are_refused(small, layers, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        fit_layerwise(layers, small)


def test_streamed_data_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(size=(12, 5)).astype(np.float32))
    data = ae_jax.data.load(str(tmp_path / "x.npy"), reading=ReadOptions(budget=200))
    with pytest.raises(InvalidInput, match="x is streamed: expected data in memory to train layers on"):
        fit_layerwise(LAYERS, data)
