"""The dictionary keeps, revives and counts its units as NumPy would, and its rows have unit norm."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax
from ae_jax.errors import InvalidInput
from ae_jax.networks import functional
from ae_jax.types import Batch


def largest(values, k):
    """The k largest of each row, by a sort of NumPy's."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    kept = np.zeros_like(values)
    np.put_along_axis(kept, order, np.take_along_axis(values, order, axis=1), axis=1)
    return kept


@pytest.fixture(scope="module")
def setting():
    autoencoder = ae_jax.top_k(code=9, k=3, aux_k=2, dead_after=20, alpha=0.5)
    params, state = autoencoder.init((2, 3), jax.random.key(0))
    # Neither biases of zero nor rows of unit norm, which would hide errors.
    params = jax.tree.map(lambda leaf: 1.3 * leaf + 0.1 * jax.random.normal(jax.random.key(3), leaf.shape), params)
    return autoencoder, params, state, jax.random.normal(jax.random.key(1), (7, 2, 3))


def reference(params, x, silent):
    """Activations, dictionary, reconstruction and loss of the objective, in NumPy."""
    weights = {name: np.asarray(leaf, np.float64) for name, leaf in params["networks"].items()}
    rows = weights["decoder"] / np.linalg.norm(weights["decoder"], axis=1, keepdims=True)
    x = np.asarray(x, np.float64).reshape(len(x), -1)
    units = (x - weights["offset"]) @ weights["encoder"] + weights["bias"]
    kept = largest(np.maximum(units, 0), 3)
    residual = x - kept @ rows - weights["offset"]
    error = np.mean(np.sum(residual**2, axis=1))
    dead = np.asarray(silent) >= 20
    revived = np.zeros_like(units)
    revived[:, dead] = largest(units[:, dead], 2)
    revived = revived @ rows
    auxiliary = np.mean(np.sum((revived - residual) ** 2, axis=1)) if dead.any() else 0.0
    return units, kept, rows, error, auxiliary


def of_decoder(params, of_rows):
    """The gradient of the decoder, given that of its rows of unit norm."""
    decoder = np.asarray(params["networks"]["decoder"], np.float64)
    norms = np.linalg.norm(decoder, axis=1, keepdims=True)
    rows = decoder / norms
    return (of_rows - np.sum(of_rows * rows, axis=1, keepdims=True) * rows) / norms


def objective_of(setting, silent, training=False):
    autoencoder, _, _, x = setting
    state = {"bottleneck": {"silent": jnp.asarray(silent, jnp.int32)}}
    spec, key = autoencoder.spec((2, 3)), jax.random.key(2)

    def loss_of(params):
        model = functional.bind(spec, params, state, key if training else None)
        loss, metrics = autoencoder.objective(model, key, Batch(x), 0)
        return loss, (metrics, functional.state_of(spec, model))

    return loss_of


def test_codes_and_reconstruction_equal_numpy(setting):
    autoencoder, params, state, x = setting
    model = autoencoder.bind((2, 3), params, state)
    _, kept, rows, error, _ = reference(params, x, np.zeros(9))
    np.testing.assert_allclose(model.encode(x), kept, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.networks.rows(), rows, rtol=1e-5, atol=1e-6)
    loss, (metrics, _) = objective_of(setting, np.zeros(9))(params)
    np.testing.assert_allclose(metrics["squared_error"], error, rtol=1e-4)
    np.testing.assert_allclose(metrics["l0"], np.mean(np.sum(kept > 0, axis=1)), rtol=1e-6)
    np.testing.assert_allclose(loss, error, rtol=1e-4)
    assert float(metrics["auxiliary"]) == 0


def test_the_auxiliary_loss_reconstructs_the_residual_with_dead_units(setting):
    silent = np.array([0, 20, 19, 30, 40, 0, 25, 50, 0])
    loss, (metrics, _) = objective_of(setting, silent)(setting[1])
    *_, error, auxiliary = reference(setting[1], setting[3], silent)
    np.testing.assert_allclose(metrics["auxiliary"], auxiliary, rtol=1e-4)
    np.testing.assert_allclose(loss, error + 0.5 * auxiliary, rtol=1e-4)
    np.testing.assert_allclose(metrics["dead"], 5 / 9, rtol=1e-6)


def test_gradients_equal_those_of_numpy(setting):
    """Of the encoder's bias without dead units: through the units kept alone."""
    gradient = jax.grad(lambda params: objective_of(setting, np.zeros(9))(params)[0])(setting[1])["networks"]
    x = np.asarray(setting[3], np.float64).reshape(7, -1)
    _, kept, rows, _, _ = reference(setting[1], x, np.zeros(9))
    residual = x - kept @ rows - np.asarray(setting[1]["networks"]["offset"], np.float64)
    of_units = -2 * residual @ rows.T * (kept > 0) / 7
    np.testing.assert_allclose(gradient["bias"], of_units.sum(axis=0), rtol=1e-3, atol=1e-5)
    projected = of_decoder(setting[1], -2 * kept.T @ residual / 7)
    np.testing.assert_allclose(gradient["decoder"], projected, rtol=1e-3, atol=1e-4)


def test_the_gradient_of_the_auxiliary_loss_equals_numpy_s(setting):
    silent = np.array([0, 20, 19, 30, 40, 0, 25, 50, 0])
    gradient = jax.grad(lambda params: objective_of(setting, silent)(params)[1][0]["auxiliary"])(setting[1])["networks"]
    weights = {name: np.asarray(leaf, np.float64) for name, leaf in setting[1]["networks"].items()}
    centred = np.asarray(setting[3], np.float64).reshape(7, -1) - weights["offset"]
    units, kept, rows, *_ = reference(setting[1], setting[3], silent)
    revived = largest(np.where(silent >= 20, units, -np.inf), 2)
    difference = 2 * (revived @ rows - (centred - kept @ rows)) / 7
    of_units = difference @ rows.T * (revived != 0)
    expected = {
        "encoder": centred.T @ of_units,
        "bias": of_units.sum(axis=0),
        "decoder": of_decoder(setting[1], revived.T @ difference),
        "offset": -weights["encoder"] @ of_units.sum(axis=0),
    }
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), gradient, expected)


def test_dead_units_have_a_gradient_through_the_auxiliary_loss_alone(setting):
    weak = np.arange(9) < 2  # units that are active, and never among the three largest
    networks = setting[1]["networks"]
    encoder = jnp.where(weak[None], 1e-4, 1.0) * networks["encoder"]
    params = {"networks": networks | {"encoder": encoder, "bias": jnp.where(weak, 1e-3, 1.0)}}
    before, after = (
        np.asarray(jax.grad(lambda p, s=silent: objective_of(setting, s)(p)[0])(params)["networks"]["decoder"])
        for silent in (np.zeros(9), 100 * weak)
    )
    active = ~weak
    assert not before[weak].any()
    assert after[weak].all()
    np.testing.assert_allclose(after[active], before[active], rtol=1e-5)


def test_units_count_the_examples_since_they_were_active(setting):
    silent = np.arange(9)
    _, (_, state) = objective_of(setting, silent, training=True)(setting[1])
    _, kept, *_ = reference(setting[1], setting[3], silent)
    expected = np.where((kept > 0).any(axis=0), 0, silent + 7)
    np.testing.assert_array_equal(state["bottleneck"]["silent"], expected)
    _, (_, unchanged) = objective_of(setting, silent)(setting[1])
    np.testing.assert_array_equal(unchanged["bottleneck"]["silent"], silent)


def test_a_run_has_sparse_codes_and_rows_of_unit_norm(small):
    run = ae_jax.fit(ae_jax.top_k(code=12, k=3, aux_k=4, dead_after=32), small, epochs=2, batch_size=16)
    assert (np.count_nonzero(run.encode(small.test.x), axis=-1) <= 3).all()
    zero = np.zeros((1, 12), np.float32)
    rows = run[0].decode(np.eye(12, dtype=np.float32)) - run[0].decode(zero)
    np.testing.assert_allclose(np.linalg.norm(rows.reshape(12, -1) / 16.0, axis=1), 1.0, rtol=1e-3)


def test_settings_that_do_not_fit_are_refused(small):
    with pytest.raises(InvalidInput, match="k=200: expected at most the size of the code, 128"):
        ae_jax.fit(ae_jax.top_k(k=200), small, epochs=1)
    with pytest.raises(InvalidInput, match="expected another likelihood"):
        ae_jax.fit(ae_jax.top_k(likelihood=ae_jax.objectives.LearnedGaussianLikelihood()), small, epochs=1)
