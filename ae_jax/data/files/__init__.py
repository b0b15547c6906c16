"""Readers of files and folders, one for each kind of format."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ae_jax.data.arrays import RawData, as_labels, require_examples
from ae_jax.data.files.hierarchies import array_names_in, is_zarr, read_hierarchy
from ae_jax.data.files.idx import has_idx_images, idx_images, idx_splits, is_idx
from ae_jax.data.files.images import IMAGE_SUFFIXES, image_splits, images_of
from ae_jax.data.files.matlab import read_mat, variable_names
from ae_jax.data.files.numpy_files import array_names, read_npy, read_npz
from ae_jax.data.files.tables import column_names, read_table
from ae_jax.data.spec import ReadOptions
from ae_jax.errors import InvalidInput


class _Format(NamedTuple):
    """A kind of file or folder: its name in errors, its reader, and the options that the reader uses.

    A reader returns the examples under ``"all"``, or under the names of the splits where the source has them.
    """

    name: str
    read: Callable[..., dict[str, RawData]]
    options: tuple[str, ...] = ()


_TABLE = ("columns", "label", "id", "shape")
_ARRAYS = ("key", "label", "transpose", "shape", "channels")
_BY_SUFFIX = {
    ".npy": _Format("a .npy file", read_npy, ("transpose", "shape", "channels")),
    ".npz": _Format("a .npz file", read_npz, _ARRAYS),
    **{
        suffix: _Format(f"a {suffix} file", read_table, (*_TABLE, "header", "separator"))
        for suffix in (".csv", ".tsv", ".csv.gz", ".tsv.gz")
    },
    ".parquet": _Format("a .parquet file", read_table, _TABLE),
    ".feather": _Format("a .feather file", read_table, _TABLE),
    ".xlsx": _Format("an .xlsx file", read_table, (*_TABLE, "key", "header")),
    ".mat": _Format("a .mat file", read_mat, _ARRAYS),
    ".h5": _Format("an HDF5 file", read_hierarchy, _ARRAYS),
    ".hdf5": _Format("an HDF5 file", read_hierarchy, _ARRAYS),
    ".zarr": _Format("a Zarr folder", read_hierarchy, _ARRAYS),
}
_IDX = _Format("an idx file", idx_images)
_IDX_FOLDER = _Format("a folder of idx files", idx_splits)
_IMAGE_FOLDER = _Format("a folder of images", image_splits, ("image_size", "color"))
_FLAGS = {"key": ":NAME behind it", "header": "--no-header", "channels": "--channel-axis"}

_SUFFIXES = ", ".join((*_BY_SUFFIX, ".idx"))
KINDS = f"a file ({_SUFFIXES} or one named as MNIST's idx files), or a folder of images, idx files or shards"
"""The kinds of files and folders that can be read, for errors."""


def readable(path: Path) -> bool:
    """Whether a path is that of a folder, or has the name of a file that :func:`read` knows.

    Example:
      >>> readable(Path("mine.CSV")), readable(Path("t10k-images-idx3-ubyte.gz")), readable(Path("mine.docx"))
      (True, True, False)
    """
    return path.is_dir() or is_idx(path) or suffix_of(path) in _BY_SUFFIX


def suffix_of(path: Path) -> str:
    """The ending of a name in small letters, of a compressed file with the ending before it.

    Example:
      >>> suffix_of(Path("mine.CSV.gz")), suffix_of(Path("images"))
      ('.csv.gz', '')
    """
    endings = [suffix.lower() for suffix in path.suffixes[-2:]]
    return "".join(endings[-2:] if endings[-1:] == [".gz"] else endings[-1:])


def options(path: Path) -> tuple[str, ...]:
    """Names of the options of :func:`read` that a file or folder uses.

    Example:
      >>> options(Path("mine.npz")), options(Path("mine.npy"))
      (('key', 'label', 'transpose', 'shape', 'channels'), ('transpose', 'shape', 'channels'))
    """
    known = _BY_SUFFIX.get(suffix_of(path))
    return (_format(path) if known is None else known).options


def read(
    path: Path, how: ReadOptions = ReadOptions(), *, key: str | None = None, leave_out: bool = False
) -> dict[str, RawData]:
    """Reads a file or folder into memory.

    Args:
      path: of one of :data:`KINDS`.
      how: all but the budget and the channels, which are brought last with the whole data set.
      key: name of the examples in a file of several arrays, or of a sheet.
      leave_out: whether rows of a table that cannot be used are left out (:func:`ae_jax.data.frames.from_frame`).

    Returns:
      The examples under ``"all"``, or under ``"train"``, ``"validation"`` and ``"test"``, where the source has those.

    Raises:
      InvalidInput: a path that does not exist or is of an unknown kind, an option that the kind does not use, or
        contents that are damaged or not examples.
    """
    kind = _format(path)
    given = {field.name: getattr(how, field.name) for field in dataclasses.fields(how) if field.name != "budget"}
    given |= {"key": key, "transpose": how.transpose or None, "header": None if how.header else False}
    used = {option: value for option, value in given.items() if value is not None}
    for option in used:
        if option not in kind.options:
            uses = " and ".join(map(_flag, kind.options)) or "no options"
            raise InvalidInput(
                f"{path} was given {_flag(option)}, which {kind.name} does not use: expected {uses}; leave it out."
            )
    used = {option: value for option, value in used.items() if option not in ("shape", "channels")}
    used |= {"leave_out": True} if leave_out and "columns" in kind.options else {}
    splits = {split: _checked(contents, path, split) for split, contents in kind.read(path, **used).items()}
    if how.shape is None:
        return splits
    return {split: raw._replace(x=_shaped(raw.x, how.shape, path)) for split, raw in splits.items()}


def read_image(path: Path, *, image_size: tuple[int, int] | None = None, color: str | None = None) -> RawData:
    """Reads a single image as one example, ``[1, height, width]`` or ``[1, height, width, 3]``, with its name as id."""
    return RawData(images_of([path], image_size, color), ids=np.array([path.name]))


def is_image_file(path: Path) -> bool:
    """Whether a path is that of a single image."""
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def names_in(path: Path, how: ReadOptions = ReadOptions()) -> tuple[str, ...]:
    """Names of a table's columns or of an archive's arrays; none in another file."""
    suffix = suffix_of(path)
    if "columns" in getattr(_BY_SUFFIX.get(suffix), "options", ()):
        return tuple(column_names(path, header=how.header, separator=how.separator))
    if suffix in (".h5", ".hdf5") or is_zarr(path):
        return array_names_in(path)
    if suffix == ".mat":
        return variable_names(path)
    return array_names(path) if suffix == ".npz" else ()


def _format(path: Path) -> _Format:
    if is_zarr(path):
        return _BY_SUFFIX[".zarr"]
    if path.is_dir():
        return _IDX_FOLDER if has_idx_images(path) else _IMAGE_FOLDER
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise InvalidInput(f"{path} is a single image: expected a folder of images.")
    if not readable(path):
        raise InvalidInput(f"{path} is of an unknown kind: expected {KINDS}.")
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}: expected {KINDS}.")
    return _IDX if is_idx(path) else _BY_SUFFIX[suffix_of(path)]


def _flag(option: str) -> str:
    return _FLAGS.get(option, f"--{option.replace('_', '-')}")


def _checked(contents: RawData, path: Path, split: str) -> RawData:
    """The contents, checked to be examples of numbers with a label each."""
    what = str(path) if split == "all" else f"the {split} split of {path}"
    require_examples(contents.x, what)
    if contents.labels is None:
        return contents
    return contents._replace(labels=as_labels(contents.labels, len(contents.x), f"the labels of {what}"))


def _shaped(x: np.ndarray, shape: Sequence[int], path: Path) -> np.ndarray:
    """Examples of another shape; in a ``.mat`` file, the first axis of an example varies fastest, as in MATLAB."""
    width, wanted = math.prod(x.shape[1:]), math.prod(shape)
    if width != wanted:
        raise InvalidInput(
            f"{path} has {width} values an example, and the shape {' x '.join(map(str, shape))} has {wanted}: expected "
            "as many; give another --shape, or --transpose where the examples are the columns of a matrix."
        )
    return x.reshape((len(x), *shape), order="F" if path.suffix.lower() == ".mat" else "C")
