import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from ae_jax.distributions import DiagonalGaussian
from ae_jax.networks import PartBuilder
from ae_jax.priors import Prior, StandardNormal

DRAWS = 4000


@pytest.fixture(scope="module", params=[(3,), (2, 2, 3)], ids=str)
def prior(request):
    return StandardNormal()(None, (8,), request.param, nnx.Rngs(0))


def test_the_standard_normal_is_a_prior_without_parameters(prior):
    assert isinstance(StandardNormal(), PartBuilder)
    assert isinstance(prior, Prior)
    assert jax.tree.leaves(nnx.state(prior, nnx.Param)) == []


def test_log_prob_equals_scipy(prior):
    z = np.random.default_rng(0).normal(size=(5, *prior.code)).astype(np.float32)
    expected = stats.norm.logpdf(z).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(prior.log_prob(jnp.asarray(z)), expected, rtol=1e-5)


def test_samples_have_mean_zero_and_the_identity_as_covariance(prior):
    samples = np.asarray(prior.sample(jax.random.key(0), DRAWS))
    assert samples.shape == (DRAWS, *prior.code)
    flat = samples.reshape(DRAWS, -1)
    # Five standard errors: of a mean 1 / sqrt(n), of a second moment sqrt(2 / n).
    np.testing.assert_allclose(flat.mean(axis=0), 0.0, atol=5 / DRAWS**0.5)
    np.testing.assert_allclose(flat.T @ flat / DRAWS, np.eye(flat.shape[1]), atol=5 * (2 / DRAWS) ** 0.5)


def test_the_divergence_of_a_gaussian_is_closed_and_of_others_unknown():
    prior = StandardNormal()(None, (8,), (3,), nnx.Rngs(0))
    mean, log_scale = jnp.array([[0.0, 1.0, -2.0]]), jnp.array([[0.0, 0.3, -1.0]])
    posterior = DiagonalGaussian(mean, log_scale)
    draws = posterior.sample(jax.random.key(1))
    np.testing.assert_allclose(prior.kl(posterior), posterior.kl(), rtol=1e-6)
    assert prior.kl(draws) is None
