import numpy as np
import pytest
from sklearn import decomposition, metrics

from ae_jax import InvalidInput
from ae_jax.evaluation import mean_squared_error, psnr
from ae_jax.evaluation.reconstruction import explained_variance, structural_similarity


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(size=(7, 4, 3)).astype(np.float32), rng.uniform(size=(7, 4, 3)).astype(np.float32)


def test_mean_squared_error_is_scikit_learn_s(pair):
    reconstruction, target = pair
    expected = metrics.mean_squared_error(target.reshape(7, -1), reconstruction.reshape(7, -1))
    np.testing.assert_allclose(mean_squared_error(reconstruction, target), expected, rtol=1e-6)


def test_psnr_is_that_of_scikit_image(pair):
    reconstruction, target = pair
    # skimage.metrics.peak_signal_noise_ratio: 10 log10(data_range^2 / mean((true - test)^2)), here data_range = 1.
    expected = [10 * np.log10(1.0**2 / np.mean((t - r) ** 2)) for r, t in zip(reconstruction, target, strict=True)]
    np.testing.assert_allclose(psnr(reconstruction, target), expected, rtol=1e-5)


def test_psnr_is_of_the_range_that_the_data_have(pair):
    reconstruction, target = pair
    np.testing.assert_allclose(
        psnr(255 * reconstruction, 255 * target, data_range=255), psnr(reconstruction, target), rtol=1e-5
    )
    # 10 log10(2^2): a range twice as wide has four times the power.
    np.testing.assert_allclose(psnr(*pair, data_range=2.0) - psnr(*pair), [6.0206] * 7, atol=1e-4)


def waves(height, width, channels=1, *, phase=0.0):
    """An image in [0, 1] that a formula tells."""
    i, j, k = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    return 0.5 + 0.5 * np.sin(0.7 * i + 0.3 * j**1.5 + phase + k)


def test_structural_similarity_is_scikit_image_s():
    # scikit-image 0.26.0, structural_similarity(waves(*shape), waves(*shape, phase=0.6), gaussian_weights=True,
    # sigma=1.5, use_sample_covariance=False, data_range=1.0, channel_axis=2); without the axis for one channel.
    grey, colour = 0.8255275324782256, 0.824915928518093
    x, y = waves(28, 28), waves(28, 28, phase=0.6)
    np.testing.assert_allclose(structural_similarity(x[None, ..., 0], y[None, ..., 0]), [grey], rtol=1e-12)
    np.testing.assert_allclose(structural_similarity(x[None], y[None]), [grey], rtol=1e-12)
    x, y = waves(12, 17, 3), waves(12, 17, 3, phase=0.6)
    np.testing.assert_allclose(structural_similarity(x[None], y[None]), [colour], rtol=1e-12)
    np.testing.assert_allclose(
        structural_similarity(255 * x[None], 255 * y[None], data_range=255), [colour], rtol=1e-12
    )


@pytest.mark.parametrize(("height", "width", "radius"), [(8, 8, 3), (4, 9, 1), (11, 13, 5)])
def test_structural_similarity_of_small_images_is_of_the_windows_that_fit(height, width, radius):
    x, y = waves(height, width)[..., 0], waves(height, width, phase=0.9)[..., 0]
    line = np.array([np.exp(-0.5 * (place / 1.5) ** 2) for place in range(-radius, radius + 1)])
    weights = np.outer(line, line) / line.sum() ** 2
    found = []
    for i in range(radius, height - radius):
        for j in range(radius, width - radius):
            a, b = (im[i - radius : i + radius + 1, j - radius : j + radius + 1] for im in (x, y))
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            var_a, var_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
            covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
            # Wang et al. 2004, eq. 13.
            found.append(
                (2 * mean_a * mean_b + 0.01**2)
                * (2 * covariance + 0.03**2)
                / ((mean_a**2 + mean_b**2 + 0.01**2) * (var_a + var_b + 0.03**2))
            )
    assert len(found) == (height - 2 * radius) * (width - 2 * radius)
    np.testing.assert_allclose(structural_similarity(x[None], y[None]), [np.mean(found)], rtol=1e-9)


def test_structural_similarity_is_one_of_equals_and_of_each_image_alone(monkeypatch):
    x = np.stack([waves(8, 8, phase=phase)[..., 0] for phase in range(5)]).astype(np.float32)
    y = np.roll(x, 1, axis=0)
    np.testing.assert_allclose(structural_similarity(x, x), np.ones(5), rtol=1e-12)
    whole = structural_similarity(x, y)
    assert whole.shape == (5,)
    assert whole.dtype == np.float64
    assert (abs(whole) < 0.9).all()
    np.testing.assert_allclose([structural_similarity(x[i : i + 1], y[i : i + 1])[0] for i in range(5)], whole)
    # Two images at a time.
    monkeypatch.setattr("ae_jax.evaluation.reconstruction._PIXELS", 128)
    np.testing.assert_allclose(structural_similarity(x, y), whole)


@pytest.mark.parametrize("shape", [(5, 64), (5, 2, 64)])
def test_structural_similarity_of_what_is_no_image_is_refused(shape):
    sentence = r"structural similarity was given shape .*: expected images \[n, height, width\] .* at least 3 pixels"
    with pytest.raises(InvalidInput, match=sentence):
        structural_similarity(np.zeros(shape), np.zeros(shape))


@pytest.mark.parametrize("question", [psnr, structural_similarity])
def test_a_range_that_is_none_is_refused(question):
    image = np.zeros((1, 8, 8))
    with pytest.raises(InvalidInput, match=f"{question.__name__} was given data_range=0.0: expected a number above"):
        question(image, image, data_range=0.0)


def test_explained_variance_of_pca_is_scikit_learn_s():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=6)
    for components in (1, 3, 6):
        pca = decomposition.PCA(components).fit(x)
        reconstruction = pca.inverse_transform(pca.transform(x))
        found = explained_variance(reconstruction.reshape(60, 2, 3), x.reshape(60, 2, 3), pca.mean_.reshape(2, 3))
        np.testing.assert_allclose(found, pca.explained_variance_ratio_.sum(), rtol=1e-10)


@pytest.mark.usefixtures("unchecked")
def test_explained_variance_of_what_cannot_vary_is_refused():
    x = np.ones((4, 3))
    with pytest.raises(InvalidInput, match="every target is the mean: expected targets that vary"):
        explained_variance(x, x, np.ones(3))
    with pytest.raises(InvalidInput, match=r"the mean has shape \(1,\) and the target \(4, 3\): expected the shape of"):
        explained_variance(x, x, np.ones(1))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("question", [mean_squared_error, psnr, structural_similarity])
def test_unequal_shapes_are_refused_even_where_they_broadcast(question):
    sentence = r"the reconstruction has shape \(4, 1\) and the target \(4, 3\): expected equal shapes"
    with pytest.raises(InvalidInput, match=sentence):
        question(np.zeros((4, 1), np.float32), np.ones((4, 3), np.float32))
