import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.evaluation.filters import FILTERS, are_images, best_width, gaussian_filter, median_filter

SHAPES = [(3, 7, 9), (3, 7, 9, 2)]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(size=(3, 7, 9, 2)).astype(np.float32)


def planes(x):
    """Every image of one channel, ``[height, width]``."""
    return (
        [x]
        if x.ndim == 2
        else [plane for part in (x if x.ndim == 3 else np.moveaxis(x, -1, 0)) for plane in planes(part)]
    )


def reflected(plane, margin):
    return np.pad(plane, margin, mode="symmetric")


def convolved(plane, sigma):
    """A direct sum over a window of four standard deviations, weights of the two axes multiplied."""
    margin = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-margin, margin + 1) / sigma) ** 2)
    kernel = np.outer(weights, weights) / weights.sum() ** 2
    windows = np.lib.stride_tricks.sliding_window_view(reflected(plane, margin), kernel.shape)
    return np.einsum("hwij,ij->hw", windows, kernel)


def medians(plane, size):
    windows = np.lib.stride_tricks.sliding_window_view(reflected(plane, size // 2), (size, size))
    return np.median(windows, axis=(2, 3))


@pytest.mark.parametrize("shape", SHAPES, ids=["grey", "colour"])
@pytest.mark.parametrize(
    ("smooth", "width", "direct"), [(gaussian_filter, 0.8, convolved), (median_filter, 3, medians)]
)
def test_filters_are_direct_sums_over_each_plane_alone(smooth, width, direct, shape, images):
    x = images.reshape(-1)[: np.prod(shape)].reshape(shape)
    found = smooth(x, width)
    assert found.shape == x.shape
    assert found.dtype == np.float32
    for plane, expected in zip(planes(found), planes(x), strict=True):
        np.testing.assert_allclose(plane, direct(expected, width), rtol=1e-5)


@pytest.mark.parametrize(("smooth", "widths"), FILTERS.values(), ids=FILTERS)
def test_the_first_width_does_nothing_and_the_others_something(smooth, widths, images):
    np.testing.assert_array_equal(smooth(images, widths[0]), images)
    assert all(not np.array_equal(smooth(images, width), images) for width in widths[1:])
    assert list(widths) == sorted(widths)


@pytest.mark.parametrize(("smooth", "widths"), FILTERS.values(), ids=FILTERS)
def test_the_best_width_is_that_of_the_smallest_error(smooth, widths):
    rng = np.random.default_rng(1)
    clean = np.zeros((4, 16, 16), np.float32)
    clean[:, 4:12, 4:12] = 1.0
    chosen = []
    for noise in (0.0, 0.3, 3.0):
        noisy = (clean + noise * rng.normal(size=clean.shape)).astype(np.float32)
        errors = [np.mean((smooth(noisy, width) - clean) ** 2) for width in widths]
        chosen.append(best_width(smooth, widths, noisy, clean))
        assert chosen[-1] == widths[int(np.argmin(errors))]
    # The more noise, the wider.
    assert widths[0] == chosen[0] < chosen[1] < chosen[2]


def test_equal_widths_are_as_good_as_the_first():
    flat = np.ones((2, 8, 8), np.float32)
    assert best_width(median_filter, (5, 3, 7), flat, flat) == 5


@pytest.mark.parametrize(
    ("smooth", "name"), [(gaussian_filter, "the Gaussian filter"), (median_filter, "the median filter")]
)
@pytest.mark.parametrize("shape", [(4, 9), (4, 2, 3, 3, 1)])
def test_what_is_no_image_is_refused(smooth, name, shape):
    assert not are_images(np.zeros(shape))
    with pytest.raises(
        InvalidInput, match=rf"{name} was given data of shape \({shape[0]}, .*\): expected images, \[n,"
    ):
        smooth(np.zeros(shape), 1)


def test_widths_that_are_none_are_refused(images):
    with pytest.raises(InvalidInput, match=r"gaussian_filter was given sigma=-1.0: expected zero or a number above"):
        gaussian_filter(images, -1.0)
    with pytest.raises(InvalidInput, match=r"median_filter was given size=0: expected a whole number above zero"):
        median_filter(images, 0)
    with pytest.raises(InvalidInput, match=r"best_width was given no widths: expected at least one to choose from"):
        best_width(median_filter, (), images, images)
