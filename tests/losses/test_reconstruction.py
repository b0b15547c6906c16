import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from ae_jax import InvalidInput, losses

SHAPE = (3, 4, 5)
LOSSES = [losses.squared_error, losses.bernoulli_nll, losses.gaussian_nll, losses.laplace_nll]


def normal(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


def binary_log_likelihood(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    return special.xlogy(target, special.expit(logits)) + special.xlogy(1 - target, special.expit(-logits))


# Each reference is SciPy's log-density of every feature, in double precision.
REFERENCES = {
    "squared_error": (losses.squared_error, (), lambda p, t: np.square(p.astype(float) - t)),
    "bernoulli_nll": (losses.bernoulli_nll, (), lambda p, t: -binary_log_likelihood(p.astype(float), t)),
    "gaussian_nll": (losses.gaussian_nll, (), lambda p, t: -stats.norm.logpdf(t, p)),
    "gaussian_nll, fixed scale": (losses.gaussian_nll, (-0.7,), lambda p, t, s: -stats.norm.logpdf(t, p, np.exp(s))),
    "gaussian_nll, learned scale": (
        losses.gaussian_nll,
        (normal(2),),
        lambda p, t, s: -stats.norm.logpdf(t, p, np.exp(s.astype(float))),
    ),
    "laplace_nll": (losses.laplace_nll, (), lambda p, t: -stats.laplace.logpdf(t, p)),
    "laplace_nll, fixed scale": (losses.laplace_nll, (0.4,), lambda p, t, s: -stats.laplace.logpdf(t, p, np.exp(s))),
    "laplace_nll, learned scale": (
        losses.laplace_nll,
        (normal(3),),
        lambda p, t, s: -stats.laplace.logpdf(t, p, np.exp(s.astype(float))),
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_equals_its_reference_summed_over_features(name):
    loss, scales, reference = REFERENCES[name]
    prediction, target = normal(0), normal(1)
    if loss is losses.bernoulli_nll:
        target = special.expit(target)
    given = [jnp.asarray(s) if isinstance(s, np.ndarray) else s for s in scales]
    value = loss(jnp.asarray(prediction), jnp.asarray(target), *given)
    expected = reference(prediction, target, *scales).reshape(SHAPE[0], -1).sum(axis=1)
    np.testing.assert_allclose(value, expected, rtol=2e-6)


def test_bernoulli_likelihoods_of_binary_images_sum_to_one():
    images = jnp.asarray(np.array(np.meshgrid(*[[0.0, 1.0]] * 3)).reshape(3, -1).T, jnp.float32)
    logits = jnp.broadcast_to(jnp.array([[-1.5, 0.3, 2.0]]), images.shape)
    np.testing.assert_allclose(jnp.exp(-losses.bernoulli_nll(logits, images)).sum(), 1.0, rtol=1e-6)


def bernoulli_of_each(logits, targets):
    """Value and slope at each logit."""

    def total(column):
        return losses.bernoulli_nll(column, jnp.asarray(targets, jnp.float32)[:, None]).sum()

    column = jnp.asarray(logits, jnp.float32)[:, None]
    return losses.bernoulli_nll(column, jnp.asarray(targets, jnp.float32)[:, None]), jax.grad(total)(column)[:, 0]


def test_bernoulli_nll_is_finite_at_extreme_logits():
    logits, targets = np.repeat([-1e30, -1e4, -90.0, 90.0, 1e4, 1e30], 3), np.tile([0.0, 0.3, 1.0], 6)
    value, slope = bernoulli_of_each(logits, targets)
    # log(1 + e^l) is max(l, 0) to the last bit so far out.
    np.testing.assert_allclose(value, np.maximum(logits, 0.0) - targets * logits, rtol=1e-6)
    np.testing.assert_allclose(slope, (logits > 0) - targets, atol=1e-6)


@pytest.mark.parametrize("loss", [losses.gaussian_nll, losses.laplace_nll])
@pytest.mark.parametrize("constant", [False, True])
def test_densities_of_small_scales_have_the_value_and_slopes_of_double_precision(loss, constant):
    def found(target, log_scale):
        return jax.value_and_grad(lambda mean, s: loss(mean, target, s).sum(), argnums=(0, 1))(
            jnp.zeros_like(target), log_scale
        )

    traced = jax.jit(found)
    for log_scale in (-14.0, -30.0, -44.0, -60.0, -80.0, -89.0, -100.0)[constant::2]:
        # On the mean or median and, where that is a normal number, two scales from it.
        target = np.array([[0.0, 0.0 if log_scale < -86 else 2 * np.exp(log_scale)]], np.float32)
        if constant:
            value, slopes = jax.jit(lambda target, s=log_scale: found(target, s))(jnp.asarray(target))
        else:
            value, slopes = traced(jnp.asarray(target), jnp.full((1, 2), log_scale))
        z = target * np.exp(-log_scale)
        if loss is losses.gaussian_nll:
            nll, of_mean, of_scale = -stats.norm.logpdf(z), -z * np.exp(-log_scale), 1 - z**2
        else:
            nll, of_mean, of_scale = -stats.laplace.logpdf(z), -np.sign(z) * np.exp(-log_scale), 1 - z
        np.testing.assert_allclose(value, np.sum(nll + log_scale), rtol=1e-5)
        np.testing.assert_allclose(slopes[0], of_mean, rtol=1e-4)
        np.testing.assert_allclose(slopes[1], of_scale.sum() if constant else of_scale, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shapes", [((3, 4), (1, 4)), ((3, 4), (4,))])
def test_never_broadcasts(loss, shapes, unchecked):
    with pytest.raises(InvalidInput, match=r"has shape \(3, 4\) and target .*expected equal shapes"):
        loss(jnp.ones(shapes[0]), jnp.ones(shapes[1]))


@pytest.mark.parametrize("loss", [losses.gaussian_nll, losses.laplace_nll])
@pytest.mark.parametrize("shape", [(1,), (1, 4)])
def test_a_scale_is_one_number_or_of_the_target_s_shape(loss, shape, unchecked):
    with pytest.raises(InvalidInput, match=r"log_scale has shape .* one number or an array of the target's shape"):
        loss(jnp.ones((3, 4)), jnp.ones((3, 4)), jnp.ones(shape))


def test_student_t_nll_is_that_of_scipy_at_every_scale_and_freedom_with_finite_slopes():
    rng = np.random.default_rng(0)
    x, location = rng.normal(size=(200, 1)).astype(np.float32), rng.normal(size=(200, 1)).astype(np.float32)
    log_scale = rng.uniform(-60, 60, size=(200, 1)).astype(np.float32)
    freedom = np.exp(rng.uniform(-2, 12, size=(200, 1))).astype(np.float32)
    location[:3], x[3] = x[:3], 1e30  # on the location, and far from it
    expected = -stats.t.logpdf(x.astype(float), freedom, location, np.exp(log_scale.astype(float)))
    given = [jnp.asarray(each) for each in (location, x, log_scale, freedom)]
    np.testing.assert_allclose(losses.student_t_nll(*given), expected[:, 0], rtol=2e-5, atol=2e-4)
    slopes = jax.grad(lambda *args: losses.student_t_nll(*args).sum(), argnums=(0, 1, 2, 3))(*given)
    assert all(np.isfinite(slope).all() for slope in slopes)
    z = (location - x).astype(float)
    scale2 = freedom * np.exp(2 * log_scale.astype(float))
    np.testing.assert_allclose(slopes[0], (freedom + 1) * z / (scale2 + z**2), rtol=1e-3, atol=1e-30)


def test_student_t_nll_of_many_degrees_of_freedom_is_gaussian():
    x = jnp.asarray(normal(0))
    np.testing.assert_allclose(losses.student_t_nll(0 * x, x, freedom=1e7), losses.gaussian_nll(0 * x, x), rtol=1e-5)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_probabilities_of_all_levels_of_a_discretised_logistic_are_scipy_s_and_sum_to_one(levels):
    x = np.linspace(0, 1, levels).astype(np.float32)[:, None]
    edges = (np.arange(levels + 1) - 0.5) / (levels - 1)
    edges[0], edges[-1] = -np.inf, np.inf
    for location, log_scale in [(0.3, -2.0), (0.5, -7.0), (-4.0, 0.0), (1.2, 3.0), (0.51, -5.0)]:
        given = np.full_like(x, location), np.full_like(x, log_scale)
        value = losses.discretised_logistic_nll(jnp.asarray(given[0]), jnp.asarray(x), jnp.asarray(given[1]), levels)
        probability = np.diff(stats.logistic.cdf(edges, location, np.exp(log_scale)))
        np.testing.assert_allclose(np.exp(-np.asarray(value, float)).sum(), 1.0, rtol=1e-4)
        np.testing.assert_allclose(np.exp(-np.asarray(value, float)), probability, rtol=2e-3, atol=1e-7)


def test_discretised_logistic_is_finite_with_finite_slopes_far_out():
    x = jnp.asarray([[0.0], [0.4], [1.0]] * 4)
    location = jnp.repeat(jnp.array([-1e6, 0.4, 1e6, 1e15]), 3)[:, None]
    for log_scale in (-30.0, -7.0, 0.0, 80.0):
        scales = jnp.full_like(x, log_scale)
        total = lambda m, s: losses.discretised_logistic_nll(m, x, s).sum()
        value, slopes = jax.value_and_grad(total, argnums=(0, 1))(location, scales)
        assert all(np.isfinite(each).all() for each in (value, *slopes)), log_scale


def test_the_optimal_scale_is_that_of_least_nll_and_has_the_gradient_of_its_closed_form():
    mean, x = jnp.asarray(normal(0)), jnp.asarray(normal(1))
    error = np.square(normal(0).astype(float) - normal(1)).reshape(3, -1).mean(axis=1)
    value = losses.optimal_gaussian_nll(mean, x)
    np.testing.assert_allclose(value, 10.0 * (np.log(2 * np.pi * error) + 1), rtol=1e-5)
    scales = np.linspace(0.5, 3, 400)
    searched = [-stats.norm.logpdf(normal(1), normal(0), scale).reshape(3, -1).sum(axis=1) for scale in scales]
    np.testing.assert_allclose(value, np.min(searched, axis=0), rtol=1e-3)
    slope = jax.grad(lambda m: losses.optimal_gaussian_nll(m, x).sum())(mean)
    np.testing.assert_allclose(slope, (mean - x) / error[:, None, None], rtol=1e-4)
    exact = losses.optimal_gaussian_nll(x, x, -2.0)
    np.testing.assert_allclose(exact, 20 * (0.5 * np.log(2 * np.pi) - 2.0), rtol=1e-5)
    assert np.isfinite(jax.grad(lambda m: losses.optimal_gaussian_nll(m, x).sum())(x)).all()
