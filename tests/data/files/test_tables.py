import gzip
import sys

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from ae_jax import InvalidInput

TABLE = "a,b,kind\n1,2.5,cat\n3,4,dog\n5,-6,cat\n"


@pytest.fixture
def mine(tmp_path):
    """Writes a table and gives its path."""

    def write(content: str | bytes, name: str = "mine.csv"):
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / name

    return write


def test_a_table_is_read_with_its_labels_and_names(read, mine):
    contents = read(mine(TABLE), label="kind")["all"]
    np.testing.assert_array_equal(contents.x, [[1, 2.5], [3, 4], [5, -6]])
    assert contents.x.dtype == np.float32
    assert contents.labels.tolist() == ["cat", "dog", "cat"]
    assert contents.columns == ("a", "b")
    assert read(mine(TABLE), columns=["b", "a"])["all"].columns == ("b", "a")


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
        ("mine.csv", "a;b\n1;2\n3;4\n"),
        ("mine.tsv", "a|b\n1|2\n3|4\n"),
        ("mine.csv.gz", gzip.compress(b"a;b\n1;2\n3;4\n")),
    ],
    ids=[
        "tabs",
        "capitals",
        "spaces",
        "quotes",
        "Windows",
        "byte order mark",
        "separators at ends",
        "semicolons",
        "bars",
        "compressed",
    ],
)
def test_tables_are_read_however_they_are_written(read, mine, name, content):
    contents = read(mine(content, name))["all"]
    assert contents.x.tolist() == [[1, 2], [3, 4]]
    assert contents.columns == ("a", "b")


def test_a_separator_may_be_given(read, mine):
    assert read(mine("a b,b c\n1,2\n3,4\n"), separator=",")["all"].columns == ("a b", "b c")
    assert read(mine("a,b:c\n1:2\n"), separator=":")["all"].columns == ("a,b", "c")


def test_feather_is_read_with_its_index_as_ids(read, tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "kind": ["cat", "dog"]}, index=["p", "q"])
    frame.to_feather(tmp_path / "mine.feather")
    contents = read(tmp_path / "mine.feather", label="kind")["all"]
    assert (contents.x.tolist(), contents.labels.tolist(), contents.ids.tolist()) == (
        [[1], [2]],
        ["cat", "dog"],
        ["p", "q"],
    )


def test_a_table_without_a_header_is_read_whole(read, tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.savetxt(tmp_path / "mine.csv", x, delimiter=",")
    contents = read(tmp_path / "mine.csv", header=False)["all"]
    np.testing.assert_array_equal(contents.x, x)
    assert contents.columns == ("0", "1", "2")
    assert read(tmp_path / "mine.csv", header=False, columns=["2"])["all"].x.shape == (5, 1)


def test_numbers_as_names_are_warned_of_unless_pandas_counted_them(read, tmp_path, mine):
    pd.DataFrame(np.eye(3)).to_csv(tmp_path / "mine.csv", index=False)
    assert read(tmp_path / "mine.csv")["all"].x.tolist() == np.eye(3).tolist()
    with pytest.warns(UserWarning, match=r"starts with 1\.5, 2, which are read as the names .* give --no-header"):
        read(mine("1.5,2\n3,4\n"))


def test_an_index_that_pandas_wrote_is_not_a_feature(read, tmp_path):
    pd.DataFrame(np.eye(3)).to_csv(tmp_path / "mine.csv")
    with pytest.raises(InvalidInput, match="has a column without a name: expected a name, as it may be an index"):
        read(tmp_path / "mine.csv")
    assert read(tmp_path / "mine.csv", columns=["0", "1", "2"])["all"].x.tolist() == np.eye(3).tolist()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (TABLE, "column 'kind' of .*mine.csv, of type .*, holds 'cat' in row 1: expected numbers; name .*--label"),
        ("a,b\n1,2\n3\n", "column 'b' of .*mine.csv has 1 missing values, the first in row 2"),
        ("a,b\n", "mine.csv has no rows: expected at least one example"),
        ("", r"mine.csv cannot be read \(No columns .*\): expected lines"),
        ("a,b\n1,2\n3,4,5\n", r"mine.csv cannot be read \(.*Expected 2 fields in line 3, saw 3\): expected lines"),
        ("a,b\n1,é\n".encode("latin-1"), r"mine.csv cannot be read \(.*utf-8.*\): expected lines .* in UTF-8"),
        ('a,b\n"1,2\n', r"mine.csv cannot be read \(.*EOF inside string.*\): expected lines of separated values"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(read, mine, content, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        read(mine(content))


def test_parquet_is_read_with_its_labels_and_names(read, tmp_path):
    folder = tmp_path / "year=2020"  # which is no column
    folder.mkdir()
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "kind": ["cat", "dog"]}, index=[7, 9])
    frame.to_parquet(folder / "mine.parquet")
    contents = read(folder / "mine.parquet", label="kind")["all"]
    assert contents.x.tolist() == [[1, 0.5], [2, 1.5]]
    assert contents.labels.tolist() == ["cat", "dog"]
    assert contents.columns == ("a", "b")


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ([[1.0], [2.0]], r"column 'a' of .*mine.parquet, of type object, holds \[1.\] in row 1: expected"),
        (pyarrow.array(["x"]).dictionary_encode(), "column 'a' of .*, of type category, holds 'x' in row 1"),
    ],
)
def test_parquet_that_cannot_be_used_is_refused(read, tmp_path, column, sentence):
    parquet.write_table(pyarrow.table({"a": column}), tmp_path / "mine.parquet")
    with pytest.raises(InvalidInput, match=sentence):
        read(tmp_path / "mine.parquet")


def test_parquet_without_pyarrow_names_the_extra(read, mine, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InvalidInput, match=r'needs pyarrow, .*run pip install "ae_jax\[tables\]"'):
        read(mine(TABLE, "mine.parquet"))
