"""Data sets prepared by TensorFlow Datasets, read by its public API without TensorFlow."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ae_jax.data.damage import reading
from ae_jax.data.streaming import Rows
from ae_jax.errors import InvalidInput

_BLOCK = 4096
"""Records that are decoded at once."""


class PreparedRows(Rows):
    """One split of a prepared data set, as ``tfds.data_source`` returns it, read by position.

    ``example`` and ``label`` are the features that hold the examples and the labels (or None).
    """

    def __init__(self, source: Any, example: str, label: str | None, *, name: str):
        self.name, self.lengths = name, [len(source)]
        self._source, self._example, self._label = source, example, label
        with reading(name, _EXPECTED):
            first = np.asarray(source[0][example])
        if first.dtype.kind not in "buif":
            raise InvalidInput(f"{name} has the feature {example} of type {first.dtype}: expected numbers.")
        self.shape, self.dtype = first.shape, first.dtype

    def read(self, shard: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Examples from ``start`` to ``stop`` in the order of the records, and their labels or None."""
        x = np.empty((stop - start, *self.shape), self.dtype)
        labels = []
        with reading(self.name, _EXPECTED):
            for first in range(start, stop, _BLOCK):
                last = min(first + _BLOCK, stop)
                for place, record in enumerate(self._source.__getitems__(range(first, last)), first - start):
                    value = np.asarray(record[self._example])
                    if value.shape != self.shape:
                        raise ValueError(f"examples of the shapes {self.shape} and {value.shape}")
                    x[place] = value
                    labels.append(record.get(self._label))
        return x, None if self._label is None else np.array(labels)


_EXPECTED = "a data set that TFDS has prepared as array_record, with examples of one shape; prepare it again"


def prepared_rows(name: str) -> dict[str, PreparedRows]:
    """The splits train, validation and test of a data set that TFDS has prepared, for reading whole or in pieces.

    The examples are the input of the data set's supervised keys, or else the feature ``image``, or else the first
    feature of numbers; the labels are the target where that is one number.

    Args:
      name: ``tfds:NAME``, ``tfds:NAME:CONFIG`` or ``tfds:NAME/CONFIG``; the highest version is read.

    Raises:
      InvalidInput: a data set that is not prepared, has another format or is damaged, or examples that are not
        arrays of numbers of one shape.
    """
    import tensorflow_datasets as tfds

    with reading(name, _EXPECTED):
        # TFDS itself reads the variable only when it is first imported.
        data_dir = Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
        path = name.removeprefix("tfds:").replace(":", "/")
        _require_own_features(data_dir / path.split("/")[0])
        builder = tfds.builder(path, data_dir=data_dir)
        sources: Any = builder.as_data_source()
        example, label = _keys(builder.info)
    if "train" not in sources:
        raise InvalidInput(f"{name} has no split named train, but {', '.join(sources)}: choose another data set.")
    return {
        split: PreparedRows(sources[split], example, label, name=f"the {split} split of {name}")
        for split in ("train", "validation", "test")
        if split in sources
    }


def _require_own_features(folder: Path) -> None:
    """Raises where a prepared folder names a class outside TFDS, whose module TFDS would import."""
    for file in folder.rglob("features.json"):
        for name in _class_names(json.loads(file.read_text())):
            if not name.startswith("tensorflow_datasets."):
                raise InvalidInput(
                    f"{file} names the class {name!r:.200}: expected classes of TFDS alone, as others are code that "
                    "would be run; prepare the data set without features of your own."
                )


def _class_names(features: Any) -> Iterator[str]:
    """The names of classes anywhere in a description of features, in both formats of TFDS."""
    if isinstance(features, list):
        features = dict(enumerate(features))
    for key, value in features.items() if isinstance(features, dict) else ():
        if key in ("type", "proto_cls", "pythonClassName", "python_class_name") and isinstance(value, str):
            yield value
        yield from _class_names(value)


def _keys(info: Any) -> tuple[str, str | None]:
    """Names of the features that hold the examples and the labels (or None)."""
    import tensorflow_datasets as tfds

    tensors = (tfds.features.Tensor, tfds.features.Image)
    numbers = [
        name
        for name, feature in info.features.items()
        if isinstance(feature, tensors) and np.dtype(feature.np_dtype).kind in "buif"  # pyright: ignore
    ]
    example, label = [*(info.supervised_keys or (None, None))][:2]
    if not isinstance(example, str):
        example, label = next(iter(sorted(numbers, key=lambda name: name != "image")), next(iter(info.features))), None
    scalar = isinstance(label, str) and label in numbers and info.features[label].shape == ()
    return example, label if scalar else None
