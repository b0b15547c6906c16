import numpy as np
import pandas
import pytest

from ae_jax import InvalidInput
from ae_jax.data.shards import NpyRows, ParquetRows
from ae_jax.data.streaming import bytes_of, read_all

X = np.arange(60, dtype=np.int16).reshape(20, 3)


@pytest.fixture
def npy(tmp_path):
    np.save(tmp_path / "a.npy", X[:8])
    np.save(tmp_path / "b.npy", X[8:])
    return [tmp_path / "a.npy", tmp_path / "b.npy"]


@pytest.fixture
def parquet(tmp_path):
    frame = pandas.DataFrame(X.astype(float), columns=["a", "b", "c"]).assign(kind=list("xy") * 10)
    frame[:12].to_parquet(tmp_path / "1.parquet", row_group_size=5)
    frame[12:].to_parquet(tmp_path / "2.parquet")
    return [tmp_path / "1.parquet", tmp_path / "2.parquet"]


def test_files_of_numpy_are_read_in_pieces(npy):
    rows = NpyRows(npy)
    assert (rows.shape, rows.dtype, rows.lengths, bytes_of(rows)) == ((3,), np.int16, [8, 12], 20 * 3 * 4)
    np.testing.assert_array_equal(rows.read(1, 2, 5)[0], X[10:13])
    np.testing.assert_array_equal(read_all(rows).x, X)


def test_files_of_parquet_are_read_by_row_group(parquet):
    rows = ParquetRows(parquet, label="kind")
    assert (rows.columns, rows.shape, rows.lengths) == (("a", "b", "c"), (3,), [5, 5, 2, 8])
    contents = read_all(rows)
    np.testing.assert_array_equal(contents.x, X)
    assert contents.labels.tolist() == list("xy") * 10
    x, labels = rows.read(2, 1, 2)
    np.testing.assert_array_equal(x, X[11:12])
    assert labels.tolist() == ["y"]
    np.testing.assert_array_equal(read_all(ParquetRows(parquet, columns=["c", "a"])).x, X[:, [2, 0]])


def test_the_index_of_a_frame_is_no_feature(tmp_path):
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}, index=[7, 3])
    frame.to_parquet(tmp_path / "1.parquet")
    assert ParquetRows([tmp_path / "1.parquet"]).columns == ("a", "b")


def damaged(path, kept):
    path.write_bytes(path.read_bytes()[:kept])


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (lambda path: np.save(path, X[:, :2]), r"b.npy has examples of shape \(2,\) and type int16: expected \(3,\)"),
        (lambda path: np.save(path, np.asfortranarray(X)), "b.npy is in Fortran order: .* save np.ascontiguousarray"),
        (lambda path: np.save(path, X[0]), r"b.npy has shape \(3,\): expected \[examples, \*features\]"),
        (
            lambda path: np.save(path, np.array([[{}]], object)),
            "b.npy cannot be read .it holds Python objects, which are never loaded",
        ),
        (
            lambda path: damaged(path, 150),
            r"b.npy cannot be read \(it holds 22 bytes of values of the 72 that it announces\): expected an arr",
        ),
    ],
)
def test_files_of_numpy_that_do_not_fit_are_refused(npy, write, sentence):
    write(npy[1])
    with pytest.raises(InvalidInput, match=sentence):
        NpyRows(npy)


def test_a_file_that_shrinks_while_it_is_read_is_refused(npy):
    rows = NpyRows(npy)
    damaged(npy[1], 150)
    with pytest.raises(InvalidInput, match=r"b.npy ends within row 3: it is truncated"):
        rows.read(1, 0, 12)


def test_files_of_parquet_that_do_not_fit_are_refused(parquet):
    pandas.DataFrame({"a": [1.0], "c": [1.0]}).to_parquet(parquet[1])
    with pytest.raises(InvalidInput, match=r"2.parquet has the columns a, c: expected those of 1.parquet, a, b,"):
        ParquetRows(parquet)
    damaged(parquet[1], 40)
    with pytest.raises(InvalidInput, match=r"2.parquet cannot be read .*: expected a Parquet file"):
        ParquetRows(parquet)


def test_nothing_at_all_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", X[:0])
    with pytest.raises(InvalidInput, match=r"a.npy holds no examples: expected at least one"):
        read_all(NpyRows([tmp_path / "a.npy"]))
