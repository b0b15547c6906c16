import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import special, stats

from ae_jax import InvalidInput
from ae_jax.distributions import DiagonalGaussian, FullCovariance, FullGaussian, Spherical, VonMisesFisher

MEAN = np.array([[0.5, -1.0, 0.0], [2.0, 0.3, -0.2]], np.float32)
LOG_SCALE = np.array([[0.0, -0.5, 0.4], [-1.0, 0.2, 0.1]], np.float32)
DRAWS = 20_000


@pytest.fixture(scope="module")
def posterior() -> DiagonalGaussian:
    return DiagonalGaussian(jnp.asarray(MEAN), jnp.asarray(LOG_SCALE))


@pytest.fixture(scope="module")
def samples(posterior) -> np.ndarray:
    return np.asarray(jax.jit(jax.vmap(posterior.sample))(jax.random.split(jax.random.key(0), DRAWS)))


def test_log_prob_equals_scipy(posterior):
    z = np.random.default_rng(0).normal(size=MEAN.shape).astype(np.float32)
    expected = stats.norm.logpdf(z, MEAN, np.exp(LOG_SCALE)).sum(axis=1)
    np.testing.assert_allclose(posterior.log_prob(jnp.asarray(z)), expected, rtol=1e-5)


def test_log_prob_of_the_mean_is_finite_at_any_scale():
    log_scale = np.array([[-14.0, -50.0, -89.0, -120.0]])
    posterior = DiagonalGaussian(jnp.full((1, 4), 0.3), jnp.float32(log_scale))
    value, slopes = jax.value_and_grad(lambda q: q.log_prob(jnp.full((1, 4), 0.3)).sum())(posterior)
    np.testing.assert_allclose(value, -np.sum(log_scale + 0.5 * np.log(2 * np.pi)), rtol=1e-6)
    np.testing.assert_array_equal(slopes.mean, np.zeros((1, 4)))
    np.testing.assert_array_equal(slopes.log_scale, np.full((1, 4), -1.0))


def test_samples_have_the_mean_and_scale(samples):
    scale = np.exp(LOG_SCALE)
    # Five standard errors: of a mean s / sqrt(n), of a standard deviation s / sqrt(2 n).
    assert (np.abs(samples.mean(axis=0) - MEAN) < 5 * scale / DRAWS**0.5).all()
    assert (np.abs(samples.std(axis=0) - scale) < 5 * scale / (2 * DRAWS) ** 0.5).all()


def test_samples_move_with_mean_and_scale(posterior):
    key = jax.random.key(0)
    standard = (posterior.sample(key) - MEAN) / np.exp(LOG_SCALE)
    slopes = jax.grad(lambda q: q.sample(key).sum())(posterior)
    np.testing.assert_allclose(slopes.mean, np.ones_like(MEAN))
    np.testing.assert_allclose(slopes.log_scale, np.exp(LOG_SCALE) * standard, rtol=1e-4)


@pytest.mark.parametrize("other", [None, DiagonalGaussian(MEAN[::-1].copy(), LOG_SCALE[::-1].copy())])
def test_kl_lies_within_standard_errors_of_its_monte_carlo_estimate(posterior, samples, other):
    other_mean, other_scale = (0.0, 1.0) if other is None else (other.mean, np.exp(other.log_scale))
    own = stats.norm.logpdf(samples, MEAN, np.exp(LOG_SCALE))
    draws = (own - stats.norm.logpdf(samples, other_mean, other_scale)).sum(axis=-1)
    closed = posterior.kl(None if other is None else DiagonalGaussian(*map(jnp.asarray, other)))
    assert (np.abs(draws.mean(axis=0) - closed) < 4 * draws.std(axis=0) / DRAWS**0.5).all()


@pytest.fixture(scope="module")
def correlated() -> FullGaussian:
    outputs = np.random.default_rng(3).normal(size=(2, 9)).astype(np.float32)
    return FullCovariance()(3, nnx.Rngs(0))(jnp.asarray(outputs))


def test_a_full_gaussian_has_scipy_s_density_and_the_divergence_of_its_covariance(correlated):
    z = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    log_prob, kl = correlated.log_prob(jnp.asarray(z)), correlated.kl()
    for row in range(2):
        factor, mean = np.asarray(correlated.factor[row], float), np.asarray(correlated.mean[row], float)
        assert (np.triu(factor, 1) == 0).all()
        covariance = factor @ factor.T
        expected = stats.multivariate_normal(mean, covariance).logpdf(z[row])
        np.testing.assert_allclose(log_prob[row], expected, rtol=1e-5)
        expected = 0.5 * (np.trace(covariance) + mean @ mean - 3 - np.linalg.slogdet(covariance)[1])
        np.testing.assert_allclose(kl[row], expected, rtol=1e-5)


def test_a_full_covariance_starts_the_nearer_to_independence_the_more_latents_there_are():
    factor = FullCovariance()(3, nnx.Rngs(0))(jnp.ones((1, 9))).factor[0]
    np.testing.assert_allclose(np.asarray(factor)[np.tril_indices(3, -1)], 1 / 3, rtol=1e-6)


def test_draws_of_a_full_gaussian_have_its_covariance(correlated):
    draws, log_prob = jax.jit(jax.vmap(correlated.sample_and_log_prob))(jax.random.split(jax.random.key(0), DRAWS))
    for row in range(2):
        factor = np.asarray(correlated.factor[row])
        covariance = factor @ factor.T
        spread = np.sqrt(np.diag(covariance))
        error = (np.cov(draws[:, row].T) - covariance) / np.outer(spread, spread)
        assert np.abs(error).max() < 5 * (2 / DRAWS) ** 0.5
    np.testing.assert_allclose(log_prob[0], correlated.log_prob(draws[0]), rtol=1e-5)


@pytest.mark.parametrize(("units", "concentration"), [(2, 3.0), (3, 40.0), (8, 10.0)])
def test_draws_on_the_sphere_have_the_mean_and_divergence_of_von_mises_and_fisher(units, concentration):
    mean = np.random.default_rng(0).normal(size=units)
    mean = (mean / np.linalg.norm(mean)).astype(np.float32)
    posterior = VonMisesFisher(jnp.tile(mean, (DRAWS, 1)), jnp.full(DRAWS, concentration))
    z, log_prob = map(np.asarray, jax.jit(posterior.sample_and_log_prob)(jax.random.key(0)))
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(log_prob, stats.vonmises_fisher(mean, concentration).logpdf(z), rtol=1e-3, atol=1e-3)
    theirs = stats.vonmises_fisher(mean.astype(float), concentration).rvs(DRAWS, random_state=0)
    for ours, drawn in ((z @ mean, theirs @ mean), (z[:, 0], theirs[:, 0])):
        assert stats.ks_2samp(ours, drawn).pvalue > 1e-3
    log_area = np.log(2) + units / 2 * np.log(np.pi) - special.gammaln(units / 2)
    np.testing.assert_allclose(log_prob.mean() + log_area, posterior.kl()[0], atol=5 * log_prob.std() / DRAWS**0.5)


def test_a_sphere_of_one_dimension_is_refused():
    with pytest.raises(InvalidInput, match="Spherical was given a code of one unit: expected two or more"):
        Spherical()(1, nnx.Rngs(0))
