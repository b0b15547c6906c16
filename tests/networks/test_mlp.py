import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.distributions import DiagonalGaussian
from ae_jax.networks import ACTIVATIONS, MLP, functional

SHAPE = (3, 4)
KEY = jax.random.key(0)


def bound(builder: MLP, outputs: int = 1):
    params = functional.init(builder, SHAPE, KEY, outputs)
    # Biases start at zero, where a wrong one would not show.
    params = jax.tree.map(lambda leaf: leaf if leaf.ndim == 2 else jnp.linspace(-1.0, 1.0, leaf.size), params)
    return functional.bind(builder, SHAPE, params, outputs), jax.device_get(params)


@pytest.fixture(scope="module")
def x() -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=(5, *SHAPE)), jnp.float32)


def test_encoder_and_decoder_are_dense_layers_with_a_linear_end(x):
    networks, params = bound(MLP(hidden=(6, 5), code=2, activation="tanh", code_activation="sigmoid"))
    hidden = np.asarray(x).reshape(5, 12)
    for layer in (0, 1):
        hidden = np.tanh(hidden @ params["encoder"][layer]["kernel"] + params["encoder"][layer]["bias"])
    code = 1 / (1 + np.exp(-(hidden @ params["encoder"][2]["kernel"] + params["encoder"][2]["bias"])))
    np.testing.assert_allclose(networks.encode(x), code, rtol=1e-5)
    back = code
    for layer in (0, 1):
        back = np.tanh(back @ params["decoder"][layer]["kernel"] + params["decoder"][layer]["bias"])
    back = back @ params["decoder"][2]["kernel"] + params["decoder"][2]["bias"]
    np.testing.assert_allclose(networks.decode(jnp.asarray(code)), back.reshape(5, *SHAPE), rtol=1e-4, atol=1e-6)


def test_the_decoder_mirrors_the_encoder_s_widths():
    _, params = bound(MLP(hidden=(6, 5), code=2))
    widths = [[layer["kernel"].shape for layer in params[side].values()] for side in ("encoder", "decoder")]
    assert widths == [[(12, 6), (6, 5), (5, 2)], [(2, 5), (5, 6), (6, 12)]]


def test_tied_weights_are_the_encoder_s_transposed(x):
    networks, params = bound(MLP(hidden=(6,), code=2, activation="tanh", tied=True))
    assert sorted(params) == ["decoder_biases", "encoder"]
    kernels, biases = [params["encoder"][layer]["kernel"] for layer in (1, 0)], list(params["decoder_biases"].values())
    code = np.asarray(networks.encode(x))
    back = np.tanh(code @ kernels[0].T + biases[0]) @ kernels[1].T + biases[1]
    np.testing.assert_allclose(networks.decode(jnp.asarray(code)), back.reshape(5, *SHAPE), rtol=1e-4, atol=1e-6)


def test_a_stochastic_encoder_gives_mean_and_log_scale(x):
    networks, params = bound(MLP(hidden=(), code=2, stochastic=True))
    posterior = networks.encode(x)
    both = np.asarray(x).reshape(5, 12) @ params["encoder"][0]["kernel"] + params["encoder"][0]["bias"]
    assert isinstance(posterior, DiagonalGaussian)
    np.testing.assert_allclose(np.concatenate(posterior, axis=1), both, rtol=1e-5, atol=1e-6)


def test_several_outputs_of_each_feature_stand_on_a_last_axis(x):
    networks, _ = bound(MLP(hidden=(6,), code=2), outputs=2)
    assert networks.decode(networks.encode(x)).shape == (5, *SHAPE, 2)


@pytest.mark.parametrize("stochastic", [False, True])
def test_dense_layers_are_those_of_the_code(stochastic, x):
    networks, _ = bound(MLP(hidden=(6, 5), code=2, activation="tanh", code_activation="sigmoid", stochastic=stochastic))
    hidden = x.reshape(5, 12)
    for kernel, bias, activation in networks.dense_layers():
        hidden = activation(hidden @ kernel + bias[None])
    np.testing.assert_allclose(hidden, functional.deterministic(networks.encode(x)), rtol=1e-6)


def test_the_largest_units_of_a_code_win_after_its_activation_and_reach_the_decoder_alone(x):
    all_of_it, _ = bound(MLP(hidden=(6,), code=5, code_activation="tanh", tied=True))
    networks, _ = bound(MLP(hidden=(6,), code=5, code_activation="tanh", tied=True, top_k=2))
    code = np.array(all_of_it.encode(x))
    losers = np.argsort(-code, axis=1)[:, 2:]
    np.put_along_axis(code, losers, 0.0, axis=1)
    assert (np.count_nonzero(code, axis=1) == 2).all()
    np.testing.assert_array_equal(networks.encode(x), code)
    assert networks.dense_layers() is None


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_keeps_the_spread_of_deep_networks(activation):
    networks = functional.bind(
        builder := MLP(hidden=(200,) * 4, code=50, activation=activation), (100,), functional.init(builder, (100,), KEY)
    )
    x = jax.random.normal(KEY, (64, 100))
    spread = float(jnp.std(jax.jit(networks.encode)(x)))
    assert 0.05 < spread < 20.0


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"code": 0}, "MLP was given code=0: expected a whole number above zero"),
        ({"hidden": (8, -1)}, r"MLP was given hidden\[1\]=-1: expected a whole number above zero"),
        ({"activation": "rellu"}, "unknown activation 'rellu': did you mean 'relu'"),
        ({"code_activation": "sigmiod"}, "unknown activation 'sigmiod': did you mean 'sigmoid'"),
        (
            {"tied": True, "stochastic": True},
            "tied=True and stochastic=True: expected one, as a decoder mirrors one head only",
        ),
        ({"winners": 0}, "MLP was given top_k=0: expected a whole number above zero"),
        ({"code": 4, "winners": 5}, r"MLP was given top_k=5: expected no more than its code=4\."),
        ({"winners": 2, "stochastic": True}, "MLP was given top_k=2 and stochastic=True: expected one, as the units"),
    ],
)
def test_choices_that_cannot_be_used_are_refused(choice, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        MLP(**choice)


def test_tied_weights_refuse_a_likelihood_with_two_outputs():
    with pytest.raises(InvalidInput, match="tied weights give one output a feature, and the likelihood wants 2"):
        functional.init(MLP(hidden=(), code=2, tied=True), SHAPE, KEY, outputs=2)
