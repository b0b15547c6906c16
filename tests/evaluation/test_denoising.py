import jax
import numpy as np
import pytest
from scipy import special

from ae_jax.corruptions import Gaussian, Masking, SaltAndPepper
from ae_jax.evaluation import psnr_corrupted
from ae_jax.evaluation.denoising import corrupted

KEY = jax.random.key(3)


def identity(x: np.ndarray) -> np.ndarray:
    return x


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(500, 5, 8)).astype(np.float32)


@pytest.mark.parametrize("scale", [0.05, 0.3, 2.0])
def test_gaussian_noise_that_nobody_removes_leaves_its_own_level(scale, x):
    examples, features = len(x), x[0].size
    # The error of an example is s^2 chi^2_d / d, of which E log = digamma(d/2) - log(d/2), Var log = trigamma(d/2).
    decibels = 10 / np.log(10)
    mean = -20 * np.log10(scale) - decibels * (special.digamma(features / 2) - np.log(features / 2))
    standard_error = decibels * np.sqrt(special.polygamma(1, features / 2) / examples)
    found = psnr_corrupted(identity, Gaussian(scale=scale), KEY, x)
    assert abs(found - mean) < 4 * standard_error < 0.2


def test_every_reconstruction_is_judged_against_the_clean_example(x):
    # A perfect denoiser is exact, whatever the damage; the mean image does not depend on it.
    assert np.isposinf(psnr_corrupted(lambda _: x, SaltAndPepper(probability=0.5), KEY, x))
    found = psnr_corrupted(lambda damaged: np.full_like(damaged, 0.5), Masking(probability=1.0), KEY, x)
    np.testing.assert_allclose(found, np.mean(-10 * np.log10(np.square(x - 0.5).mean(axis=(1, 2)))), rtol=1e-5)


def test_without_damage_it_is_the_plain_ratio(x):
    damaged = psnr_corrupted(lambda seen: seen + np.float32(0.01), Gaussian(scale=0.0), KEY, x)
    np.testing.assert_allclose(damaged, 40.0, rtol=1e-4)


def test_the_key_decides_the_damage(x):
    seen = []

    def remember(damaged: np.ndarray) -> np.ndarray:
        seen.append(damaged)
        return damaged

    ratios = [psnr_corrupted(remember, Gaussian(scale=0.3), key, x) for key in (KEY, KEY, jax.random.key(4))]
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[0], corrupted(Gaussian(scale=0.3), KEY, x))
    assert not np.array_equal(seen[0], seen[2])
    assert ratios[0] == ratios[1] != ratios[2]
    assert all(isinstance(damaged, np.ndarray) and damaged.shape == x.shape for damaged in seen)
