"""The von Mises-Fisher distribution against SciPy: Bessel functions, numerical integration, its own density."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from ae_jax.losses import sphere

CONCENTRATIONS = np.array([0.1, 1.0, 7.0, 60.0, 1e3, 1e4])
DIMENSIONS = (2, 3, 5, 17, 50)


def log_bessel(order, concentration):
    """Log I_order(kappa) - kappa, scipy.special.ive, or its series where that underflows."""
    scaled = special.ive(order, concentration)
    terms = np.arange(60)[:, None]
    series = (2 * terms + order) * np.log(concentration / 2)[None] - special.gammaln(terms + 1)
    series = special.logsumexp(series - special.gammaln(terms + order + 1), axis=0) - concentration
    return np.where(concentration < 5, series, np.log(np.maximum(scaled, 1e-300)))


def mean_cosine(dimensions, concentration):
    """The length of the mean, I_{m/2}(kappa) / I_{m/2-1}(kappa)."""
    order = dimensions / 2 - 1
    return np.exp(log_bessel(order + 1, concentration) - log_bessel(order, concentration))


@pytest.mark.parametrize("dimensions", DIMENSIONS)
def test_normaliser_and_divergence_equal_those_by_bessel_functions(dimensions, x64):
    order = dimensions / 2 - 1
    normaliser = (
        0.5 * dimensions * np.log(2 * np.pi) + log_bessel(order, CONCENTRATIONS) - order * np.log(CONCENTRATIONS)
    )
    area = np.log(2) + dimensions / 2 * np.log(np.pi) - special.gammaln(dimensions / 2)
    kl = CONCENTRATIONS * (mean_cosine(dimensions, CONCENTRATIONS) - 1) - normaliser + area
    kappa = jnp.asarray(CONCENTRATIONS)
    np.testing.assert_allclose(sphere.von_mises_fisher_log_normaliser(kappa, dimensions), normaliser, rtol=1e-9)
    np.testing.assert_allclose(sphere.von_mises_fisher_kl(kappa, dimensions), kl, rtol=1e-6, atol=1e-9)
    assert sphere.log_sphere_area(dimensions) == pytest.approx(area)


@pytest.mark.parametrize(("dimensions", "concentration"), [(2, 0.1), (3, 4.0), (8, 30.0), (50, 500.0)])
def test_the_divergence_equals_the_integral_of_its_definition(dimensions, concentration, x64):
    def weight(angle):
        return np.exp(concentration * (np.cos(angle) - 1)) * np.sin(angle) ** (dimensions - 2)

    limits = (0, min(np.pi, 30 / np.sqrt(concentration)))
    total = integrate.quad(weight, *limits, epsabs=0)[0]
    uniform = integrate.quad(lambda angle: np.sin(angle) ** (dimensions - 2), 0, np.pi)[0]
    expected = integrate.quad(
        lambda angle: weight(angle) / total * (concentration * (np.cos(angle) - 1) - np.log(total / uniform)),
        *limits,
        epsabs=0,
    )[0]
    value = sphere.von_mises_fisher_kl(jnp.array([concentration]), dimensions)
    np.testing.assert_allclose(value, [expected], rtol=1e-6)


@pytest.mark.parametrize("dimensions", DIMENSIONS)
def test_gradients_in_single_precision_are_stable_and_those_of_the_mean_cosine(dimensions):
    """The divergence's is kappa A'(kappa), with A' = 1 - A^2 - (m - 1) A / kappa; the normaliser's is A - 1."""
    kappa = jnp.asarray(CONCENTRATIONS, jnp.float32)
    for function in (sphere.von_mises_fisher_log_normaliser, sphere.von_mises_fisher_kl):
        slope = jax.jit(jax.grad(lambda kappa, function=function: function(kappa, dimensions).sum()))(kappa)
        cosine = mean_cosine(dimensions, CONCENTRATIONS)
        curvature = 1 - cosine**2 - (dimensions - 1) * cosine / CONCENTRATIONS
        log_normaliser = function is sphere.von_mises_fisher_log_normaliser
        expected = cosine - 1 if log_normaliser else CONCENTRATIONS * curvature
        np.testing.assert_allclose(slope, expected, rtol=2e-3, atol=2e-7)


@pytest.mark.parametrize(("dimensions", "concentration"), [(2, 1.0), (3, 0.0), (3, 50.0), (10, 20.0), (50, 1e4)])
def test_the_angle_inverts_its_distribution_function(dimensions, concentration):
    uniform = jnp.linspace(0.001, 0.999, 21)
    angles = sphere.von_mises_fisher_angle(uniform, jnp.full(21, concentration), dimensions)

    def density(angle):
        return np.exp(-2 * concentration * np.sin(angle / 2) ** 2) * np.sin(angle) ** (dimensions - 2)

    widest = min(np.pi, 40 / np.sqrt(max(concentration, 1e-9)))
    grid = np.linspace(0, widest, 200_001)
    function = integrate.cumulative_trapezoid(density(grid), grid, initial=0)
    np.testing.assert_allclose(np.interp(angles, grid, function / function[-1]), uniform, atol=5e-4)


@pytest.mark.parametrize("dimensions", [2, 3, 20])
def test_the_gradient_of_draws_is_that_of_their_mean(dimensions):
    """d/dkappa E[cos theta] is A'(kappa), from 1,000 equally spaced values of the distribution function."""
    uniform = (jnp.arange(1000) + 0.5) / 1000
    concentration = np.array([0.5, 8.0, 1e3])

    def mean_of_draws(kappa):
        draws = jax.vmap(
            lambda one: sphere.von_mises_fisher_angle(uniform, jnp.broadcast_to(one, uniform.shape), dimensions)
        )(kappa)
        return jnp.cos(draws).mean(axis=1)

    slope = jax.jit(jax.grad(lambda kappa: mean_of_draws(kappa).sum()))(jnp.asarray(concentration, jnp.float32))
    cosine = mean_cosine(dimensions, concentration)
    np.testing.assert_allclose(slope, 1 - cosine**2 - (dimensions - 1) * cosine / concentration, rtol=0.02)


def test_in_three_dimensions_it_is_scipy_s_density(x64):
    """scipy.stats.vonmises_fisher."""
    normaliser = sphere.von_mises_fisher_log_normaliser(jnp.array([3.0]), 3)
    mean, z = np.array([0.0, 0.6, 0.8]), np.array([1.0, 0.0, 0.0])
    expected = stats.vonmises_fisher(mean, 3.0).logpdf(z)
    np.testing.assert_allclose(3.0 * (mean @ z - 1) - normaliser, expected, rtol=1e-9)
