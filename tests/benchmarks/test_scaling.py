"""Exponents of growth."""

import numpy as np
import pytest
from scipy import stats

from ae_jax.benchmarks import scaling
from ae_jax.benchmarks.cost_model import CostModel
from ae_jax.benchmarks.scaling import AXES, cost_model, exponents, power_law

MODEL = CostModel(per_flop=5e-12, per_byte=1e-10, per_step=2e-5)


def test_the_power_law_is_the_regression_of_logarithms():
    values, seconds = [1, 3, 9, 40], [0.2, 0.5, 2.0, 6.5]
    law = power_law(values, seconds)
    expected = stats.linregress(np.log(values), np.log(seconds))
    np.testing.assert_allclose(law, [expected.slope, np.exp(expected.intercept), expected.rvalue**2], rtol=1e-9)


def test_a_constant_explains_itself():
    assert power_law([1, 2, 4], [1.0, 1.0, 1.0]) == pytest.approx((0.0, 1.0, 1.0))


@pytest.fixture
def modelled(monkeypatch):
    """Epochs that take what a known model says; the sizes that were timed, in order."""
    seen = []

    def ours(autoencoder, images, batch_size, *, seeds):
        code = autoencoder.networks.code
        seen.append((len(images), images.shape[1], code, len(seeds), batch_size))
        size = scaling.size_of(
            examples=len(images), features=images.shape[1], code=code, members=len(seeds), batch=batch_size
        )
        return lambda epochs: ([MODEL.epoch(size)] * epochs, [0.0])

    monkeypatch.setattr(scaling, "ours", ours)
    return seen


def test_each_axis_changes_one_number(modelled):
    axes = {axis: values[:2] for axis, values in AXES.items()}
    rows = list(exponents(axes, rounds=2, epochs=3))
    assert [row["axis"] for row in rows] == ["examples", "features", "code", "members", "batch"]
    assert [row["exponent"] for row in rows if row["axis"] in ("examples", "members")] == pytest.approx([1.0, 1.0])
    assert all(row["exponent_low"] <= row["exponent"] <= row["exponent_high"] for row in rows)
    base = (2048, 784, 16, 1, 128)
    changed = [[place for place, one in enumerate(sizes) if one != base[place]] for sizes in modelled]
    assert changed == [[0], [], [1], [], [2], [2], [], [3], [4], [4]]


def test_the_cost_model_is_fitted_to_the_axes_and_held_against_another_size(modelled):
    rows = list(exponents(rounds=1, epochs=3))
    measured = set(modelled)
    found = cost_model(rows, rounds=1, epochs=3)
    assert modelled[-1] not in measured
    assert found["fitted_to"] == sum(map(len, AXES.values()))
    assert found["largest_error"] < 1e-6
    assert found["predicted_over_measured"] == pytest.approx(1.0)
    assert len(found["table"]) == 20


def test_an_epoch_is_trained():
    row = next(exponents({"examples": (128, 256)}, rounds=1, epochs=3))
    assert len(row["epoch_s"]) == 2
    assert np.isfinite(row["exponent"])
