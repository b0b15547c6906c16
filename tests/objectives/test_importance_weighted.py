import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from ae_jax import InvalidInput
from ae_jax.corruptions import Masking
from ae_jax.objectives import ELBO, L1, GaussianLikelihood, ImportanceWeighted
from ae_jax.types import Batch

KEY = jax.random.key(0)
DRAWS = 2000


@pytest.fixture(scope="module")
def bounds(linear_gaussian, points) -> dict[int, np.ndarray]:
    """Negative bounds of a linear-Gaussian model with a wrong posterior, of independent keys, by number of samples."""
    networks = linear_gaussian(shift=0.3, stretch=0.3)
    likelihood = GaussianLikelihood(scale=networks.scale)

    @jax.jit
    def drawn(keys):
        return {
            samples: jax.vmap(
                lambda key, k=samples: ImportanceWeighted(likelihood=likelihood, samples=k)(
                    networks, key, Batch(jnp.asarray(points)), 0
                )[0]
            )(keys)
            for samples in (1, 5, 50)
        }

    return {k: np.asarray(values) for k, values in drawn(jax.random.split(KEY, DRAWS)).items()}


def test_the_bound_lies_between_the_elbo_and_the_likelihood_and_tightens_with_samples(bounds, linear_gaussian, points):
    networks = linear_gaussian(shift=0.3, stretch=0.3)
    exact = networks.exact_nll(points).mean()
    elbo = exact + networks.divergence_from_exact(points).mean()
    error = {k: values.std() / DRAWS**0.5 for k, values in bounds.items()}
    assert abs(bounds[1].mean() - elbo) < 4 * error[1]
    for fewer, more in ((1, 5), (5, 50)):
        assert bounds[more].mean() + 4 * np.hypot(error[fewer], error[more]) < bounds[fewer].mean()
    assert exact - 4 * error[50] < bounds[50].mean() < exact + 0.1 * (elbo - exact)


def test_an_exact_posterior_meets_the_likelihood_with_any_latents(linear_gaussian, points):
    networks = linear_gaussian()
    objective = ImportanceWeighted(likelihood=GaussianLikelihood(scale=networks.scale), samples=3)
    loss, metrics = jax.jit(lambda x: objective(networks, KEY, Batch(x), 0))(jnp.asarray(points))
    np.testing.assert_allclose(loss, networks.exact_nll(points).mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["iwae_gap"], 0.0, atol=1e-5)


def test_terms_are_those_of_scipy_s_densities_and_the_loss_the_bound(stochastic):
    x, samples = jax.random.uniform(KEY, (6, 4)), 7
    loss, metrics = jax.jit(lambda x: ImportanceWeighted(samples=samples)(stochastic, KEY, Batch(x), 0))(x)
    posterior = stochastic.encode(x)
    mean, scale = np.asarray(posterior.mean, float), np.exp(np.asarray(posterior.log_scale, float))
    keys = jax.random.split(jax.random.split(KEY, 3)[1], samples)
    z = mean + scale * np.stack([jax.random.normal(key, mean.shape) for key in keys])
    outputs = np.asarray(stochastic.decode(jnp.asarray(z.reshape(-1, 3), jnp.float32))).reshape(samples, 6, 4)
    pixels = np.asarray(x)
    nll = -np.sum(pixels * special.log_expit(outputs) + (1 - pixels) * special.log_expit(-outputs), axis=2)
    ratio = np.sum(stats.norm.logpdf(z, mean, scale) - stats.norm.logpdf(z), axis=2)
    bound = -np.mean(special.logsumexp(-nll - ratio, axis=0) - np.log(samples))
    assert sorted(metrics) == ["bernoulli_nll", "iwae_gap", "kl"]
    np.testing.assert_allclose(metrics["bernoulli_nll"], nll.mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["kl"], ratio.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["iwae_gap"], (nll + ratio).mean() - bound, rtol=1e-3)
    np.testing.assert_allclose(loss, bound, rtol=1e-5)


def test_the_gradient_weighs_latents_by_their_normalised_weights(linear_gaussian, points):
    networks = linear_gaussian(shift=0.5)
    likelihood, x = GaussianLikelihood(scale=networks.scale), jnp.asarray(points)

    class Moved:
        """The model with what its decoder gives moved, of which the gradient is the mean residual."""

        encode, prior = networks.encode, networks.prior

        def __init__(self, offset):
            self.offset = offset

        def decode(self, z, condition=None):
            return networks.decode(z) + self.offset[None]

    objective = ImportanceWeighted(likelihood=likelihood, samples=4)
    slope = jax.jit(jax.grad(lambda offset: objective(Moved(offset), KEY, Batch(x), 0)[0]))
    posterior = networks.encode(x)
    keys = jax.random.split(jax.random.split(KEY, 3)[1], 4)
    z = np.stack([posterior.sample(key) for key in keys]).astype(float)
    outputs = z @ networks.weights.T + networks.bias
    log_weights = np.sum(stats.norm.logpdf(points, outputs, networks.scale), axis=2) + np.sum(
        stats.norm.logpdf(z) - stats.norm.logpdf(z, posterior.mean, np.exp(posterior.log_scale)), axis=2
    )
    weights = special.softmax(log_weights, axis=0)
    expected = np.mean(np.sum(weights[..., None] * (outputs - points), axis=0), axis=0) / networks.scale**2
    np.testing.assert_allclose(slope(jnp.zeros(5)), expected, rtol=1e-4, atol=1e-5)


def test_one_sample_is_the_elbo_with_a_sampled_divergence_in_value_and_mean_gradient(linear_gaussian, points):
    networks, x = linear_gaussian(shift=0.3, stretch=0.2), jnp.asarray(points)
    likelihood = GaussianLikelihood(scale=networks.scale)
    kinds = {"one": ImportanceWeighted(likelihood=likelihood, samples=1), "elbo": ELBO(likelihood=likelihood)}

    class Shifted:
        """The model with another posterior mean."""

        decode, prior = networks.decode, networks.prior

        def __init__(self, shift):
            self.shift = shift

        def encode(self, x, condition=None):
            posterior = networks.encode(x)
            return posterior._replace(mean=posterior.mean + self.shift[None])

    @jax.jit
    def drawn(keys):
        def of(objective, key):
            loss = jax.value_and_grad(lambda shift: objective(Shifted(shift), key, Batch(x), 0), has_aux=True)
            return loss(jnp.zeros(2))

        return {name: jax.vmap(lambda key, o=objective: of(o, key))(keys) for name, objective in kinds.items()}

    found = jax.device_get(drawn(jax.random.split(KEY, DRAWS)))
    ((value, metrics), slope), ((_, elbo_metrics), elbo_slope) = found["one"], found["elbo"]
    np.testing.assert_allclose(value, metrics["gaussian_nll"] + metrics["kl"], rtol=1e-5)
    np.testing.assert_array_equal(metrics["iwae_gap"], np.zeros(DRAWS))
    np.testing.assert_allclose(metrics["gaussian_nll"], elbo_metrics["gaussian_nll"], rtol=1e-5)
    for ours, theirs in ((metrics["kl"], elbo_metrics["kl"]), (slope, elbo_slope)):
        # Both have the same latents: what is left is the noise of the difference.
        error = np.std(ours - theirs, axis=0) / DRAWS**0.5
        assert (np.abs(np.mean(ours - theirs, axis=0)) < 4 * error).all()
        assert (error < 0.05).all()


def test_corruption_damages_the_encoder_s_input_only_and_penalties_are_of_the_posterior_mean(stochastic):
    x = jax.random.uniform(KEY, (6, 4))
    objective = ImportanceWeighted(corruption=Masking(probability=1.0), penalties=(L1(weight=0.5),))
    loss, metrics = objective(stochastic, KEY, Batch(x), 0)
    blind = stochastic.encode(jnp.zeros_like(x))
    np.testing.assert_allclose(metrics["l1"], np.abs(blind.mean).sum(axis=1).mean(), rtol=1e-5)
    bound = metrics["bernoulli_nll"] + metrics["kl"] - metrics["iwae_gap"]
    np.testing.assert_allclose(loss, bound + 0.5 * metrics["l1"], rtol=1e-6)
    other, _ = objective(stochastic, KEY, Batch(1.0 - x), 0)
    assert other != loss


def test_samples_are_counted_from_one():
    with pytest.raises(InvalidInput, match="ImportanceWeighted was given samples=0: expected a whole number above"):
        ImportanceWeighted(samples=0)
