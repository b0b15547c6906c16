import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ae_jax import InvalidInput
from ae_jax.components import component, static
from ae_jax.distributions import DiagonalGaussian
from ae_jax.networks import MLP, Convolutional, Networks, NetworksBuilder, deterministic, functional

BUILDERS = [MLP(hidden=(5,), code=2), Convolutional(channels=(3,), code=2)]
SHAPE = (4, 3)


class Half(nnx.Module):
    def encode(self, x):
        return x


class Stateful(nnx.Module):
    def __init__(self, rngs):
        self.norm = nnx.BatchNorm(2, rngs=rngs)
        self.rngs = rngs

    def encode(self, x):
        return self.norm(x)

    def decode(self, z):
        return z


@component
class HalfBuilder:
    code: int = static(default=2)

    def __call__(self, shape, outputs, rngs):
        return Half()


@component
class StatefulBuilder:
    code: int = static(default=2)

    def __call__(self, shape, outputs, rngs):
        return Stateful(rngs)


@pytest.mark.parametrize("builder", BUILDERS, ids=repr)
def test_parameters_are_nested_dicts_of_arrays(builder):
    def check(tree):
        assert isinstance(tree, (dict, jax.Array))
        for branch in tree.values() if isinstance(tree, dict) else ():
            check(branch)

    params = functional.init(builder, SHAPE, jax.random.key(0))
    assert len(jax.tree.leaves(params)) >= 4
    check(params)


@pytest.mark.parametrize("builder", BUILDERS, ids=repr)
def test_the_key_decides_the_parameters(builder):
    first, again, other = (functional.init(builder, SHAPE, jax.random.key(seed)) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert not np.array_equal(first["encoder"][0]["kernel"], other["encoder"][0]["kernel"])


@pytest.mark.parametrize("builder", BUILDERS, ids=repr)
def test_bound_networks_follow_their_parameters(builder):
    assert isinstance(builder, NetworksBuilder)
    params = functional.init(builder, SHAPE, jax.random.key(0))
    x = jnp.ones((2, *SHAPE))

    @jax.jit
    def encode(params):
        networks = functional.bind(builder, SHAPE, params)
        assert isinstance(networks, Networks)
        return networks.encode(x)

    np.testing.assert_array_equal(encode(jax.tree.map(jnp.zeros_like, params)), np.zeros((2, 2)))
    assert np.any(encode(params) != 0)


def test_networks_need_encode_and_decode():
    with pytest.raises(InvalidInput, match="Half has no encode and decode: expected networks with both methods"):
        functional.bind(HalfBuilder(), SHAPE, {})


def test_networks_hold_parameters_only():
    with pytest.raises(InvalidInput, match=r"Stateful holds state that is no nnx.Param"):
        functional.bind(StatefulBuilder(), SHAPE, {})


def test_the_code_of_a_distribution_is_its_mean():
    mean = jnp.ones((2, 3))
    assert deterministic(mean) is mean
    assert deterministic(DiagonalGaussian(mean, jnp.zeros((2, 3)))) is mean
