import numpy as np
import pytest
from sklearn import metrics

import ae_jax
from ae_jax import InvalidInput
from ae_jax.data import Dataset, Scaling, Split
from ae_jax.evaluation import mean_squared_error, psnr


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


def test_psnr_of_one_grey_level_in_256_is_the_well_known_48_decibels():
    # 20 log10(255) = 48.1308 dB.
    target = np.zeros((2, 9), np.float32)
    np.testing.assert_allclose(psnr(target + np.float32(1 / 255), target), [48.1308] * 2, atol=1e-4)


def test_psnr_of_an_exact_reconstruction_is_infinite_and_of_its_neighbour_finite(pair):
    target = pair[0]
    reconstruction = target.copy()
    reconstruction[1] += 0.1
    ratios = psnr(reconstruction, target)
    assert np.isposinf(ratios[[0, 2, 3, 4, 5, 6]]).all()
    np.testing.assert_allclose(ratios[1], 20.0, rtol=1e-5)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("question", [mean_squared_error, psnr])
def test_unequal_shapes_are_refused_even_where_they_broadcast(question):
    sentence = r"the reconstruction has shape \(4, 1\) and the target \(4, 3\): expected equal shapes"
    with pytest.raises(InvalidInput, match=sentence):
        question(np.zeros((4, 1), np.float32), np.ones((4, 3), np.float32))


def test_a_convolutional_autoencoder_learns_real_bytes(real_data, mnist_images):
    images = mnist_images(real_data, "t10k")[:2000]
    assert images.dtype == np.uint8
    assert images.max() == 255
    data = Dataset(
        name="mnist",
        train=Split(images[:1800]),
        validation=Split(images[1800:1900]),
        test=Split(images[1900:]),
        scaling=Scaling(scale=255.0),
    )
    run = ae_jax.fit(ae_jax.convolutional(), data, seeds=0, epochs=3)
    for split in ("train", "validation"):
        loss = run.history[split]["loss"]
        assert np.isfinite(loss).all()
        assert loss[0, 2] < loss[0, 0]
    reconstruction = run.reconstruct(data.test.x)
    assert reconstruction.shape == (100, 28, 28)
    # In bytes, not in model units, and better than the mean image.
    x = data.test.x.astype(np.float32)
    assert 100 < reconstruction.max() < 400
    assert mean_squared_error(reconstruction, x) < 0.8 * np.mean(np.square(x - data.train.x.mean(axis=0)))
    by_name = {row["metric"]: row["value"] for row in ae_jax.evaluation.evaluate(run, data)}
    np.testing.assert_allclose(by_name["mse"] * 255**2, mean_squared_error(reconstruction, x), rtol=1e-4)
