"""Encoders and decoders as ONNX, run by ONNX Runtime, against the run that they were exported from."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

import jax  # noqa: E402
from flax import nnx  # noqa: E402

import ae_jax  # noqa: E402
from ae_jax import InvalidInput  # noqa: E402
from ae_jax.export import export  # noqa: E402
from ae_jax.networks import ACTIVATIONS, MLP, Convolutional, from_nnx  # noqa: E402
from ae_jax.objectives import Reconstruction  # noqa: E402
from ae_jax.training import untrained  # noqa: E402

DATA = ae_jax.data.digits()
COUNT = 7


def called(path, *inputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {given.name: value for given, value in zip(session.get_inputs(), inputs, strict=True)})[0]


def assert_alike(run, folder, tolerance=1e-5):
    """The exported files give what the run does, relative to its largest value, also for another number of examples."""
    encoder, decoder = export(run, folder)
    x, labels = DATA.test.x[:COUNT], DATA.test.labels[:COUNT]
    condition = labels if run.autoencoder.conditional else None
    given = () if condition is None else (labels.astype(np.int32),)
    codes, images = run.encode(x, condition), run.reconstruct(x, condition)
    for rows in (slice(None), slice(0, 1)):
        own = [each[rows] for each in given]
        for path, value, expected in ((encoder, x.astype(np.float32), codes), (decoder, codes, images)):
            made = called(path, value[rows], *own)
            assert made.dtype == np.float32
            np.testing.assert_allclose(made, expected[rows], rtol=0, atol=tolerance * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("name", ae_jax.NAMED)
def test_every_named_autoencoder_is_the_same_in_onnx(name, tmp_path):
    settings = {"classes": 10} if name == "conditional" else {}
    assert_alike(untrained(ae_jax.named(name)(**settings), DATA), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "networks", [MLP(hidden=(16,), code=3), Convolutional(channels=(4,), code=3)], ids=["mlp", "images"]
)
def test_every_activation_is_the_same_in_onnx(networks, activation, tmp_path):
    networks = dataclasses.replace(networks, activation=activation)
    assert_alike(
        untrained(ae_jax.Autoencoder(name="mine", networks=networks, objective=Reconstruction()), DATA), tmp_path
    )


class Own(nnx.Module):
    def __init__(self, shape, rngs):
        self.enter, self.norm = nnx.Linear(64, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs)
        self.leave = nnx.Linear(8, 64, rngs=rngs)

    def encode(self, x):
        hidden = self.norm(self.enter(x.reshape(-1, 64))).reshape(-1, 4, 2)
        return hidden.reshape(-1, 8) + nnx.softmax(hidden, axis=-1).reshape(-1, 8)

    def decode(self, z):
        return nnx.LayerNorm(64, rngs=nnx.Rngs(0))(self.leave(nnx.gelu(z, approximate=False))).reshape(-1, 8, 8)


class Sorted(Own):
    def encode(self, x):
        return jax.lax.sort(self.enter(x.reshape(-1, 64)))


def own(build):
    return ae_jax.Autoencoder(name="mine", networks=from_nnx(build, code=(8,)), objective=Reconstruction())


def test_a_module_of_the_user_s_own_is_the_same_in_onnx(tmp_path):
    assert_alike(untrained(own(Own), DATA), tmp_path)


def test_what_cannot_be_exported_is_one_sentence(tmp_path):
    with pytest.raises(InvalidInput, match="the encoder of mine uses the operation sort, which has no translation"):
        export(untrained(own(Sorted), DATA), tmp_path)
