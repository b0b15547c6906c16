import numpy as np
import pytest

from ae_jax.evaluation.filters import gaussian_filter, median_filter


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


@pytest.mark.parametrize("channels", [(), (2,)])
@pytest.mark.parametrize(
    ("smooth", "direct", "width"), [(gaussian_filter, convolved, 0.8), (median_filter, medians, 3)]
)
def test_filters_are_direct_sums_over_each_channel_alone(smooth, direct, width, channels):
    x = np.random.default_rng(0).uniform(size=(3, 7, 9, *channels)).astype(np.float32)
    found = smooth(x, width)
    assert (found.shape, found.dtype) == (x.shape, np.float32)
    for place in np.ndindex(len(x), *channels):
        plane = (place[0], slice(None), slice(None), *place[1:])
        np.testing.assert_allclose(found[plane], direct(x[plane], width), rtol=1e-5)
