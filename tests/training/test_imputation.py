import jax.numpy as jnp
import numpy as np
import pandas
import pytest
from flax import nnx
from scipy import stats

import ae_jax
from ae_jax import Autoencoder, InvalidInput
from ae_jax.data import Scaling, from_arrays, from_splits
from ae_jax.evaluation import evaluate, log_likelihood
from ae_jax.objectives import GaussianLikelihood, ImportanceWeighted
from ae_jax.training import untrained


@pytest.fixture(scope="module")
def holes() -> np.ndarray:
    """Three features that follow one latent, a third of their values missing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 1)) * [2.0, -1.0, 3.0] + rng.normal(size=(90, 3)) * 0.1 + [1.0, 0.0, 50.0]
    x[rng.uniform(size=x.shape) < 0.33] = np.nan
    return x.astype(np.float32)


@pytest.fixture(scope="module")
def trained(holes) -> ae_jax.Run:
    data = from_arrays(holes, scaling="standard", missing=True)
    return ae_jax.fit(ae_jax.missing(code=1, hidden=(8,), samples=3), data, seeds=[0, 1], epochs=3, batch_size=16)


def test_scaling_and_range_are_of_observed_values(holes):
    data = from_arrays(holes, scaling="standard", missing=True, validation=0.0, test=0.0)
    np.testing.assert_allclose(data.scaling.offset, np.nanmean(holes, axis=0), rtol=1e-5)
    np.testing.assert_allclose(data.scaling.scale, np.nanstd(holes, axis=0), rtol=1e-4)
    np.testing.assert_allclose(data.spec.low, np.nanmin(holes))
    assert data.has_missing
    assert not from_arrays(np.nan_to_num(holes), missing=True).has_missing
    assert from_splits(np.nan_to_num(holes), validation=holes, missing=True).has_missing


def test_a_table_with_empty_cells_and_splits_drawn_anew_keep_them(holes):
    frame = pandas.DataFrame(holes.astype(object), columns=list("abc"))
    frame[frame.isna()] = None
    data = from_arrays(frame, missing=True)
    np.testing.assert_array_equal(np.isnan(data.source().x), np.isnan(holes))
    assert data.resplit(3).has_missing


def test_observed_values_stay_and_missing_ones_are_filled(trained, holes):
    found = trained.impute(holes, samples=30, imputations=4)
    assert (found.mean.shape, found.draws.shape) == ((2, 90, 3), (2, 4, 90, 3))
    assert np.isfinite(found.draws).all()
    known = ~np.isnan(holes)
    np.testing.assert_array_equal(found.mean[:, known], np.broadcast_to(holes[known], (2, known.sum())))
    np.testing.assert_array_equal(found.draws[:, :, known], np.broadcast_to(holes[known], (2, 4, known.sum())))
    assert np.ptp(found.draws[:, :, ~known], axis=1).min() > 0
    again = trained.impute(holes, samples=30, imputations=4)
    np.testing.assert_array_equal(again.draws, found.draws)
    alone = trained[1].impute(holes[:5], samples=30, imputations=1)
    assert (alone.mean.shape, alone.draws.shape) == ((5, 3), (1, 5, 3))
    for use in (trained.encode, trained.reconstruct):
        assert np.isfinite(use(holes)).all()
    assert np.isfinite(log_likelihood(trained, holes[:4], samples=10).log_likelihood).all()


class Linear(nnx.Module):
    """A linear decoder with fixed weights, and the posterior given the first feature, wider than the exact one."""

    def __init__(self):
        self.weights = nnx.Param(jnp.array([[1.0, 2.0]]))

    def encode(self, x):
        return ae_jax.distributions.DiagonalGaussian(0.7 * x[:, :1], jnp.full((len(x), 1), -0.5))

    def decode(self, z):
        return z @ self.weights[...]


def linear(shape, rngs):
    return Linear()


def test_imputations_have_the_moments_of_the_exact_conditional():
    """X = W z + noise: p(x_2 | x_1) is Gaussian, of mean and variance in closed form."""
    scale, x = 0.5, np.array([[0.8, np.nan], [-1.5, np.nan]], np.float32)
    autoencoder = Autoencoder(
        name="linear",
        networks=ae_jax.networks.from_nnx(linear, code=(1,)),
        objective=ImportanceWeighted(likelihood=GaussianLikelihood(scale=scale), missing=True),
    )
    data = from_arrays(np.array([[-3.0, -3.0], [3.0, 3.0]]), validation=0.0, test=0.0, scaling=Scaling())
    run = untrained(autoencoder, data)
    found = run.impute(x, samples=4000, imputations=1500)
    gain = 2.0 / (1.0 + scale**2)
    mean, deviation = gain * x[:, 0], np.sqrt(4.0 + scale**2 - 2.0 * gain)
    np.testing.assert_allclose(found.mean[:, 1], mean, atol=0.1)
    np.testing.assert_allclose(found.draws[:, :, 1].mean(axis=0), mean, atol=0.15)
    np.testing.assert_allclose(found.draws[:, :, 1].std(axis=0), deviation, rtol=0.1)
    standardised = (found.draws[:, 0, 1] - mean[0]) / deviation
    assert stats.kstest(standardised, "norm").pvalue > 1e-3


def test_only_models_with_a_mask_take_missing_values(trained, holes, small):
    for data, sentence in (
        (holes, r"NaN or infinite values, the first at index .* train an autoencoder for missing values"),
        (from_arrays(holes, missing=True), "variational was given arrays, which has missing values: expected complete"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            ae_jax.fit(ae_jax.variational(), data, epochs=1)
    with pytest.raises(InvalidInput, match="undercomplete cannot impute: expected an autoencoder for missing values"):
        untrained(ae_jax.undercomplete(), small).impute(small.test.x)
    with pytest.raises(InvalidInput, match="samples=0: expected a whole number above zero"):
        trained.impute(holes, samples=0)
    with pytest.raises(InvalidInput, match="infinite"):
        from_arrays(np.where(np.isnan(holes), np.inf, holes), missing=True)
    unseen = holes.copy()
    unseen[:, 1] = np.nan
    with pytest.raises(InvalidInput, match=r"no value of feature \(1,\) to train on: expected one"):
        from_arrays(unseen, missing=True)


def test_missing_values_are_evaluated_as_the_training_mean_and_a_message_says_so(trained, holes):
    data = from_arrays(holes, missing=True, scaling=trained.scaling)
    (found,) = evaluate(trained, data, "reconstruction")
    assert all(np.isfinite(row["value"]) for row in found.rows)
    assert "Missing values count as the mean of their feature" in found.messages[0]
    filled = data.filled()
    train = data.train.x
    expected = np.where(np.isnan(data.test.x), np.nanmean(train, axis=0), data.test.x)
    np.testing.assert_allclose(filled.test.x, expected, rtol=1e-5)
    assert not filled.has_missing
    assert filled.drawn is data.drawn


def test_a_run_remembers_that_values_may_be_missing_when_loaded(trained, holes, tmp_path):
    back = ae_jax.load(trained.save(tmp_path / "run"))
    np.testing.assert_array_equal(back.impute(holes[:3], samples=10).mean, trained.impute(holes[:3], samples=10).mean)


def test_an_interrupted_training_on_missing_values_resumes(holes, tmp_path):
    data = from_arrays(holes, scaling="standard", missing=True)
    autoencoder = ae_jax.missing(code=1, hidden=(8,), samples=3)
    how = {"seeds": [0, 1], "batch_size": 16}
    whole = ae_jax.fit(autoencoder, data, epochs=3, **how)
    ae_jax.fit(autoencoder, data, epochs=2, checkpoints=tmp_path, **how)
    resumed = ae_jax.fit(autoencoder, data, epochs=3, checkpoints=tmp_path, resume="extend", **how)
    np.testing.assert_array_equal(resumed.history["train"]["loss"], whole.history["train"]["loss"])
