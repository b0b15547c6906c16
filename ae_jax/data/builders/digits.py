"""The files of MNIST and of those that share its form, and of its fixed binarisation."""

from pathlib import Path

import numpy as np

from ae_jax.data.builders.recipe import Columns
from ae_jax.data.files.damage import reading
from ae_jax.data.files.idx import read_idx
from ae_jax.errors import InvalidInput

_PIXELS = 28 * 28


def read_digits(paths: list[Path]) -> dict[str, Columns]:
    """MNIST's four files: images and labels to train on, images and labels to test on."""
    arrays = [read_idx(path) for path in paths]
    return {
        split: {"image": images, "label": labels.astype(np.int64)}
        for split, images, labels in (("train", *arrays[:2]), ("test", *arrays[2:]))
    }


def read_amat(paths: list[Path]) -> dict[str, Columns]:
    """Larochelle's three text files, in the order train, validation, test: 784 digits 0 or 1 in each line."""
    return {
        split: {"image": _binary_text(path)} for split, path in zip(("train", "validation", "test"), paths, strict=True)
    }


def read_packed(paths: list[Path]) -> dict[str, Columns]:
    """An archive of the arrays train, valid and test, each with 784 bits in a row."""
    (path,) = paths
    names = {"train": "train", "validation": "valid", "test": "test"}
    expected = "arrays train, valid and test of 784 bits in a row, as numpy.packbits writes them"
    with reading(path, expected), np.load(path, allow_pickle=False) as archive:
        bits = {split: np.unpackbits(archive[name], axis=1, count=_PIXELS) for split, name in names.items()}
    return {split: {"image": rows.reshape(-1, 28, 28)} for split, rows in bits.items()}


def _binary_text(path: Path) -> np.ndarray:
    with reading(path, "lines of 784 digits 0 or 1"):
        text = np.frombuffer(path.read_bytes(), np.uint8)
    if len(text) % (2 * _PIXELS):
        raise InvalidInput(
            f"{path} has {len(text)} bytes: expected lines of {2 * _PIXELS}, as the original has; fetch it again."
        )
    values, separators = text[::2].reshape(-1, 28, 28) - np.uint8(ord("0")), text[1::2].reshape(-1, _PIXELS)
    if (separators[:, :-1] != ord(" ")).any():
        raise InvalidInput(
            f"{path} is not separated by spaces: expected 784 digits in a line, as the original has; fetch it again."
        )
    if (values > 1).any():
        raise InvalidInput(
            f"{path} holds other characters than 0 and 1: expected 784 of them in a line; fetch it again."
        )
    return values
