"""Published data sets: downloaded or taken from files at hand, verified, and kept in one file each."""

import hashlib
import os
import tempfile
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from ae_jax.atomic import replacing
from ae_jax.data.arrays import RawData
from ae_jax.data.damage import reading
from ae_jax.data.published import PUBLISHED, Published
from ae_jax.errors import InvalidInput, first_line, require_known

_SPLITS = ("train", "validation", "test")
_PIECE = 1 << 18


class DownloadProgress(NamedTuple):
    """Progress of the download of one file.

    Attributes:
      what: such as ``"mnist: download train-images-idx3-ubyte.gz"``.
      done: bytes downloaded.
      total: bytes of the file; None where the server does not tell.
    """

    what: str
    done: int
    total: int | None


OnProgress: TypeAlias = Callable[[DownloadProgress], object]


def prepared_file(name: str, data_dir: str | Path | None = None) -> Path:
    """The file that :func:`prepare` writes, in ``data_dir``, ``AE_JAX_DATA_DIR`` or ``~/.cache/ae_jax``.

    Raises:
      InvalidInput: an unknown name.

    Example:
      >>> prepared_file("mnist", "/data").as_posix()
      '/data/mnist.npz'
    """
    require_known("data set", name, PUBLISHED)
    folder = data_dir or os.environ.get("AE_JAX_DATA_DIR") or "~/.cache/ae_jax"
    return Path(folder).expanduser() / f"{name}.npz"


def prepare(
    name: str,
    *,
    source: str | Path | None = None,
    data_dir: str | Path | None = None,
    progress: OnProgress | None = None,
    timeout: float = 30.0,
) -> Path:
    """Prepares a published data set, unless it is prepared already; remove its file to prepare it again.

    Args:
      name: one of :data:`PUBLISHED`.
      source: a folder with the published files, or with others of the same content; by default they are downloaded.
      data_dir: the folder to write to; see :func:`prepared_file`.
      progress: called during downloads.
      timeout: seconds in which a server has to answer.

    Returns:
      The file that was written.

    Raises:
      InvalidInput: an unknown name; a folder without the files; files that are not the published data; a download
        that fails; a place that cannot be written to.
    """
    target = prepared_file(name, data_dir)
    if target.is_file():
        return target
    published = PUBLISHED[name]
    with tempfile.TemporaryDirectory() as scratch:
        if source is None:
            _download(published, Path(scratch), progress or (lambda _: None), timeout)
        splits = _verified(published, Path(scratch if source is None else source))
    arrays = {f"{split}_x": raw.x for split, raw in splits.items()}
    arrays |= {
        f"{split}_labels": raw.labels.astype(np.int64) for split, raw in splits.items() if raw.labels is not None
    }
    with replacing(target) as written:
        np.savez(written, **arrays)
    return target


def read_prepared(name: str, data_dir: str | Path | None = None) -> dict[str, RawData]:
    """Reads the splits of a data set that :func:`prepare` prepared.

    Raises:
      InvalidInput: an unknown name, a data set that is not prepared, or a damaged file.
    """
    path = prepared_file(name, data_dir)
    if not path.is_file():
        raise InvalidInput(
            f"{name} is not prepared: expected the file {path}; run `ae-jax data prepare {name}`, which downloads it, "
            "or with --from FOLDER where its files are at hand."
        )
    expected = f"the data set {name}; remove the file and run `ae-jax data prepare {name}`"
    with reading(path, expected), path.open("rb") as file:  # which np.load would leave open where it is damaged
        archive = np.load(file, allow_pickle=False)
        there = [split for split in _SPLITS if f"{split}_x" in archive]
        return {split: RawData(archive[f"{split}_x"], archive.get(f"{split}_labels")) for split in there}


def content_digest(splits: Mapping[str, RawData]) -> str:
    """SHA-256 of all examples as bytes and all labels as little-endian 64-bit integers, split after split."""
    digest = hashlib.sha256()
    for split in sorted(splits, key=_SPLITS.index):
        digest.update(np.ascontiguousarray(splits[split].x, np.uint8).data)
        if splits[split].labels is not None:
            digest.update(np.ascontiguousarray(splits[split].labels, "<i8").data)
    return digest.hexdigest()


def _download(published: Published, folder: Path, progress: OnProgress, timeout: float) -> None:
    for file in published.files:
        url = published.address + file
        try:
            with urllib.request.urlopen(url, timeout=timeout) as response, (folder / file).open("wb") as target:
                total, done = response.headers.get("Content-Length"), 0
                while piece := response.read(_PIECE):
                    done += target.write(piece)
                    what = f"{published.name}: download {file}"
                    progress(DownloadProgress(what, done, int(total) if total else None))
        except (OSError, HTTPException) as error:
            raise InvalidInput(
                f"{url} cannot be downloaded ({first_line(error)}): expected the file; try again later, or prepare "
                f"files at hand by `ae-jax data prepare {published.name} --from FOLDER`."
            ) from error


def _verified(published: Published, folder: Path) -> dict[str, RawData]:
    """The splits in a folder's files, if those are the published data."""
    forms = {tuple(published.files): published.read} | dict(published.others)
    form = next((form for form in forms if all((folder / file).is_file() for file in form)), None)
    if form is None:
        expected = ", or ".join(" and ".join(form) for form in forms)
        raise InvalidInput(f"{folder} does not hold the files of {published.name}: expected {expected}.")
    digests = {file: published.files.get(file) for file in form}
    for file, known in digests.items():
        if known is None:
            continue
        with (folder / file).open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
        if found != known:
            raise InvalidInput(
                f"{folder / file} has the SHA-256 {found[:12]}: expected {known[:12]}, that of the published file; "
                "fetch it again."
            )
    with reading(folder / form[0], f"a file of {published.name}"):
        splits = forms[form](tuple(folder / file for file in form))
    if None in digests.values() and (found := content_digest(splits)) != published.digest:
        raise InvalidInput(
            f"the files of {published.name} in {folder} hold data of SHA-256 {found[:12]}: expected "
            f"{str(published.digest)[:12]}, that of the published data; fetch them again."
        )
    return splits
