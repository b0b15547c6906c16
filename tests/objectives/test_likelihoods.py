import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from ae_jax import InvalidInput, objectives
from ae_jax.objectives import (
    BernoulliLikelihood,
    DiscretisedLogisticLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
    LearnedGaussianLikelihood,
    Likelihood,
    MultiScaleSSIM,
    OptimalGaussianLikelihood,
    SquaredError,
    StudentTLikelihood,
)

RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(size=(3, 4)).astype(np.float32)
TARGET = RNG.uniform(size=(3, 4)).astype(np.float32)

# Each with its negative log-density of a feature by SciPy, and the reconstruction its outputs stand for.
LIKELIHOODS = [
    (SquaredError(), lambda o, x: (o - x) ** 2, lambda o: o),
    (
        BernoulliLikelihood(),
        lambda o, x: -special.xlogy(x, special.expit(o)) - special.xlogy(1 - x, special.expit(-o)),
        special.expit,
    ),
    (GaussianLikelihood(scale=0.3), lambda o, x: -stats.norm.logpdf(x, o, 0.3), lambda o: o),
    (LaplaceLikelihood(scale=0.3), lambda o, x: -stats.laplace.logpdf(x, o, 0.3), lambda o: o),
]


@pytest.mark.parametrize(("likelihood", "nll", "mean"), LIKELIHOODS, ids=lambda value: type(value).__name__)
def test_is_the_negative_log_density_summed_over_features(likelihood, nll, mean):
    assert isinstance(likelihood, Likelihood)
    value = likelihood(jnp.asarray(OUTPUTS), jnp.asarray(TARGET))
    np.testing.assert_allclose(value, nll(OUTPUTS.astype(float), TARGET).sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(likelihood.mean(jnp.asarray(OUTPUTS)), mean(OUTPUTS), rtol=1e-5)


def test_a_learned_scale_has_a_floor():
    likelihood = LearnedGaussianLikelihood(smallest_log_scale=-2.0)
    outputs = np.stack([OUTPUTS, 3 * RNG.normal(size=(3, 4))], axis=-1).astype(np.float32)
    scale = np.exp(-2.0 + np.log1p(np.exp(outputs[..., 1].astype(float) + 2.0)))
    expected = -stats.norm.logpdf(TARGET, OUTPUTS, scale).sum(axis=1)
    np.testing.assert_allclose(likelihood(jnp.asarray(outputs), jnp.asarray(TARGET)), expected, rtol=1e-4)
    np.testing.assert_array_equal(likelihood.mean(jnp.asarray(outputs)), OUTPUTS)
    exact = jnp.stack([jnp.asarray(TARGET), jnp.full((3, 4), -1e6)], axis=-1)
    np.testing.assert_allclose(likelihood(exact, jnp.asarray(TARGET)), 4 * (0.5 * np.log(2 * np.pi) - 2.0), rtol=1e-5)


def test_a_student_t_s_scale_and_freedom_have_floors():
    outputs = RNG.normal(size=(3, 4, 3)).astype(np.float32)
    location, scale, freedom = np.moveaxis(outputs.astype(float), -1, 0)
    expected = -stats.t.logpdf(TARGET, 2.0 + np.log1p(np.exp(freedom)), location, 0.1 + np.log1p(np.exp(scale)))
    value = StudentTLikelihood(smallest_scale=0.1, least_freedom=2.0)(jnp.asarray(outputs), jnp.asarray(TARGET))
    np.testing.assert_allclose(value, expected.sum(axis=1), rtol=1e-4)


def test_a_discretised_logistic_is_the_probability_of_a_step():
    outputs, target = RNG.normal(size=(3, 4, 2)).astype(np.float32), np.resize(np.linspace(0, 1, 5), (3, 4))
    scale = np.exp(-2.0 + np.log1p(np.exp(outputs[..., 1].astype(float) + 2.0)))
    below, above = np.where(target == 0, -np.inf, target - 1 / 8), np.where(target == 1, np.inf, target + 1 / 8)
    distribution = stats.logistic(outputs[..., 0], scale)
    expected = -np.log(distribution.cdf(above) - distribution.cdf(below)).sum(axis=1)
    likelihood = DiscretisedLogisticLikelihood(levels=5, smallest_log_scale=-2.0)
    np.testing.assert_allclose(likelihood(jnp.asarray(outputs), jnp.float32(target)), expected, rtol=1e-4)


def test_every_likelihood_says_what_it_needs():
    everyone = [
        getattr(objectives, name)()
        for name in objectives.__all__
        if name.endswith(("Likelihood", "Error")) and name != "Likelihood"
    ]
    assert {type(likelihood).__name__: (likelihood.outputs, likelihood.unit_interval) for likelihood in everyone} == {
        "SquaredError": (1, False),
        "BernoulliLikelihood": (1, True),
        "GaussianLikelihood": (1, False),
        "LearnedGaussianLikelihood": (2, False),
        "LaplaceLikelihood": (1, False),
        "OptimalGaussianLikelihood": (1, False),
        "StudentTLikelihood": (3, False),
        "DiscretisedLogisticLikelihood": (2, True),
    }


@pytest.mark.parametrize("likelihood", [GaussianLikelihood, LaplaceLikelihood])
def test_a_fixed_scale_can_be_mapped_over_and_is_above_zero(likelihood):
    outputs, target = jnp.asarray(OUTPUTS), jnp.asarray(TARGET)
    values = jax.vmap(lambda one: one(outputs, target))(likelihood(scale=jnp.array([0.3, 2.0])))
    np.testing.assert_allclose(values[1], likelihood(scale=2.0)(outputs, target), rtol=1e-5)
    with pytest.raises(InvalidInput, match=f"{likelihood.__name__} was given scale=0: expected a number above zero"):
        likelihood(scale=0)


def test_samples_have_the_moments_of_scipy_s_distributions():
    outputs = jnp.broadcast_to(jnp.array([0.4, -1.0, 20.0]), (40_000, 1, 3))
    scale = np.log1p(np.exp(-1.0))
    logistic = np.exp(-3.0 + np.log1p(np.exp(2.0)))
    cases = [
        (BernoulliLikelihood(), outputs[..., 0], stats.bernoulli(special.expit(0.4))),
        (GaussianLikelihood(scale=0.3), outputs[..., 0], stats.norm(0.4, 0.3)),
        (LaplaceLikelihood(scale=0.3), outputs[..., 0], stats.laplace(0.4, 0.3)),
        (LearnedGaussianLikelihood(), outputs[..., :2], stats.norm(0.4, np.exp(-4 + np.log1p(np.exp(3.0))))),
        (StudentTLikelihood(), outputs, stats.t(23.0, 0.4, scale + 1e-3)),
        (
            DiscretisedLogisticLikelihood(levels=1001, smallest_log_scale=-3.0),
            outputs[..., :2],
            stats.logistic(0.4, logistic),
        ),
    ]
    for likelihood, given, distribution in cases:
        drawn = np.asarray(likelihood.sample(jax.random.key(0), given)).ravel()
        if isinstance(likelihood, DiscretisedLogisticLikelihood):
            inside = (drawn > 0) & (drawn < 1)
            expected = np.diff(distribution.cdf([0.0, 1.0]))[0]
            np.testing.assert_allclose(inside.mean(), expected, atol=0.01)
            np.testing.assert_allclose(drawn * 1000, np.rint(drawn * 1000), atol=1e-3)
            continue
        np.testing.assert_allclose(drawn.mean(), distribution.mean(), atol=5 * distribution.std() / 200)
        np.testing.assert_allclose(drawn.std(), distribution.std(), rtol=0.03)


def test_multiscale_ssim_is_zero_for_the_image_itself_and_a_logistic_needs_two_levels():
    image = jax.random.uniform(jax.random.key(0), (2, 8, 8), minval=0.1, maxval=0.9)
    np.testing.assert_allclose(MultiScaleSSIM()(jnp.log(image / (1 - image)), image), 0.0, atol=1e-5)
    with pytest.raises(InvalidInput, match="levels=1: expected at least 2"):
        DiscretisedLogisticLikelihood(levels=1)


def test_an_optimal_scale_judges_by_the_error_of_each_example():
    value = OptimalGaussianLikelihood()(jnp.asarray(OUTPUTS), jnp.asarray(TARGET))
    expected = 2.0 * (np.log(2 * np.pi * np.square(OUTPUTS - TARGET).mean(axis=1)) + 1)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
