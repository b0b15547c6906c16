import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

import ae_jax
from ae_jax import InvalidInput, Run
from ae_jax.data import Scaling, from_splits
from ae_jax.evaluation import evaluate, negative_elbo
from ae_jax.evaluation.likelihood import log_likelihood
from ae_jax.objectives import GaussianLikelihood, ImportanceWeighted, SquaredError
from ae_jax.training.population import stack

PARTS = ["kl", "negative_elbo", "negative_log_likelihood"]
SCALE = 0.5
"""Standard deviation of the features of linear-Gaussian models."""


@pytest.fixture(scope="module")
def answer(population, small):
    return negative_elbo(population, small.test.x)


def posterior_of(networks, stored):
    """Mean and scale of each latent, in double precision."""
    posterior = networks.encode(jnp.asarray(stored, jnp.float32) / 16)
    return np.asarray(posterior.mean, np.float64), np.exp(np.asarray(posterior.log_scale, np.float64))


def test_the_parts_of_every_example_sum_to_the_whole(answer):
    assert sorted(answer) == PARTS
    assert all(values.shape == (4, 20) for values in answer.values())
    np.testing.assert_allclose(answer["negative_elbo"], answer["negative_log_likelihood"] + answer["kl"], rtol=1e-6)
    assert (answer["kl"] > 0).all()


def test_the_divergence_is_the_closed_form_of_the_posterior(answer, population, small, bound):
    for member in range(4):
        mean, scale = posterior_of(bound(population, member), small.test.x)
        # Kingma and Welling 2014, appendix B.
        expected = 0.5 * np.sum(mean**2 + scale**2 - 1 - np.log(scale**2), axis=1)
        np.testing.assert_allclose(answer["kl"][member], expected, rtol=1e-4)


def test_the_expectation_is_that_of_numpy_s_own_draws(population, small, bound):
    run, networks, draws, seeds = population[3], bound(population, 3), 2000, range(20)
    x = small.test.x[:1]
    found = [negative_elbo(run, x, seed=seed)["negative_log_likelihood"][0] for seed in seeds]
    mean, scale = posterior_of(networks, x)
    z = mean + scale * np.random.default_rng(0).normal(size=(draws, 3))
    logits = np.asarray(networks.decode(jnp.asarray(z, jnp.float32)), np.float64)
    pixels = x / 16
    nll = -(pixels * special.log_expit(logits) + (1 - pixels) * special.log_expit(-logits)).sum(axis=(1, 2))
    standard_error = nll.std() * (1 / draws + 1 / (16 * len(seeds))) ** 0.5
    assert abs(np.mean(found) - nll.mean()) < 4 * standard_error
    # Sixteen latents stand behind each value: its variance is a sixteenth, known here to a third.
    assert 0.3 < np.var(found, ddof=1) / (nll.var() / 16) < 2.5


def test_an_example_s_value_depends_on_its_place_and_the_seed_only(population, small):
    run = population[0]
    # 1,030 examples are two chunks, 20 are padded to 32, 5 to 16.
    many = np.resize(small.test.x, (1030, 8, 8))
    whole, some, few = (negative_elbo(run, x) for x in (many, many[:20], many[:5]))
    for part in PARTS:
        np.testing.assert_allclose(some[part], whole[part][:20], rtol=1e-5)
        np.testing.assert_allclose(few[part], whole[part][:5], rtol=1e-5)
    # The same image at two places has the same divergence and other latents.
    np.testing.assert_allclose(whole["kl"][1020:], whole["kl"][:10], rtol=1e-5)
    assert (abs(whole["negative_log_likelihood"][1020:] / whole["negative_log_likelihood"][:10] - 1) > 1e-6).all()


@pytest.fixture(scope="module")
def linear(population) -> Run:
    """Networks without hidden layers under a Gaussian likelihood, whose weights tests replace."""
    data = from_splits(np.linspace(-1.0, 1.0, 40, dtype=np.float32).reshape(8, 5), name="linear")
    autoencoder = ae_jax.variational(code=2, hidden=(), likelihood=GaussianLikelihood(scale=SCALE), shortcut=False)
    return untrained(dataclasses.replace(population[0], data=data.spec), autoencoder)


def untrained(run: Run, autoencoder: ae_jax.Autoencoder) -> Run:
    """A single run of another autoencoder, its parameters fresh."""
    params, state = jax.tree.map(lambda leaf: leaf[None], autoencoder.init(run.shape, jax.random.key(0)))
    return dataclasses.replace(run, autoencoder=stack([autoencoder]), params=params, state=state)


def linear_gaussian(run: Run, weights: np.ndarray, bias: np.ndarray, *, widened: float = 1.0) -> Run:
    """The run as z ~ N(0, I), x ~ N(W z + b, s^2 I), its posterior's mean exact, and its scales those of the exact
    posterior's components times a number.
    """
    precision = np.eye(2) + weights.T @ weights / SCALE**2
    gain = np.linalg.solve(precision, weights.T) / SCALE**2
    log_scale = 0.5 * np.log(np.diag(np.linalg.inv(precision))) + np.log(widened)
    params = {
        "decoder": {0: {"kernel": weights.T, "bias": bias}},
        "encoder": {
            0: {
                "kernel": np.concatenate([gain.T, np.zeros((5, 2))], axis=1),
                "bias": np.concatenate([-gain @ bias, log_scale]),
            }
        },
    }
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32)[None], {"networks": params})
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, run.params)
    return dataclasses.replace(run, params=params)


@pytest.fixture(scope="module")
def model():
    """Weights and bias of a linear-Gaussian model, 40 examples of it, and their exact log-likelihoods."""
    rng = np.random.default_rng(3)
    weights, bias = rng.normal(size=(5, 2)), rng.normal(size=5)
    x = (rng.normal(size=(40, 2)) @ weights.T + bias + SCALE * rng.normal(size=(40, 5))).astype(np.float32)
    marginal = stats.multivariate_normal(bias, weights @ weights.T + SCALE**2 * np.eye(5))
    return weights, bias, x, marginal.logpdf(x)


@pytest.fixture(scope="module")
def wide(linear, model) -> Run:
    """A linear-Gaussian model whose posterior is not the exact one, and twice as wide."""
    return linear_gaussian(linear, *model[:2], widened=2.0)


@pytest.fixture(scope="module")
def estimates(wide, model):
    """By number of samples."""
    return {samples: log_likelihood(wide, model[2], samples=samples) for samples in (1, 10, 100, 1000, 5000)}


def test_the_likelihood_of_a_linear_gaussian_model_is_scipy_s(estimates, model):
    found, exact = estimates[5000], model[3]
    assert found.log_likelihood.shape == (40,)
    assert (abs(found.log_likelihood - exact) < 3 * found.standard_error).all()
    assert (found.standard_error < 0.05).all()
    # Standard errors are neither too small nor too large: the errors over them have mean square one.
    ratios = np.square((found.log_likelihood - exact) / found.standard_error)
    assert abs(ratios.mean() - 1) < 4 * (2 / 40) ** 0.5


def test_the_bound_tightens_with_the_number_of_samples(estimates, wide, model):
    means = [found.log_likelihood.mean() for found in estimates.values()]
    # Means over forty examples; from a thousand samples on they differ by less than their standard errors.
    noise = np.sqrt(np.square(estimates[1000].standard_error).sum()) / 40
    assert means[0] < means[1] - 0.1 < means[2] - 0.1
    assert means[2] < means[3] + noise < means[4] + 2 * noise
    elbo = -negative_elbo(wide, model[2])["negative_elbo"].mean()
    assert elbo + 0.5 < means[1] < model[3].mean()
    assert abs(means[-1] - model[3].mean()) < 3 * noise


def test_an_exact_posterior_gives_the_exact_likelihood_with_any_number_of_samples(linear, model):
    # Of orthogonal weights the components of the exact posterior are independent.
    weights = np.array([[1.5, 0.0], [0.5, 0.0], [0.0, -1.0], [0.0, 0.3], [0.0, 2.0]])
    bias, x = model[1], model[2]
    exact = stats.multivariate_normal(bias, weights @ weights.T + SCALE**2 * np.eye(5)).logpdf(x)
    run = linear_gaussian(linear, weights, bias)
    for samples in (1, 20):
        found = log_likelihood(run, x, samples=samples)
        np.testing.assert_allclose(found.log_likelihood, exact, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(found.effective_samples, samples, rtol=1e-4)
    assert (found.standard_error < 1e-3).all()
    # The bound meets the likelihood there, up to the noise of sixteen latents.
    bound = -negative_elbo(run, x)["negative_elbo"]
    assert abs(np.mean(bound - exact)) < 0.1


def test_few_effective_samples_have_no_standard_error_and_densities_say_their_units(linear, model):
    weights, bias, x, _ = model
    # A quarter as wide as the exact posterior, whose tails no draw reaches: the weights have no variance.
    scale = np.array([2.0, 1.0, 4.0, 0.5, 8.0], np.float32)
    data = from_splits(
        scale[None] * x[:20], test=scale[None] * x[20:], name="scaled", scaling=Scaling(scale=scale.tolist())
    )
    narrow = dataclasses.replace(linear_gaussian(linear, weights, bias, widened=0.25), data=data.spec)
    estimate = log_likelihood(narrow, data.test.x, samples=1000)
    few = estimate.effective_samples < 10
    assert few.any()
    np.testing.assert_array_equal(np.isnan(estimate.standard_error), few)
    (result,) = evaluate(narrow, data, "likelihood")
    messages = " ".join(result.messages)
    assert f"Fewer than 10 effective samples stand behind {few.mean():.0%} of the log-likelihoods" in messages
    # The product of the scales is 32.
    assert f"densities in model units: add {-np.log(32):.2f} nats" in messages


def test_the_log_determinant_of_a_scaling_makes_a_density_one_of_stored_values(model):
    weights, bias, x, exact = model
    scale = np.array([2.0, -1.0, 4.0, 0.5, 8.0])
    covariance = np.diag(scale) @ (weights @ weights.T + SCALE**2 * np.eye(5)) @ np.diag(scale)
    stored = stats.multivariate_normal(3.0 + scale * bias, covariance)
    scaling = Scaling(offset=3.0, scale=scale.tolist())
    density = stored.logpdf(scaling.invert(x.astype(np.float64)))
    np.testing.assert_allclose(density, exact + scaling.log_determinant((5,)), rtol=1e-5)


def test_weights_are_those_of_scipy_s_densities(population, small, bound):
    run, networks = population[1], bound(population, 1)
    x, key = small.test.x[:2], jax.random.key(4)
    found = log_likelihood(run, x, samples=30, seed=4)
    mean, scale = posterior_of(networks, x)
    for place, example_key in enumerate(jax.random.split(key, 2)):
        keys = [jax.random.fold_in(example_key, sample) for sample in range(30)]
        z = mean[place] + scale[place] * np.stack([jax.random.normal(one, (1, 3))[0] for one in keys])
        logits = np.asarray(networks.decode(jnp.asarray(z, jnp.float32)), np.float64).reshape(30, 64)
        pixels = x[place].reshape(1, 64) / 16
        log_weights = (
            (pixels * special.log_expit(logits) + (1 - pixels) * special.log_expit(-logits)).sum(axis=1)
            + stats.norm.logpdf(z).sum(axis=1)
            - stats.norm.logpdf(z, mean[place], scale[place]).sum(axis=1)
        )
        weights = np.exp(log_weights - log_weights.max())
        expected = special.logsumexp(log_weights) - np.log(30)
        np.testing.assert_allclose(found.log_likelihood[place], expected, rtol=1e-5)
        error = weights.std(ddof=1) / (weights.mean() * 30**0.5)
        effective = weights.sum() ** 2 / (weights**2).sum()
        np.testing.assert_allclose(found.effective_samples[place], effective, rtol=1e-3)
        np.testing.assert_allclose(found.standard_error[place], error if effective > 10 else np.nan, rtol=1e-3)


def test_neither_chunks_of_samples_nor_of_examples_change_the_likelihood(wide, model, estimates, monkeypatch):
    x = model[2]
    few, many = (log_likelihood(wide, np.resize(x, (count, 5)), samples=10) for count in (5, 1030))
    np.testing.assert_allclose(few.log_likelihood, estimates[10].log_likelihood[:5], rtol=1e-5)
    np.testing.assert_allclose(many.log_likelihood[:40], estimates[10].log_likelihood, rtol=1e-5)
    monkeypatch.setattr("ae_jax.training.importance._CHUNK", 33)
    jax.clear_caches()
    found = log_likelihood(wide, x, samples=100)
    np.testing.assert_allclose(found.log_likelihood, estimates[100].log_likelihood, rtol=1e-5)
    np.testing.assert_allclose(found.standard_error, estimates[100].standard_error, rtol=1e-4)
    # The same examples at other places have other latents.
    assert (abs(many.log_likelihood[40:80] - many.log_likelihood[:40]) > 1e-6).all()


def test_what_the_importance_weighted_bound_trained_is_asked_alike(answer, population, small):
    weighted = [dataclasses.replace(member, objective=ImportanceWeighted()) for member in population.members]
    run = dataclasses.replace(population, autoencoder=stack(weighted))
    found = negative_elbo(run, small.test.x)
    for part in PARTS:
        np.testing.assert_allclose(found[part], answer[part], rtol=1e-6)
    found, expected = (log_likelihood(one[2], small.test.x, samples=5) for one in (run, population))
    np.testing.assert_allclose(found.log_likelihood, expected.log_likelihood, rtol=1e-6)
    np.testing.assert_array_equal(run.sample(3), population.sample(3))


def test_a_likelihood_that_cannot_be_estimated_is_refused(run, population, small):
    with pytest.raises(InvalidInput, match="undercomplete has no evidence lower bound: expected a variational"):
        log_likelihood(run, small.test.x)
    squared = stack([ae_jax.variational(code=3, hidden=(12,), likelihood=SquaredError())] * 4)
    sentence = "variational was trained by SquaredError, which is no normalised likelihood: expected one, such as"
    with pytest.raises(InvalidInput, match=sentence):
        log_likelihood(dataclasses.replace(population, autoencoder=squared), small.test.x)
    with pytest.raises(InvalidInput, match="log_likelihood was given samples=0: expected a whole number above zero"):
        log_likelihood(population, small.test.x, samples=0)
