"""Measures of batches of latents against NumPy, SciPy and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from ae_jax import InvalidInput
from ae_jax.losses import aggregate


def gaussians(correlation=0.5, count=400, noise=0.6, seed=0):
    """Means of posteriors and draws from them, whose aggregate is a Gaussian of a known correlation; log-densities."""
    rng = np.random.default_rng(seed)
    covariance = np.array([[1.0, correlation], [correlation, 1.0]])
    means = rng.multivariate_normal(np.zeros(2), covariance - noise**2 * np.eye(2), size=count)
    z = means + noise * rng.normal(size=means.shape)
    return stats.norm(means[None], noise).logpdf(z[:, None])


def stratified_by_loops(densities, examples):
    """Chen et al. 2018, appendix C.2, one latent and one weight at a time."""
    batch = len(densities)
    others, ratios = batch - 1, []
    for i in range(batch):
        weight = [1 / others] * batch
        weight[i] = 1 / examples
        weight[(i + 1) % batch] = (examples - others) / (examples * others)
        joint = special.logsumexp(densities[i].sum(axis=1), b=weight)
        single = [special.logsumexp(densities[i, :, d], b=weight) for d in range(densities.shape[2])]
        ratios.append(joint - sum(single))
    return ratios


def test_total_correlation_equals_loops_over_latents(x64):
    densities = gaussians(count=7)
    value = aggregate.total_correlation(jnp.asarray(densities), 50)
    np.testing.assert_allclose(value, stratified_by_loops(densities, 50), rtol=1e-9)
    value = aggregate.total_correlation(jnp.asarray(densities), 50, stratified=False)
    joint = special.logsumexp(densities.sum(axis=2), axis=1) - np.log(7 * 50)
    expected = joint - (special.logsumexp(densities, axis=1) - np.log(7 * 50)).sum(axis=1)
    np.testing.assert_allclose(value, expected, rtol=1e-9)


@pytest.mark.parametrize("correlation", [0.0, 0.5, -0.6])
def test_total_correlation_of_a_gaussian_is_that_of_its_correlation(correlation):
    """KL of a bivariate normal from the product of its marginals: -log(1 - r^2) / 2."""
    exact = -0.5 * np.log(1 - correlation**2)
    densities = jnp.stack([jnp.asarray(gaussians(correlation, seed=seed), jnp.float32) for seed in range(20)])
    for stratified in (True, False):
        values = jax.jit(
            jax.vmap(lambda one, s=stratified: aggregate.total_correlation(one, 400, stratified=s).mean())
        )(densities)
        # Weighted sampling takes the density of the joint and of each of two factors to be too low by log N.
        offset = 0.0 if stratified else np.log(400)
        error = float(values.std()) / 20**0.5
        assert abs(float(values.mean()) - offset - exact) < 4 * error + 0.02  # of the logarithm of an estimate


def test_fewer_examples_than_the_batch_are_taken_as_the_batch():
    densities = jnp.asarray(gaussians(count=6), jnp.float32)
    np.testing.assert_array_equal(aggregate.total_correlation(densities, 2), aggregate.total_correlation(densities, 6))


def test_decorrelation_weighs_the_diagonal(x64):
    covariance = np.cov(np.random.default_rng(0).normal(size=(5, 50)))
    off = covariance - np.diag(np.diag(covariance))
    expected = np.sum(off**2) + 3.0 * np.sum((np.diag(covariance) - 1) ** 2)
    np.testing.assert_allclose(aggregate.decorrelation(jnp.asarray(covariance), 3.0), expected)


def kernel_of(kind, a, b):
    squares = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
    scales = [2 * a.shape[1] * s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10)]
    return sum(c / (c + squares) if kind == "imq" else np.exp(-squares / c) for c in scales)


@pytest.mark.parametrize("kind", ["imq", "rbf"])
def test_the_discrepancy_equals_numpy_in_value_and_gradient(kind, x64):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)), rng.normal(0.5, 1.5, size=(8, 3))

    def numpy_value(x):
        within = [(kernel_of(kind, a, a).sum() - 7 * len(a)) / (len(a) * (len(a) - 1)) for a in (x, y)]
        return sum(within) - 2 * kernel_of(kind, x, y).mean()

    value, slope = jax.jit(
        jax.value_and_grad(lambda x: aggregate.maximum_mean_discrepancy(x, jnp.asarray(y), kernel=kind))
    )(jnp.asarray(x))
    np.testing.assert_allclose(value, numpy_value(x), rtol=1e-9)
    step = 1e-6 * np.eye(18).reshape(18, 6, 3)
    differences = [(numpy_value(x + each) - numpy_value(x - each)) / 2e-6 for each in step]
    np.testing.assert_allclose(np.ravel(slope), differences, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("kind", ["imq", "rbf"])
def test_the_discrepancy_is_unbiased_over_permutations_of_one_set(kind):
    """The mean over random halves of one set is zero: halves have one distribution, though they differ."""
    x = jnp.asarray(np.random.default_rng(0).gamma(2.0, size=(24, 2)), jnp.float32)

    def of_halves(key):
        mixed = jax.random.permutation(key, x)
        return aggregate.maximum_mean_discrepancy(mixed[:12], mixed[12:], kernel=kind)

    values = np.asarray(jax.jit(jax.vmap(of_halves))(jax.random.split(jax.random.key(0), 4000)))
    assert abs(values.mean()) < 4 * values.std() / 4000**0.5
    assert values.min() < 0 < values.max()
    shifted = aggregate.maximum_mean_discrepancy(x[:12], x[12:] + 2.0, kernel=kind)
    assert shifted > values.max()


def test_each_slice_is_scipy_s_wasserstein_distance(x64):
    rng = np.random.default_rng(0)
    x, y, directions = rng.normal(size=(9, 3)), rng.exponential(size=(9, 3)), rng.normal(size=(4, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    values = aggregate.sliced_wasserstein(*map(jnp.asarray, (x, y, directions)), power=1)
    expected = [stats.wasserstein_distance(x @ each, y @ each) for each in directions]
    np.testing.assert_allclose(values, expected, rtol=1e-9)
    values = aggregate.sliced_wasserstein(*map(jnp.asarray, (x, y, directions)))
    expected = [np.mean((np.sort(x @ each) - np.sort(y @ each)) ** 2) for each in directions]
    np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_an_unknown_kernel_is_refused():
    with pytest.raises(InvalidInput, match="unknown kernel 'rfb': did you mean 'rbf'"):
        aggregate.maximum_mean_discrepancy(jnp.ones((2, 1)), jnp.ones((2, 1)), kernel="rfb")
