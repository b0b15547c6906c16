import warnings

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from ae_jax import InvalidInput
from ae_jax.estimators.columns import fit_columns


@pytest.mark.parametrize(("kind", "theirs"), [("standard", StandardScaler()), ("unit", MinMaxScaler())])
@pytest.mark.parametrize("shift", [0.0, 1e6], ids=["near zero", "far from zero"])
def test_scalings_are_those_of_scikit_learn(rows, kind, theirs, shift):
    x = rows + shift
    ours = fit_columns(kind, x)
    np.testing.assert_allclose(ours(x), theirs.fit_transform(x), rtol=1e-6, atol=1e-9 + 1e-12 * shift)
    np.testing.assert_allclose(ours.invert(ours(x)), x, rtol=1e-12)


def test_none_leaves_columns_as_they_are(rows):
    scaling = fit_columns(None, rows)
    np.testing.assert_array_equal(scaling(rows), rows)


@pytest.mark.parametrize("kind", ["standard", "unit"])
@pytest.mark.parametrize("constant", [0.0, 0.1, -1e300], ids=str)
def test_a_constant_column_becomes_zero_and_stays_small(kind, constant):
    column = np.full((7, 1), constant)
    scaling = fit_columns(kind, column)
    np.testing.assert_allclose(scaling(column), 0.0, atol=1e-12)
    np.testing.assert_array_equal(scaling.scale, 1.0)


def test_rounding_is_no_variation():
    column = 0.1 + np.array([[0.0], [1.0], [2.0]]) * np.spacing(0.1)
    np.testing.assert_array_equal(fit_columns("standard", column).scale, 1.0)


def test_unit_scaling_never_leaves_the_interval_by_rounding():
    x = np.random.default_rng(0).normal(size=(500, 40)) * np.logspace(-8, 8, 40) + np.logspace(9, -9, 40)
    scaled = fit_columns("unit", x)(x).astype(np.float32)
    assert scaled.min() == 0.0
    assert scaled.max() == 1.0


def test_squares_of_huge_and_tiny_values_neither_overflow_nor_vanish():
    column = np.array([[-1.0], [1.0]])
    for size in (1e-200, 1e200):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_allclose(fit_columns("standard", size * column).scale, size)


def test_a_run_has_the_same_map_in_32_bits(rows):
    scaling = fit_columns("standard", rows)
    stored = scaling.as_stored((2, 3))
    np.testing.assert_allclose(np.asarray(stored(rows.reshape(-1, 2, 3))).reshape(-1, 6), scaling(rows), atol=1e-4)


@pytest.mark.parametrize("kind", ["none", "minmax", 3], ids=str)
def test_an_unknown_scaling_is_refused(unchecked, rows, kind):
    with pytest.raises(InvalidInput, match=rf"unknown scaling {kind!r}: expected 'standard', 'unit' or None\."):
        fit_columns(kind, rows)
