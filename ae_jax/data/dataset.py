"""A data set: train, validation and test arrays of one shape, with labels where there are any, and a scaling."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split

from ae_jax.components import to_config
from ae_jax.data.checks import as_examples, as_labels, require_examples, require_finite
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

    :func:`from_splits` makes one of splits of yours, and :func:`from_arrays` splits; both convert what they are given,
    where the class itself takes arrays as they are and only checks them.

    Attributes:
      name: what results call it.
      train, validation, test: the splits; validation and test may have no examples.
      scaling: applied wherever networks see the data.

    Raises:
      InvalidInput: splits that are no arrays of numbers, of different shapes, with labels of another length or
        missing; no training examples; a scaling that is none.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    scaling: Scaling = Scaling()

    def __post_init__(self) -> None:
        for name, split in self._splits().items():
            _check(split, f"the {name} split of {self.name}", required=name == "train")
            if len(split.x) and split.x.shape[1:] != self.shape:
                raise InvalidInput(
                    f"the {name} split of {self.name} has examples of shape {split.x.shape[1:]}: "
                    f"expected {self.shape}, as in the train split."
                )
        if not isinstance(self.scaling, Scaling):
            raise InvalidInput(f"{self.name} was given the scaling {self.scaling!r}: expected a Scaling, or none.")

    @property
    def shape(self) -> Shape:
        """The shape of one example."""
        return self.train.x.shape[1:]

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest value of all splits, in model units.

        Example:
          >>> from_splits(np.array([[2.0, 4.0]]), scaling=Scaling(scale=-4.0)).range
          (-1.0, -0.5)
        """
        values = [split.x for split in self._splits().values() if len(split.x)]
        stored = (min(x.min() for x in values), max(x.max() for x in values))
        low, high = sorted(float(self.scaling(extreme)) for extreme in stored)
        return low, high

    def split(self, name: str) -> Split:
        """The split of that name.

        Raises:
          InvalidInput: an unknown split, or one without examples.
        """
        splits = self._splits()
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
            "examples": {name: len(split.x) for name, split in self._splits().items()},
            "scaling": to_config(self.scaling),
        }

    def _splits(self) -> dict[str, Split]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


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
      labels: one for each example, none of them missing; or None.
      name: what results call it.
      validation, test: fractions of all examples, each in [0, 1) and together below 1.
      scaling: from stored values to model units; by default bytes above 1 are divided by 255.
      seed: of the split, from 0 to 2**32 - 1.

    Returns:
      The data set.

    Raises:
      InvalidInput: data that :func:`ae_jax.data.checks.as_examples` refuses, labels of another length or
        missing, fractions that leave nothing to train on, a seed that is none.

    Example:
      >>> data = from_arrays(np.zeros((10, 4)), validation=0.2, test=0.2)
      >>> len(data.train.x), len(data.validation.x), len(data.test.x)
      (6, 2, 2)
    """
    examples = as_examples(x, name)
    targets = None if labels is None else as_labels(labels, len(examples))
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise InvalidInput(
            f"the split was given validation={validation} and test={test}: expected fractions that sum below 1."
        )
    if not (isinstance(seed, (int, np.integer)) and 0 <= seed < 2**32):
        raise InvalidInput(f"the split was given the seed {seed}: expected an integer from 0 to 2**32 - 1.")
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


def from_splits(
    train: Any, validation: Any = None, test: Any = None, *, name: str = "splits", scaling: Scaling | None = None
) -> Dataset:
    """A data set from splits of yours.

    Args:
      train: examples, anything that NumPy reads as numbers, ``[n, *shape]``; or a tuple ``(examples, labels)``.
      validation, test: the same, with examples of the same shape and type; None or no examples for no such split.
      name: what results call it.
      scaling: from stored values to model units; by default bytes above 1 are divided by 255.

    Returns:
      The data set.

    Raises:
      InvalidInput: data that :func:`ae_jax.data.checks.as_examples` refuses, another shape or type than the training
        examples, labels of another length or missing.

    Example:
      >>> data = from_splits((np.zeros((6, 4)), [0, 1, 0, 1, 0, 1]), test=np.ones((2, 4)))
      >>> len(data.train.x), len(data.validation.x), len(data.test.x)
      (6, 0, 2)
    """
    first = _as_split(train, f"the train split of {name}")
    splits = {"train": first}
    for split, given in (("validation", validation), ("test", test)):
        what = f"the {split} split of {name}"
        x, _ = _parts(given, what)
        empty = x is None or (hasattr(x, "__len__") and len(x) == 0)
        splits[split] = Split(first.x[:0]) if empty else _as_split(given, what)
        if splits[split].x.dtype != first.x.dtype:
            raise InvalidInput(
                f"{what} is stored as {splits[split].x.dtype} and the train split as {first.x.dtype}: "
                "expected one type, as one scaling holds for all."
            )
    if scaling is None:
        scaling = Scaling.of(max((split.x for split in splits.values() if len(split.x)), key=np.max))
    return Dataset(name=name, scaling=scaling, **splits)


def _as_split(given: Any, what: str) -> Split:
    x, labels = _parts(given, what)
    examples = as_examples(x, what)
    return Split(examples, None if labels is None else as_labels(labels, len(examples), f"the labels of {what}"))


def _parts(given: Any, what: str) -> tuple[Any, Any]:
    """Examples and labels (or None) of what stands for a split."""
    if not isinstance(given, tuple):
        return given, None
    if len(given) != 2:
        raise InvalidInput(f"{what} is a tuple of {len(given)}: expected examples, or a pair (examples, labels).")
    return given[0], given[1]


def _check(split: Split, what: str, *, required: bool) -> None:
    """Raises a sentence where a split is not made of arrays that can be used."""
    arrays = isinstance(split, Split) and isinstance(split.x, np.ndarray)
    if not (arrays and isinstance(split.labels, (np.ndarray, type(None)))):
        raise InvalidInput(f"{what} is no Split of NumPy arrays: make the data set by from_splits, which converts.")
    if required or len(split.x):
        require_examples(split.x, what)
        if np.issubdtype(split.x.dtype, np.floating):
            require_finite(split.x, what)
    if split.labels is not None:
        as_labels(split.labels, len(split.x), f"the labels of {what}")


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
