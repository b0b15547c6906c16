"""Folders of images, read by Pillow: flat, in a folder for each class, or in a folder for each split."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ae_jax.data.arrays import RawData
from ae_jax.data.files.damage import reading
from ae_jax.errors import InvalidInput

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""What Pillow may take a file for, whatever its name: nothing that starts another program."""

_SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}


def image_splits(folder: Path, *, image_size: tuple[int, int] | None = None) -> dict[str, RawData]:
    """The images of a folder, sorted by name, as bytes: grey ``[n, height, width]`` or RGB ``[n, height, width, 3]``.

    In a folder of folders, their names are the labels; unless they are those of splits (``train``, with ``val`` or
    ``validation``, and ``test``), each of which is then such a folder. Hidden files, and others than images, are passed
    over.

    Args:
      folder: of the images, or of folders of them.
      image_size: height and width to which every image is resized; by default all must have one size.

    Returns:
      The contents, under ``"all"`` or under the splits' names.

    Raises:
      InvalidInput: no images, or folders beside them; an image that is damaged, transparent, animated, of more than 8
        bits, or of another size or number of channels than the others.
    """
    images, folders = _listed(folder)
    splits = _splits(folder, folders) if folders and not images else {}
    if splits:
        return {split: _contents(each, image_size) for split, each in splits.items()}
    return {"all": _contents(folder, image_size)}


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Images and folders in a folder, by name; neither what is hidden nor what archives of macOS bring along."""
    with reading(folder, "a folder of images"):
        seen = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX")))
    images = [path for path in seen if path.suffix.lower() in SUFFIXES and path.is_file()]
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


def _contents(folder: Path, size: tuple[int, int] | None) -> RawData:
    """Images and labels (or None) of a flat folder or of folders of classes."""
    images, folders = _listed(folder)
    if images and folders:
        raise InvalidInput(
            f"the folder {folder} holds images, such as {images[0].name}, beside folders, such as {folders[0].name}: "
            "expected images alone, or a folder for each class alone; move one or the other away."
        )
    if not folders:
        return RawData(images_of(_of_class(folder), size))
    classes = [(path, each.name) for each in folders for path in _of_class(each)]
    return RawData(images_of([path for path, _ in classes], size), np.array([label for _, label in classes]))


def _of_class(folder: Path) -> list[Path]:
    """The images of a folder that has nothing else to hold."""
    images, folders = _listed(folder)
    if not images:
        raise InvalidInput(
            f"the folder {folder} holds no images: expected some ({', '.join(SUFFIXES)}), or a folder of them for each "
            "class, or MNIST's idx files."
        )
    if folders:
        raise InvalidInput(
            f"the folder {folder} holds folders, such as {folders[0].name}, beside its images: expected images alone, "
            "as the class that the folder is."
        )
    return images


def images_of(paths: list[Path], size: tuple[int, int] | None) -> np.ndarray:
    """The images of all files, of one size and number of channels."""
    first = _pixels(paths[0], size)
    stacked = np.empty((len(paths), *first.shape), np.uint8)
    for place, path in enumerate(paths):
        pixels = first if place == 0 else _pixels(path, size)
        if pixels.ndim != first.ndim:
            grey, colour = (path, paths[0]) if pixels.ndim == 2 else (paths[0], path)
            raise InvalidInput(
                f"{grey} is grey and {colour} has colours: expected images of the same channels; convert some of them."
            )
        if pixels.shape != first.shape:
            raise InvalidInput(
                f"{paths[0]} is {_size(first)} and {path} is {_size(pixels)} (height x width): expected images of one "
                "size; resize all with --image-size HEIGHT WIDTH."
            )
        stacked[place] = pixels
    return stacked


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[0]} x {pixels.shape[1]}"


def _pixels(path: Path, size: tuple[int, int] | None) -> np.ndarray:
    """One image as bytes, upright: ``[height, width]`` or ``[height, width, 3]``."""
    from PIL import Image, ImageOps

    with reading(path, "an undamaged image of moderate size"), warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # By its path, Pillow would map a file, and then mixes up the rows of a TIFF that is to be turned.
        with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
            _require_plain(image, path)
            image.load()  # turns a TIFF upright
            upright = ImageOps.exif_transpose(image).convert("L" if image.mode in ("1", "L") else "RGB")
            if size is not None:
                upright = upright.resize((size[1], size[0]), Image.Resampling.LANCZOS)
            return np.asarray(upright)


def _require_plain(image: Any, path: Path) -> None:
    """Raises a sentence where an image is more than one picture of 8-bit grey or RGB."""
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # cameras put a preview beside a photograph
    if frames > 1:
        raise InvalidInput(f"{path} holds {frames} frames: expected a single picture; write each to a file of its own.")
    if image.has_transparency_data:
        raise InvalidInput(f"{path} is transparent: expected grey or RGB; flatten it onto a background.")
    # Pillow makes 8 bits of 16-bit colours while it decodes, and tells only the decoder.
    decoder = str([tile.args for tile in image.tile])
    depth = [each for tile in image.tile if isinstance(tile.args, tuple) for each in tile.args[1:2]]
    deep = ";16" in decoder or (image.format == "PPM" and any(isinstance(each, int) and each > 255 for each in depth))
    if deep or image.mode.startswith(("I", "F")):
        raise InvalidInput(f"{path} has more than 8 bits in a channel: expected 8; convert it to 8 bits.")
    if image.mode not in ("1", "L", "P", "RGB"):
        raise InvalidInput(f"{path} has the mode {image.mode}: expected grey or RGB; convert it to RGB.")
