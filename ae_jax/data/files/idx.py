"""MNIST's idx files: a big-endian header of type and sizes, then the values."""

import gzip
import math
import re
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from ae_jax.data.arrays import RawData
from ae_jax.data.files.damage import reading
from ae_jax.errors import InvalidInput

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
_AXES = 32  # of NumPy 1's arrays
_PART = 1 << 24
_NAME = re.compile(r"[-._]idx\d*(-[a-z0-9]+)?(\.gz)?$", re.IGNORECASE)
_IMAGES = re.compile(r"images([-.])idx\d", re.IGNORECASE)
_SPLITS = {
    "train": re.compile(r"(^|[-._])train-images[-.]idx"),
    "test": re.compile(r"(^|[-._])(t10k|test)-images[-.]idx"),
}


def is_idx(path: Path) -> bool:
    """Whether a file is named as idx files are.

    Example:
      >>> is_idx(Path("train-images-idx3-ubyte.gz")), is_idx(Path("mine.idx")), is_idx(Path("idx.csv"))
      (True, True, False)
    """
    return _NAME.search(path.name) is not None


def read_idx(path: Path) -> np.ndarray:
    """The array in an idx file, which may be compressed by gzip.

    Args:
      path: of the file; compressed where its name ends in ``.gz``.

    Returns:
      The array in the file's own type, in the machine's byte order.

    Raises:
      InvalidInput: a file that is missing, damaged or of no idx type, or with a header that disagrees with its length.

    References:
      LeCun, Cortes and Burges, *The MNIST database of handwritten digits*, 1998, "File formats".
    """
    expected = "an idx file such as train-images-idx3-ubyte; fetch it again"
    with reading(path, expected), _opened(path) as file:
        start = file.read(4)
        if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _TYPES:
            raise InvalidInput(f"{path} starts with the bytes {start.hex(' ') or 'of no file'}: expected {expected}.")
        dtype, axes = np.dtype(_TYPES[start[2]]), start[3]
        if axes > _AXES:
            raise InvalidInput(f"{path} announces {axes} axes: expected {_AXES} at most, in {expected}.")
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


def _opened(path: Path) -> BufferedIOBase:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def _read(file: BufferedIOBase, count: int) -> bytes:
    """So many bytes, or those that are there: neither room for what a header merely announces, nor all of a bomb."""
    parts, missing = [], count
    while missing > 0 and (part := file.read(min(missing, _PART))):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def idx_images(path: Path) -> dict[str, RawData]:
    """What an idx file holds, with the labels of ``images-idx3`` from the ``labels-idx1`` beside it, where that is."""
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
    """What a folder of MNIST's four files holds, as the splits ``train`` and ``test``.

    Args:
      folder: with ``train-images`` and ``t10k-images`` (or ``test-images``), each beside its labels, compressed or not.

    Returns:
      The images and labels of each split.

    Raises:
      InvalidInput: a split that is missing or there more than once, or a file that cannot be read.
    """
    return {split: idx_images(_only(folder, split))["all"] for split in _SPLITS}


def has_idx_images(folder: Path) -> bool:
    """Whether a folder holds images of MNIST's, of one split at least."""
    return any(_of_split(folder, split) for split in _SPLITS)


def _of_split(folder: Path, split: str) -> list[Path]:
    """The images of a split; of a file and its compressed copy, the file."""
    files = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file() and is_idx(path)):
        if _SPLITS[split].search(path.name.lower()):
            files.setdefault(path.name.lower().removesuffix(".gz").replace(".idx", "-idx"), path)
    return list(files.values())


def _only(folder: Path, split: str) -> Path:
    found = _of_split(folder, split)
    if len(found) != 1:
        names = "no" if not found else f"{', '.join(path.name for path in found)} as"
        example = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}[split]
        raise InvalidInput(
            f"the folder {folder} holds {names} {split} images: expected one file such as {example}; "
            "complete the folder, or give one file instead."
        )
    return found[0]


def _labels_beside(path: Path) -> Path | None:
    """The file of the labels that belong to a file of images, compressed or not; None where there is none."""
    for separator in ("\\1", "-", "."):
        name, found = _IMAGES.subn(f"labels{separator}idx1", path.name)
        bare = name[:-3] if name.lower().endswith(".gz") else name
        for beside in (path.with_name(name), path.with_name(bare), path.with_name(f"{bare}.gz")):
            if found and beside.is_file():
                return beside
    return None
