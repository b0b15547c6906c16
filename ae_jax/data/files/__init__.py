"""Readers of files and folders, one for each kind of format."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ae_jax.data.arrays import RawData, as_labels, require_examples
from ae_jax.data.files.idx import has_idx_images, idx_images, idx_splits, is_idx
from ae_jax.data.files.images import SUFFIXES as IMAGE_SUFFIXES
from ae_jax.data.files.images import image_splits, images_of
from ae_jax.data.files.layout import shaped
from ae_jax.data.files.matlab import read_mat, variable_names
from ae_jax.data.files.numpy_files import array_names, array_shape, read_npy, read_npz
from ae_jax.data.files.tables import column_names, read_csv, read_parquet
from ae_jax.errors import InvalidInput

__all__ = ["KINDS", "SUFFIXES", "array_shape", "is_image_file", "names_in", "options", "read", "read_image", "readable"]


class _Kind(NamedTuple):
    """A kind of format: what sentences call it, its reader, and the options that it uses."""

    name: str
    read: Callable[..., dict[str, RawData]]
    options: tuple[str, ...] = ()
    first_axis_fastest: bool = False


_TABLE = ("columns", "label", "shape")
_ARRAYS = ("key", "label", "transpose", "shape")
_BY_SUFFIX = {
    ".npy": _Kind("a .npy file", read_npy, ("transpose", "shape")),
    ".npz": _Kind("a .npz file", read_npz, _ARRAYS),
    ".csv": _Kind("a .csv file", read_csv, _TABLE),
    ".tsv": _Kind("a .tsv file", read_csv, _TABLE),
    ".parquet": _Kind("a .parquet file", read_parquet, _TABLE),
    ".mat": _Kind("a .mat file", read_mat, _ARRAYS, first_axis_fastest=True),
}
_IDX = _Kind("an idx file", idx_images)
_IDX_FOLDER = _Kind("a folder of idx files", idx_splits)
_IMAGE_FOLDER = _Kind("a folder of images", image_splits, ("image_size",))

SUFFIXES = (*_BY_SUFFIX, ".idx")
"""How the names of files end that can be read; those of MNIST's, as ``train-images-idx3-ubyte.gz``, can be as well."""

KINDS = f"a file ({', '.join(SUFFIXES)} or one named as MNIST's idx files), or a folder of images, idx files or shards"
"""What can be read, for sentences."""


def readable(path: Path) -> bool:
    """Whether a path is that of a folder, or of a file with a name that :func:`read` knows; the file may be missing.

    Example:
      >>> readable(Path("mine.CSV")), readable(Path("t10k-images-idx3-ubyte.gz")), readable(Path("mine.docx"))
      (True, True, False)
    """
    return path.is_dir() or is_idx(path) or path.suffix.lower() in _BY_SUFFIX


def options(path: Path) -> tuple[str, ...]:
    """Which options of :func:`read` the kind of a path uses.

    Example:
      >>> options(Path("mine.npz")), options(Path("mine.npy"))
      (('key', 'label', 'transpose', 'shape'), ('transpose', 'shape'))

    Raises:
      InvalidInput: a path that is not there or of another kind.
    """
    return _BY_SUFFIX[path.suffix.lower()].options if path.suffix.lower() in _BY_SUFFIX else _kind(path).options


def read(
    path: Path,
    *,
    key: str | None = None,
    label: str | None = None,
    columns: Sequence[str] | None = None,
    image_size: tuple[int, int] | None = None,
    transpose: bool = False,
    shape: Sequence[int] | None = None,
) -> dict[str, RawData]:
    """What a file or folder holds, in memory.

    Args:
      path: of what :data:`KINDS` says.
      key: name of the examples in a ``.npz`` or ``.mat`` file.
      label: name of the labels there, or of their column in a table.
      columns: names of the columns of a table to use; by default all but the label's.
      image_size: height and width to which every image of a folder is resized.
      transpose: the examples are along the last axis of an array, as the columns of a matrix.
      shape: to which each example is brought; of a .mat file in MATLAB's order, in which the first axis varies fastest.

    Returns:
      The contents under ``"all"``, or under ``"train"``, ``"validation"`` and ``"test"``, where the source has those.

    Raises:
      InvalidInput: a path that is not there or of another kind, an option that the kind does not use, or contents that
        are damaged or no examples.
    """
    kind = _kind(path)
    given = {"key": key, "label": label, "columns": columns, "image_size": image_size}
    given |= {"transpose": transpose or None, "shape": shape}
    for option, value in given.items():
        if value is not None and option not in kind.options:
            uses = " and ".join(_flag(each) for each in kind.options) or "no options"
            raise InvalidInput(
                f"{path} was given {_flag(option)}, which {kind.name} does not use: expected {uses}; leave it out."
            )
    used = {option: value for option, value in given.items() if value is not None and option != "shape"}
    splits = {split: _checked(contents, path, split) for split, contents in kind.read(path, **used).items()}
    if shape is None:
        return splits
    fastest = kind.first_axis_fastest
    return {
        split: contents._replace(x=shaped(contents.x, shape, str(path), first_axis_fastest=fastest))
        for split, contents in splits.items()
    }


def read_image(path: Path, *, image_size: tuple[int, int] | None = None) -> RawData:
    """A single image as one example, ``[1, height, width]`` or ``[1, height, width, 3]``.

    Args:
      path: of the image.
      image_size: height and width to which it is resized.

    Raises:
      InvalidInput: what :func:`ae_jax.data.files.images.image_splits` refuses of an image.
    """
    return RawData(images_of([path], image_size))


def is_image_file(path: Path) -> bool:
    """Whether a path is that of a single image."""
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def names_in(path: Path) -> tuple[str, ...]:
    """Names of a table's columns or of an archive's arrays, of which one may hold labels; none in another file.

    Raises:
      InvalidInput: a file that cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv", ".parquet"):
        return tuple(column_names(path))
    if suffix == ".mat":
        return variable_names(path)
    return array_names(path) if suffix == ".npz" else ()


def _kind(path: Path) -> _Kind:
    if path.is_dir():
        return _IDX_FOLDER if has_idx_images(path) else _IMAGE_FOLDER
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise InvalidInput(f"{path} is a single image: expected a folder of them.")
    if not readable(path):
        raise InvalidInput(f"{path} is of no kind that is known here: expected {KINDS}.")
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}: expected {KINDS}.")
    return _IDX if is_idx(path) else _BY_SUFFIX[path.suffix.lower()]


def _flag(option: str) -> str:
    return ":NAME behind it" if option == "key" else f"--{option.replace('_', '-')}"


def _checked(contents: RawData, path: Path, split: str) -> RawData:
    """The contents, where they are examples of numbers with a label each."""
    what = str(path) if split == "all" else f"the {split} split of {path}"
    require_examples(contents.x, what)
    if contents.labels is None:
        return contents
    return contents._replace(labels=as_labels(contents.labels, len(contents.x), f"the labels of {what}"))
