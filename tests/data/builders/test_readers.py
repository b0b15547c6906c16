"""What is read from files of each form, made here in miniature."""

import gzip
import io
import struct
import tarfile
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from ae_jax import InvalidInput
from ae_jax.data.builders.cifar import read_cifar10
from ae_jax.data.builders.digits import read_amat, read_digits, read_packed
from ae_jax.data.builders.frey import read_frey_mat, read_frey_npz
from ae_jax.data.builders.omniglot import read_omniglot_npz, read_omniglot_zips


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def cifar(path: Path, batches: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in batches.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_digits(random: np.random.Generator, tmp_path: Path) -> None:
    images, labels = random.integers(0, 256, (5, 28, 28), np.uint8), np.arange(5, dtype=np.uint8)
    files = {
        "images.gz": gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 5, 28, 28) + images.tobytes()),
        "labels.gz": gzip.compress(struct.pack(">4BI", 0, 0, 8, 1, 5) + labels.tobytes()),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in files]
    splits = read_digits([*paths, *paths])
    np.testing.assert_array_equal(splits["test"]["image"], images)
    np.testing.assert_array_equal(splits["train"]["label"], labels)
    assert splits["train"]["label"].dtype == np.int64


def test_binarised_text_and_bits_are_the_same(random: np.random.Generator, tmp_path: Path) -> None:
    splits = {
        name: random.integers(0, 2, (count, 784), np.uint8) for name, count in (("train", 3), ("valid", 2), ("test", 1))
    }
    for name, rows in splits.items():
        np.savetxt(tmp_path / f"{name}.amat", rows, fmt="%d")
    np.savez(tmp_path / "bits.npz", **{name: np.packbits(rows, axis=1) for name, rows in splits.items()})
    text = read_amat([tmp_path / f"{name}.amat" for name in splits])
    bits = read_packed([tmp_path / "bits.npz"])
    assert list(text) == list(bits) == ["train", "validation", "test"]
    for split, rows in zip(text, splits.values(), strict=True):
        np.testing.assert_array_equal(text[split]["image"].reshape(-1, 784), rows)
        np.testing.assert_array_equal(bits[split]["image"], text[split]["image"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"0 1\n", r"has 4 bytes: expected lines of 1568, as the original has; fetch it again\."),
        (b"2 " * 784, r"holds other characters than 0 and 1: expected 784 of them in a line; fetch it again\."),
        (
            b"0," * 784,
            r"is not separated by spaces: expected 784 digits in a line, as the original has; fetch it again\.",
        ),
    ],
)
def test_text_that_is_not_binarised(tmp_path: Path, text: bytes, sentence: str) -> None:
    (tmp_path / "a.amat").write_bytes(text)
    with pytest.raises(InvalidInput, match=sentence):
        read_amat([tmp_path / "a.amat"] * 3)


def test_cifar_has_its_colours_last(random: np.random.Generator, tmp_path: Path) -> None:
    images = random.integers(0, 256, (12, 32, 32, 3), np.uint8)
    labels = np.arange(12, dtype=np.uint8) % 10
    rows = np.concatenate([labels[:, None], images.transpose(0, 3, 1, 2).reshape(12, -1)], axis=1)
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    parts = {name: rows[2 * place : 2 * place + 2].tobytes() for place, name in enumerate(names)}
    shuffled = dict(reversed(list(parts.items()))) | {"batches.meta.txt": b"airplane\n", "readme.html": b""}
    splits = read_cifar10([cifar(tmp_path / "cifar.tar.gz", shuffled)])
    np.testing.assert_array_equal(splits["train"]["image"], images[:10])
    np.testing.assert_array_equal(splits["test"]["image"], images[10:])
    np.testing.assert_array_equal(splits["train"]["label"], labels[:10])


def test_cifar_archives_that_lack_a_batch_or_end_within_a_row(tmp_path: Path) -> None:
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    path = cifar(tmp_path / "cifar.tar.gz", dict.fromkeys(names[1:], b""))
    with pytest.raises(InvalidInput, match=r"has no data_batch_1\.bin: expected the archive cifar-10-binary\.tar\.gz"):
        read_cifar10([path])
    path = cifar(tmp_path / "cifar.tar.gz", dict.fromkeys(names, b"short"))
    with pytest.raises(InvalidInput, match=r"cannot be read \(.*\): expected batches with rows of 3073 bytes"):
        read_cifar10([path])
    path.write_bytes(b"no archive")
    with pytest.raises(InvalidInput, match=r"cannot be read \(.*\): expected the archive cifar-10-binary\.tar\.gz"):
        read_cifar10([path])


def drawing(ink: tuple[slice, slice]) -> bytes:
    """A black and white picture of 105 x 105 pixels, ink black on white, as Omniglot's are."""
    paper = np.full((105, 105), 255, np.uint8)
    paper[ink] = 0
    file = io.BytesIO()
    Image.fromarray(paper).convert("1").save(file, "png")
    return file.getvalue()


def test_omniglot_is_resized_with_bright_ink_and_labelled_in_order(tmp_path: Path) -> None:
    left, top = (slice(None), slice(0, 30)), (slice(0, 30), slice(None))
    paths = [tmp_path / "images_background.zip", tmp_path / "images_evaluation.zip"]
    for path in paths:
        with ZipFile(path, "w") as archive:
            archive.writestr(f"{path.stem}/", "")
            archive.writestr(f"{path.stem}/Greek/character02/0002_01.png", drawing(top))
            archive.writestr(f"{path.stem}/Greek/character01/0001_02.png", drawing(left))
            archive.writestr(f"{path.stem}/Greek/character01/0001_01.png", drawing(left))
            archive.writestr(f"{path.stem}/Angelic/character01/0003_01.png", drawing(top))
    splits = read_omniglot_zips(paths)
    images = splits["test"]["image"]
    assert (images.shape, images.dtype) == ((4, 28, 28), np.uint8)
    assert (images[1, 14, 2], images[1, 14, 20], images[0, 2, 14], images[0, 20, 14]) == (255, 0, 255, 0)
    np.testing.assert_array_equal(splits["train"]["label"], [0, 1, 1, 2])
    np.testing.assert_array_equal(splits["train"]["alphabet"], [0, 1, 1, 1])
    np.testing.assert_array_equal(splits["test"]["label"], [3, 4, 4, 5])


def test_omniglot_as_arrays(random: np.random.Generator, tmp_path: Path) -> None:
    names = [b"images_background/A/c1/1.png", b"images_background/B/c1/1.png", b"images_evaluation/C/c1/1.png"]
    x = random.integers(0, 256, (3, 28, 28), np.uint8)
    np.savez(tmp_path / "omniglot.npz", x=x, names=np.array(names))
    splits = read_omniglot_npz([tmp_path / "omniglot.npz"])
    np.testing.assert_array_equal(splits["train"]["image"], x[:2])
    np.testing.assert_array_equal(splits["train"]["alphabet"], [0, 1])
    np.testing.assert_array_equal(splits["test"]["label"], [2])
    np.testing.assert_array_equal(splits["test"]["alphabet"], [2])


def test_omniglot_archives_that_hold_no_drawings(tmp_path: Path) -> None:
    path = tmp_path / "images_background.zip"
    with ZipFile(path, "w"):
        pass
    with pytest.raises(InvalidInput, match=r"cannot be read \(.*\): expected an archive of drawings in ALPHABET"):
        read_omniglot_zips([path, path])


def test_faces_stand_in_columns_of_one_form_and_in_rows_of_the_other(
    random: np.random.Generator, tmp_path: Path
) -> None:
    faces = random.integers(0, 256, (3, 560), np.uint8)
    savemat(tmp_path / "frey.mat", {"ff": faces.T})
    np.savez(tmp_path / "frey.npz", x=faces)
    for read, file in ((read_frey_mat, "frey.mat"), (read_frey_npz, "frey.npz")):
        np.testing.assert_array_equal(read([tmp_path / file])["train"]["image"], faces.reshape(-1, 28, 20))


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (read_frey_mat, "expected the variable ff with 560 pixels in each column"),
        (read_frey_npz, "expected the array x with 560 pixels in each row"),
        (read_packed, "expected arrays train, valid and test of 784 bits in a row"),
        (read_omniglot_npz, "expected arrays x and names"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, read, sentence: str) -> None:
    (tmp_path / "file").write_bytes(b"something else")
    with pytest.raises(InvalidInput, match=rf"file cannot be read \(.*\): {sentence}"):
        read([tmp_path / "file"])
