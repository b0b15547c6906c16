import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data.files import KINDS, SUFFIXES, read, readable

OPTIONS = {"key": "x", "label": "y", "columns": ["a"], "image_size": (8, 8), "transpose": True, "shape": (2, 2)}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *((f"mine{suffix}", True) for suffix in SUFFIXES),
        ("mine.CSV", True),
        ("train-images-idx3-ubyte.gz", True),
        ("", True),
        ("mine.png", False),
        ("mine.txt", False),
        ("mine.gz", False),
        ("digits", False),
    ],
)
def test_what_can_be_read_is_known_by_its_name(name, known, tmp_path):
    assert readable(tmp_path / name) == known


def test_sentences_list_every_suffix():
    assert all(suffix in KINDS for suffix in SUFFIXES)


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("mine.npy", "transpose shape"),
        ("mine.npz", "key label transpose shape"),
        ("mine.csv", "columns label shape"),
        ("mine.tsv", "columns label shape"),
        ("mine.parquet", "columns label shape"),
        ("mine.mat", "key label transpose shape"),
        ("mine.idx", ""),
        ("idx", ""),
        ("images", "image_size"),
    ],
)
@pytest.mark.parametrize("option", OPTIONS)
def test_options_that_a_kind_does_not_use_are_refused(name, used, option, tmp_path):
    if "." in name:
        (tmp_path / name).write_bytes(b"")
    else:
        (tmp_path / name).mkdir()
    if name == "idx":
        (tmp_path / name / "train-images-idx3-ubyte").write_bytes(b"")
    flag = ":NAME behind it" if option == "key" else f"--{option.replace('_', '-')}"
    sentence = f"{name} was given {flag}, which a.* does not use: expected .*; leave it out"
    with pytest.raises(InvalidInput) as raised:
        read(tmp_path / name, **{option: OPTIONS[option]})
    assert raised.match(sentence) if option not in used.split() else "does not use" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mine.npy", r"there is no file .*mine.npy: expected a file \(.npy, .npz, .csv, .*, or a folder of images"),
        ("folder", r"folder is of no kind that is known here: expected a file \(.npy"),
        ("mine.docx", r"mine.docx is of no kind that is known here: expected a file \(.npy"),
        ("mine.jpg", "mine.jpg is a single image: expected a folder of them"),
    ],
)
def test_paths_of_nothing_that_can_be_read_are_refused(name, sentence, tmp_path):
    with pytest.raises(InvalidInput, match=sentence):
        read(tmp_path / name)


def test_labels_that_name_nothing_are_refused(tmp_path):
    np.savez(tmp_path / "mine.npz", x=np.zeros((2, 3)), y=[0.0, np.nan])
    with pytest.raises(InvalidInput, match=r"the labels of .*mine.npz are missing .* for 1 examples"):
        read(tmp_path / "mine.npz")
