import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ae_jax import InvalidInput
from ae_jax.components import component, static
from ae_jax.distributions import DiagonalGaussian
from ae_jax.networks import MLP, Convolutional, ModelSpec, Networks, NetworksBuilder, deterministic, functional
from ae_jax.priors import StandardNormal

BUILDERS = [MLP(hidden=(5,), code=2), Convolutional(channels=(3,), code=2)]
SHAPE = (4, 3)
X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


class Half(nnx.Module):
    def encode(self, x):
        return x


class Stateful(nnx.Module):
    """Batch normalisation, dropout, a counter, and a connection from encoder to decoder."""

    def __init__(self, rngs):
        self.norm = nnx.BatchNorm(4, momentum=0.9, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.calls = nnx.Variable(jnp.zeros((), jnp.int32))

    def encode(self, x):
        self.calls[...] = self.calls[...] + 1
        self.skip = x
        return self.dropout(self.norm(x))

    def decode(self, z):
        return z + self.skip


@component
class Made:
    """Builds a module of the tests."""

    module: str = static(default="Stateful")
    code: int = static(default=4)

    def __call__(self, shape, outputs, rngs):
        return Half() if self.module == "Half" else Stateful(rngs)


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: type(builder).__name__)
def test_parameters_are_nested_dicts_of_arrays_that_the_key_decides(builder):
    spec = ModelSpec(builder, SHAPE)
    (params, state), (again, _), (other, _) = (functional.init(spec, jax.random.key(seed)) for seed in (0, 0, 1))
    assert isinstance(builder, NetworksBuilder)
    assert isinstance(functional.bind(spec, params).networks, Networks)
    assert list(params) == ["networks"]
    assert state == {}
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(params))
    jax.tree.map(np.testing.assert_array_equal, params, again)
    kernels = [tree["networks"]["encoder"][0]["kernel"] for tree in (params, other)]
    assert not np.array_equal(*kernels)
    zeros = functional.bind(spec, jax.tree.map(jnp.zeros_like, params))
    np.testing.assert_array_equal(zeros.encode(jnp.ones((2, *SHAPE))), np.zeros((2, 2)))


def test_parts_stand_beside_the_networks_and_the_prior_has_no_parameters():
    spec = ModelSpec(BUILDERS[0], SHAPE, parts=(("prior", StandardNormal()),))
    params, _ = functional.init(spec, jax.random.key(0))
    assert list(params) == ["networks"]
    assert functional.bind(spec, params).prior.sample(jax.random.key(0), 3).shape == (3, 2)


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return ModelSpec(Made(), (4,))


def used(spec, params, state, key=None):
    model = functional.bind(spec, params, state, key)
    code = model.encode(jnp.asarray(X))
    return code, functional.state_of(spec, model)


def test_state_is_apart_from_parameters_and_random_streams(spec):
    params, state = functional.init(spec, jax.random.key(0))
    assert sorted(params["networks"]["norm"]) == ["bias", "scale"]
    assert sorted(state["networks"]) == ["calls", "norm"]
    assert sorted(state["networks"]["norm"]) == ["mean", "var"]


def test_training_uses_the_batch_s_statistics_and_moves_the_running_ones(spec):
    params, state = functional.init(spec, jax.random.key(0))
    code, after = used(spec, params, state, jax.random.key(1))
    normal = (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 1e-5)
    kept = np.asarray(code) != 0
    assert 0 < kept.sum() < kept.size
    np.testing.assert_allclose(np.asarray(code)[kept], 2 * normal[kept], rtol=1e-4)
    np.testing.assert_allclose(after["networks"]["norm"]["mean"], 0.1 * X.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(after["networks"]["norm"]["var"], 0.9 + 0.1 * X.var(axis=0), rtol=1e-5)
    assert int(after["networks"]["calls"]) == 1
    assert jax.tree.structure(after) == jax.tree.structure(state)


def test_evaluation_uses_the_running_statistics_and_moves_none(spec):
    params, state = functional.init(spec, jax.random.key(0))
    code, after = used(spec, params, state)
    np.testing.assert_allclose(code, X / np.sqrt(1 + 1e-5), rtol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, after["networks"]["norm"], state["networks"]["norm"])


def test_dropout_follows_the_key(spec):
    params, state = functional.init(spec, jax.random.key(0))
    first, again, other = (used(spec, params, state, jax.random.key(seed))[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_pure_encoder_can_be_differentiated_and_mapped(spec):
    model = functional.bind(spec, *functional.init(spec, jax.random.key(0)), jax.random.key(1))
    encode = functional.pure_encoder(model)
    jacobians = jax.vmap(jax.jacfwd(lambda one: encode(one[None])[0]))(jnp.asarray(X))
    np.testing.assert_allclose(jacobians, np.broadcast_to(np.eye(4), (6, 4, 4)), rtol=1e-4, atol=1e-6)


def test_networks_need_encode_and_decode():
    with pytest.raises(InvalidInput, match="Half has no encode and decode: expected networks with both methods"):
        functional.bind(ModelSpec(Made(module="Half"), (4,)), {})


def test_the_code_of_a_distribution_is_its_mean():
    mean = jnp.ones((2, 3))
    assert deterministic(mean) is mean
    assert deterministic(DiagonalGaussian(mean, jnp.zeros((2, 3)))) is mean
