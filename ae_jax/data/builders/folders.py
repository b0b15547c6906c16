"""Where prepared data sets lie, whether one is whole, and that one process at a time prepares it."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ae_jax.data.builders.recipes import RECIPES
from ae_jax.errors import unknown
from ae_jax.locks import locked

VERSION = "0.1.0"
"""Of all data sets prepared here: below every version that TFDS gives a data set of the same name."""


def data_folder(data_dir: Path | None = None) -> Path:
    """TFDS's data directory: the given one, or what ``TFDS_DATA_DIR`` names, or ``~/tensorflow_datasets``.

    Example:
      >>> data_folder(Path("/data")).as_posix()
      '/data'
    """
    usual = os.environ.get("TFDS_DATA_DIR", Path("~") / "tensorflow_datasets")
    return Path(usual if data_dir is None else data_dir).expanduser()


def folder_of(name: str, data_dir: Path | None = None) -> Path:
    """Where the data set of that name is, or will be, prepared.

    Raises:
      InvalidInput: not one of :data:`RECIPES`.

    Example:
      >>> folder_of("mnist", Path("/data")).as_posix()
      '/data/mnist/0.1.0'
    """
    if name not in RECIPES:
        raise unknown("data set", name, RECIPES)
    return data_folder(data_dir) / name / VERSION


def downloads_of(name: str, data_dir: Path | None = None) -> Path:
    """Where the original files of a data set are downloaded to."""
    return data_folder(data_dir) / "downloads" / "ae_jax" / name


def is_prepared(name: str, data_dir: Path | None = None) -> bool:
    """Whether the data set has been prepared and all of its files stand there.

    Raises:
      InvalidInput: not one of :data:`RECIPES`.
    """
    folder = folder_of(name, data_dir)
    try:
        info = json.loads((folder / "dataset_info.json").read_text())
        lengths = {split["name"]: len(split["shardLengths"]) for split in info["splits"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    files = [
        f"{name}-{split}.array_record-{shard:05d}-of-{count:05d}"
        for split, count in lengths.items()
        for shard in range(count)
    ]
    return all((folder / file).is_file() for file in ["features.json", *files])


@contextlib.contextmanager
def alone(name: str, data_dir: Path | None = None) -> Iterator[None]:
    """Keeps other processes from preparing the same data set; what a killed one left behind is removed.

    Raises:
      InvalidInput: another process is preparing it.
    """
    folder, downloads = folder_of(name, data_dir), downloads_of(name, data_dir)
    sentence = f"{name} is being prepared in {folder.parent} by another process: wait until that one is done."
    downloads.mkdir(parents=True, exist_ok=True)
    with locked(downloads / "lock", sentence):
        for leftover in folder.parent.glob(f"incomplete.*_{VERSION}"):
            shutil.rmtree(leftover)
        yield
