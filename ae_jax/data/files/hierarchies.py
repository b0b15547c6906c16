"""Reads arrays of HDF5 files and Zarr folders."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ae_jax.data.arrays import RawData
from ae_jax.data.damage import reading
from ae_jax.data.files.numpy_files import examples_first, names_of
from ae_jax.errors import InvalidInput, import_extra

_EXPECTED = "arrays in an HDF5 file or a Zarr folder"
_RATIO, _SLACK = 1032, 1 << 20
"""The most by which deflate compresses, and bytes that any array may have."""

_CODECS = ("blosc", "bz2", "crc32", "delta", "gzip", "lz4", "lzma", "packbits", "shuffle", "vlen-utf8", "zlib", "zstd")
"""Codecs of Zarr's format 2 that only transform bytes; others may run code, as pickle does."""


def read_hierarchy(
    path: Path, *, key: str | None = None, label: str | None = None, transpose: bool = False
) -> dict[str, RawData]:
    """Reads examples and labels of an HDF5 file or a Zarr folder, by names such as ``group/images``.

    Args are those of :func:`ae_jax.data.files.numpy_files.read_npz`.
    """
    with _arrays(path) as arrays:
        examples, labels = names_of(list(arrays), key, label, path)
        x = np.asarray(arrays[examples][...])
        y = None if labels is None else _labels(arrays[labels])
    return {"all": RawData(examples_first(x, transpose), y)}


def array_names_in(path: Path) -> tuple[str, ...]:
    """Names of the arrays of an HDF5 file or a Zarr folder."""
    with _arrays(path) as arrays:
        return tuple(arrays)


def is_zarr(path: Path) -> bool:
    """Whether a folder holds Zarr's metadata."""
    return path.is_dir() and any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


@contextmanager
def _arrays(path: Path) -> Iterator[Mapping[str, Any]]:
    """The arrays by their names, open for reading."""
    if path.is_dir():
        zarr = import_extra("zarr", "arrays", path)
        with reading(path, _EXPECTED):
            root = zarr.open(zarr.storage.LocalStore(path, read_only=True), mode="r")
            found = [(path.stem, root)] if isinstance(root, zarr.Array) else root.members(max_depth=None)
            arrays = {name: array for name, array in found if isinstance(array, zarr.Array)}
            for name, array in arrays.items():
                _require_plain_codecs(name, array, path)
            yield arrays
        return
    h5py, arrays = import_extra("h5py", "arrays", path), {}
    with reading(path, _EXPECTED), h5py.File(path, "r") as file:
        file.visititems(lambda name, each: arrays.update({name: each}) if isinstance(each, h5py.Dataset) else None)
        for name, array in arrays.items():
            stored = array.id.get_storage_size()
            if array.external or array.is_virtual or array.nbytes > _RATIO * stored + _SLACK:
                raise InvalidInput(f"{name} in {path} is not stored in the file: expected an array with its values.")
        yield arrays


def _require_plain_codecs(name: str, array: Any, path: Path) -> None:
    """Raises where decoding an array of Zarr's format 2 could run code."""
    metadata = array.metadata
    codecs = [*(getattr(metadata, "filters", None) or ()), getattr(metadata, "compressor", None)]
    for codec in codecs if metadata.zarr_format == 2 else ():
        if codec is not None and codec.codec_id not in _CODECS:
            raise InvalidInput(
                f"{name} in {path} is encoded by {codec.codec_id}: expected one of {', '.join(_CODECS)}."
            )


def _labels(array: Any) -> np.ndarray:
    values = np.asarray(array[...])
    return np.array([each.decode() if isinstance(each, bytes) else each for each in values.tolist()])
