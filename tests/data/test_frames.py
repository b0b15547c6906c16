from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from ae_jax import InvalidInput
from ae_jax.data.frames import from_frame, is_frame


def test_a_frame_gives_examples_labels_and_names():
    frame = pd.DataFrame({"a": [1, 2], "kind": ["cat", "dog"], "b": [True, False], "c": [0.5, 1.5]}, index=[5, 5])
    contents = from_frame(frame, label="kind")
    np.testing.assert_array_equal(contents.x, [[1, 1, 0.5], [2, 0, 1.5]])
    assert contents.x.dtype == np.float32
    assert contents.x.flags.c_contiguous
    assert contents.labels.tolist() == ["cat", "dog"]
    assert contents.columns == ("a", "b", "c")
    chosen = from_frame(frame, columns=["c", "a"], label="kind")
    assert (chosen.columns, chosen.x.tolist()) == (("c", "a"), [[0.5, 1], [1.5, 2]])
    assert from_frame(frame, columns="a").columns == ("a",)


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        (np.array([0, 1], np.uint8), "uint8"),
        (pd.array([False, True], "boolean"), "uint8"),
        (np.array([False, True], object), "uint8"),
        (pd.array([0, 1], "Int64"), "float32"),
        (pd.array([0, 1], "int8[pyarrow]"), "float32"),
        (pd.arrays.SparseArray([0.0, 1.0]), "float32"),
        (np.array([Decimal("0"), 1.0], object), "float32"),
    ],
)
def test_numbers_of_every_type_are_stored_in_one_of_the_device(values, stored):
    x = from_frame(pd.DataFrame({"a": values})).x
    assert x.dtype == stored
    assert x.tolist() == [[0], [1]]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([1.0, np.nan, None], "column 'a' of mine has 2 missing values, the first in row 2: expected one in every row"),
        (pd.array([1.0, 2.0, None], "double[pyarrow]"), "column 'a' of mine has 1 missing values, the first in row 3"),
        ([1.0, np.inf, -np.inf], "column 'a' of mine has 2 NaN or infinite values"),
        (["1", None, "?"], r"column 'a' of mine, of type \w+, holds '\?' in row 3: expected numbers; name the columns"),
        (pd.Categorical([3, 4, 3]), "column 'a' of mine, of type category, holds 3 in row 1: expected numbers"),
        (pd.to_datetime(["2020"] * 3), "column 'a' of mine, of type datetime.*, holds 2020-01-01.* in row 1: expected"),
        ([[1], [2], [3]], r"column 'a' of mine, of type object, holds \[1\] in row 1: expected numbers"),
    ],
)
def test_columns_that_are_not_numbers_are_refused(values, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        from_frame(pd.DataFrame({"b": [1, 2, 3], "a": values}), name="mine")


@pytest.mark.parametrize(
    ("names", "options", "sentence"),
    [
        (["height", "b"], {"label": "heigth"}, "unknown column of data 'heigth': did you mean 'height'"),
        ("abc", {"columns": ["a", "b"], "label": "b"}, "column 'b' of data is both the label and a feature"),
        ("abc", {"columns": ["a", "b", "a"]}, "the columns a, b, a of data are not distinct"),
        ("abc", {"columns": []}, "data leaves no column of examples: expected at least one beside the label"),
        ("aab", {}, "data has 2 columns named 'a': expected one; rename them"),
        (["a", ""], {}, "data has a column without a name: expected a name, as it may be an index"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(names, options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        from_frame(pd.DataFrame(np.ones((2, len(names))), columns=list(names)), **options)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (pd.Categorical(["cat", "dog"]), ["cat", "dog"]),
        (pd.array([7, 9], "Int64"), [7, 9]),
    ],
)
def test_labels_may_be_text_categories_and_numbers(values, labels):
    assert from_frame(pd.DataFrame({"a": [1, 2], "y": values}), label="y").labels.tolist() == labels


@pytest.mark.parametrize(
    "values", [["cat", None], [1.0, np.nan], pd.array([1, None], "Int64"), pd.Categorical([1, None])]
)
def test_labels_that_are_missing_are_refused(values):
    with pytest.raises(InvalidInput, match="column 'y' of data has 1 missing values, the first in row 2"):
        from_frame(pd.DataFrame({"a": [1, 2], "y": values}), label="y")


def test_frames_of_polars_are_read():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, 2], "b": [True, False], "c": [0.5, 1.5], "y": ["cat", "dog"]})
    assert is_frame(frame)
    contents = from_frame(frame, label="y")
    assert contents.x.tolist() == [[1, 1, 0.5], [2, 0, 1.5]]
    assert contents.labels.tolist() == ["cat", "dog"]
    with pytest.raises(InvalidInput, match="column 'a' of data has 1 missing values, the first in row 1"):
        from_frame(frame.with_columns(a=polars.Series([None, 2])), label="y")


def test_all_faults_of_a_table_are_told_at_once():
    frame = pd.DataFrame({"a": ["x", "y"], "b": [1.0, np.nan], "c": [1, 2], "y": [None, "cat"]})
    with pytest.raises(InvalidInput, match=r"mine has 3 faults\. \(1\) column 'a'.*\(2\) column 'b'.*\(3\) column 'y'"):
        from_frame(frame, label="y", name="mine")
    with pytest.raises(InvalidInput, match="mine lacks 2 columns, 'd', 'e': expected them among its own, 'a', 'b'"):
        from_frame(frame, columns=["d", "e", "c"], name="mine")


def test_rows_that_cannot_be_used_are_left_out_and_named():
    frame = pd.DataFrame({"a": ["1", "?", "3", "4"], "b": [1, 2, np.inf, 4], "y": [0, 1, 0, 1]}, index=list("pqrs"))
    named = r"mine: 2 of 4 rows are left out, rows 2, 3: \(1\) column 'a' .*\(2\) column 'b'"
    with pytest.warns(UserWarning, match=named):
        found = from_frame(frame, label="y", name="mine", leave_out=True)
    assert found.x.tolist() == [[1, 1], [4, 4]]
    assert (found.labels.tolist(), found.ids.tolist(), found.rows.tolist()) == ([0, 1], ["p", "s"], [0, 3])
    with pytest.raises(
        InvalidInput, match=r"mine has no row that can be used: column 'a'.*: expected numbers"
    ) as raised:
        from_frame(frame[["a"]].assign(a="x"), name="mine", leave_out=True)
    assert "--columns" not in str(raised.value)
    unlabelled = frame[["y"]].assign(b=1, y=[1, None, 2, 3])
    with pytest.warns(UserWarning, match="column 'y' of mine has 1 missing .*: the labels of all rows are left out"):
        assert from_frame(unlabelled, label="y", name="mine", leave_out=True).labels is None


def test_a_column_or_an_index_names_the_examples():
    frame = pd.DataFrame({"a": [1, 2], "who": ["Ann", "Bob"]})
    found = from_frame(frame, id="who")
    assert (found.ids.tolist(), found.columns) == (["Ann", "Bob"], ("a",))
    assert from_frame(frame[["a"]]).ids is None
    assert from_frame(frame.set_index("who")).ids.tolist() == ["Ann", "Bob"]


def test_large_integers_that_would_become_one_number_are_refused():
    frame = pd.DataFrame({"id": 10**12 + np.arange(300), "a": np.arange(300)})
    with pytest.raises(InvalidInput, match=r"column 'id' of data holds 300 integers .* do not tell apart: .*\(--id\)"):
        from_frame(frame)


def test_wide_tables_are_read_at_once(monkeypatch):
    monkeypatch.setattr("ae_jax.data.frames._numbers", None)
    frame = pd.DataFrame(np.arange(12).reshape(3, 4), columns=list("abcd")).astype({"a": "float32", "b": "int8"})
    np.testing.assert_array_equal(from_frame(frame, columns=["d", "a"]).x, [[3, 0], [7, 4], [11, 8]])
    assert from_frame(frame.astype("uint8")).x.dtype == np.uint8
