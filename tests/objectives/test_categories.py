"""Categorical latents: draws by their probabilities, divergences in closed form, and capacities."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import special, stats

import ae_jax
from ae_jax.distributions import DiagonalGaussian
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import evaluate, log_likelihood
from ae_jax.objectives import CategoricalELBO, Categories, JointELBO
from ae_jax.objectives.categories import Categorical, Joint
from ae_jax.types import Batch

LOGITS = np.log(np.array([[[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]]], np.float32))


def test_draws_follow_the_probabilities_relaxed_or_not():
    posterior = Categorical(jnp.tile(LOGITS, (20_000, 1, 1)))
    for drawn in (posterior.sample(jax.random.key(0)), posterior.relaxed(jax.random.key(1), 0.5)):
        classes = np.asarray(drawn).reshape(-1, 2, 3).argmax(axis=-1)  # Gumbel-max: the largest is a true draw
        for variable, share in enumerate(np.exp(LOGITS[0].astype(float))):
            counts = np.bincount(classes[:, variable], minlength=3)
            assert stats.chisquare(counts, share / share.sum() * len(classes)).pvalue > 1e-3


def test_a_relaxed_draw_and_its_gradient_equal_the_equation():
    key, weights = jax.random.key(0), jnp.arange(6.0)[None]
    noise = np.asarray(jax.random.gumbel(key, LOGITS.shape), np.float64)
    expected = special.softmax((LOGITS + noise) / 0.7, axis=-1)
    drawn, gradient = jax.value_and_grad(lambda logits: jnp.sum(weights * Categorical(logits).relaxed(key, 0.7)))(
        jnp.asarray(LOGITS)
    )
    np.testing.assert_allclose(drawn, np.sum(np.asarray(weights) * expected.reshape(1, -1)), rtol=1e-5)
    w = np.asarray(weights).reshape(1, 2, 3)
    pulled = expected * (w - np.sum(w * expected, axis=-1, keepdims=True)) / 0.7
    np.testing.assert_allclose(gradient, pulled, rtol=1e-4, atol=1e-6)


def test_divergence_and_log_probability_equal_scipy():
    posterior = Categorical(jnp.asarray(LOGITS))
    share = np.exp(LOGITS[0])
    expected = float(np.sum(stats.entropy(share, np.full((2, 3), 1 / 3), axis=1)))
    np.testing.assert_allclose(posterior.kl(), [expected], rtol=1e-5)
    z = jax.nn.one_hot(jnp.array([[1, 0]]), 3).reshape(1, 6)
    np.testing.assert_allclose(posterior.log_prob(z), [np.log(0.5) + np.log(0.7)], rtol=1e-5)
    prior: Any = Categories(classes=3, prior=True)(None, (4,), (6,), nnx.Rngs(0))
    np.testing.assert_allclose(prior.log_prob(z), [-2 * np.log(3)], rtol=1e-6)
    draws = jax.vmap(posterior.sample)(jax.random.split(jax.random.key(0), 20_000))
    ratios = jax.vmap(lambda z: posterior.log_prob(z) - prior.log_prob(z))(draws)
    assert abs(float(ratios.mean()) - expected) < 4 * float(ratios.std()) / np.sqrt(20_000)


def test_a_joint_posterior_is_the_product_of_its_halves():
    gaussian = DiagonalGaussian(jnp.array([[0.5, -1.0]]), jnp.array([[0.1, -0.3]]))
    posterior = Joint(gaussian, Categorical(jnp.asarray(LOGITS)))
    z, density = posterior.sample_and_log_prob(jax.random.key(0))
    expected = stats.norm.logpdf(z[0, :2], gaussian.mean[0], np.exp(gaussian.log_scale[0])).sum()
    expected += np.sum(np.asarray(z[0, 2:]).reshape(2, 3) * LOGITS[0])
    np.testing.assert_allclose(density, [expected], rtol=1e-4)
    prior: Any = Categories(classes=3, continuous=2, prior=True)(None, (4,), (8,), nnx.Rngs(0))
    expected = stats.norm.logpdf(z[0, :2]).sum() - 2 * np.log(3)
    np.testing.assert_allclose(prior.log_prob(z), [expected], rtol=1e-5)
    np.testing.assert_allclose(posterior.kl(), gaussian.kl() + posterior.discrete.kl())


def test_capacities_are_what_divergences_are_held_to():
    joint = ae_jax.joint(continuous=2, values=3, hidden=(), gamma=7.0, steps=10, discrete_capacity=50.0)
    params, _ = joint.init((5,), jax.random.key(0))
    model, batch = joint.bind((5,), params), Batch(jax.random.uniform(jax.random.key(1), (6, 5)))
    loss, terms = joint.objective(model, jax.random.key(2), batch, 5)
    posterior = model.encode(batch.x)
    z_gap = abs(float(posterior.continuous.kl().mean()) - 2.5)
    c_gap = abs(float(posterior.discrete.kl().mean()) - np.log(3))
    np.testing.assert_allclose([terms["continuous_gap"], terms["discrete_gap"]], [z_gap, c_gap], rtol=1e-4)
    np.testing.assert_allclose(loss, terms["bernoulli_nll"] + 7.0 * (z_gap + c_gap), rtol=1e-5)


def test_a_run_bounds_samples_and_counts(small):
    run = ae_jax.fit(ae_jax.categorical(variables=3, values=4, hidden=(6,)), small, seeds=[0, 1], epochs=2)
    assert run.encode(small.test.x).shape == (2, 20, 12)
    assert run.sample(3).shape == (2, 3, 8, 8)
    metrics = {row["metric"] for row in evaluate(run, small).rows}
    assert {"negative_elbo", "codes_used", "perplexity", "dead_codes"} <= metrics
    assert np.isfinite(log_likelihood(run, small.test.x[:2], samples=5).log_likelihood).all()


def test_refusals_are_sentences(small):
    with pytest.raises(InvalidInput, match="temperature=0: expected a number above zero"):
        CategoricalELBO(temperature=0)
    with pytest.raises(InvalidInput, match="classes=1: expected at least two"):
        ae_jax.categorical(values=1)
    with pytest.raises(InvalidInput, match=r"discrete_capacity=-1\.0: expected zero or a number above"):
        JointELBO(discrete_capacity=-1.0)
    with pytest.raises(InvalidInput, match="expected a divisor of the number of units"):
        Categories(classes=3)(None, (4,), (7,), nnx.Rngs(0))
