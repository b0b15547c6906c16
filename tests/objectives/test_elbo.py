import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

import ae_jax
from ae_jax import InvalidInput
from ae_jax.corruptions import Binarisation, Masking
from ae_jax.distributions import DiagonalGaussian
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, L1, BernoulliLikelihood, Contractive, GaussianLikelihood, ImportanceWeighted
from ae_jax.objectives.elbo import nll_of_latents, sample_latents
from ae_jax.priors import StandardNormalPrior
from ae_jax.schedules import Linear
from ae_jax.types import Batch

KEY = jax.random.key(0)
DRAWS = 4000


def draws_of(networks, x, *, samples: int = 1) -> np.ndarray:
    """Negative bounds of independent keys."""
    objective = ELBO(likelihood=GaussianLikelihood(scale=networks.scale), samples=samples)
    keys = jax.random.split(KEY, DRAWS)
    return np.asarray(jax.jit(jax.vmap(lambda key: objective(networks, key, Batch(jnp.asarray(x)), 0)[0]))(keys))


@pytest.mark.parametrize(("shift", "stretch"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.4), (-0.3, -0.5)])
def test_the_bound_of_a_linear_gaussian_model_misses_its_exact_likelihood_by_the_posterior_s_divergence(
    shift, stretch, linear_gaussian, points
):
    networks = linear_gaussian(shift, stretch)
    draws = draws_of(networks, points)
    gap = draws.mean() - networks.exact_nll(points).mean()
    error = draws.std() / DRAWS**0.5
    assert abs(gap - networks.divergence_from_exact(points).mean()) < 4 * error
    if (shift, stretch) == (0.0, 0.0):
        assert abs(gap) < 4 * error < 0.05
    else:
        assert gap > 4 * error


def test_more_samples_are_unbiased_and_vary_less(linear_gaussian, points):
    few, many = (draws_of(linear_gaussian(), points, samples=samples) for samples in (1, 5))
    assert abs(few.mean() - many.mean()) < 4 * (few.var() / DRAWS + many.var() / DRAWS) ** 0.5
    # A variance of 4,000 draws is known to a twentieth.
    np.testing.assert_allclose(few.var() / many.var(), 5.0, rtol=0.25)


@pytest.mark.parametrize("likelihood", [BernoulliLikelihood(), GaussianLikelihood(scale=0.5)])
def test_terms_are_the_expected_nll_and_the_divergence_and_the_loss_their_sum(likelihood, stochastic):
    x = jax.random.uniform(KEY, (6, 4))
    loss, metrics = jax.jit(
        lambda key: ELBO(likelihood=likelihood, beta=4.0, samples=2000)(stochastic, key, Batch(x), 0)
    )(KEY)
    assert sorted(metrics) == sorted([likelihood.name, "kl"])
    np.testing.assert_allclose(loss, metrics[likelihood.name] + 4.0 * metrics["kl"], rtol=1e-6)
    posterior = stochastic.encode(x)
    mean, scale = np.asarray(posterior.mean, float), np.exp(np.asarray(posterior.log_scale, float))
    kl = 0.5 * np.sum(mean**2 + scale**2 - 1 - 2 * np.log(scale), axis=1).mean()
    np.testing.assert_allclose(metrics["kl"], kl, rtol=1e-5)
    # The same expectation from NumPy's own draws.
    z = mean + scale * np.random.default_rng(0).normal(size=(2000, *mean.shape))
    outputs = np.asarray(stochastic.decode(jnp.asarray(z.reshape(-1, 3), jnp.float32))).reshape(2000, 6, 4)
    if isinstance(likelihood, BernoulliLikelihood):
        nll = -(np.asarray(x) * special.log_expit(outputs) + (1 - np.asarray(x)) * special.log_expit(-outputs))
    else:
        nll = -stats.norm.logpdf(np.asarray(x), outputs, 0.5)
    draws = nll.sum(axis=2).mean(axis=1)
    assert abs(metrics[likelihood.name] - draws.mean()) < 4 * (2 / 2000) ** 0.5 * draws.std()


def test_every_example_meets_its_own_samples(linear_gaussian):
    # With x = W z + b exactly, an example is reconstructed from its own latents only.
    networks = linear_gaussian()
    z = np.array([[3.0, -2.0], [0.0, 5.0], [-4.0, 1.0]], np.float32)
    targets = networks.decode(jnp.asarray(z))
    posterior = DiagonalGaussian(jnp.asarray(z), jnp.full((3, 2), -20.0))
    latents = sample_latents(KEY, posterior, 4)
    nll = nll_of_latents(GaussianLikelihood(scale=1.0), networks, latents, Batch(targets))
    np.testing.assert_allclose(nll, np.full((4, 3), 2.5 * np.log(2 * np.pi)), rtol=1e-5)


def test_corruption_damages_the_encoder_s_input_only(stochastic):
    x = jax.random.uniform(KEY, (6, 4))
    evaluate = jax.jit(lambda x: ELBO(corruption=Masking(probability=1.0))(stochastic, KEY, Batch(x), 0))
    (_, metrics), (_, other) = evaluate(x), evaluate(1.0 - x)
    blind = stochastic.encode(jnp.zeros_like(x))
    np.testing.assert_allclose(metrics["kl"], jnp.mean(blind.kl()), rtol=1e-5)
    assert other["kl"] == metrics["kl"]
    assert metrics["bernoulli_nll"] != other["bernoulli_nll"]


@pytest.mark.parametrize("objective", [ELBO(samples=2), ImportanceWeighted(samples=2)], ids=lambda o: type(o).__name__)
def test_what_is_drawn_anew_is_seen_by_encoder_and_likelihood_alike(stochastic, objective):
    # The same draw whatever the key, so that the augmented objective is the plain one of what was drawn.
    drawn = Binarisation()(KEY, jax.random.uniform(KEY, (6, 4)))
    augmented = dataclasses.replace(objective, augmentation=lambda key, x: drawn)
    grey, binary = jnp.full((6, 4), 0.5), drawn
    np.testing.assert_array_equal(
        augmented(stochastic, KEY, Batch(grey), 0)[0], objective(stochastic, KEY, Batch(binary), 0)[0]
    )
    # And otherwise the key's, another one at every use.
    binarised = dataclasses.replace(objective, augmentation=Binarisation())
    losses = {float(binarised(stochastic, key, Batch(grey), 0)[0]) for key in jax.random.split(KEY, 3)}
    assert len(losses) == 3


def test_penalties_are_of_the_posterior_mean(stochastic):
    x = jax.random.uniform(KEY, (6, 4))
    objective = ELBO(penalties=(L1(weight=0.5), Contractive(weight=2.0)))
    loss, metrics = jax.jit(lambda x: objective(stochastic, KEY, Batch(x), 0))(x)
    np.testing.assert_allclose(metrics["l1"], np.abs(stochastic.encode(x).mean).sum(axis=1).mean(), rtol=1e-5)
    jacobians = jax.vmap(jax.jacfwd(lambda e: stochastic.encode(e[None]).mean[0]))(x)
    np.testing.assert_allclose(metrics["jacobian"], np.square(jacobians).sum(axis=(1, 2)).mean(), rtol=1e-5)
    expected = metrics["bernoulli_nll"] + metrics["kl"] + 0.5 * metrics["l1"] + 2.0 * metrics["jacobian"]
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


class Sampled(StandardNormalPrior):
    """The standard normal without the closed form of its divergence."""

    def kl(self, posterior):
        return None


def test_a_divergence_without_a_closed_form_is_estimated_from_the_latents(linear_gaussian, points):
    networks = linear_gaussian(shift=0.3)
    objective = ELBO(likelihood=GaussianLikelihood(scale=networks.scale), samples=DRAWS)
    _, exact = objective(networks, KEY, Batch(jnp.asarray(points)), 0)
    networks.prior = Sampled((2,))
    _, estimated = objective(networks, KEY, Batch(jnp.asarray(points)), 0)
    np.testing.assert_allclose(estimated["kl"], exact["kl"], rtol=0.05)
    assert estimated["kl"] != exact["kl"]


def test_a_capacity_is_the_divergence_s_target(stochastic):
    x = jax.random.uniform(KEY, (6, 4))
    _, plain = ELBO()(stochastic, KEY, Batch(x), 0)
    rising = ELBO(beta=10.0, capacity=Linear(start=0.0, end=8.0, steps=4))
    for step, capacity in ((0, 0.0), (2, 4.0), (9, 8.0)):
        loss, metrics = rising(stochastic, KEY, Batch(x), step)
        assert metrics["kl"] == plain["kl"]
        np.testing.assert_allclose(metrics["capacity"], abs(plain["kl"] - capacity), rtol=1e-5)
        np.testing.assert_allclose(loss, plain["bernoulli_nll"] + 10.0 * metrics["capacity"], rtol=1e-5)


@pytest.mark.parametrize("objective", [ELBO(), ImportanceWeighted()], ids=lambda o: type(o).__name__)
def test_a_deterministic_encoder_is_refused(objective, model_of):
    with pytest.raises(InvalidInput, match=r"was given a deterministic encoder: expected networks with stochastic"):
        objective(model_of(MLP(hidden=(), code=2), (4,)), KEY, Batch(jnp.ones((2, 4))), 0)


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"beta": -1.0}, "ELBO was given beta=-1.0: expected zero or a number above"),
        ({"samples": 0}, "ELBO was given samples=0: expected a whole number above zero"),
        ({"prior": "normal"}, r"ELBO was given prior='normal': expected a prior, such as StandardNormal\(\)"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_choices_that_cannot_be_used_are_refused(choice, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        ELBO(**choice)


def test_an_extreme_example_leaves_loss_and_gradient_finite():
    autoencoder = ae_jax.variational(code=2, hidden=(), likelihood=GaussianLikelihood())
    params, state = autoencoder.init((4,), jax.random.key(0))
    params = jax.tree.map(jnp.ones_like, params)  # by which the log-scale is the sum of the features, 120
    batch = Batch(jnp.full((1, 4), 30.0))

    def loss_of(params):
        return autoencoder.objective(autoencoder.bind((4,), params, state), jax.random.key(1), batch, 0)[0]

    for leaf in jax.tree.leaves(jax.jit(jax.value_and_grad(loss_of))(params)):
        assert np.isfinite(leaf).all()
        assert np.abs(leaf).max() < 1e9
