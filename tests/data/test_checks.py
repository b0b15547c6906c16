import warnings

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data.checks import as_examples, as_labels, require_shape, require_unit_interval


def with_values(values: dict, dtype: str = "float64") -> np.ndarray:
    array = np.zeros((4, 3, 2), dtype)
    for index, value in values.items():
        array[index] = value
    return array


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("bool", "uint8"),
        ("uint8", "uint8"),
        ("uint16", "float32"),
        ("int64", "float32"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("float64", "float32"),
    ],
)
def test_numbers_are_stored_in_a_type_of_the_device(given, stored):
    examples = as_examples(np.arange(6).reshape(3, 2).astype(given))
    assert examples.dtype == stored
    np.testing.assert_array_equal(examples, np.arange(6).reshape(3, 2).astype(given).astype(float))


def test_float32_is_not_copied():
    x = np.ones((3, 2), np.float32)
    assert as_examples(x) is x


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({(2, 1, 0): np.nan}, r"mine has 1 NaN or infinite values, the first at index \(2, 1, 0\): .*drop or impute"),
        ({(1, 0, 1): np.inf, (0, 2, 1): -np.inf}, r"mine has 2 NaN or infinite values, the first at index \(0, 2, 1\)"),
        (
            {(3, 0, 0): 1e300, (3, 1, 0): -1e39},
            r"mine has 2 values beyond 3.4e\+38, the first at index \(3, 0, 0\): .*32-bit floats hold; rescale them",
        ),
    ],
)
def test_values_that_cannot_be_stored_are_counted_and_the_first_is_named(values, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        as_examples(with_values(values), "mine")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.zeros((0, 3)), r"data is empty, of shape \(0, 3\): expected at least one example with one feature"),
        (np.zeros((3, 0)), r"data is empty, of shape \(3, 0\)"),
        ([], r"data has shape \(0,\): expected \[examples, \*features\]"),
        (np.zeros(5), r"data has shape \(5,\): expected \[examples, \*features\]; reshape it to two axes"),
        (3.0, r"data has shape \(\): expected \[examples, \*features\]"),
        ([[1, 2], [3]], "data is ragged .*: expected examples of one shape"),
        ([["a", "b"]], "data has type <U1: expected numbers; encode text and drop missing values"),
        (np.array([[1, None]], object), "data has type object: expected numbers"),
        (np.array([["2020-01-01"]], "datetime64[D]"), "data has type datetime64.*: expected numbers"),
        (np.array([[1]], "timedelta64[s]"), "data has type timedelta64.*: expected numbers"),
        (np.ones((2, 2), complex), "data has type complex128: expected real numbers; take parts or magnitudes"),
    ],
)
def test_data_that_cannot_be_used_are_refused(values, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        as_examples(values)


@pytest.mark.parametrize("value", [2**24 + 1, -(2**24) - 1, np.iinfo(np.int64).min])
def test_integers_that_lose_digits_are_warned_of(value):
    with pytest.warns(UserWarning, match=rf"mine has integers from .*{value}.*: beyond 2\*\*24, 32-bit floats lose"):
        assert as_examples(np.array([[0, value]]), "mine").dtype == np.float32


@pytest.mark.parametrize("value", [2**24, -(2**24)])
def test_integers_that_32_bit_floats_hold_are_not_warned_of(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert int(as_examples(np.array([[0, value]]))[0, 1]) == value


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([0, 1, 2], "i"),
        (["cat", "dog", "cat"], "U"),
        (np.array(["cat", "dog", "cat"], object), "U"),
        (np.array([0.5, 1.5, np.inf]), "f"),
        ([True, False, True], "b"),
    ],
)
def test_labels_become_an_array_of_one_type(labels, kind):
    assert as_labels(labels, 3).dtype.kind == kind


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([0.0, np.nan, np.nan], "mine are missing .* for 2 examples, the first at index 1: .*drop those examples, or"),
        ([0, 1, None], r"mine are missing \(None, NaN or no label\) for 1 examples, the first at index 2"),
        (["cat", np.nan, "dog"], "mine are missing .* for 1 examples, the first at index 1"),
        (np.array(["NaT", "2020-01-01", "2020-01-01"], "datetime64[D]"), "mine are missing .* at index 0"),
        ([{}, "cat", "dog"], "mine are missing .* for 1 examples, the first at index 0"),
        ([0, 1], r"mine have shape \(2,\) for 3 examples: expected one label for each example"),
        ([[0], [1, 2], [3]], "mine are ragged .*: expected one label for each example"),
    ],
)
def test_labels_that_name_nothing_are_refused(labels, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        as_labels(labels, 3, "mine")


def test_another_shape_than_trained_on_is_refused():
    require_shape(np.zeros((9, 3, 2)), (3, 2), "data")
    with pytest.raises(
        InvalidInput, match=r"codes has shape \(9, 6\): expected \[examples, 3, 2\], as the autoencoder"
    ):
        require_shape(np.zeros((9, 6)), (3, 2), "codes")


def test_values_outside_the_unit_interval_are_refused():
    require_unit_interval(0.0, 1.0, "it")
    for low, high in ((-0.5, 1.0), (0.0, 16.0)):
        with pytest.raises(
            InvalidInput, match=rf"it was given values from {low:g} to {high:g}: expected \[0, 1\]; scale"
        ):
            require_unit_interval(low, high, "it")
