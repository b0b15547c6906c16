"""Omniglot's archives of drawings, and the same drawings resized."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from ae_jax.data.builders.recipe import Columns
from ae_jax.data.files.damage import reading

_SPLITS = {"train": "images_background", "test": "images_evaluation"}
_SIDE = 28


def read_omniglot_zips(paths: list[Path]) -> dict[str, Columns]:
    """The archives of the background and of the evaluation set, each drawing resized to 28 x 28.

    Ink is 255 on 0, as in MNIST; the originals have it the other way round.
    """
    return _numbered_on({split: _unzipped(path) for split, path in zip(_SPLITS, paths, strict=True)})


def read_omniglot_npz(paths: list[Path]) -> dict[str, Columns]:
    """An archive of the arrays ``x``, drawings at 28 x 28, and ``names``, of the files they were made of."""
    (path,) = paths
    with reading(path, "arrays x and names"), np.load(path, allow_pickle=False) as archive:
        x, names = archive["x"], [name.decode() for name in archive["names"]]
        splits = {}
        for split, folder in _SPLITS.items():
            rows = [row for row, name in enumerate(names) if name.startswith(f"{folder}/")]
            splits[split] = {"image": x[rows], **labels_of([names[row] for row in rows])}
    return _numbered_on(splits)


def _numbered_on(splits: dict[str, Columns]) -> dict[str, Columns]:
    """The splits, whose characters and alphabets have nothing in common, with the numbers of one after the other's."""
    first, second = splits.values()
    later = {column: second[column] + first[column].max() + 1 for column in ("label", "alphabet")}
    return dict(zip(splits, (first, {**second, **later}), strict=True))


def labels_of(names: Sequence[str]) -> dict[str, np.ndarray]:
    """Which character each drawing is of, and of which alphabet: positions among those of the split, sorted.

    Args:
      names: of the drawings' files, ``[.../]ALPHABET/CHARACTER/FILE``.

    Example:
      >>> labels_of(["Angelic/character01/1.png", "Angelic/character02/1.png", "ULOG/character01/1.png"])
      {'label': array([0, 1, 2]), 'alphabet': array([0, 0, 1])}
    """
    characters = [tuple(name.split("/")[-3:-1]) for name in names]
    alphabets = [alphabet for alphabet, _ in characters]
    return {
        column: np.unique(np.array(values), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
        for column, values in (("label", characters), ("alphabet", alphabets))
    }


def _unzipped(path: Path) -> Columns:
    with reading(path, "an archive of drawings in ALPHABET/CHARACTER/"), ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        return {"image": np.stack([_resized(archive.read(name)) for name in names]), **labels_of(names)}


def _resized(png: bytes) -> np.ndarray:
    from PIL import Image, ImageOps

    with Image.open(BytesIO(png)) as image:
        ink = ImageOps.invert(image.convert("L"))
    return np.asarray(ink.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS))
