"""Folders of images, read by Pillow: flat, in a folder for each class, or in a folder for each split."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ae_jax.data.arrays import RawData
from ae_jax.data.damage import reading
from ae_jax.errors import InvalidInput

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Formats that Pillow may take a file for, whatever its name: none that starts another program."""

_SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
_SPLITS |= dict.fromkeys(("validation", "valid", "val"), "validation")


def image_splits(
    folder: Path, *, image_size: tuple[int, int] | None = None, color: str | None = None
) -> dict[str, RawData]:
    """Reads the images of a folder, sorted by name: grey ``[n, height, width]`` or RGB ``[n, height, width, 3]`` bytes.

    The names of folders inside it are the labels, or the splits where they are called ``train``, ``val`` and ``test``
    or alike. Hidden files and other files are ignored. The ids are the paths of the files in the folder.

    Args:
      folder: the folder.
      image_size: height and width of all images; by default all must have one size.
      color: ``"grey"`` or ``"rgb"``, to which all images are converted; by default all must be grey, or have colours.
    """
    images, folders = _listed(folder)
    splits = _splits(folder, folders) if folders and not images else {}
    return {split: _contents(each, image_size, color) for split, each in (splits or {"all": folder}).items()}


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Images and folders in a folder, by name, without hidden ones and those that macOS adds to archives."""
    with reading(folder, "a folder of images"):
        seen = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX")))
    images = [path for path in seen if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    return images, [path for path in seen if path.is_dir()]


def _splits(folder: Path, folders: list[Path]) -> dict[str, Path]:
    """The folder of each split; none where folders are classes."""
    named = [(_SPLITS[path.name.lower()], path) for path in folders if path.name.lower() in _SPLITS]
    splits = dict(named)
    if "train" not in splits or (len(splits) == 1 and len(folders) > 1):
        return {}  # a class may be named train
    if len(splits) != len(folders):
        raise InvalidInput(
            f"the folder {folder} holds the folders {', '.join(path.name for path in folders)}: expected classes, or "
            "one for each of train, validation and test, and no others; move some away."
        )
    return splits


def _contents(folder: Path, size: tuple[int, int] | None, color: str | None) -> RawData:
    """Images, labels (or None) and names of a flat folder or of folders of classes."""
    images, folders = _listed(folder)
    if images and folders:
        raise InvalidInput(
            f"the folder {folder} holds images, such as {images[0].name}, beside folders, such as {folders[0].name}: "
            "expected images alone, or a folder for each class alone; move one or the other away."
        )
    paths = [path for each in folders or [folder] for path in _of_class(each)]
    labels = np.array([path.parent.name for path in paths]) if folders else None
    names = np.array([path.relative_to(folder).as_posix() for path in paths])
    return RawData(images_of(paths, size, color), labels, ids=names)


def _of_class(folder: Path) -> list[Path]:
    """The images of a folder without folders in it."""
    images, folders = _listed(folder)
    if not images:
        raise InvalidInput(
            f"the folder {folder} holds no images: expected some ({', '.join(IMAGE_SUFFIXES)}), or a folder of them "
            "for each class, or MNIST's idx files."
        )
    if folders:
        raise InvalidInput(
            f"the folder {folder} holds folders, such as {folders[0].name}, beside its images: expected images alone, "
            "as the class that the folder is."
        )
    return images


def images_of(paths: list[Path], size: tuple[int, int] | None, color: str | None = None) -> np.ndarray:
    """The images of all files, of one size and number of channels."""
    first = _pixels(paths[0], size, color)
    stacked = np.empty((len(paths), *first.shape), np.uint8)
    for place, path in enumerate(paths):
        pixels = first if place == 0 else _pixels(path, size, color)
        if pixels.ndim != first.ndim:
            grey, colour = (path, paths[0]) if pixels.ndim == 2 else (paths[0], path)
            raise InvalidInput(
                f"{grey} is grey and {colour} has colours: expected images of the same channels; convert all with "
                "--color grey or --color rgb."
            )
        if pixels.shape != first.shape:
            one, other = (" x ".join(map(str, image.shape[:2])) for image in (first, pixels))
            raise InvalidInput(
                f"{paths[0]} is {one} and {path} is {other} (height x width): expected images of one size; resize all "
                "with --image-size HEIGHT WIDTH."
            )
        stacked[place] = pixels
    return stacked


def _pixels(path: Path, size: tuple[int, int] | None, color: str | None) -> np.ndarray:
    """One image as bytes, upright: ``[height, width]`` or ``[height, width, 3]``."""
    from PIL import Image, ImageOps

    with reading(path, "an undamaged image of moderate size"), warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # Given a path, Pillow maps the file and mixes up the rows of a TIFF that has to be rotated.
        with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
            _require_plain(image, path)
            image.load()  # rotates a TIFF
            if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
                raise InvalidInput(f"{path} is transparent: expected grey or RGB; flatten it onto a background.")
            grey = color == "grey" or (color is None and image.mode in ("1", "L", "LA"))
            upright = ImageOps.exif_transpose(image).convert("L" if grey else "RGB")
            if size is not None:
                upright = upright.resize((size[1], size[0]), Image.Resampling.LANCZOS)
            return np.asarray(upright)


def _require_plain(image: Any, path: Path) -> None:
    """Raises where an image is not a single picture of 8-bit grey or RGB."""
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # cameras store a preview with a photograph
    if frames > 1:
        raise InvalidInput(f"{path} holds {frames} frames: expected a single picture; write each to a file of its own.")
    # Pillow reduces 16-bit colours to 8 bits while it decodes; only the arguments of its decoder tell.
    decoder = str([tile.args for tile in image.tile])
    depth = [each for tile in image.tile if isinstance(tile.args, tuple) for each in tile.args[1:2]]
    deep = ";16" in decoder or (image.format == "PPM" and any(isinstance(each, int) and each > 255 for each in depth))
    if deep or image.mode.startswith(("I", "F")):
        raise InvalidInput(f"{path} has more than 8 bits in a channel: expected 8; convert it to 8 bits.")
    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
        raise InvalidInput(f"{path} has the mode {image.mode}: expected grey or RGB; convert it to RGB.")
