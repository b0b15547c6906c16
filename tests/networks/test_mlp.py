import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.decomposition import PCA

from ae_jax import InvalidInput
from ae_jax.distributions import DiagonalGaussian, FullCovariance, FullGaussian
from ae_jax.flows import FlowPosterior, Planar
from ae_jax.networks import ACTIVATIONS, MLP, Convolutional, ModelSpec, functional

SHAPE = (3, 4)
X = np.random.default_rng(0).normal(size=(5, *SHAPE)).astype(np.float32)


def bound(builder: MLP, outputs: int = 1):
    """Networks and their parameters in NumPy, with biases that are not zero, where a wrong one would not show."""
    spec = ModelSpec(builder, SHAPE, outputs)
    params, _ = functional.init(spec, jax.random.key(0))
    params = jax.tree.map(lambda leaf: leaf if leaf.ndim == 2 else jnp.linspace(-1.0, 1.0, leaf.size), params)
    return functional.bind(spec, params).networks, jax.device_get(params["networks"])


def test_encoder_and_decoder_are_dense_layers_with_a_linear_end():
    networks, params = bound(MLP(hidden=(6, 5), code=2, activation="tanh", code_activation="sigmoid"), outputs=2)
    widths = [[layer["kernel"].shape for layer in params[side].values()] for side in ("encoder", "decoder")]
    assert widths == [[(12, 6), (6, 5), (5, 2)], [(2, 5), (5, 6), (6, 24)]]

    def chain(side, x, end):
        layers = list(params[side].values())
        for layer in layers[:-1]:
            x = np.tanh(x @ layer["kernel"] + layer["bias"])
        return end(x @ layers[-1]["kernel"] + layers[-1]["bias"])

    code = chain("encoder", X.reshape(5, 12), lambda x: 1 / (1 + np.exp(-x)))
    np.testing.assert_allclose(networks.encode(jnp.asarray(X)), code, rtol=1e-5)
    back = chain("decoder", code, lambda x: x)
    np.testing.assert_allclose(networks.decode(jnp.asarray(code)), back.reshape(5, *SHAPE, 2), rtol=1e-4, atol=1e-6)


def test_tied_weights_are_the_encoder_s_transposed():
    networks, params = bound(MLP(hidden=(6,), code=2, activation="tanh", tied=True))
    assert sorted(params) == ["decoder_biases", "encoder"]
    kernels, biases = [params["encoder"][layer]["kernel"] for layer in (1, 0)], list(params["decoder_biases"].values())
    code = np.asarray(networks.encode(jnp.asarray(X)))
    back = np.tanh(code @ kernels[0].T + biases[0]) @ kernels[1].T + biases[1]
    np.testing.assert_allclose(networks.decode(jnp.asarray(code)), back.reshape(5, *SHAPE), rtol=1e-4, atol=1e-6)


def test_a_stochastic_encoder_gives_mean_and_log_scale():
    networks, params = bound(MLP(hidden=(), code=2, stochastic=True))
    posterior = networks.encode(jnp.asarray(X))
    both = X.reshape(5, 12) @ params["encoder"][0]["kernel"] + params["encoder"][0]["bias"]
    mean, above = both[:, :2], both[:, 2:]
    assert isinstance(posterior, DiagonalGaussian)
    np.testing.assert_allclose(posterior.mean, mean, rtol=1e-5, atol=1e-6)
    scale = np.where(above > 0, 1 + above, np.exp(above))
    np.testing.assert_allclose(np.exp(posterior.log_scale), scale, rtol=1e-5)


@pytest.mark.parametrize("stochastic", [False, True])
def test_dense_layers_are_those_of_the_code(stochastic):
    networks, _ = bound(MLP(hidden=(6, 5), code=2, activation="tanh", code_activation="sigmoid", stochastic=stochastic))
    hidden = jnp.asarray(X).reshape(5, 12)
    for kernel, bias, activation in networks.dense_layers():
        hidden = activation(hidden @ kernel + bias[None])
    np.testing.assert_allclose(hidden, functional.deterministic(networks.encode(jnp.asarray(X))), rtol=1e-6)


def test_the_largest_units_of_a_code_are_kept_after_its_activation():
    whole, _ = bound(MLP(hidden=(6,), code=5, code_activation="tanh", tied=True))
    networks, _ = bound(MLP(hidden=(6,), code=5, code_activation="tanh", tied=True, top_k=2))
    code = np.array(whole.encode(jnp.asarray(X)))
    np.put_along_axis(code, np.argsort(-code, axis=1)[:, 2:], 0.0, axis=1)
    np.testing.assert_array_equal(networks.encode(jnp.asarray(X)), code)
    assert networks.dense_layers() is None


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_keeps_the_spread_of_deep_networks(activation, networks_of):
    networks, _ = networks_of(MLP(hidden=(200,) * 4, code=50, activation=activation), (100,))
    spread = float(jnp.std(jax.jit(networks.encode)(jax.random.normal(jax.random.key(0), (64, 100)))))
    assert 0.05 < spread < 20.0


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"code": 0}, "code=0: expected a whole number above zero"),
        ({"hidden": (8, -1)}, r"hidden\[1\]=-1: expected a whole number above zero"),
        ({"activation": "rellu"}, "unknown activation 'rellu': did you mean 'relu'"),
        ({"code_activation": "sigmiod"}, "unknown activation 'sigmiod': did you mean 'sigmoid'"),
        ({"tied": True, "stochastic": True}, "tied=True and stochastic=True: expected one"),
        ({"tied": True, "condition": 3}, "tied=True and condition=3: expected one"),
        ({"condition": 0}, "condition=0: expected a whole number above zero"),
        ({"code": 4, "top_k": 5}, "top_k=5: expected at most its code=4"),
        ({"top_k": 2, "stochastic": True}, "top_k=2 and stochastic=True: expected one"),
    ],
)
def test_choices_that_cannot_be_used_are_refused(choice, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        MLP(**choice)


def test_tied_weights_refuse_a_likelihood_with_two_outputs(networks_of):
    with pytest.raises(InvalidInput, match="tied weights give one output"):
        networks_of(MLP(hidden=(), code=2, tied=True), SHAPE, outputs=2)


def test_a_stochastic_shortcut_starts_at_probabilistic_pca_where_the_bound_is_its_exact_likelihood():
    x = np.random.default_rng(1).normal(size=(50, 12)) @ np.random.default_rng(2).normal(size=(12, 12))
    fitted = PCA(3).fit(x)
    spec = ModelSpec(MLP(code=3, shortcut=True, stochastic=True), (12,))
    started = functional.start_from(spec, *functional.init(spec, jax.random.key(0)), x.astype(np.float32))
    networks = functional.bind(spec, *started).networks
    mean, log_scale = jax.device_get(networks.encode(jnp.asarray(x, jnp.float32)))
    directions = np.asarray(networks.decode(jnp.eye(3)) - networks.decode(jnp.zeros((3, 3))))
    error = np.square(np.asarray(networks.decode(jnp.asarray(mean))) - x).sum(axis=1)
    error += np.square(np.exp(log_scale)) @ np.square(directions).sum(axis=1)
    kl = 0.5 * (np.square(mean) + np.exp(2 * log_scale) - 1 - 2 * log_scale).sum(axis=1)
    bound_of = -6 * np.log(2 * np.pi * fitted.noise_variance_) - 0.5 * error / fitted.noise_variance_ - kl
    np.testing.assert_allclose(bound_of, fitted.score_samples(x), rtol=1e-3)


@pytest.mark.parametrize(("rows", "outputs"), [(5, 1), (2, 2), (1, 1)])
def test_a_shortcut_starts_at_the_principal_components(rows, outputs):
    networks, _ = bound(MLP(hidden=(6,), code=4, shortcut=True), outputs)
    networks.encoder[-1].bias.set_value(jnp.zeros_like(networks.encoder[-1].bias[...]))
    networks.decoder[-1].bias.set_value(jnp.zeros_like(networks.decoder[-1].bias[...]))
    networks.start_from(X[:rows])
    code = functional.deterministic(networks.encode(jnp.asarray(X)))
    with np.errstate(invalid="ignore"):
        fitted = PCA(min(4, rows)).fit(X[:rows].reshape(rows, 12))
    expected = fitted.inverse_transform(fitted.transform(X.reshape(5, 12))).reshape(5, *SHAPE)
    reconstruction = networks.decode(code).reshape(5, *SHAPE, outputs)[..., 0]
    np.testing.assert_allclose(reconstruction, expected, atol=2e-5)
    assert networks.dense_layers() is None


@pytest.mark.parametrize("other", [{"tied": True}, {"code": 4, "top_k": 2}, {"code_activation": "sigmoid"}])
def test_a_shortcut_goes_with_a_free_linear_code(other):
    with pytest.raises(InvalidInput, match="shortcut=True"):
        MLP(shortcut=True, **other)


@pytest.mark.parametrize(("hidden", "outputs"), [((), 1), ((6,), 2)])
def test_balanced_codes_start_at_one_mean_activation_and_at_the_mean_example(hidden, outputs):
    networks, _ = bound(MLP(hidden=hidden, code=7, code_activation="sigmoid", mean_activation=0.1), outputs)
    x = 30.0 * X
    for variable in jax.tree.leaves(nnx.state(networks, nnx.Param), is_leaf=lambda leaf: isinstance(leaf, nnx.Param)):
        variable.set_value(np.asarray(variable[...]))  # as training gives them
    networks.start_from(x)
    code = networks.encode(jnp.asarray(x))
    np.testing.assert_allclose(code.mean(axis=0), np.full(7, 0.1), atol=1e-4)
    made = networks.decode(code).reshape(5, *SHAPE, outputs)[..., 0]
    np.testing.assert_allclose(made.mean(axis=0), x.mean(axis=0), atol=1e-3)


@pytest.mark.parametrize("other", [{}, {"code_activation": "sigmoid", "tied": True}])
def test_a_mean_activation_is_of_sigmoid_codes(other):
    with pytest.raises(InvalidInput, match=r"mean_activation=0\.1"):
        MLP(mean_activation=0.1, **other)


@pytest.mark.parametrize("builder", [MLP(hidden=(6,), code=2, stochastic=True), Convolutional(code=2, stochastic=True)])
def test_a_stochastic_encoder_gives_the_family_of_posteriors_that_is_named(builder):
    for family, kind in ((FullCovariance(), FullGaussian), (Planar(steps=2), FlowPosterior)):
        spec = ModelSpec(dataclasses.replace(builder, posterior=family), SHAPE)
        model = functional.bind(spec, functional.init(spec, jax.random.key(0))[0])
        posterior = model.encode(jnp.asarray(X))
        assert isinstance(posterior, kind)
        assert posterior.mean.shape == posterior.sample(jax.random.key(0)).shape == (5, 2)
        assert model.dense_layers() is None


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"posterior": FullCovariance()}, "MLP was given a posterior and stochastic=False"),
        ({"posterior": FullCovariance(), "stochastic": True, "shortcut": True}, "MLP was given shortcut=True with"),
        ({"posterior": "full", "stochastic": True}, "MLP was given posterior='full': expected a posterior, such as"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_posteriors_that_do_not_go_with_the_rest_are_refused(choice, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        MLP(**choice)
