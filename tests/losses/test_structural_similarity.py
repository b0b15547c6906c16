import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from ae_jax import InvalidInput, losses

WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


def reference(x, y):
    """Multi-scale structural similarity of two images, by explicit two-dimensional convolutions."""
    parts, count = [], sum(min(x.shape) >> scale >= 3 for scale in range(5))
    for _ in range(count):
        radius = min(5, (min(x.shape) - 1) // 2)
        line = np.exp(-0.5 * (np.arange(-radius, radius + 1) / 1.5) ** 2)
        window = np.outer(line, line) / line.sum() ** 2
        mean = lambda image: signal.convolve2d(image, window, mode="valid")  # noqa: B023
        mx, my = mean(x), mean(y)
        vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        structure = (2 * cov + 9e-4) / (vx + vy + 9e-4)
        parts.append((structure.mean(), ((2 * mx * my + 1e-4) / (mx**2 + my**2 + 1e-4) * structure).mean()))
        down = np.ones((2, 2)) / 4
        x, y = (signal.convolve2d(image, down, mode="valid")[::2, ::2] for image in (x, y))
    values = [structure for structure, _ in parts[:-1]] + [parts[-1][1]]
    return np.prod(np.maximum(values, 1e-6) ** (WEIGHTS[:count] / WEIGHTS[:count].sum()))


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (19, 33), (177, 180)])
def test_equals_explicit_convolutions(shape):
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(2, *shape)).astype(np.float32)
    y = np.clip(x + 0.2 * rng.normal(size=x.shape), 0, 1).astype(np.float32)
    expected = [reference(one.astype(float), other.astype(float)) for one, other in zip(x, y, strict=True)]
    np.testing.assert_allclose(losses.multiscale_ssim(jnp.asarray(x), jnp.asarray(y)), expected, rtol=2e-4)


def test_is_one_for_equal_images_and_the_mean_over_channels():
    x, y = np.random.default_rng(0).uniform(size=(2, 3, 12, 12)).astype(np.float32)
    np.testing.assert_allclose(losses.multiscale_ssim(jnp.asarray(x), jnp.asarray(x)), 1.0, rtol=1e-5)
    channels = [jnp.stack(pair, axis=-1) for pair in ((x, y), (y, y))]
    single = losses.multiscale_ssim(jnp.asarray(x), jnp.asarray(y))
    np.testing.assert_allclose(losses.multiscale_ssim(*channels), (single + 1) / 2, rtol=1e-4)


def test_its_gradient_is_finite_for_flat_and_opposed_images():
    x = jnp.linspace(0.0, 1.0, 64).reshape(1, 8, 8)
    for prediction in (x, 1 - x, 0 * x, 0 * x + 1):
        assert np.isfinite(jax.grad(lambda p: losses.multiscale_ssim(p, x).sum())(prediction)).all()


def test_no_image_is_refused():
    with pytest.raises(InvalidInput, match=r"examples of shape \(2, 9\): expected images of at least 3 pixels"):
        losses.multiscale_ssim(jnp.zeros((1, 2, 9)), jnp.zeros((1, 2, 9)))
