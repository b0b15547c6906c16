import gzip
import struct

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data.files.idx import has_idx_images, read_idx

IMAGES = np.arange(3 * 2 * 2, dtype=np.uint8).reshape(3, 2, 2)
LABELS = np.array([7, 0, 9], np.uint8)
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def encoded(array: np.ndarray) -> bytes:
    code = CODES[array.dtype.str[1:]]
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


def write(path, array: np.ndarray) -> None:
    path.write_bytes(gzip.compress(encoded(array)) if path.suffix == ".gz" else encoded(array))


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("suffix", ["idx", "idx.gz"])
def test_every_type_is_read_as_it_was_written(dtype, suffix, tmp_path):
    array = np.array([[1, 2, 127], [0, 5, 100]], dtype)
    write(tmp_path / f"mine.{suffix}", array)
    read_array = read_idx(tmp_path / f"mine.{suffix}")
    np.testing.assert_array_equal(read_array, array)
    assert read_array.dtype == array.dtype
    assert read_array.dtype.isnative


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("emnist-letters-test-images-idx3-ubyte.gz", "emnist-letters-test-labels-idx1-ubyte.gz"),
    ],
)
def test_labels_are_found_beside_their_images(read, images, labels, tmp_path):
    write(tmp_path / images, IMAGES)
    write(tmp_path / labels, LABELS)
    contents = read(tmp_path / images)["all"]
    np.testing.assert_array_equal(contents.x, IMAGES)
    np.testing.assert_array_equal(contents.labels, LABELS)


def test_a_folder_of_mnist_has_its_splits(read, tmp_path):
    for split, count in (("train", 3), ("t10k", 2)):
        write(tmp_path / f"{split}-images-idx3-ubyte.gz", IMAGES[:count])
        write(tmp_path / f"{split}-labels-idx1-ubyte.gz", LABELS[:count])
    assert has_idx_images(tmp_path)
    splits = read(tmp_path)
    assert {split: contents.labels.tolist() for split, contents in splits.items()} == {
        "train": [7, 0, 9],
        "test": [7, 0],
    }


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["train-images-idx3-ubyte"], "holds no test images: expected one file such as t10k-images-idx3-ubyte"),
        (
            ["a-train-images-idx3-ubyte", "b-train-images-idx3-ubyte", "t10k-images-idx3-ubyte"],
            "holds a-train-images-idx3-ubyte, b-train-images-idx3-ubyte as train images: expected one file .*;",
        ),
    ],
)
def test_a_folder_without_one_file_for_each_split_is_refused(read, names, sentence, tmp_path):
    for name in names:
        write(tmp_path / name, IMAGES)
    with pytest.raises(InvalidInput, match=sentence):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "mine.idx starts with the bytes of no file: expected an idx file such as train-images-idx3-ubyte; fetch"),
        (encoded(IMAGES)[:10], "mine.idx ends within its header of 16 bytes, after 10: expected an idx file"),
        (
            encoded(IMAGES)[:-1],
            r"mine.idx announces 12 bytes of values, of shape \(3, 2, 2\), and holds 11: expected an idx file",
        ),
        (
            encoded(IMAGES) + b"\0\0",
            r"mine.idx announces 12 bytes of values, of shape \(3, 2, 2\), and holds more: expected",
        ),
    ],
)
def test_a_damaged_file_is_refused(content, sentence, tmp_path):
    (tmp_path / "mine.idx").write_bytes(content)
    with pytest.raises(InvalidInput, match=sentence):
        read_idx(tmp_path / "mine.idx")


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-9],
        lambda packed: packed[:14] + b"\xff\xff" + packed[16:],
        lambda packed: encoded(IMAGES),
    ],
    ids=["truncated", "corrupt", "not compressed"],
)
def test_a_damaged_compressed_file_is_refused(read, damage, tmp_path):
    path = tmp_path / "mine-idx3-ubyte.gz"
    path.write_bytes(damage(gzip.compress(encoded(IMAGES))))
    with pytest.raises(InvalidInput, match=r"mine-idx3-ubyte.gz cannot be read \(.+\): expected an idx file"):
        read(path)


def test_another_number_of_labels_than_images_is_refused(read, tmp_path):
    write(tmp_path / "train-images-idx3-ubyte", IMAGES)
    write(tmp_path / "train-labels-idx1-ubyte", LABELS[:2])
    sentence = (
        r"train-images-idx3-ubyte holds 3 images and .*train-labels-idx1-ubyte labels of shape \(2,\): expected one "
        "label for each image"
    )
    with pytest.raises(InvalidInput, match=sentence):
        read(tmp_path / "train-images-idx3-ubyte")


def test_mnist_itself_is_read(read, real_data):
    splits = read(real_data / "mnist")
    assert {split: contents.x.shape for split, contents in splits.items()} == {
        "train": (60000, 28, 28),
        "test": (10000, 28, 28),
    }
    # The numbers of digits 0 to 9 of the test split, as published by LeCun, Cortes and Burges.
    assert np.bincount(splits["test"].labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert splits["train"].labels[:5].tolist() == [5, 0, 4, 1, 9]
