"""A data set: train, validation and test arrays of one shape, with labels where there are any, and a scaling."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split

from ae_jax.components import to_config
from ae_jax.data.checks import as_examples
from ae_jax.data.scaling import Scaling
from ae_jax.errors import InvalidInput, unknown
from ae_jax.types import Shape


class Split(NamedTuple):
    """Examples in their storage type and, where known, their labels.

    Attributes:
      x: ``[n, *shape]``.
      labels: ``[n]``, or None.
    """

    x: np.ndarray
    labels: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """Data as they are stored, split, with the scaling that brings them to model units.

    Attributes:
      name: what results call it.
      train, validation, test: the splits; validation and test may have no examples.
      scaling: applied wherever networks see the data.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    scaling: Scaling = Scaling()

    @property
    def shape(self) -> Shape:
        """The shape of one example."""
        return self.train.x.shape[1:]

    def split(self, name: str) -> Split:
        """The split of that name.

        Raises:
          InvalidInput: an unknown split, or one without examples.
        """
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        if name not in splits:
            raise unknown("split", name, splits)
        if not len(splits[name].x):
            raise InvalidInput(f"the data set {self.name} has no {name} examples: expected some; choose another split.")
        return splits[name]

    def describe(self) -> dict[str, Any]:
        """What results say of the data: name, shape, storage type, counts, scaling."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.train.x.dtype.name,
            "examples": {"train": len(self.train.x), "validation": len(self.validation.x), "test": len(self.test.x)},
            "scaling": to_config(self.scaling),
        }


def from_arrays(
    x: Any,
    labels: Any = None,
    *,
    name: str = "arrays",
    validation: float = 0.1,
    test: float = 0.2,
    scaling: Scaling | None = None,
    seed: int = 0,
) -> Dataset:
    """A data set from examples in memory, split at random by a seed, stratified where labels allow it.

    Args:
      x: anything that NumPy reads as numbers, ``[n, *shape]``; bytes stay bytes.
      labels: one for each example, or None.
      name: what results call it.
      validation, test: fractions of all examples, each in [0, 1) and together below 1.
      scaling: from stored values to model units; by default bytes above 1 are divided by 255.
      seed: of the split.

    Returns:
      The data set.

    Raises:
      InvalidInput: data that :func:`ae_jax.data.checks.as_examples` refuses, labels of another length, fractions that
        leave nothing to train on.

    Example:
      >>> data = from_arrays(np.zeros((10, 4)), validation=0.2, test=0.2)
      >>> len(data.train.x), len(data.validation.x), len(data.test.x)
      (6, 2, 2)
    """
    examples = as_examples(x, name)
    targets = None if labels is None else np.asarray(labels)
    if targets is not None and targets.shape != (len(examples),):
        raise InvalidInput(
            f"labels have shape {targets.shape} for {len(examples)} examples: expected one label for each example."
        )
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise InvalidInput(
            f"the split was given validation={validation} and test={test}: expected fractions that sum below 1."
        )
    counts = [round(fraction * len(examples)) for fraction in (validation, test)]
    if sum(counts) >= len(examples):
        raise InvalidInput(f"{len(examples)} examples leave none to train on: give more, or smaller fractions.")
    rest = np.arange(len(examples))
    held_out = []
    for count in reversed(counts):
        rest, taken = _take(rest, count, targets, seed)
        held_out.append(np.sort(taken))
    rows = {"train": np.sort(rest), "test": held_out[0], "validation": held_out[1]}
    splits = {
        split: Split(examples[index], None if targets is None else targets[index]) for split, index in rows.items()
    }
    return Dataset(name=name, scaling=Scaling.of(examples) if scaling is None else scaling, **splits)


def _take(rows: np.ndarray, count: int, labels: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows left and rows taken at random; stratified where every class can stand on both sides."""
    if count == 0:
        return rows, rows[:0]
    strata = None
    if labels is not None:
        classes, sizes = np.unique(labels[rows], return_counts=True)
        if sizes.min() >= 2 and len(classes) <= min(count, len(rows) - count):
            strata = labels[rows]
    left, taken = train_test_split(rows, test_size=count, stratify=strata, random_state=seed)
    return np.asarray(left), np.asarray(taken)
