"""The choice of a reader and the options that each reader uses."""

import numpy as np
import pytest

from ae_jax import InvalidInput

OPTIONS = {"key": "x", "label": "y", "columns": ["a"], "image_size": (8, 8), "transpose": True, "shape": (2, 2)}
OPTIONS |= {"header": False, "id": "i", "separator": ";", "color": "rgb", "channels": "first"}


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("mine.npy", "transpose shape channels"),
        ("mine.npz", "key label transpose shape channels"),
        ("mine.csv.gz", "columns label id shape header separator"),
        ("mine.parquet", "columns label id shape"),
        ("mine.feather", "columns label id shape"),
        ("mine.xlsx", "columns label id shape header key"),
        ("mine.h5", "key label transpose shape channels"),
        ("mine.mat", "key label transpose shape channels"),
        ("mine.idx", ""),
        ("images", "image_size color"),
    ],
)
def test_options_that_a_format_does_not_use_are_refused(read, name, used, tmp_path):
    (tmp_path / name).write_bytes(b"") if "." in name else (tmp_path / name).mkdir()
    for option, value in OPTIONS.items():
        with pytest.raises(InvalidInput) as raised:
            read(tmp_path / name, **{option: value})
        assert ("does not use" in str(raised.value)) == (option not in used.split())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mine.npy", r"there is no file .*mine.npy: expected a file \(.npy, .npz, .csv, .*, or a folder of images"),
        ("mine.docx", r"mine.docx is of an unknown kind: expected a file \(.npy"),
        ("mine.jpg", "mine.jpg is a single image: expected a folder of images"),
    ],
)
def test_paths_that_cannot_be_read_are_refused(read, name, sentence, tmp_path):
    with pytest.raises(InvalidInput, match=sentence):
        read(tmp_path / name)


def test_rows_are_brought_to_a_shape(read, tmp_path):
    np.save(tmp_path / "mine.npy", np.arange(12).reshape(2, 6))
    assert read(tmp_path / "mine.npy", shape=(2, 3))["all"].x.tolist() == np.arange(12).reshape(2, 2, 3).tolist()
    np.save(tmp_path / "mine.npy", np.arange(12).reshape(6, 2))
    assert read(tmp_path / "mine.npy", shape=(2, 3), transpose=True)["all"].x[1].tolist() == [[1, 3, 5], [7, 9, 11]]
    with pytest.raises(InvalidInput, match=r"has 2 values an example, and the shape 2 x 3 has 6: expected as many"):
        read(tmp_path / "mine.npy", shape=(2, 3))
