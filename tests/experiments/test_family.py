"""Measures of the head to head: the same numbers as the package's, and closed forms."""

import math

import numpy as np
import pytest

import ae_jax
from ae_jax.evaluation import log_likelihood, negative_elbo
from benchmarks import family
from benchmarks.family import Fitted
from head_to_head import fitted


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return (ae_jax.data.digits().train.x[:64].reshape(64, 64) > 8).astype(np.float32)


@pytest.mark.parametrize("name", ["vamp", pytest.param("iaf", marks=pytest.mark.slow)])
def test_likelihoods_by_numpy_are_those_of_the_package(name, images):
    run = ae_jax.fit(ae_jax.named(name)(code=2, hidden=(8,)), images, epochs=2)
    found = family.negative_log_likelihood(fitted(run), images, 100)
    estimate = log_likelihood(run, images, samples=100)
    assert found == pytest.approx(-estimate.log_likelihood.mean(), abs=0.2)
    bound = -family.log_weights(fitted(run), images, 16).mean()
    assert bound == pytest.approx(negative_elbo(run, images)["negative_elbo"].mean(), abs=0.3)


def test_a_posterior_that_is_the_prior_leaves_the_likelihood_alone(images):
    same = Fitted(
        moments=lambda x: (np.zeros((len(x), 3), np.float32), np.zeros((len(x), 3), np.float32)),
        decode=lambda z: np.full((len(z), 64), 0.25, np.float32),
    )
    exact = -np.where(images > 0.5, math.log(0.25), math.log(0.75)).sum(axis=1).mean()
    assert family.negative_log_likelihood(same, images, 3) == pytest.approx(exact, rel=1e-6)
    assert family.squared_error(same, images) == pytest.approx(np.square(images - 0.25).sum(axis=1).mean(), rel=1e-6)


def test_the_total_correlation_of_equal_and_of_equally_correlated_posteriors():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(400, 1)).repeat(2, axis=1)
    for mean, expected in ((np.zeros((400, 2)), 0.0), (shared, -0.5 * math.log(1 - 0.5**2))):
        known = Fitted(moments=lambda x, mean=mean: (mean, np.zeros_like(mean)), decode=lambda z: z)
        # Means of one Gaussian for both units, each of unit noise: correlated by a half.
        assert family.total_correlation(known, np.zeros((400, 2))) == pytest.approx(expected, abs=0.08)
