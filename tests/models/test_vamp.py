"""The VampPrior is the mixture of its pseudo-inputs' posteriors, in density, samples and gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

import ae_jax
from ae_jax.types import Batch


@pytest.fixture(scope="module")
def model():
    vamp = ae_jax.vamp(code=2, hidden=(6,), components=3)
    return vamp.bind((5,), vamp.init((5,), jax.random.key(0))[0])


def components(model):
    inputs = jax.nn.sigmoid(model.prior.pseudo_inputs[...])
    posterior = model.networks.encode(inputs)
    return np.asarray(posterior.mean, np.float64), np.exp(np.asarray(posterior.log_scale, np.float64))


def test_the_density_is_that_of_the_mixture(model):
    mean, scale = components(model)
    z = np.random.default_rng(0).normal(size=(7, 2))
    densities = stats.norm(mean[None], scale[None]).logpdf(z[:, None]).sum(axis=-1)  # scipy.stats, each component
    expected = special.logsumexp(densities, axis=1) - np.log(3)
    np.testing.assert_allclose(model.prior.log_prob(jnp.asarray(z, jnp.float32)), expected, rtol=1e-5)


def test_samples_have_the_moments_of_the_mixture(model):
    mean, scale = components(model)
    z = np.asarray(model.prior.sample(jax.random.key(1), 20_000))
    variance = np.mean(scale**2 + mean**2, axis=0) - mean.mean(axis=0) ** 2
    np.testing.assert_allclose(z.mean(axis=0), mean.mean(axis=0), atol=4 * np.sqrt(variance.max() / 20_000))
    np.testing.assert_allclose(z.var(axis=0), variance, rtol=0.05)


def test_the_divergence_is_estimated_from_the_latents_and_trains_the_pseudo_inputs():
    vamp = ae_jax.vamp(code=2, hidden=(), components=4, samples=2)
    params, _ = vamp.init((5,), jax.random.key(0))
    x = jax.random.uniform(jax.random.key(1), (6, 5))

    def loss_of(params):
        return vamp.objective(vamp.bind((5,), params), jax.random.key(2), Batch(x), 0)

    (_, metrics), gradient = jax.jit(jax.value_and_grad(loss_of, has_aux=True))(params)
    model = vamp.bind((5,), params)
    posterior = model.encode(x)
    # The objective's second key draws the latents.
    keys = jax.random.split(jax.random.split(jax.random.key(2), 4)[1], 2)
    latents = [posterior.sample(key) for key in keys]
    expected = np.mean([posterior.log_prob(z) - model.prior.log_prob(z) for z in latents])
    np.testing.assert_allclose(metrics["kl"], expected, rtol=1e-4)
    assert float(jnp.abs(gradient["prior"]["pseudo_inputs"]).max()) > 0


def test_pseudo_inputs_of_a_gaussian_likelihood_are_unbounded():
    vamp = ae_jax.vamp(likelihood=ae_jax.objectives.GaussianLikelihood())
    assert not vamp.objective.prior.unit_interval
