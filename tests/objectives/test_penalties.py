from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from ae_jax import InvalidInput
from ae_jax.distributions import DiagonalGaussian
from ae_jax.networks import MLP, Convolutional, ModelSpec, deterministic, functional
from ae_jax.objectives import ELBO, L1, L2, Contractive, DecoderSmoothness, KLSparsity, Reconstruction
from ae_jax.objectives.penalties import METHODS, spectral_norm, squared_jacobian_norm
from ae_jax.types import Batch

KEY = jax.random.key(0)
BUILDERS = {
    "dense": MLP(hidden=(7,), code=3, activation="tanh", code_activation="sigmoid"),
    "dense, stochastic": MLP(hidden=(7, 5), code=3, activation="sigmoid", stochastic=True),
    "dense, winners": MLP(hidden=(7,), code=4, activation="tanh", top_k=2),
    "convolutional": Convolutional(channels=(3,), code=4, activation="tanh", stochastic=True),
}
SHAPE = (5, 4)


@cache
def initial(builder):
    return jax.jit(lambda key: functional.init(ModelSpec(builder, SHAPE), key)[0])(KEY)


def bound(builder, params=None):
    return functional.bind(ModelSpec(builder, SHAPE), initial(builder) if params is None else params)


def has_closed_form(builder):
    return isinstance(builder, MLP) and builder.top_k is None


def double(tree):
    return jax.tree.map(lambda leaf: leaf.astype(float), tree)


@pytest.mark.parametrize("name", BUILDERS)
def test_every_exact_method_equals_the_definition_in_value_and_parameter_gradient(name, x64):
    builder = BUILDERS[name]
    x = jax.random.normal(jax.random.key(1), (3, *SHAPE))
    params = double(initial(builder))

    def definition(params):
        model = bound(builder, params)
        jacobians = jax.vmap(jax.jacfwd(lambda example: deterministic(model.encode(example[None]))[0]))(x)
        return jnp.sum(jnp.square(jacobians).reshape(3, -1), axis=1)

    def by(method):
        return lambda params: squared_jacobian_norm(bound(builder, params), Batch(x), method=method)

    methods = [m for m in METHODS if m != "estimated" and (m != "closed_form" or has_closed_form(builder))]
    ways = {"definition": definition} | {method: by(method) for method in methods}

    @jax.jit
    def all_of_them(params):
        return {
            name: (way(params), jax.grad(lambda p, way=way: jnp.sum(way(p) * jnp.arange(1.0, 4.0)))(params))
            for name, way in ways.items()
        }

    results = all_of_them(params)
    value, gradient = results.pop("definition")
    assert value.dtype == jnp.float64
    assert (value > 0).all()
    for method, result in results.items():
        np.testing.assert_allclose(result[0], value, rtol=1e-10, err_msg=method)
        jax.tree.map(
            lambda a, b, m=method: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=m),
            result[1],
            gradient,
        )


@pytest.mark.parametrize(
    ("objective", "stochastic"), [(Reconstruction, False), (ELBO, True)], ids=["reconstruction", "elbo"]
)
def test_contraction_goes_with_every_objective(objective, stochastic, model_of):
    builder = MLP(hidden=(7,), code=3, stochastic=stochastic)
    x = jax.random.uniform(jax.random.key(1), (3, *SHAPE))

    @jax.jit
    def by_every_method(params):
        def loss(params, method):
            penalised = objective(penalties=(Contractive(weight=0.5, method=method, probes=400),))
            return penalised(model_of(builder, SHAPE, params), KEY, Batch(x), 0)

        exact = jnp.mean(squared_jacobian_norm(bound(builder, params), Batch(x), method="forward"))
        return exact, {m: jax.value_and_grad(loss, has_aux=True)(params, m) for m in METHODS}

    exact, results = by_every_method(initial(builder))
    _, exact_gradient = results["forward"]
    for method, ((loss, metrics), gradient) in results.items():
        # The estimate takes 1,200 directions, whose spread about the exact norm is below a tenth of it.
        tolerance = 0.1 if method == "estimated" else 1e-5
        np.testing.assert_allclose(metrics["jacobian"], exact, rtol=tolerance)
        rest = sum(value for name, value in metrics.items() if name != "jacobian")
        np.testing.assert_allclose(loss, rest + 0.5 * metrics["jacobian"], rtol=1e-6)
        for ours, theirs in zip(jax.tree.leaves(gradient), jax.tree.leaves(exact_gradient), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max(), err_msg=method)


def test_l2_is_half_the_squared_length_of_each_code_or_posterior_mean():
    z = np.random.default_rng(0).normal(size=(3, 2, 2)).astype(np.float32)
    for code in (jnp.asarray(z), DiagonalGaussian(jnp.asarray(z), jnp.ones((3, 2, 2)))):
        np.testing.assert_allclose(L2()(None, None, None, code), 0.5 * np.sum(z**2, axis=(1, 2)), rtol=1e-6)


def test_kl_sparsity_sums_over_units_the_divergence_of_their_mean_activation():
    code = np.random.default_rng(0).uniform(0.1, 0.9, size=(5, 3)).astype(np.float32)
    rates = code.astype(float).mean(axis=0)
    expected = np.sum(special.rel_entr(0.2, rates) + special.rel_entr(0.8, 1 - rates))
    model = bound(MLP(hidden=(), code=3, code_activation="sigmoid"))
    value = KLSparsity(target=0.2)(model, KEY, Batch(jnp.ones((5, *SHAPE))), jnp.asarray(code))
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_kl_sparsity_revives_units_that_are_off_for_every_example():
    model = bound(MLP(hidden=(), code=3, code_activation="sigmoid"))
    x = jax.random.normal(KEY, (5, *SHAPE))

    def penalty(bias):
        code = jax.nn.sigmoid(0.1 * x.reshape(5, -1)[:, :3] + bias[None])
        return KLSparsity(target=0.2)(model, KEY, Batch(x), code)

    # Where all activations of a unit are near zero, its slope is -rho whatever they are.
    np.testing.assert_allclose(jax.grad(penalty)(jnp.array([-17.0, -25.0, -35.0])), [-0.2] * 3, rtol=1e-4)


def test_kl_sparsity_refuses_a_code_of_another_activation():
    model = bound(MLP(hidden=(), code=3, code_activation="tanh"))
    with pytest.raises(InvalidInput, match="KLSparsity was given a tanh code: expected activations in"):
        KLSparsity()(model, KEY, Batch(jnp.ones((2, *SHAPE))), jnp.ones((2, 3)))


@pytest.mark.parametrize("builder", [MLP(hidden=(4,), code=3, condition=3), Convolutional(channels=(2,), condition=3)])
def test_the_jacobian_of_a_conditional_encoder_holds_the_condition_fixed(builder):
    x, labels, params = jax.random.normal(KEY, (3, *SHAPE)), jnp.array([0, 2, 1]), initial(builder)

    @jax.jit
    def both(params):
        model = bound(builder, params)
        jacobians = jax.vmap(jax.jacfwd(lambda one, label: model.encode(one[None], label[None])[0]))(x, labels)
        return squared_jacobian_norm(model, Batch(x, labels)), jnp.sum(jnp.square(jacobians).reshape(3, -1), axis=1)

    np.testing.assert_allclose(*both(params), rtol=1e-4)


@pytest.mark.parametrize("name", ["convolutional", "dense, winners"])
def test_the_closed_form_is_refused_where_there_is_none(name):
    builder = BUILDERS[name]
    model = bound(builder)
    sentence = f"the encoder of {type(model.networks).__name__} has no closed form: expected a chain"
    with pytest.raises(InvalidInput, match=sentence):
        squared_jacobian_norm(model, Batch(jnp.ones((2, *SHAPE))), method="closed_form")


def test_the_estimate_needs_a_key():
    builder = BUILDERS["dense"]
    model = bound(builder)
    with pytest.raises(InvalidInput, match="estimated Jacobian norm was given no key"):
        squared_jacobian_norm(model, Batch(jnp.ones((2, *SHAPE))), method="estimated")


def test_decoders_are_regularised_by_their_own_parameters():
    for builder, names in (
        (MLP(hidden=(7,), code=3), ("decoder",)),
        (BUILDERS["convolutional"], ("decoder", "from_code")),
    ):
        parameters = initial(builder)["networks"]
        leaves = [np.asarray(leaf, float) for name in names for leaf in jax.tree.leaves(parameters[name])]
        batch = Batch(jnp.ones((2, *SHAPE)))
        value = DecoderSmoothness(kind="l2")(bound(builder), KEY, batch, jnp.ones((2, 3)))
        np.testing.assert_allclose(value, sum(np.square(leaf).sum() for leaf in leaves), rtol=1e-5)
        kernels = [leaf.reshape(-1, leaf.shape[-1]) for leaf in leaves if leaf.ndim > 1]
        value = DecoderSmoothness(kind="spectral")(bound(builder), KEY, batch, jnp.ones((2, 3)))
        np.testing.assert_allclose(value, sum(np.linalg.norm(kernel, 2) ** 2 for kernel in kernels), rtol=0.02)


def test_the_gradient_penalty_is_an_unbiased_estimate_of_the_decoder_s_jacobian_norm():
    model, z = bound(MLP(hidden=(7,), code=3)), jax.random.normal(KEY, (2, 3))
    penalty, batch = DecoderSmoothness(kind="gradient"), Batch(jnp.ones((2, *SHAPE)))
    draws = jax.jit(jax.vmap(lambda key: penalty(model, key, batch, z)))(jax.random.split(KEY, 2000))
    jacobians = jax.vmap(jax.jacfwd(lambda one: model.decode(one[None])[0].ravel()))(z)
    exact = np.square(jacobians).sum(axis=(1, 2))
    assert (np.abs(draws.mean(axis=0) - exact) < 5 * draws.std(axis=0) / 2000**0.5).all()


def test_the_spectral_norm_has_the_gradient_of_its_singular_vectors(x64):
    kernel = np.random.default_rng(0).normal(size=(6, 4)) @ np.diag([3.0, 1.0, 1.0, 1.0])
    value, slope = jax.value_and_grad(lambda w: spectral_norm(KEY, w))(jnp.asarray(kernel))
    left, values, right = np.linalg.svd(kernel)
    np.testing.assert_allclose(value, values[0], rtol=1e-5)
    np.testing.assert_allclose(slope, np.outer(left[:, 0], right[0]), atol=1e-3)


def test_a_decoder_that_is_not_apart_is_refused():
    model = bound(MLP(hidden=(), code=3, tied=True))
    with pytest.raises(InvalidInput, match="whose decoder's parameters are not apart"):
        DecoderSmoothness()(model, KEY, Batch(jnp.ones((2, *SHAPE))), jnp.ones((2, 3)))


@pytest.mark.parametrize(
    ("penalty", "choice", "sentence"),
    [
        (Contractive, {"weight": -1.0}, "Contractive was given weight=-1.0: expected zero or a number above"),
        (Contractive, {"probes": 0}, "Contractive was given probes=0: expected a whole number above zero"),
        (Contractive, {"method": "foward"}, "unknown method of Contractive 'foward': did you mean 'forward'"),
        (KLSparsity, {"target": 1.0}, "KLSparsity was given target=1.0: expected a number between 0 and 1"),
        (KLSparsity, {"weight": -0.1}, "KLSparsity was given weight=-0.1: expected zero or a number above"),
        (DecoderSmoothness, {"kind": "l3"}, "unknown kind of DecoderSmoothness 'l3': did you mean 'l2'"),
        (L1, {"weight": -0.1}, "L1 was given weight=-0.1: expected zero or a number above"),
    ],
)
def test_numbers_that_cannot_be_used_are_refused(penalty, choice, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        penalty(**choice)
