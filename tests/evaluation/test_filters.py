import numpy as np
import pytest

from ae_jax.evaluation.filters import FILTERS, best_width, gaussian_filter, median_filter


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


@pytest.mark.parametrize("name", FILTERS)
def test_the_best_width_has_the_smallest_error_and_grows_with_noise(name):
    smooth, widths = FILTERS[name]
    rng = np.random.default_rng(1)
    clean = np.zeros((4, 16, 16), np.float32)
    clean[:, 4:12, 4:12] = 1.0
    np.testing.assert_array_equal(smooth(clean, widths[0]), clean)
    chosen = []
    for noise in (0.0, 0.3, 3.0):
        noisy = (clean + noise * rng.normal(size=clean.shape)).astype(np.float32)
        errors = [np.mean((smooth(noisy, width) - clean) ** 2) for width in widths]
        chosen.append(best_width(name, noisy, clean))
        assert chosen[-1] == widths[int(np.argmin(errors))]
    assert widths[0] == chosen[0] < chosen[1] < chosen[2]
