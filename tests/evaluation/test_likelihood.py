import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

import ae_jax
from ae_jax import InvalidInput
from ae_jax.evaluation import negative_elbo
from ae_jax.training.population import stack

PARTS = ["kl", "negative_elbo", "negative_log_likelihood"]


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


def test_the_seed_decides_the_latents(answer, population, small):
    again, other = (negative_elbo(population, small.test.x, seed=seed) for seed in (0, 1))
    for part in PARTS:
        np.testing.assert_array_equal(again[part], answer[part])
    np.testing.assert_array_equal(other["kl"], answer["kl"])
    assert (other["negative_elbo"] != answer["negative_elbo"]).any()


def test_a_single_run_has_no_member_axis(answer, population, small):
    alone = negative_elbo(population[2], small.test.x)
    for part in PARTS:
        np.testing.assert_allclose(alone[part], answer[part][2], rtol=1e-5)


def test_beta_is_one_whatever_was_trained_with(answer, population, small):
    weighed = stack([ae_jax.variational(code=3, hidden=(12,), beta=40.0)] * 4)
    found = negative_elbo(dataclasses.replace(population, autoencoder=weighed), small.test.x)
    np.testing.assert_allclose(found["negative_elbo"], answer["negative_elbo"], rtol=1e-6)


def test_a_deterministic_autoencoder_is_refused(run, small):
    sentence = "undercomplete has no evidence lower bound: expected a variational autoencoder"
    with pytest.raises(InvalidInput, match=sentence):
        negative_elbo(run, small.test.x)
