"""Exponents of growth."""

import numpy as np
import pytest
from scipy import stats

from ae_jax.benchmarks import scaling
from ae_jax.benchmarks.scaling import AXES, exponents, power_law


def test_the_power_law_is_the_regression_of_logarithms():
    values, seconds = [1, 3, 9, 40], [0.2, 0.5, 2.0, 6.5]
    law = power_law(values, seconds)
    expected = stats.linregress(np.log(values), np.log(seconds))
    np.testing.assert_allclose(law, [expected.slope, np.exp(expected.intercept), expected.rvalue**2], rtol=1e-9)


def test_a_constant_explains_itself():
    assert power_law([1, 2, 4], [1.0, 1.0, 1.0]) == pytest.approx((0.0, 1.0, 1.0))


def test_each_axis_changes_one_number(monkeypatch):
    seen = []

    def ours(autoencoder, images, batch_size, *, seeds):
        sizes = len(images), images.shape[1], autoencoder.networks.code, len(seeds)
        seen.append(sizes)
        return lambda epochs: ([float(np.prod(sizes))] * epochs, [0.0])

    monkeypatch.setattr(scaling, "ours", ours)
    axes = {axis: values[:2] for axis, values in AXES.items()}
    rows = list(exponents(axes, rounds=2, epochs=3))
    assert [row["axis"] for row in rows] == ["examples", "features", "code", "members"]
    assert [row["exponent"] for row in rows] == pytest.approx([1.0] * 4)
    assert all(row["exponent_low"] <= row["exponent"] <= row["exponent_high"] for row in rows)
    base = (2048, 784, 16, 1)
    changed = [[place for place, one in enumerate(sizes) if one != base[place]] for sizes in seen]
    assert changed == [[0], [], [1], [], [2], [2], [], [3]]


def test_an_epoch_is_trained():
    row = next(exponents({"examples": (128, 256)}, rounds=1, epochs=3))
    assert len(row["epoch_s"]) == 2
    assert np.isfinite(row["exponent"])
