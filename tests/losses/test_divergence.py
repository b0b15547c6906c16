import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from ae_jax import InvalidInput
from ae_jax.losses import gaussian_kl, gaussian_kl_between

# Mean and log standard deviation of one latent.
GAUSSIANS = [(0.0, 0.0), (0.7, 0.0), (0.0, -1.2), (-1.5, 0.6), (3.0, -0.4)]


def integrated(mean: float, log_scale: float, other_mean: float, other_log_scale: float) -> float:
    """The divergence's definition, integrated numerically over sixteen standard deviations."""
    q, p = stats.norm(mean, np.exp(log_scale)), stats.norm(other_mean, np.exp(other_log_scale))
    reach = 8 * np.exp(log_scale)
    return integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), mean - reach, mean + reach)[0]


def test_equals_the_integral_of_its_definition_from_the_standard_normal():
    mean, log_scale = (jnp.array([column]) for column in zip(*GAUSSIANS, strict=True))
    expected = sum(integrated(m, s, 0.0, 0.0) for m, s in GAUSSIANS)
    np.testing.assert_allclose(gaussian_kl(mean, log_scale), [expected], rtol=1e-5)


@pytest.mark.parametrize("other", [(0.5, 0.3), (-2.0, -0.8)])
def test_equals_the_integral_of_its_definition_between_gaussians(other):
    mean, log_scale = (jnp.array(column)[:, None] for column in zip(*GAUSSIANS, strict=True))
    value = gaussian_kl_between(mean, log_scale, jnp.full_like(mean, other[0]), jnp.full_like(mean, other[1]))
    np.testing.assert_allclose(value, [integrated(m, s, *other) for m, s in GAUSSIANS], rtol=1e-5)


def test_is_zero_at_the_prior_and_has_no_slope_there():
    zeros = jnp.zeros((2, 3))
    np.testing.assert_array_equal(gaussian_kl(zeros, zeros), [0.0, 0.0])
    for argument in (0, 1):
        slope = jax.grad(lambda m, s: gaussian_kl(m, s).sum(), argnums=argument)(zeros, zeros)
        np.testing.assert_array_equal(slope, zeros)


def test_stays_exact_near_the_prior():
    # To second order the divergence of N(0, e^{2t}) is t^2; in single precision the textbook form cancels to noise.
    value = gaussian_kl(jnp.zeros((1, 1)), jnp.full((1, 1), 1e-4))
    np.testing.assert_allclose(value, [1e-8], rtol=1e-3)


@pytest.mark.parametrize("shapes", [((3, 2), (1, 2)), ((3, 2), (3, 1)), ((3, 2), (2,))])
def test_never_broadcasts(shapes, unchecked):
    mean, other = jnp.zeros(shapes[0]), jnp.zeros(shapes[1])
    with pytest.raises(InvalidInput, match=r"mean has shape \(3, 2\) and log_scale .*expected equal shapes"):
        gaussian_kl(mean, other)
    with pytest.raises(InvalidInput, match=r"mean has shape \(3, 2\) and other_mean .*expected equal shapes"):
        gaussian_kl_between(mean, mean, other, mean)
