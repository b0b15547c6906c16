import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from ae_jax import InvalidInput
from ae_jax.data.files import read

TABLE = "a,b,kind\n1,2.5,cat\n3,4,dog\n5,-6,cat\n"


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(path: Path, **options) -> list:
    return read(path, **options)["all"].x.tolist()


def test_a_table_is_read_with_its_labels_and_names(tmp_path):
    contents = read(write(tmp_path / "mine.csv", TABLE), label="kind")["all"]
    np.testing.assert_array_equal(contents.x, [[1, 2.5], [3, 4], [5, -6]])
    assert contents.x.dtype == np.float32
    assert contents.labels.tolist() == ["cat", "dog", "cat"]
    assert contents.columns == ("a", "b")


def test_columns_are_chosen_in_the_order_given(tmp_path):
    contents = read(write(tmp_path / "mine.csv", TABLE), columns=["b", "a"])["all"]
    np.testing.assert_array_equal(contents.x, [[2.5, 1], [4, 3], [-6, 5]])
    assert contents.columns == ("b", "a")
    assert contents.labels is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.tsv", "a\tb\n1\t2\n3\t4\n"),
        ("mine.CSV", "a,b\n1,2\n3,4\n"),
        ("mine.csv", "a, b\n1, 2\n3, 4\n"),
        ("mine.csv", '"a","b"\n"1","2"\n3,4'),
        ("mine.csv", "a,b\r\n1,2\r\n\r\n3,4\r\n"),
        ("mine.csv", b"\xef\xbb\xbfa,b\n1,2\n3,4\n"),
        ("mine.csv", "a,b\n1,2,\n3,4,\n"),
        ("mine.csv", "a,b\n1,2\n3,4\n"),
    ],
    ids=["tabs", "capitals", "spaces", "quotes", "Windows", "byte order mark", "separators at ends", "plain"],
)
def test_tables_are_read_however_they_are_written(name, content, tmp_path):
    contents = read(write(tmp_path / name, content))["all"]
    assert contents.x.tolist() == [[1, 2], [3, 4]]
    assert contents.columns == ("a", "b")


def test_truth_values_are_bytes(tmp_path):
    contents = read(write(tmp_path / "mine.csv", "a,b\nTrue,False\nFalse,True\n"))["all"]
    assert contents.x.tolist() == [[1, 0], [0, 1]]
    assert contents.x.dtype == np.uint8


def test_integers_that_lose_digits_are_warned_of(tmp_path):
    with pytest.warns(UserWarning, match=r"column 'b' of .*mine.csv has integers from 1 to 16777217: beyond 2\*\*24"):
        read(write(tmp_path / "mine.csv", "a,b\n1,1\n2,16777217\n"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1.5,2\n3,4\n", [[1.5, 2], [3, 4]]),
        ("5,2,9\n3,4,7\n", [[5, 2, 9], [3, 4, 7]]),
        ("1.000e+00\n-2.5\n", [[1], [-2.5]]),
    ],
)
def test_a_first_line_of_numbers_is_an_example(content, expected, tmp_path):
    path = write(tmp_path / "mine.csv", content)
    assert rows(path) == expected
    assert read(path)["all"].columns == tuple(str(place) for place in range(len(expected[0])))
    assert rows(path, columns=["0"]) == [[row[0]] for row in expected]


def test_what_numpy_writes_is_read_whole(tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.savetxt(tmp_path / "mine.csv", x, delimiter=",")
    np.testing.assert_array_equal(read(tmp_path / "mine.csv")["all"].x, x)


def test_what_pandas_writes_is_read_without_the_names_that_it_counts(tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    pd.DataFrame(x).to_csv(tmp_path / "mine.csv", index=False)
    np.testing.assert_array_equal(read(tmp_path / "mine.csv")["all"].x, x)


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("0,1,2,label\n5,6,7,cat\n", ("0", "1", "2")),  # as pandas writes a frame without names beside a label
        ("label,0,1,2\n3,5,6,7\n", ("0", "1", "2")),
        ('"0","1","label"\n5.5,6,cat\n', ("0", "1")),
        ('"4","1","label"\n\n5.5,6,"a, b"\n', ("4", "1")),
        ('"1","0"\n5.5,6\n', ("1", "0")),
        ('"7"\n5\n', ("7",)),
    ],
)
def test_numbers_may_be_names_of_columns(content, columns, tmp_path):
    contents = read(write(tmp_path / "mine.csv", content), label="label" if "label" in content else None)["all"]
    assert contents.columns == columns
    assert contents.x.min() >= 5
    assert contents.x.shape == (1, len(columns))


@pytest.mark.parametrize("content", ['"5","6"\n"7","8"\n', '"5",6\n7,8\n', "5,6\n7,8\n", '5,"6"\n7,8'])
def test_numbers_in_quotes_are_examples_where_they_are_no_names(content, tmp_path):
    assert rows(write(tmp_path / "mine.csv", content)) == [[5, 6], [7, 8]]


def test_an_index_that_pandas_wrote_is_no_feature_unasked(tmp_path):
    pd.DataFrame(np.eye(3)).to_csv(tmp_path / "mine.csv")
    with pytest.raises(InvalidInput, match=r"column 1 of .*mine.csv has no name: expected one, as it may be an index"):
        read(tmp_path / "mine.csv")
    assert rows(tmp_path / "mine.csv", columns=["0", "1", "2"]) == np.eye(3).tolist()


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        (TABLE, {}, "column 'kind' of .*mine.csv, of type .*, holds 'cat' in row 1: expected numbers; name .*--label"),
        ("a,b\n1,2\n3,?\n", {}, r"column 'b' of .*mine.csv, of type .*, holds '\?' in row 2: expected numbers"),
        ("a,b\n1,2\n3,\n", {}, "column 'b' of .*mine.csv has 1 missing values, the first in row 2: .*drop or impute"),
        ("a,b\n1,2\n3\n", {}, "column 'b' of .*mine.csv has 1 missing values, the first in row 2"),
        ("a,b\n1,2\nNA,\nNA,4\n", {}, "column 'a' of .*mine.csv has 2 missing values, the first in row 2"),
        ("a,b\n1,2\n3,inf\n", {}, r"column 'b' of .*mine.csv has 1 values that 32-bit .* in row 2 \(inf\)"),
        ("a,b\n1,-1e99\n3,4\n", {}, r"column 'b' of .*mine.csv has 1 values that 32-bit .* in row 1 \(-1e\+99\)"),
        (f"a,b\n1,{'9' * 400}\n", {}, r"column 'b' of .*mine.csv.* in row 1"),  # infinity, or text to pandas 2
        (TABLE, {"label": "kin"}, "unknown column of .*mine.csv 'kin': did you mean 'kind'. Known are a, b, kind"),
        (TABLE, {"columns": ["a", "bb"]}, "unknown column of .*mine.csv 'bb': did you mean 'b'"),
        (TABLE, {"columns": ["a", "kind"], "label": "kind"}, "'kind' of .*mine.csv is both the label and a feature"),
        (TABLE, {"columns": ["a", "a"]}, "column 'a' of .*mine.csv was named 2 times: expected each column once"),
        (TABLE, {"columns": []}, "mine.csv leaves no column of examples: expected at least one beside the label"),
        ("a,a\n1,2\n", {}, "mine.csv has 2 columns named 'a': expected one; rename the others"),
        ("a,y\n1,x\n2,\n", {"label": "y"}, "column 'y' of .*mine.csv has 1 missing labels, the first in row 2"),
        ("a,b\n", {}, "mine.csv has no rows: expected at least one example"),
        ("", {}, "mine.csv is empty: expected a line of names and a line for each example"),
        ("a,b\n1,2\n3,4,5\n", {}, r"mine.csv cannot be read \(.*Expected 2 fields in line 3, saw 3\): expected lines"),
        (
            "a,b\n1,2,3\n3,4,5\n",
            {},
            "mine.csv has more values in its lines than the 2 columns that its first line",
        ),
        (
            "a,b\n0,2,3\n1,4,5\n",
            {},
            "mine.csv has more values in its lines than the 2 columns that its first line",
        ),
        ("a,b\n1,é\n".encode("latin-1"), {}, r"mine.csv cannot be read \(.*utf-8.*\): expected lines .* in UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), {}, r"mine.csv cannot be read \(.*utf-8.*\): expected lines .* in UTF-8"),
        ('a,b\n"1,2\n', {}, r"mine.csv cannot be read \(.*EOF inside string.*\): expected lines of separated values"),
        ("a;b\n1;2\n", {}, "mine.csv seems separated by ';': expected commas in a .csv file and tabs in a .tsv file"),
        ("a\tb\n1\t2\n", {}, r"mine.csv seems separated by '\\t': expected commas in a .csv file"),
        ("0,1,cat\n1,1,dog\n", {}, "mine.csv starts with 0, 1, cat, mostly numbers: expected the names of the"),
        (
            "0,1\n1,1\n",
            {},
            "mine.csv starts with the line 0,1, which may name columns or be an example: expected",
        ),
    ],
)
def test_tables_that_cannot_be_used_are_refused(content, options, sentence, tmp_path):
    with pytest.raises(InvalidInput, match=sentence):
        read(write(tmp_path / "mine.csv", content), **options)


def test_parquet_is_read_with_its_labels_and_names(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "kind": ["cat", "dog"]}, index=[7, 9])
    frame.to_parquet(tmp_path / "mine.parquet")
    contents = read(tmp_path / "mine.parquet", label="kind")["all"]
    assert contents.x.tolist() == [[1, 0.5], [2, 1.5]]
    assert contents.x.dtype == np.float32
    assert contents.labels.tolist() == ["cat", "dog"]
    assert contents.columns == ("a", "b")
    assert rows(tmp_path / "mine.parquet", columns=["b"]) == [[0.5], [1.5]]


@pytest.mark.parametrize("dtype", ["bool", "uint8"])
def test_bytes_in_parquet_stay_bytes(dtype, tmp_path):
    pd.DataFrame(np.eye(2, dtype=dtype), columns=["a", "b"]).to_parquet(tmp_path / "mine.parquet")
    contents = read(tmp_path / "mine.parquet")["all"]
    assert contents.x.dtype == np.uint8
    assert contents.x.tolist() == [[1, 0], [0, 1]]


def test_no_column_comes_from_the_names_of_folders(tmp_path):
    folder = tmp_path / "year=2020"
    folder.mkdir()
    pd.DataFrame({"a": [1.0]}).to_parquet(folder / "mine.parquet")
    assert read(folder / "mine.parquet")["all"].columns == ("a",)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"a": [1, None]}, "column 'a' of .*mine.parquet has 1 missing values, the first in row 2"),
        ({"a": [True, None]}, "column 'a' of .*mine.parquet has 1 missing values, the first in row 2"),
        (
            {"a": [[1.0], [2.0]]},
            r"column 'a' of .*mine.parquet, of type object, holds \[1.\] in row 1: expected",
        ),
        ({"a": [{"b": 1}]}, "column 'a' of .*mine.parquet, of type object, holds {'b': 1} in row 1: expected numbers"),
        ({"a": ["1", "x"]}, "column 'a' of .*mine.parquet, of type .*, holds 'x' in row 2: expected numbers"),
        (
            {"a": pyarrow.array([1, 2], pyarrow.date32())},
            "column 'a' of .*holds 1970-01-02.* in row 1: expected",
        ),
        ({"a": pyarrow.array(["x"]).dictionary_encode()}, "column 'a' of .*, of type category, holds 'x' in row 1"),
        ({"a": pyarrow.array([], pyarrow.float32())}, "mine.parquet has no rows: expected at least one example"),
    ],
)
def test_parquet_that_cannot_be_used_is_refused(columns, sentence, tmp_path):
    parquet.write_table(pyarrow.table(columns), tmp_path / "mine.parquet")
    with pytest.raises(InvalidInput, match=sentence):
        read(tmp_path / "mine.parquet")


@pytest.mark.parametrize("kept", [0, 9, 300, -20])
def test_damaged_parquet_is_refused(kept, tmp_path):
    pd.DataFrame({"a": np.arange(99.0)}).to_parquet(tmp_path / "mine.parquet")
    write(tmp_path / "mine.parquet", (tmp_path / "mine.parquet").read_bytes()[:kept])
    with pytest.raises(InvalidInput, match=r"mine.parquet cannot be read \(.+\): expected a Parquet file"):
        read(tmp_path / "mine.parquet")


@pytest.mark.parametrize(
    ("name", "missing"), [("mine.csv", "pandas"), ("mine.parquet", "pandas"), ("mine.parquet", "pyarrow")]
)
def test_what_reads_tables_is_named_where_it_is_not_installed(name, missing, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InvalidInput, match=rf'{name} needs {missing}: .*run pip install "ae_jax\[tables\]"'):
        read(write(tmp_path / name, TABLE))
