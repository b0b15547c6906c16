import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.evaluation import GaussianFilter, MedianFilter, best_filter
from ae_jax.evaluation.filters import FILTERS


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(size=(3, 7, 9, 2)).astype(np.float32)


def convolved(plane, sigma):
    """A direct sum over a window of four standard deviations, weights of the two axes multiplied."""
    margin = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-margin, margin + 1) / sigma) ** 2)
    kernel = np.outer(weights, weights) / weights.sum() ** 2
    padded = np.pad(plane, margin, mode="symmetric")
    return np.einsum("hwij,ij->hw", np.lib.stride_tricks.sliding_window_view(padded, kernel.shape), kernel)


def medians(plane, size):
    padded = np.pad(plane, size // 2, mode="symmetric")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, (size, size)), axis=(2, 3))


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize(("smooth", "direct"), [(GaussianFilter(0.8), convolved), (MedianFilter(3), medians)])
def test_filters_are_direct_sums_over_each_channel_alone(smooth, direct, colour, images):
    x = images if colour else images[..., 0]
    found = smooth.reconstruct(x)
    assert (found.shape, found.dtype) == (x.shape, np.float32)
    for place in np.ndindex(len(x), *x.shape[3:]):
        plane = (place[0], slice(None), slice(None), *place[1:])
        np.testing.assert_allclose(found[plane], direct(x[plane], smooth.width), rtol=1e-5)


@pytest.mark.parametrize("kind", FILTERS)
def test_the_best_filter_has_the_smallest_error_and_widens_with_noise(kind, images):
    np.testing.assert_array_equal(kind(kind.widths[0]).reconstruct(images), images)
    rng = np.random.default_rng(1)
    clean = np.zeros((4, 16, 16), np.float32)
    clean[:, 4:12, 4:12] = 1.0
    chosen = []
    for noise in (0.0, 0.3, 3.0):
        noisy = (clean + noise * rng.normal(size=clean.shape)).astype(np.float32)
        errors = [np.mean((kind(width).reconstruct(noisy) - clean) ** 2) for width in kind.widths]
        chosen.append(best_filter(kind, noisy, clean).width)
        assert chosen[-1] == kind.widths[int(np.argmin(errors))]
    assert kind.widths[0] == chosen[0] < chosen[1] < chosen[2]


def test_bad_widths_and_data_that_are_not_images_are_refused():
    with pytest.raises(InvalidInput, match=r"GaussianFilter was given width=-1.0: expected zero or a number above"):
        GaussianFilter(-1.0)
    with pytest.raises(InvalidInput, match=r"MedianFilter was given width=0: expected a whole number above zero"):
        MedianFilter(0)
    for smooth in (GaussianFilter(1.0), MedianFilter(1)):
        with pytest.raises(InvalidInput, match=r"was given data of shape \(4, 9\): expected images"):
            smooth.reconstruct(np.zeros((4, 9)))
