"""Reads MNIST's idx files: a big-endian header of type and sizes, then the values."""

import gzip
import math
import re
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from ae_jax.data.arrays import RawData
from ae_jax.data.damage import reading
from ae_jax.errors import InvalidInput

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
_PART = 1 << 24
_NAME = re.compile(r"[-._]idx\d*(-[a-z0-9]+)?(\.gz)?$", re.IGNORECASE)
_SPLITS = {"train": ("train", "train-images-idx3-ubyte"), "test": ("t10k|test", "t10k-images-idx3-ubyte")}


def is_idx(path: Path) -> bool:
    """Whether a file is named as idx files are.

    Example:
      >>> is_idx(Path("train-images-idx3-ubyte.gz")), is_idx(Path("mine.idx")), is_idx(Path("idx.csv"))
      (True, True, False)
    """
    return _NAME.search(path.name) is not None


def read_idx(path: Path) -> np.ndarray:
    """Reads the array of an idx file, in the machine's byte order; a name that ends in ``.gz`` means compressed.

    Raises:
      InvalidInput: a file that is missing, damaged or of no idx type, or with a header that disagrees with its length.

    References:
      LeCun, Cortes and Burges, *The MNIST database of handwritten digits*, 1998, "File formats".
    """
    expected = "an idx file such as train-images-idx3-ubyte; fetch it again"
    with reading(path, expected), gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        start = file.read(4)
        if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _TYPES:
            raise InvalidInput(f"{path} starts with the bytes {start.hex(' ') or 'of no file'}: expected {expected}.")
        dtype, axes = np.dtype(_TYPES[start[2]]), start[3]
        sizes = file.read(4 * axes)
        if len(sizes) < 4 * axes:
            raise InvalidInput(
                f"{path} ends within its header of {4 + 4 * axes} bytes, after {4 + len(sizes)}: expected {expected}."
            )
        shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
        promised = math.prod(shape) * dtype.itemsize
        raw = _read(file, promised + 1)
        if promised != len(raw):
            raise InvalidInput(
                f"{path} announces {promised} bytes of values, of shape {shape}, and holds "
                f"{'more' if len(raw) > promised else len(raw)}: expected {expected}."
            )
        return np.frombuffer(raw, dtype.newbyteorder(">")).reshape(shape).astype(dtype)


def _read(file: BufferedIOBase, count: int) -> bytes:
    """At most ``count`` bytes, in parts: a header may announce far more than the file holds."""
    parts, missing = [], count
    while missing > 0 and (part := file.read(min(missing, _PART))):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def idx_images(path: Path) -> dict[str, RawData]:
    """The array of an idx file, with the labels of ``images-idx3`` from the file ``labels-idx1`` beside it."""
    x = read_idx(path)
    beside = _labels_beside(path)
    if beside is None:
        return {"all": RawData(x)}
    labels = read_idx(beside)
    if labels.shape != x.shape[:1]:
        raise InvalidInput(
            f"{path} holds {len(x)} images and {beside} labels of shape {labels.shape}: expected one label for each "
            "image; put the files together that belong together."
        )
    return {"all": RawData(x, labels)}


def idx_splits(folder: Path) -> dict[str, RawData]:
    """The splits ``train`` and ``test`` of a folder with MNIST's four files, compressed or not."""
    splits = {}
    for split, (_, example) in _SPLITS.items():
        found = _images_of(folder, split)
        if len(found) != 1:
            names = "no" if not found else f"{', '.join(path.name for path in found)} as"
            raise InvalidInput(
                f"the folder {folder} holds {names} {split} images: expected one file such as {example}; "
                "complete the folder, or give one file instead."
            )
        splits[split] = idx_images(found[0])["all"]
    return splits


def has_idx_images(folder: Path) -> bool:
    """Whether a folder holds MNIST's images of at least one split."""
    return any(_images_of(folder, split) for split in _SPLITS)


def _images_of(folder: Path, split: str) -> list[Path]:
    """The image files of a split; where a file and its compressed copy are there, the file."""
    name, files = re.compile(rf"(^|[-._])({_SPLITS[split][0]})-images-idx"), {}
    for path in sorted(folder.iterdir()):
        if is_idx(path) and name.search(_plain_name(path)) and path.is_file():
            files.setdefault(_plain_name(path), path)
    return list(files.values())


def _labels_beside(path: Path) -> Path | None:
    """The file of labels that belongs to a file of images, compressed or not; None where there is none."""
    name, found = re.subn(r"images-idx\d", "labels-idx1", _plain_name(path))
    files = sorted(each for each in path.parent.iterdir() if found and _plain_name(each) == name and each.is_file())
    return files[0] if files else None


def _plain_name(path: Path) -> str:
    """The name of an idx file, alike for a compressed copy and for the separators ``.idx`` and ``-idx``."""
    return path.name.lower().removesuffix(".gz").replace(".idx", "-idx")
