"""Published image data sets: the addresses of their files, what verifies them, and how they are read."""

import dataclasses
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TypeAlias
from zipfile import ZipFile

import numpy as np

from ae_jax.data.arrays import RawData
from ae_jax.data.files.idx import read_idx
from ae_jax.data.files.matlab import read_mat
from ae_jax.types import Shape

Reader: TypeAlias = Callable[[Sequence[Path]], dict[str, RawData]]

_BINARIZED_PARTS = {"train": "train", "validation": "valid", "test": "test"}
_OMNIGLOT_PARTS = {"train": "images_background", "test": "images_evaluation"}
_FREY_SHAPE = (28, 20)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """A published data set.

    Attributes:
      name: of the data set.
      shape: of one image.
      examples: of each split.
      homepage, licence: as its authors state them.
      address: to which the names of its files are appended.
      files: name -> SHA-256 of each published file, or None where it is verified by its content.
      read: reads those files, in their order.
      others: other files that hold the same data -> their reader.
      digest: :func:`ae_jax.data.downloads.content_digest` of the splits, by which files without a SHA-256 are verified.
    """

    name: str
    shape: Shape
    examples: Mapping[str, int]
    homepage: str
    licence: str = "not stated; see the homepage"
    address: str
    files: Mapping[str, str | None]
    read: Reader
    others: Mapping[tuple[str, ...], Reader] = dataclasses.field(default_factory=dict)
    digest: str | None = None


def read_mnist_files(paths: Sequence[Path]) -> dict[str, RawData]:
    """Reads four idx files: training images and labels, test images and labels."""
    train, train_labels, test, test_labels = map(read_idx, paths)
    return {"train": RawData(train, train_labels), "test": RawData(test, test_labels)}


def read_cifar10_archive(paths: Sequence[Path]) -> dict[str, RawData]:
    """Reads CIFAR-10's binary archive, whose rows are a label and the red, green and blue planes of 32 x 32 pixels."""
    with tarfile.open(paths[0], "r:gz") as archive:
        files = {Path(member.name).name: archive.extractfile(member) for member in archive if member.isfile()}
        batches = {name: file.read() for name, file in files.items() if file and name.endswith(".bin")}
    train = b"".join(batches[f"data_batch_{number}.bin"] for number in range(1, 6))
    splits = {}
    for split, batch in (("train", train), ("test", batches["test_batch.bin"])):
        rows = np.frombuffer(batch, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
        splits[split] = RawData(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy(), rows[:, 0])
    return splits


def read_binarized_text(paths: Sequence[Path]) -> dict[str, RawData]:
    """Reads Larochelle's three text files of train, validation and test, with 784 digits 0 or 1 in each line."""
    bits = [np.frombuffer(path.read_bytes(), np.uint8)[::2] - np.uint8(ord("0")) for path in paths]
    return {split: RawData(each.reshape(-1, 28, 28)) for split, each in zip(_BINARIZED_PARTS, bits, strict=True)}


def read_binarized_bits(paths: Sequence[Path]) -> dict[str, RawData]:
    """Reads an archive of the arrays ``train``, ``valid`` and ``test``, which numpy.packbits wrote."""
    with np.load(paths[0], allow_pickle=False) as archive:
        bits = {split: np.unpackbits(archive[name], axis=1, count=28 * 28) for split, name in _BINARIZED_PARTS.items()}
    return {split: RawData(rows.reshape(-1, 28, 28)) for split, rows in bits.items()}


def read_omniglot_archives(paths: Sequence[Path]) -> dict[str, RawData]:
    """Reads the background and the evaluation archive; drawings are resized to 28 x 28, with ink 255 on 0."""
    drawings = {}
    for split, path in zip(_OMNIGLOT_PARTS, paths, strict=True):
        with ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".png"))
            drawings[split] = (np.stack([_resized(archive.read(name)) for name in names]), names)
    return _labelled(drawings)


def read_omniglot_arrays(paths: Sequence[Path]) -> dict[str, RawData]:
    """Reads an archive of the arrays ``x``, drawings at 28 x 28, and ``names``, the files that they were made of."""
    with np.load(paths[0], allow_pickle=False) as archive:
        x, names = archive["x"], np.char.decode(archive["names"])
    drawings = {}
    for split, folder in _OMNIGLOT_PARTS.items():
        rows = np.char.startswith(names, folder)
        drawings[split] = (x[rows], names[rows].tolist())
    return _labelled(drawings)


def read_frey_matlab(paths: Sequence[Path]) -> dict[str, RawData]:
    """Reads Roweis's file, whose variable ``ff`` has a face in each column."""
    faces = read_mat(paths[0], key="ff", transpose=True)["all"].x
    return {"train": RawData(faces.astype(np.uint8).reshape(-1, *_FREY_SHAPE))}


def read_frey_arrays(paths: Sequence[Path]) -> dict[str, RawData]:
    """Reads an archive whose array ``x`` has a face in each row."""
    with np.load(paths[0], allow_pickle=False) as archive:
        return {"train": RawData(archive["x"].reshape(-1, *_FREY_SHAPE))}


def _labelled(drawings: Mapping[str, tuple[np.ndarray, Iterable[str]]]) -> dict[str, RawData]:
    """Drawings labelled by character: numbers of the sorted characters, the test split's after the training split's."""
    splits, first = {}, 0
    for split, (x, names) in drawings.items():
        characters = np.array(["/".join(name.split("/")[-3:-1]) for name in names])
        distinct, labels = np.unique(characters, return_inverse=True)
        splits[split] = RawData(x, labels.reshape(-1) + first)
        first += len(distinct)
    return splits


def _resized(png: bytes) -> np.ndarray:
    from PIL import Image, ImageOps

    with Image.open(BytesIO(png)) as image:
        ink = ImageOps.invert(image.convert("L"))
    return np.asarray(ink.resize((28, 28), Image.Resampling.LANCZOS))


_DIGITS = {"train": 60_000, "test": 10_000}
_IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_IDX_GZ = tuple(f"{file}.gz" for file in _IDX)

PUBLISHED: dict[str, Published] = {
    published.name: published
    for published in (
        Published(
            name="mnist",
            shape=(28, 28),
            examples=_DIGITS,
            homepage="http://yann.lecun.com/exdb/mnist/",
            address="https://storage.googleapis.com/cvdf-datasets/mnist/",
            files=dict.fromkeys(_IDX_GZ),
            read=read_mnist_files,
            others={_IDX: read_mnist_files},
            digest="1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b",
        ),
        Published(
            name="fashion_mnist",
            shape=(28, 28),
            examples=_DIGITS,
            homepage="https://github.com/zalandoresearch/fashion-mnist",
            licence="MIT",
            address="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            files=dict.fromkeys(_IDX_GZ),
            read=read_mnist_files,
            others={_IDX: read_mnist_files},
            digest="ece172613115fb18b120bec8f6c02271af90b8b8f0a5af5c51cbd5ceed68e619",
        ),
        Published(
            name="kmnist",
            shape=(28, 28),
            examples=_DIGITS,
            homepage="http://codh.rois.ac.jp/kmnist/index.html.en",
            address="http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            files={
                "train-images-idx3-ubyte.gz": "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
                "train-labels-idx1-ubyte.gz": "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
                "t10k-images-idx3-ubyte.gz": "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
                "t10k-labels-idx1-ubyte.gz": "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            },
            read=read_mnist_files,
        ),
        Published(
            name="cifar10",
            shape=(32, 32, 3),
            examples={"train": 50_000, "test": 10_000},
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
            address="https://www.cs.toronto.edu/~kriz/",
            files={"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
            read=read_cifar10_archive,
        ),
        Published(
            name="binarized_mnist",
            shape=(28, 28),
            examples={"train": 50_000, "validation": 10_000, "test": 10_000},
            homepage="http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
            address="http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
            files=dict.fromkeys(f"binarized_mnist_{split}.amat" for split in ("train", "valid", "test")),
            read=read_binarized_text,
            others={("binarized_mnist_packbits.npz",): read_binarized_bits},
            digest="07ad6da6ba6894a550cb68ae290ff3deb006a01f6b6ce1b3123edec502f1fce8",
        ),
        Published(
            name="omniglot",
            shape=(28, 28),
            examples={"train": 19_280, "test": 13_180},
            homepage="https://github.com/brendenlake/omniglot",
            licence="MIT",
            address="https://github.com/brendenlake/omniglot/raw/master/python/",
            files={
                "images_background.zip": "ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
                "images_evaluation.zip": "1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
            },
            read=read_omniglot_archives,
            others={("omniglot28_lanczos.npz",): read_omniglot_arrays},
            digest="f9147d8c74d46e365e153d2c1f13e6ab721e6a4b2e901e7807231aaf20dc8c14",
        ),
        Published(
            name="frey_faces",
            shape=(28, 20),
            examples={"train": 1_965},
            homepage="http://www.cs.nyu.edu/~roweis/data.html",
            address="http://www.cs.nyu.edu/~roweis/data/",
            files={"frey_rawface.mat": None},
            read=read_frey_matlab,
            others={("freyfaces.npz",): read_frey_arrays},
            digest="2438ba4f0d2a6bd8bac43de756141eaa33c8d248dd613d464bdb1210d9b7af78",
        ),
    )
}
"""Every data set that :func:`ae_jax.data.prepare` prepares, by its name."""
