"""Penalties on the aggregate posterior: what they are given of the model, and that they move what they should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import spatial

from ae_jax import InvalidInput
from ae_jax.distributions import DiagonalGaussian
from ae_jax.losses import aggregate
from ae_jax.networks import MLP
from ae_jax.objectives import DIP, ELBO, MMD, Reconstruction, SlicedWasserstein, TotalCorrelation
from ae_jax.priors import StandardNormal
from ae_jax.types import Batch

KEY = jax.random.key(0)
X = Batch(jnp.ones((6, 4)))


@pytest.fixture(scope="module")
def posterior():
    rng = np.random.default_rng(0)
    return DiagonalGaussian(*(jnp.asarray(rng.normal(size=(6, 3)), jnp.float32) for _ in range(2)))


def test_total_correlation_is_of_drawn_latents_under_all_posteriors(posterior):
    z = posterior.sample(KEY)
    scale = jnp.exp(posterior.log_scale)
    densities = jax.scipy.stats.norm.logpdf(z[:, None], posterior.mean[None], scale[None])
    for sampling in ("stratified", "weighted"):
        value = TotalCorrelation(examples=40, sampling=sampling)(None, KEY, X, posterior)
        expected = aggregate.total_correlation(densities, 40, stratified=sampling == "stratified")
        np.testing.assert_allclose(value, expected, rtol=1e-4)


def test_dip_is_of_numpy_s_covariance(posterior):
    covariance = np.cov(np.asarray(posterior.mean, float).T, bias=True)
    variance = np.exp(2 * np.asarray(posterior.log_scale, float)).mean(axis=0)
    for version, expected in (("I", covariance), ("II", covariance + np.diag(variance))):
        squares = (expected - np.eye(3)) ** 2
        value = DIP(version=version, diagonal=4.0)(None, KEY, X, posterior)
        np.testing.assert_allclose(value, squares.sum() + 3 * np.trace(squares), rtol=1e-4)


def test_dip_of_a_deterministic_code_is_of_its_covariance(posterior):
    np.testing.assert_allclose(DIP()(None, KEY, X, posterior.mean), DIP()(None, KEY, X, posterior), rtol=1e-6)


def test_distances_from_the_prior_equal_numpy_s_of_the_same_draws(posterior, model_of):
    model = model_of(MLP(hidden=(), code=3), (4,))

    def draws(key):
        own, prior = jax.random.split(key)
        return np.asarray(posterior.sample(own), float), np.asarray(model.prior.sample(prior, 6), float)

    def kernel(a, b):
        squares = spatial.distance.cdist(a, b, "sqeuclidean")
        return sum(np.exp(-squares / (6 * scale)) for scale in (0.1, 0.2, 0.5, 1, 2, 5, 10))

    x, y = draws(KEY)
    within = sum(np.sum(kernel(each, each)) - 7 * 6 for each in (x, y)) / 30
    value = MMD(kernel="rbf")(model, KEY, X, posterior)
    np.testing.assert_allclose(value, within - 2 * kernel(x, y).mean(), rtol=1e-4)
    draw_key, slice_key = jax.random.split(KEY)
    x, y = draws(draw_key)
    directions = np.asarray(jax.random.normal(slice_key, (20, 3)), float)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    apart = np.sort(directions @ x.T, axis=1) - np.sort(directions @ y.T, axis=1)
    np.testing.assert_allclose(SlicedWasserstein(slices=20)(model, KEY, X, posterior), np.mean(apart**2), rtol=1e-4)


@pytest.mark.parametrize("penalty", [MMD(), SlicedWasserstein(slices=20)], ids=lambda penalty: penalty.name)
def test_distances_from_the_prior_are_small_for_its_own_draws(penalty, model_of):
    model = model_of(MLP(hidden=(), code=3), (4,))
    z = jax.random.normal(jax.random.key(1), (500, 3))
    evaluate = jax.jit(lambda z: penalty(model, KEY, Batch(jnp.ones((500, 4))), z))
    own, narrow, shifted = (float(evaluate(each)) for each in (z, 0.3 * z, z + 1.0))
    assert abs(own) < 0.05 < min(narrow, shifted)
    drawn = penalty(model, KEY, Batch(jnp.ones((500, 4))), DiagonalGaussian(0 * z, 0 * z))
    assert abs(float(drawn)) < 0.05


@pytest.mark.parametrize(
    ("penalty", "code", "sentence"),
    [
        (TotalCorrelation(), jnp.ones((6, 3)), "TotalCorrelation was given a deterministic code: expected a diagonal"),
        (DIP(version="II"), jnp.ones((6, 3)), "DIP was given a deterministic code: expected a diagonal Gaussian"),
        (MMD(), jnp.ones((6, 3)), "MMD was given a model without a prior: expected one"),
        (SlicedWasserstein(), jnp.ones((6, 3)), "SlicedWasserstein was given a model without a prior: expected one"),
    ],
)
def test_codes_and_models_that_do_not_serve_are_refused(penalty, code, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        penalty(object(), KEY, X, code)


@pytest.mark.parametrize(
    ("penalty", "choice", "sentence"),
    [
        (TotalCorrelation, {"weight": -1.0}, "TotalCorrelation was given weight=-1.0: expected zero or a number above"),
        (TotalCorrelation, {"examples": 0}, "TotalCorrelation was given examples=0: expected a number above zero"),
        (TotalCorrelation, {"sampling": "strat"}, "unknown sampling of TotalCorrelation 'strat'"),
        (DIP, {"version": "III"}, "unknown version of DIP 'III': did you mean 'II'"),
        (MMD, {"kernel": "rfb"}, "unknown kernel 'rfb': did you mean 'rbf'"),
        (SlicedWasserstein, {"slices": 0}, "SlicedWasserstein was given slices=0: expected a whole number above zero"),
        (Reconstruction, {"prior": "normal"}, r"Reconstruction was given prior='normal': expected a prior"),
        (ELBO, {"capacity": -1.0}, "ELBO was given capacity=-1.0: expected zero or a number above"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_choices_that_cannot_be_used_are_refused(penalty, choice, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        penalty(**choice)


def test_a_prior_is_a_part_of_a_reconstruction_that_names_one():
    assert Reconstruction().parts == {}
    assert Reconstruction(prior=StandardNormal()).parts == {"prior": StandardNormal()}
