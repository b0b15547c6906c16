"""Data sets that TensorFlow Datasets has prepared as array_record, read without TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np

from ae_jax.data.checks import as_examples
from ae_jax.data.dataset import Dataset, Split, from_arrays, from_splits
from ae_jax.errors import InvalidInput


def prepared(name: str, *, seed: int = 0, folder: Path | None = None) -> Dataset:
    """A data set of TFDS whose examples are plain tensors, in its own splits.

    Without a validation split of its own, a tenth of the training split is held out by the seed; without a test split,
    a fifth.

    Args:
      name: as TFDS knows it, ``NAME`` or ``NAME/CONFIG``, already prepared as array_record.
      seed: of what is held out.
      folder: where it was prepared; by default TFDS's usual data directory.

    Returns:
      The data set; its examples are the input of its supervised keys, its labels the target where that is a number.

    Raises:
      InvalidInput: not prepared there, not as array_record, or examples that are no tensors of one shape.
    """
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=folder)
        sources = {split: builder.as_data_source(split=split) for split in builder.info.splits}  # pyright: ignore[reportCallIssue]
    except Exception as error:  # TFDS raises many kinds, of which a user needs the first line only
        reason = str(error).strip().splitlines()[0][:160]
        raise InvalidInput(
            f"tfds:{name} cannot be read ({reason}): expected a data set that TFDS has prepared as array_record."
        ) from error
    if "train" not in sources:
        raise InvalidInput(f"tfds:{name} has the splits {', '.join(sources) or 'none'}: expected one named train.")
    splits = {split: _arrays(sources[split], builder.info, name) for split in sources}
    train = splits["train"]
    held_out = from_arrays(
        train.x,
        train.labels,
        name=f"tfds:{name}",
        validation=0.0 if "validation" in splits else 0.1,
        test=0.0 if "test" in splits else 0.2,
        seed=seed,
    )
    return from_splits(
        held_out.train,
        splits.get("validation", held_out.validation),
        splits.get("test", held_out.test),
        name=name,
    )


def _arrays(source: Any, info: Any, name: str) -> Split:
    keys = info.supervised_keys or (next(iter(info.features)),)
    examples = [source[position] for position in range(len(source))]
    x = as_examples([example[keys[0]] for example in examples], f"tfds:{name}")
    labels = np.asarray([example[keys[1]] for example in examples]) if len(keys) > 1 else None
    return Split(x, labels if labels is not None and labels.ndim == 1 else None)
