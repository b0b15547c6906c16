import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from ae_jax import InvalidInput
from ae_jax.estimators.columns import fit_columns


@pytest.mark.parametrize(("kind", "theirs"), [("standard", StandardScaler()), ("unit", MinMaxScaler())])
@pytest.mark.parametrize("shift", [0.0, 1e6], ids=["near zero", "far from zero"])
def test_scalings_equal_those_of_scikit_learn(rows, kind, theirs, shift):
    x = rows + shift
    ours = fit_columns(kind, x)
    np.testing.assert_allclose(ours(x), theirs.fit_transform(x), rtol=1e-6, atol=1e-9 + 1e-12 * shift)
    np.testing.assert_allclose(ours.invert(ours(x)), x, rtol=1e-12)
    if not shift:
        stored = ours.as_stored((2, 3))(x.reshape(-1, 2, 3))
        np.testing.assert_allclose(np.asarray(stored).reshape(-1, 6), ours(x), atol=1e-4)
    rounding = 0.1 + np.array([0.0, 1.0, 2.0]) * np.spacing(0.1)
    constant = np.stack([np.zeros(3), np.full(3, 0.1), rounding], axis=1)
    np.testing.assert_allclose(fit_columns(kind, constant)(constant), 0.0, atol=1e-12)


def test_unit_scaling_stays_in_the_interval_despite_rounding():
    x = np.random.default_rng(0).normal(size=(500, 40)) * np.logspace(-8, 8, 40) + np.logspace(9, -9, 40)
    scaled = fit_columns("unit", x)(x).astype(np.float32)
    assert (scaled.min(), scaled.max()) == (0.0, 1.0)


def test_none_leaves_columns_and_unknown_scalings_are_refused(unchecked, rows):
    np.testing.assert_array_equal(fit_columns(None, rows)(rows), rows)
    with pytest.raises(InvalidInput, match="unknown scaling 'minmax': expected 'standard', 'unit' or None"):
        fit_columns("minmax", rows)
