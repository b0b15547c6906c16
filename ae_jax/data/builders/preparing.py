"""Preparing a data set: from the internet or from files at hand, verified before anything is written."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ae_jax.data.builders.builder import write
from ae_jax.data.builders.checksums import file_digest, recorded
from ae_jax.data.builders.downloads import fetch_all
from ae_jax.data.builders.folders import alone, data_folder, downloads_of, folder_of, is_prepared
from ae_jax.data.builders.progress import OnProgress
from ae_jax.data.builders.recipe import Columns, Form, Recipe
from ae_jax.data.builders.recipes import RECIPES
from ae_jax.errors import InvalidInput


def prepare(
    name: str,
    *,
    source: Path | None = None,
    data_dir: Path | None = None,
    progress: OnProgress | None = None,
    timeout: float = 30.0,
) -> Path:
    """Prepares a data set, unless it is there; remove its folder to have it prepared anew.

    Args:
      name: one of :data:`RECIPES`.
      source: a folder of files at hand, in any of the recipe's forms; by default they are downloaded.
      data_dir: TFDS's data directory; see :func:`data_folder`.
      progress: told of every download and of every split that is written.
      timeout: seconds in which a server has to answer, each time.

    Returns:
      The folder that it was prepared in.

    Raises:
      InvalidInput: an unknown name; a folder without the files; files that cannot be read or are not the original
        data; a download that fails; another process that prepares the same; a folder that cannot be written or that
        holds a damaged data set.
    """
    folder = folder_of(name, data_dir)
    if is_prepared(name, data_dir):
        return folder
    if folder.exists():
        raise InvalidInput(f"{folder} is not whole: expected all files of {name}; remove it and prepare {name} again.")
    recipe, on_progress = RECIPES[name], progress or (lambda _: None)
    with _writing(name, data_folder(data_dir)), alone(name, data_dir):
        downloads = downloads_of(name, data_dir)
        if source is None:
            fetch_all(recipe, downloads, on_progress=on_progress, timeout=timeout)
        splits = _verified(recipe, downloads if source is None else Path(source), downloaded=source is None)
        urls = [url for url in recipe.urls if source is None and url in recorded()]
        root = data_folder(data_dir)
        write(recipe, splits, data_folder=root, downloads=downloads, urls=urls, on_progress=on_progress)
    return folder


def _verified(recipe: Recipe, folder: Path, *, downloaded: bool) -> dict[str, Columns]:
    """What a folder holds of a data set, if that is the original."""
    form = _form(recipe, folder)
    paths = [folder / file for file in form.files]
    if form.originals and not downloaded:
        _require_originals(recipe, paths)
    splits = form.read(paths)
    try:
        for split in recipe.splits:
            _require_content(recipe, split, splits[split], digests=not form.originals)
    except InvalidInput:
        if downloaded:
            for path in paths:
                path.unlink()
        raise
    return {split: splits[split] for split in recipe.splits}


def _form(recipe: Recipe, folder: Path) -> Form:
    """The first form that all files are there of."""
    for form in recipe.forms:
        if all((folder / file).is_file() for file in form.files):
            return form
    looked = " or ".join(", ".join(form.files) for form in recipe.forms)
    raise InvalidInput(
        f"{folder} {'lacks files' if folder.is_dir() else 'is no folder with the files'} of {recipe.name}: "
        f"expected {looked}; complete it, or download them by `ae-jax data prepare {recipe.name}`."
    )


def _require_originals(recipe: Recipe, paths: list[Path]) -> None:
    """Raises a sentence where a file is not, byte by byte, the one that was published."""
    for url, path in zip(recipe.urls, paths, strict=True):
        checksum = recorded()[url]
        if not checksum.fits(path):
            raise InvalidInput(
                f"{path} has the SHA-256 {file_digest(path)[:12]} and cannot be verified: expected the original file "
                f"of {checksum.sha256[:12]} from {url}; leave it as it was published."
            )


def _require_content(recipe: Recipe, split: str, columns: Columns, *, digests: bool) -> None:
    """Raises a sentence where a split is not what was published."""
    expected = recipe.splits[split]
    shape = (expected.count, *recipe.shape)
    if columns["image"].shape != shape or columns["image"].dtype != np.uint8:
        raise InvalidInput(
            f"the {split} split of {recipe.name} has images of shape {columns['image'].shape} and type "
            f"{columns['image'].dtype}: expected {shape} bytes; give the original files."
        )
    for column in recipe.labels:
        if columns[column].shape != (expected.count,):
            raise InvalidInput(
                f"the {split} split of {recipe.name} has {len(columns[column])} values of {column}: expected one for "
                f"each of {expected.count} images; give the original files."
            )
    for column, digest in (expected.digests if digests else {}).items():
        found = content_digest(columns[column])
        if found != digest:
            raise InvalidInput(
                f"the {split} split of {recipe.name} has {column} values of SHA-256 {found[:12]}: expected "
                f"{digest[:12]}, as published; give the original files."
            )


def content_digest(values: np.ndarray) -> str:
    """SHA-256 of values in C order: images as bytes, labels as little-endian 64-bit integers.

    Example:
      >>> content_digest(np.array([1, 2]))[:8] == content_digest(np.array([1, 2], np.int64))[:8]
      True
    """
    kind = np.dtype(np.uint8) if values.dtype == np.uint8 else np.dtype("<i8")
    return hashlib.sha256(np.ascontiguousarray(values, kind).data).hexdigest()


@contextmanager
def _writing(name: str, root: Path) -> Iterator[None]:
    """Turns what a file system says into a sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInput(
            f"{name} cannot be prepared in {root} ({reason}): expected a folder that can be written to and has room; "
            "make room, or name another folder."
        ) from error
