"""What is written is read back by other libraries, and by the readers of this one."""

import csv
from pathlib import Path

import numpy as np
import pandas
import pyarrow.parquet
import pytest
from PIL import Image

from ae_jax import InvalidInput
from ae_jax.data import ReadOptions
from ae_jax.data.files import read
from ae_jax.data.writing import require_writable, write_examples, write_table

RNG = np.random.default_rng(0)
FLOATS = np.concatenate([RNG.normal(size=5), [1e-30, -0.0, 1 / 3, 16777217.0, 1e30]]).astype(np.float32)
LABELS = np.array(["plain", "with, comma", 'a "quote"', "two\nlines", "three", "Ω", "", "x", "y", "tab\there"])
TABLE = {"value": FLOATS, "double": FLOATS.astype(np.float64) / 3, "count": np.arange(10), "true": FLOATS > 0}
TABLE |= {"label": LABELS}
IMAGES = RNG.integers(0, 256, (3, 4, 5), np.uint8)


def same(found: np.ndarray, written: np.ndarray) -> None:
    np.testing.assert_array_equal(np.asarray(found).astype(written.dtype), written)


@pytest.mark.parametrize(("suffix", "separator"), [("csv", ","), ("tsv", "\t")])
def test_separated_values_read_back_equal_and_quoted(tmp_path: Path, suffix, separator):
    told = write_table(tmp_path / f"t.{suffix}", TABLE)
    assert told == "10 rows of value, double, count, true, label"
    with (tmp_path / f"t.{suffix}").open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file, delimiter=separator)
    assert names == list(TABLE)
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        kind = {"true": {"True": True, "False": False}.get, "label": str}.get(name, float)
        same(np.array([kind(text) for text in column]), TABLE[name])
    frame = pandas.read_csv(tmp_path / f"t.{suffix}", sep=separator, keep_default_na=False)
    same(frame["value"], FLOATS)
    assert frame["label"].tolist() == LABELS.tolist()


def test_parquet_keeps_types(tmp_path: Path):
    write_table(tmp_path / "t.parquet", TABLE | {"object": LABELS.astype(object)})
    table = pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pandas()
    for name, column in TABLE.items():
        same(table[name], column)
    assert table["object"].tolist() == LABELS.tolist()
    assert table["value"].dtype == np.float32


def test_a_table_as_npy_is_one_structured_array(tmp_path: Path):
    write_table(tmp_path / "t.NPY", TABLE)
    table = np.load(tmp_path / "t.NPY", allow_pickle=False)
    assert table.dtype.names == tuple(TABLE)
    for name, column in TABLE.items():
        same(table[name], column)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_examples_are_rows_that_the_readers_read_back(tmp_path: Path, suffix):
    x = RNG.normal(size=(10, 2)).astype(np.float32)
    path = tmp_path / f"x.{suffix}"
    write_examples(path, x, columns=["height", "a, b"], labels=np.arange(10) % 2, label="kind")
    contents = read(path, ReadOptions(label="kind"))["all"]
    assert contents.columns == ("height", "a, b")
    np.testing.assert_array_equal(contents.x, x)
    np.testing.assert_array_equal(contents.labels, np.arange(10) % 2)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3)])
def test_bytes_are_pictures_that_the_readers_read_back(tmp_path: Path, shape):
    x = RNG.integers(0, 256, (3, *shape), np.uint8)
    (tmp_path / "there").mkdir()
    for folder in ("new", "there", "deep/er"):
        assert write_examples(f"{tmp_path / folder}/", x) == "3 pictures of 4 x 5"
        names = [path.name for path in sorted((tmp_path / folder).iterdir())]
        assert names == ["000000.png", "000001.png", "000002.png"]
        np.testing.assert_array_equal(read(tmp_path / folder)["all"].x, x.squeeze(-1) if shape[-1] == 1 else x)


def test_floats_of_bytes_are_rounded_and_clipped(tmp_path: Path):
    told = write_examples(tmp_path / "pictures", np.array([[[-3.0, 0.4, 0.6], [254.5, 300.0, 7.0]]]))
    assert told == "1 picture of 2 x 3, rounded and clipped to bytes"
    pixels = np.asarray(Image.open(tmp_path / "pictures" / "000000.png"))
    assert pixels.tolist() == [[0, 0, 1], [254, 255, 7]]


@pytest.mark.parametrize(
    ("path", "shape", "sentence"),
    [
        ("x.txt", None, "x.txt has an unknown ending: expected .npy, .csv, .tsv or .parquet.$"),
        (
            "x",
            None,
            "x has no ending and names a folder of pictures, which a table cannot be: expected a name ending in",
        ),
        ("full", (5, 5), "the folder full is not empty: expected a new or an empty one for pictures"),
        ("full/file", (5, 5), "full/file is a file: expected a new folder for pictures, or a name with an ending"),
        (f"{'x' * 300}.csv", None, r"xxx.csv cannot be written \(File name too long\): choose another place"),
    ],
)
def test_what_cannot_be_written_is_refused_before_and_leaves_no_trace(path, shape, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidInput, match=sentence):
        require_writable(path, shape=shape)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (
            lambda path: write_table(path, {"a": np.arange(2), "b": np.arange(3)}),
            r"columns of the shapes \[\(2,\), \(3",
        ),
        (
            lambda path: write_table(path, {"a": np.zeros((2, 2))}),
            r"columns of the shapes .*: expected one axis and len",
        ),
        (lambda path: write_examples(path, np.zeros((2, 2)), columns=["a"]), "given 1 names for 2 features: expected"),
        (
            lambda path: write_examples(path, np.zeros((2, 1)), columns=["label"], labels=np.arange(2)),
            "would have two columns named label: expected another name of the label",
        ),
        (
            lambda path: write_examples(path.with_suffix(""), np.zeros((1, 2, 2)), bounds=(1.0, 1.0)),
            "given the bounds 1 and 1: expected a lower and a higher value",
        ),
    ],
)
def test_what_is_no_table_is_refused(write, sentence, tmp_path: Path):
    with pytest.raises(InvalidInput, match=sentence):
        write(tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []


def test_texts_that_a_spreadsheet_would_run_are_written_as_texts(tmp_path):
    table = {"=cmd|x": np.array(["@sum", "-1.5", "plain", "+a\n"]), "number": np.array([-1.0, 2.0, 3.0, 4.0])}
    write_table(tmp_path / "x.csv", table)
    written = pandas.read_csv(tmp_path / "x.csv", dtype=str)
    assert list(written) == ["'=cmd|x", "number"]
    assert written["'=cmd|x"].tolist() == ["'@sum", "-1.5", "plain", "'+a\n"]
    assert written["number"].tolist() == ["-1.0", "2.0", "3.0", "4.0"]
