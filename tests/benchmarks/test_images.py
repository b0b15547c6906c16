"""What benchmarks are trained on."""

import gzip

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ae_jax import InvalidInput
from ae_jax.benchmarks.images import blobs, digit_images, images_of


def test_blobs_are_the_same_bytes_however_many_are_drawn():
    images = blobs(32)
    np.testing.assert_array_equal(images[:8], blobs(8))
    assert images.dtype == np.uint8
    assert images.max() == 255
    assert 0.3 < (images == 0).mean() < 0.95
    assert len(np.unique(images, axis=0)) == 32


def test_a_blob_is_the_sum_of_its_strokes():
    drawn = np.random.default_rng(3).uniform(size=(1, 4, 4)).astype(np.float32)[0]
    expected = np.zeros((9, 9))
    for stroke in drawn:
        (y, x), (wy, wx) = 9 * (0.25 + 0.5 * stroke[:2]), 9 * (0.04 + 0.1 * stroke[2:])
        for i in range(9):
            for j in range(9):
                expected[i, j] += np.exp(-0.5 * ((i - y) / wy) ** 2 - 0.5 * ((j - x) / wx) ** 2)
    np.testing.assert_allclose(blobs(1, side=9, seed=3)[0], 255 * np.minimum(expected, 1), atol=1)


def test_digits_are_those_of_scikit_learn():
    np.testing.assert_array_equal(digit_images(5), load_digits().data[:5])


def test_images_are_drawn_or_read_from_idx_files(tmp_path):
    np.testing.assert_array_equal(images_of(None, 4), blobs(4))
    images = blobs(8, seed=1)
    for name, array in (("images-idx3", images), ("labels-idx1", np.zeros(8, np.uint8))):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        for split in ("train", "t10k"):
            (tmp_path / f"{split}-{name}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
    found = images_of(str(tmp_path), 4)
    assert found.shape == (4, 28, 28)
    assert all(any((image == one).all() for one in images) for image in found)


def test_other_images_are_refused():
    with pytest.raises(InvalidInput) as error:
        images_of("digits", 4)
    assert str(error.value) == (
        "digits has 1258 training examples of shape (8, 8) and type uint8: the benchmarks expected at least 4 images "
        "of 28 by 28 bytes; give MNIST's idx files, or fewer examples."
    )
