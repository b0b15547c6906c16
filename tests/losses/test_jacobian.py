import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax.losses import jacobian
from ae_jax.losses.jacobian import DenseLayer

BATCH = 6
ACTIVATIONS = {"linear": None, "sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}

# Widths from the data to the code, activations, and the way that is cheapest for them at a batch of 6.
CHAINS = [
    ((7, 4), ("sigmoid",), "_weighted_sum"),
    ((4, 20, 3), ("sigmoid", "relu"), "_from_code"),
    ((20, 4, 3), ("tanh", "linear"), "_quadratic_form"),
    ((5, 9, 4, 2), ("linear", "sigmoid", "linear"), "_from_code"),
    ((3, 5, 4, 6), ("sigmoid", "linear", "tanh"), "_from_input"),
    ((9, 6, 5, 4, 2), ("tanh", "sigmoid", "relu", "linear"), "_from_code, Gram"),
]


def names_of(chain) -> str:
    widths, activations, _ = chain
    return "-".join(map(str, widths)) + " " + " ".join(activations)


def definition(encode, x):
    """The sum of squares of ``jax.jacfwd`` at each example: what every other way must equal."""
    jacobians = jax.vmap(jax.jacfwd(lambda example: encode(example[None])[0]))(x)
    return jnp.sum(jnp.square(jacobians.reshape(len(x), -1)), axis=1)


def random_chain(widths, dtype=float):
    """Kernels and biases, examples, and a weight for each example that keeps gradients from cancelling."""
    rng = np.random.default_rng(len(widths))
    kernels = [
        (jnp.asarray(rng.normal(size=(a, b)) / a**0.5, dtype), jnp.asarray(rng.normal(size=b) / 2, dtype))
        for a, b in itertools.pairwise(widths)
    ]
    return kernels, jnp.asarray(rng.normal(size=(BATCH, widths[0])), dtype), jnp.asarray(rng.uniform(size=BATCH), dtype)


def layers_of(kernels, activations):
    return [DenseLayer(w, b, ACTIVATIONS[name]) for (w, b), name in zip(kernels, activations, strict=True)]


def encoder_of(kernels, activations):
    def encode(x):
        for (kernel, bias), name in zip(kernels, activations, strict=True):
            x = x @ kernel + bias[None]
            x = x if ACTIVATIONS[name] is None else ACTIVATIONS[name](x)
        return x

    return encode


@pytest.mark.parametrize("chain", CHAINS, ids=names_of)
def test_every_exact_way_equals_the_definition_in_value_and_parameter_gradient(chain, x64):
    widths, activations, _ = chain
    kernels, x, weights = random_chain(widths)
    ways = {
        "definition": lambda k: definition(encoder_of(k, activations), x),
        "closed_form": lambda k: jacobian.closed_form(layers_of(k, activations), x),
        "forward_mode": lambda k: jacobian.forward_mode(encoder_of(k, activations), x),
        "reverse_mode": lambda k: jacobian.reverse_mode(encoder_of(k, activations), x),
    }

    @jax.jit
    def all_of_them(kernels):
        def pulled_back(way):
            norms, pull = jax.vjp(way, kernels)
            return norms, pull(weights)

        return {name: pulled_back(way) for name, way in ways.items()}

    results = all_of_them(kernels)
    value, gradient = results.pop("definition")
    assert value.dtype == jnp.float64
    assert (value > 0).any()
    for name, (other_value, other_gradient) in results.items():
        np.testing.assert_allclose(other_value, value, rtol=1e-10, err_msg=name)
        for ours, theirs in zip(jax.tree.leaves(other_gradient), jax.tree.leaves(gradient), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("chain", CHAINS, ids=names_of)
def test_closed_form_takes_the_cheapest_way_for_the_widths(chain, monkeypatch):
    widths, activations, expected = chain
    kernels, x, _ = random_chain(widths, jnp.float32)
    taken = []

    def spied(name):
        way = getattr(jacobian, name)

        def spy(kernels, slopes, batch):
            gram = name == "_from_code" and widths[0] > widths[1]
            taken.append(name + (", Gram" if gram else ""))
            return way(kernels, slopes, batch)

        return spy

    for name in ("_from_code", "_from_input", "_quadratic_form"):
        monkeypatch.setattr(jacobian, name, spied(name))
    jax.eval_shape(lambda x: jacobian.closed_form(layers_of(kernels, activations), x), x)
    assert taken == ([] if len(widths) == 2 else [expected])


def test_compiled_for_a_population_closed_form_is_the_definition_at_the_widths_of_the_defaults():
    """Values of jax 0.10.2, which pyproject.toml excludes, are up to 60% smaller."""
    pairs, x, _ = random_chain((64, 256, 16), jnp.float32)
    x = jnp.tile(x, (64, 1))

    def both(pairs, x):
        layers = [DenseLayer(*pair, each) for pair, each in zip(pairs, (jnp.tanh, None), strict=True)]

        def encode(x):
            for layer in layers:
                x = x @ layer.kernel + layer.bias[None]
                x = x if layer.activation is None else layer.activation(x)
            return x

        return jacobian.closed_form(layers, x), definition(encode, x)

    members = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), pairs)
    np.testing.assert_allclose(*jax.jit(jax.vmap(both, (0, None)))(members, x), rtol=1e-4)


def test_one_sigmoid_layer_is_the_formula_of_rifai():
    # Rifai et al. 2011, section 5: sum_j (h_j (1 - h_j))^2 sum_i W_ij^2.
    [(kernel, bias)], x, _ = random_chain((7, 4), jnp.float32)
    hidden = 1 / (1 + np.exp(-(np.asarray(x) @ np.asarray(kernel) + np.asarray(bias))))
    expected = np.sum(np.square(hidden * (1 - hidden)) * np.square(kernel).sum(axis=0), axis=1)
    value = jacobian.closed_form([DenseLayer(kernel, bias, jax.nn.sigmoid)], x)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


@pytest.mark.parametrize("activation", [jax.nn.sigmoid, jax.nn.tanh, jax.nn.softplus])
def test_of_one_layer_a_code_that_is_known_changes_neither_value_nor_gradient(activation):
    [(kernel, bias)], x, weights = random_chain((7, 4), jnp.float32)

    def weighted(kernel, known):
        code = activation(x @ kernel + bias[None])
        return jnp.sum(
            weights * jacobian.closed_form([DenseLayer(kernel, bias, activation)], x, code if known else None)
        )

    (value, gradient), (expected, its_gradient) = (
        jax.value_and_grad(weighted)(kernel, known) for known in (True, False)
    )
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, its_gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("way", [jacobian.forward_mode, jacobian.reverse_mode, jacobian.narrower_mode])
def test_a_linear_encoder_has_the_norm_of_its_kernel(way):
    [(kernel, bias)], x, _ = random_chain((7, 4), jnp.float32)
    np.testing.assert_allclose(
        way(lambda x: x @ kernel + bias[None], x), np.full(BATCH, np.linalg.norm(kernel) ** 2), rtol=1e-5
    )


@pytest.mark.parametrize(("features", "code", "expected"), [(3, 5, "forward_mode"), (5, 3, "reverse_mode")])
def test_narrower_mode_takes_the_narrower_side(features, code, expected, monkeypatch):
    taken = []
    for name in ("forward_mode", "reverse_mode"):
        monkeypatch.setattr(jacobian, name, lambda encode, x, name=name: taken.append(name) or jnp.zeros(len(x)))
    jacobian.narrower_mode(lambda x: x @ jnp.ones((features, code)), jnp.ones((BATCH, features)))
    assert taken == [expected]


def test_the_estimate_is_unbiased_in_value_and_in_gradient():
    widths, activations = (6, 5, 3), ("tanh", "sigmoid")
    kernels, x, weights = random_chain(widths, jnp.float32)

    def weighted(norms):
        return jnp.sum(norms * weights)

    def estimate(kernels, key):
        return weighted(jacobian.estimated(key, encoder_of(kernels, activations), x))

    keys = jax.random.split(jax.random.key(0), 1000)
    exactly = jax.jit(jax.value_and_grad(lambda k: weighted(definition(encoder_of(k, activations), x))))
    drawing = jax.jit(jax.vmap(jax.value_and_grad(estimate), in_axes=(None, 0)))
    draws, exact = jax.device_get((drawing(kernels, keys), exactly(kernels)))
    for drawn, expected in zip(jax.tree.leaves(draws), jax.tree.leaves(exact), strict=True):
        error = np.abs(np.mean(drawn, axis=0) - expected)
        # 4.5 standard errors: chance fails one run in a thousand of another seed, with 50 numbers compared.
        assert (error <= 4.5 * np.std(drawn, axis=0) / np.sqrt(len(keys)) + 1e-6).all()
    assert np.std(draws[0]) > 0.01
