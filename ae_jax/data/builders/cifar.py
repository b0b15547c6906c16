"""CIFAR-10's archive of binary batches."""

import tarfile
from pathlib import Path

import numpy as np

from ae_jax.data.builders.recipe import Columns
from ae_jax.data.files.damage import reading
from ae_jax.errors import InvalidInput

_BATCHES = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}
_ROW = 1 + 3 * 32 * 32


def read_cifar10(paths: list[Path]) -> dict[str, Columns]:
    """The binary version's archive: in each row a label and then red, green and blue of 32 x 32 pixels."""
    (path,) = paths
    with reading(path, "the archive cifar-10-binary.tar.gz"), tarfile.open(path, "r:gz") as archive:
        batches = {Path(member.name).name: archive.extractfile(member) for member in archive if member.isfile()}
        raw = {name: file.read() for name, file in batches.items() if file and name.endswith(".bin")}
    missing = [name for names in _BATCHES.values() for name in names if name not in raw]
    if missing:
        raise InvalidInput(f"{path} has no {missing[0]}: expected the archive cifar-10-binary.tar.gz; fetch it again.")
    return {split: _columns(b"".join(raw[name] for name in names), path) for split, names in _BATCHES.items()}


def _columns(raw: bytes, path: Path) -> Columns:
    with reading(path, f"batches with rows of {_ROW} bytes"):
        rows = np.frombuffer(raw, np.uint8).reshape(-1, _ROW)
    images = np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return {"image": images, "label": rows[:, 0].astype(np.int64)}
