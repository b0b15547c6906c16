"""A data set: train, validation and test arrays of one shape, with labels where there are any, and a scaling."""

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ae_jax.components import to_config
from ae_jax.data.arrays import as_labels, require_examples, require_finite
from ae_jax.data.scaling import Scaling, Statistics
from ae_jax.data.spec import DataSpec, Label, ReadOptions
from ae_jax.data.streaming import Stream
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

    def condition(self, classes: Sequence[Label] | None) -> np.ndarray:
        """The labels as positions among the classes; see :func:`as_condition`."""
        return as_condition(self.labels, classes)


def as_condition(labels: Any, classes: Sequence[Label] | None, name: str = "labels") -> np.ndarray:
    """The labels as positions among the classes, 32-bit integers ``[n]``, as conditional autoencoders take them.

    Args:
      labels: ``[n]``.
      classes: of the training data, ``Dataset.classes`` or ``DataSpec.classes``.
      name: of the labels, for errors.

    Raises:
      InvalidInput: no classes, no labels, or a label that is none of the classes.

    Example:
      >>> as_condition(np.array(["dog", "cat", "dog"]), ("cat", "dog"))
      array([1, 0, 1], dtype=int32)
    """
    if classes is None:
        raise InvalidInput("the training data have no classes: expected labels of classes, as conditions are made of.")
    if labels is None:
        raise InvalidInput(f"{name} are missing: expected one label for each example, as the condition.")
    positions = {label: position for position, label in enumerate(classes)}
    distinct, inverse = np.unique(np.asarray(labels), return_inverse=True)
    given = [_as_label(label) for label in distinct.tolist()]
    for label in given:
        if label not in positions:
            shown = ", ".join(map(repr, classes[:10])) + (", ..." if len(classes) > 10 else "")
            raise InvalidInput(f"{name} hold {label!r}: expected the classes of the training data, {shown}.")
    return np.array([positions[label] for label in given], np.int32)[inverse.reshape(-1)]


def classes_of(labels: np.ndarray | None) -> tuple[Label, ...] | None:
    """The distinct labels, sorted; None where there are no labels or where they name no classes.

    Measurements (numbers that are not whole) and identifiers (labels that hardly repeat) name no classes.

    Example:
      >>> classes_of(np.array([2.0, 1.0, 1.0, 2.0])), classes_of(np.array([0.5, 1.0, 0.5, 1.0]))
      ((1, 2), None)
    """
    if labels is None or not len(labels) or labels.dtype.kind not in "biufSU":
        return None
    distinct = np.unique(labels)
    if 2 * len(distinct) > len(labels) or (labels.dtype.kind == "f" and (distinct != np.rint(distinct)).any()):
        return None
    return tuple(_as_label(label) for label in distinct.tolist())


def _as_label(label: Any) -> Any:
    """A label as text or a whole number, which JSON can hold."""
    if isinstance(label, bytes):
        return label.decode(errors="replace")
    return int(label) if isinstance(label, (bool, float)) and float(label).is_integer() else label


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """Data as they are stored, split, with the scaling that brings them to model units.

    :func:`ae_jax.data.from_splits` and :func:`ae_jax.data.from_arrays` make one and convert what they are given; the
    class itself only checks its arrays.

    Attributes:
      name: what results call it.
      train, validation, test: the splits; validation and test may have no examples.
      scaling: applied wherever networks see the data.
      columns: names of the features, or None.
      reading: how the source was read.
      stream: all training examples of a source larger than the device's budget; then ``train`` is a sample of them,
        which probes and baselines learn from.
      statistics: of all training examples; by default those of ``train``.

    Raises:
      InvalidInput: splits that are no arrays of numbers, of different shapes, with labels of another length or
        missing; no training examples; a scaling that is none.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    scaling: Scaling = Scaling()
    columns: tuple[str, ...] | None = None
    reading: ReadOptions = ReadOptions()
    stream: Stream | None = None
    statistics: Statistics | None = None

    def __post_init__(self) -> None:
        for name, split in self._splits().items():
            what = f"the {name} split of {self.name}"
            arrays = isinstance(split, Split) and isinstance(split.x, np.ndarray)
            if not (arrays and isinstance(split.labels, (np.ndarray, type(None)))):
                raise InvalidInput(f"{what} is no Split of NumPy arrays: make the data set by from_splits.")
            if name == "train" or len(split.x):
                require_examples(split.x, what)
                if np.issubdtype(split.x.dtype, np.floating):
                    require_finite(split.x, what)
                if split.x.shape[1:] != self.shape:
                    raise InvalidInput(
                        f"{what} has examples of shape {split.x.shape[1:]}: expected {self.shape}, as in the train "
                        "split."
                    )
            if split.labels is not None:
                as_labels(split.labels, len(split.x), f"the labels of {what}")
        if not isinstance(self.scaling, Scaling):
            raise InvalidInput(f"{self.name} was given the scaling {self.scaling!r}: expected a Scaling, or none.")
        for number in (self.scaling.offset, self.scaling.scale):
            if np.shape(number) not in ((), self.shape):
                raise InvalidInput(
                    f"{self.name} was given a scaling of shape {np.shape(number)}: expected one number, or one for "
                    f"each feature of {self.shape}."
                )

    @property
    def shape(self) -> Shape:
        """The shape of one example."""
        return self.train.x.shape[1:]

    @property
    def training_examples(self) -> int:
        """How many examples are trained on."""
        return len(self.train.x) if self.stream is None else len(self.stream)

    @cached_property
    def classes(self) -> tuple[Label, ...] | None:
        """The distinct labels of the training examples, sorted; None where there are none or they name no classes."""
        return classes_of(self.train.labels)

    @cached_property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest value of all splits, in model units.

        Example:
          >>> from ae_jax.data import from_splits
          >>> from_splits(np.array([[2.0, 4.0]]), scaling=Scaling(scale=-4.0)).range
          (-1.0, -0.5)
        """
        held_out = [split.x for split in (self.validation, self.test) if len(split.x)]
        statistics = [self._trained, *(Statistics.of([x], moments=False) for x in held_out)]
        extremes = [extreme for one in statistics for extreme in (one.low, one.high)]
        values = np.stack([np.broadcast_to(extreme, self.shape) for extreme in extremes])
        scaled = np.asarray(self.scaling(values))
        return float(scaled.min()), float(scaled.max())

    @cached_property
    def spec(self) -> DataSpec:
        """Name, shape, type, range and scaling, as a run remembers them."""
        low, high = self.range
        return DataSpec(
            name=self.name,
            shape=self.shape,
            dtype=self.train.x.dtype.name,
            examples={name: len(split.x) for name, split in self._splits().items()} | {"train": self.training_examples},
            low=float(np.min(self._trained.low)),
            high=float(np.max(self._trained.high)),
            likelihood="BernoulliLikelihood" if low >= 0.0 and high <= 1.0 else "GaussianLikelihood",
            columns=self.columns,
            classes=self.classes,
            reading=self.reading,
            scaling=self.scaling,
        )

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

    def with_validation(self) -> "Dataset":
        """The same data with the validation examples added to the training examples.

        For the last training, once everything is chosen: as nothing is validated, the latest parameters are kept.

        Raises:
          InvalidInput: the training examples are streamed.
        """
        if self.stream is not None:
            raise InvalidInput(
                f"the training examples of {self.name} are streamed, and validation examples cannot join them: "
                "expected data that fit in the device's budget."
            )
        first, second = self.train, self.validation
        labels = None
        if first.labels is not None and second.labels is not None:
            labels = np.concatenate([first.labels, second.labels])
        train = Split(np.concatenate([first.x, second.x]), labels)
        validation = Split(second.x[:0], None if labels is None else labels[:0])
        return dataclasses.replace(self, train=train, validation=validation, statistics=None)

    def describe(self) -> dict[str, Any]:
        """What results say of the data: name, shape, storage type, counts, range, columns, scaling."""
        return to_config(self.spec)

    @cached_property
    def _trained(self) -> Statistics:
        return Statistics.of([self.train.x], moments=False) if self.statistics is None else self.statistics

    def _splits(self) -> dict[str, Split]:
        return {"train": self.train, "validation": self.validation, "test": self.test}
