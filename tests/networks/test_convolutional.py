import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ae_jax import InvalidInput
from ae_jax.distributions import DiagonalGaussian
from ae_jax.networks import Convolutional, convolutional

KEY = jax.random.key(0)
LAYOUT = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
SHAPES = [(7, 5), (9, 6, 3), (1, 1), (28, 28)]


def native(x, kernel, stride, padding):
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), padding, **LAYOUT)


def ours(x, kernel, stride, padding):
    return convolutional.convolve(x, kernel, (stride, stride), padding, **LAYOUT)


def images_and_kernel(height: int, width: int, side: int, outputs: int = 4):
    rng = np.random.default_rng(side)
    return jnp.asarray(rng.normal(size=(2, height, width, 3))), jnp.asarray(rng.normal(size=(side, side, 3, outputs)))


@pytest.mark.parametrize("outputs", [4, 2], ids=["to more channels", "to fewer"])
@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_convolve_equals_the_native_convolution_in_value_and_gradient(side, outputs, x64):
    x, kernel = images_and_kernel(7, 6, side, outputs)
    cases = list(itertools.product((1, 2), ("SAME", "VALID")))

    def values_and_gradients(convolution, x, kernel):
        def of_case(stride, padding):
            value, pull = jax.vjp(lambda x, k: convolution(x, k, stride, padding), x, kernel)
            return value, pull(jnp.cos(value))

        return [of_case(*case) for case in cases]

    mine, theirs = (jax.jit(partial(values_and_gradients, way))(x, kernel) for way in (ours, native))
    assert all(value.dtype == jnp.float64 and value.size > 0 for value, _ in theirs)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11), mine, theirs)


def test_convolve_equals_the_native_convolution_inside_a_scan_over_several_kernels(x64):
    x, _ = images_and_kernel(7, 6, 3)
    kernels = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3, 3, 3, 3)))

    def scanned(convolution, kernel):
        def body(x, _):
            return jnp.tanh(convolution(x, kernel, 1, "SAME")), None

        return jax.lax.scan(body, x, length=2)[0]

    mine, theirs = (jax.jit(jax.vmap(partial(scanned, way)))(kernels) for way in (ours, native))
    np.testing.assert_allclose(mine, theirs, rtol=1e-9)


@pytest.mark.parametrize(("stride", "outputs"), [(2, 4), (1, 2)])
def test_convolve_is_a_product_on_a_cpu(stride, outputs):
    x, kernel = images_and_kernel(7, 6, 3, outputs)
    compiled = jax.jit(lambda x, k: ours(x, k, stride, "SAME")).lower(x, kernel).compile().as_text()
    assert "dot(" in compiled
    assert "convolution(" not in compiled


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_images_of_every_size_come_back_in_their_shape(shape, networks_of):
    def there_and_back(key):
        networks, _ = networks_of(Convolutional(channels=(4, 3), code=2, stochastic=True), shape, 2, key)
        posterior = networks.encode(jnp.ones((3, *shape)))
        return posterior, networks.decode(posterior.mean)

    posterior, back = jax.eval_shape(there_and_back, KEY)
    assert isinstance(posterior, DiagonalGaussian)
    assert posterior.log_scale.shape == (3, 2)
    assert back.shape == (3, *shape, 2)


def test_an_image_without_channels_is_one_of_one_channel(networks_of):
    builder, x = Convolutional(channels=(4,), code=2), jax.random.normal(KEY, (3, 6, 5))
    (flat, _), (deep, _) = (networks_of(builder, shape) for shape in ((6, 5), (6, 5, 1)))
    codes = flat.encode(x)
    np.testing.assert_array_equal(codes, deep.encode(x[..., None]))
    np.testing.assert_array_equal(flat.decode(codes), deep.decode(codes)[..., 0])


def test_the_largest_units_of_the_code_are_kept(networks_of):
    x = jax.random.normal(KEY, (3, 4, 4))
    code, kept = (networks_of(Convolutional(channels=(2,), code=5, top_k=k), (4, 4))[0].encode(x) for k in (None, 2))
    smallest = np.sort(code, axis=1)[:, 3:4]
    np.testing.assert_array_equal(kept, np.where(code >= smallest, code, 0.0))


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"channels": ()}, "Convolutional was given no channels: expected one number for each stage"),
        ({"channels": (4, 0)}, r"channels\[1\]=0: expected a whole number above zero"),
        ({"kernel": 0}, "kernel=0: expected a whole number"),
        ({"code": -2}, "code=-2: expected a whole number"),
        ({"activation": "tanhh"}, "unknown activation 'tanhh': did you mean 'tanh'"),
        ({"code": 2, "top_k": 3}, "top_k=3: expected at most its code=2"),
    ],
)
def test_choices_that_cannot_be_used_are_refused(choice, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        Convolutional(**choice)


@pytest.mark.parametrize("shape", [(64,), (2, 3, 4, 5)])
def test_data_that_are_no_images_are_refused(shape, networks_of):
    with pytest.raises(InvalidInput, match=r"given examples of shape \(.*\): expected images, \[height, width\]"):
        networks_of(Convolutional(), shape)


@pytest.mark.parametrize("outputs", [1, 2])
def test_centred_networks_start_at_the_mean_example(outputs):
    x = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)
    networks = Convolutional(channels=(3, 4), code=2, centred=True)((6, 7), outputs, nnx.Rngs(0))
    networks.start_from(x)
    made = networks.decode(networks.encode(jnp.asarray(x))).reshape(5, 6, 7, outputs)[..., 0]
    np.testing.assert_allclose(made, np.broadcast_to(x.mean(axis=0), x.shape), atol=1e-6)
