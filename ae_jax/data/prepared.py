"""Data sets that TensorFlow Datasets has prepared as array_record, read without TensorFlow."""

import os
from pathlib import Path
from typing import Any

from ae_jax.data.builders.folders import data_folder, folder_of, is_prepared
from ae_jax.data.builders.recipes import RECIPES
from ae_jax.data.records import Records, column_of, is_readable
from ae_jax.errors import InvalidInput

_PREFIX = "tfds:"


def prepared_records(name: str | Path, *, data_dir: Path | None = None) -> dict[str, Records]:
    """Every split of a prepared data set, for reading whole or in pieces, in the order of its records.

    The examples are the input of the data set's supervised keys, or else its feature ``image``, or else its first that
    can be read; the labels are the target where that is one number.

    Args:
      name: one of :data:`ae_jax.data.builders.RECIPES`; or another that TFDS has prepared as array_record,
        ``tfds:NAME``, ``tfds:NAME:CONFIG`` or ``tfds:NAME/CONFIG``, in its highest version; or the path of a folder
        that a data set was prepared in.
      data_dir: TFDS's data directory; by default the usual one.

    Returns:
      The records of each split.

    Raises:
      InvalidInput: not prepared there, not as array_record, damaged, or examples that are no numbers of one shape.
    """
    info = _info(name, data_dir)
    return {split: _records(info, split, str(name)) for split in info.splits}


def _info(name: str | Path, data_dir: Path | None) -> Any:
    """What TFDS knows of a prepared data set."""
    if isinstance(name, str) and name in RECIPES:
        if not is_prepared(name, data_dir):
            raise InvalidInput(
                f"{name} is not prepared in {folder_of(name, data_dir)}: expected its files there; run `ae-jax data "
                f"prepare {name}`, which downloads it, or with --from FOLDER where its files are at hand."
            )
        name = folder_of(name, data_dir)
    from tensorflow_datasets.core import read_only_builder

    shown = name if isinstance(name, Path) else f"{_PREFIX}{name.removeprefix(_PREFIX)}"
    try:
        if isinstance(name, Path):
            return read_only_builder.builder_from_directory(name, file_format="array_record").info
        plain = name.removeprefix(_PREFIX).replace(":", "/")
        if data_dir is None and "TFDS_DATA_DIR" in os.environ:  # TFDS reads it when it is first imported
            data_dir = data_folder()
        return read_only_builder.builder_from_files(plain, data_dir=data_dir, file_format="array_record").info
    except Exception as error:  # TFDS raises many kinds, of which a user needs the first line only
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160].rstrip(".")
        raise InvalidInput(
            f"{shown} cannot be read ({reason}): expected a data set that TFDS has prepared as array_record."
        ) from error


def _records(info: Any, split: str, name: str) -> Records:
    features = info.features
    if not hasattr(features, "keys"):
        raise InvalidInput(f"{name} has one unnamed feature: expected named ones; choose another data set.")
    example, label = _keys(info)
    target = None
    if label is not None and is_readable(features[label]):
        target = column_of(label, features[label], name)
    part = info.splits[split]
    return Records(
        [Path(path) for path in part.filepaths],
        part.shard_lengths,
        column_of(example, features[example], name),
        target if target is not None and target.shape == () else None,
        name=f"{name}, split {split}",
    )


def _keys(info: Any) -> tuple[str, str | None]:
    """The features that hold the examples and the labels (or None)."""
    keys = info.supervised_keys
    if keys and isinstance(keys[0], str):
        return keys[0], keys[1] if isinstance(keys[1], str) else None
    names = sorted(info.features.keys(), key=lambda name: (name != "image", not is_readable(info.features[name])))
    return names[0], None
