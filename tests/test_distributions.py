import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ae_jax.distributions import DiagonalGaussian

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
