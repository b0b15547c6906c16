import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from ae_jax import InvalidInput
from ae_jax.data.frames import from_frame, is_frame


class Column:
    """A column of a data frame as Polars has it."""

    def __init__(self, values: list, dtype: str):
        self.values, self.dtype = values, dtype

    def is_null(self) -> np.ndarray:
        return np.array([value is None for value in self.values])

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self.values, dtype)


class Frame:
    """A data frame as Polars has it."""

    dtypes = ()

    def __init__(self, **columns: Column):
        self.held = columns

    columns = property(lambda self: list(self.held))

    def __len__(self) -> int:
        return len(next(iter(self.held.values())).values)

    def to_numpy(self) -> np.ndarray:
        raise NotImplementedError

    def to_series(self, place: int) -> Column:
        return list(self.held.values())[place]


def test_frames_are_known_from_what_is_none():
    assert is_frame(pd.DataFrame({"a": [1]}))
    assert is_frame(Frame())
    for other in (np.zeros((2, 2)), pd.Series([1]), [[1]], {"a": [1]}, np.zeros(2, [("a", float)]), pd.DataFrame):
        assert not is_frame(other)


def test_a_frame_gives_examples_labels_and_names():
    frame = pd.DataFrame({"a": [1, 2], "kind": ["cat", "dog"], "b": [True, False], "c": [0.5, 1.5]}, index=[5, 5])
    contents = from_frame(frame, label="kind")
    np.testing.assert_array_equal(contents.x, [[1, 1, 0.5], [2, 0, 1.5]])
    assert contents.x.dtype == np.float32
    assert contents.x.flags.c_contiguous
    assert contents.labels.tolist() == ["cat", "dog"]
    assert contents.columns == ("a", "b", "c")


def test_columns_are_chosen_in_the_order_given():
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 4], "kind": ["cat", "dog"]})
    contents = from_frame(frame, columns=["b", "a"], label="kind")
    assert contents.x.tolist() == [[3, 1], [4, 2]]
    assert contents.columns == ("b", "a")
    assert from_frame(frame, columns="a").columns == ("a",)


def test_names_that_are_numbers_are_named_by_their_text():
    contents = from_frame(pd.DataFrame(np.eye(3)), label="2")
    assert contents.columns == ("0", "1")
    assert contents.labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        (np.array([0, 1], bool), "uint8"),
        (np.array([0, 1], np.uint8), "uint8"),
        (pd.array([False, True], "boolean"), "uint8"),
        (np.array([False, True], object), "uint8"),
        (np.array([0, 1], np.int64), "float32"),
        (np.array([0, 1], np.float16), "float32"),
        (pd.array([0, 1], "Int64"), "float32"),
        (pd.array([0.0, 1.0], "Float32"), "float32"),
        (pd.array([0, 1], "int8[pyarrow]"), "float32"),
        (pd.arrays.SparseArray([0.0, 1.0]), "float32"),
        (np.array([0, 1.0], object), "float32"),
        (np.array([Decimal("0"), Decimal("1.0")], object), "float32"),
    ],
)
def test_numbers_of_every_type_are_stored_in_one_of_the_device(values, stored):
    x = from_frame(pd.DataFrame({"a": values})).x
    assert x.dtype == stored
    assert x.tolist() == [[0], [1]]


def test_integers_that_lose_digits_are_warned_of():
    with pytest.warns(UserWarning, match=r"column 'a' of mine has integers from 1 to 16777217: beyond 2\*\*24"):
        from_frame(pd.DataFrame({"a": [1, 2**24 + 1], "b": [0.5, 0.5]}), name="mine")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            [1.0, np.nan, None],
            "column 'a' of mine has 2 missing values, the first in row 2: expected a number in",
        ),
        (pd.array([None, 1, 2], "Int64"), "column 'a' of mine has 1 missing values, the first in row 1"),
        (pd.array([True, None, True], "boolean"), "column 'a' of mine has 1 missing values, the first in row 2"),
        (pd.array([1.0, 2.0, None], "double[pyarrow]"), "column 'a' of mine has 1 missing values, the first in row 3"),
        ([True, None, False], "column 'a' of mine has 1 missing values, the first in row 2"),
        ([None, None, None], "column 'a' of mine has 3 missing values, the first in row 1"),
        ([1.0, np.inf, -np.inf], r"column 'a' of mine has 2 values that 32-bit .* in row 2 \(inf\): .*rescale them"),
        ([1.0, 2.0, 1e39], r"column 'a' of mine has 1 values that 32-bit .* in row 3 \(1e\+39\)"),
        (["1", None, "?"], r"column 'a' of mine, of type \w+, holds '\?' in row 3: expected numbers; name the columns"),
        (["1", "2", "3"], r"column 'a' of mine, of type \w+, holds '1' in row 1: expected numbers"),
        ([1, "2", 3], "column 'a' of mine, of type object, holds '2' in row 2: expected numbers"),
        (["x" * 99, "y", "z"], r"column 'a' of mine, of type \w+, holds 'x{59} in row 1: expected numbers"),
        (pd.Categorical([3, 4, 3]), "column 'a' of mine, of type category, holds 3 in row 1: expected numbers"),
        (pd.Categorical([None] * 3), "column 'a' of mine, of type category, holds None in row 1: expected numbers"),
        (pd.to_datetime(["2020"] * 3), "column 'a' of mine, of type datetime.*, holds 2020-01-01.* in row 1: expected"),
        (pd.to_timedelta([1, 2, 3]), "column 'a' of mine has type timedelta64.*: expected numbers"),
        (pd.period_range("2020", periods=3), "column 'a' of mine, of type period.*, holds 2020-01-01 in row 1"),
        ([[1], [2], [3]], r"column 'a' of mine, of type object, holds \[1\] in row 1: expected numbers"),
        ([1j, 2, 3], r"column 'a' of mine, of type complex128, holds 1j in row 1: expected numbers"),
    ],
)
def test_columns_that_are_no_numbers_are_refused(values, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        from_frame(pd.DataFrame({"b": [1, 2, 3], "a": values}), name="mine")


@pytest.mark.parametrize(
    ("names", "options", "sentence"),
    [
        ("abc", {"columns": ["d"]}, "unknown column of data 'd': .*Known are a, b, c"),
        (["height", "b"], {"label": "heigth"}, "unknown column of data 'heigth': did you mean 'height'"),
        (
            "abc",
            {"columns": ["a", "b"], "label": "b"},
            "column 'b' of data is both the label and a feature: expected",
        ),
        ("abc", {"columns": ["a", "b", "a"]}, "column 'a' of data was named 2 times: expected each column once"),
        ("abc", {"columns": []}, "data leaves no column of examples: expected at least one beside the label"),
        ("a", {"label": "a"}, "data leaves no column of examples: expected at least one beside the label"),
        ("aab", {}, "data has 2 columns named 'a': expected one; rename the others"),
        ("baa", {"label": "a"}, "data has 2 columns named 'a': expected one; rename the others"),
        (["a", ""], {}, "column 2 of data has no name: expected one, as it may be an index"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(names, options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        from_frame(pd.DataFrame(np.ones((2, len(names))), columns=list(names)), **options)


def test_columns_that_are_not_used_are_not_looked_at():
    frame = pd.DataFrame(np.array([["x", 1, 2], [None, 3, 4]], object), columns=["a", "a", "b"])
    assert from_frame(frame, columns=["b"]).x.tolist() == [[2], [4]]


def test_a_frame_without_rows_is_refused():
    with pytest.raises(InvalidInput, match="data has no rows: expected at least one example below the names"):
        from_frame(pd.DataFrame({"a": []}))


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["cat", "dog"], ["cat", "dog"]),
        (pd.Categorical(["cat", "dog"]), ["cat", "dog"]),
        ([7, 9], [7, 9]),
        (pd.array([7, 9], "Int64"), [7, 9]),
        ([True, False], [True, False]),
        ([datetime.date(2020, 1, 1)] * 2, None),
    ],
)
def test_labels_may_be_text_categories_and_numbers(values, labels):
    frame = pd.DataFrame({"a": [1, 2], "y": values})
    if labels is None:
        with pytest.raises(InvalidInput, match="column 'y' of data are missing"):
            from_frame(frame, label="y")
    else:
        assert from_frame(frame, label="y").labels.tolist() == labels


@pytest.mark.parametrize(
    "values", [["cat", None], [1.0, np.nan], pd.array([1, None], "Int64"), pd.Categorical([1, None])]
)
def test_labels_that_are_missing_are_refused(values):
    with pytest.raises(InvalidInput, match="column 'y' of data has 1 missing labels, the first in row 2: expected one"):
        from_frame(pd.DataFrame({"a": [1, 2], "y": values}), label="y")


def test_frames_are_read_as_polars_shows_them():
    frame = Frame(a=Column([1, 2], "Int64"), b=Column([True, False], "Boolean"), y=Column(["x", "z"], "String"))
    contents = from_frame(frame, label="y")
    assert contents.x.tolist() == [[1, 1], [2, 0]]
    assert contents.labels.tolist() == ["x", "z"]


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        (Column([1.0, None], "Int64"), "column 'a' of data has 1 missing values, the first in row 2"),
        (Column([1.0, np.nan], "Float64"), "column 'a' of data has 1 missing values, the first in row 2"),
        (Column(["1", "x"], "Categorical"), "column 'a' of data, of type categorical, holds 'x' in row 2"),
        (Column(["1", "x"], "Enum(categories=['1', 'x'])"), "column 'a' of data, of type enum, holds 'x' in row 2"),
        (
            Column([[1, 2], [3, 4]], "Array(Int64, shape=(2,))"),
            r"column 'a' of data, of type array, holds \[1 2\] in row 1",
        ),
    ],
)
def test_columns_of_polars_that_are_no_numbers_are_refused(column, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        from_frame(Frame(a=column))


def test_polars_itself_is_read():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, 2], "b": [True, False], "c": [0.5, 1.5], "y": ["cat", "dog"]})
    assert is_frame(frame)
    assert not is_frame(frame.lazy())
    contents = from_frame(frame, label="y")
    assert contents.x.tolist() == [[1, 1, 0.5], [2, 0, 1.5]]
    assert contents.labels.tolist() == ["cat", "dog"]
    missing = frame.with_columns(a=polars.Series([None, 2]))
    with pytest.raises(InvalidInput, match="column 'a' of data has 1 missing values, the first in row 1"):
        from_frame(missing, label="y")
