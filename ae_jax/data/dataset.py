"""A data set: train, validation and test arrays of one shape, with labels where there are any, and a scaling."""

import dataclasses
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ae_jax.components import to_config
from ae_jax.data.checks import as_labels, require_examples, require_finite
from ae_jax.data.description import DataSpec, ReadOptions
from ae_jax.data.scaling import Scaling, Statistics
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """Data as they are stored, split, with the scaling that brings them to model units.

    :func:`ae_jax.data.from_splits` makes one of splits of yours, and :func:`ae_jax.data.from_arrays` splits; both
    convert what they are given, where the class itself takes arrays as they are and only checks them.

    Attributes:
      name: what results call it.
      train, validation, test: the splits; validation and test may have no examples.
      scaling: applied wherever networks see the data.
      columns: names of the features, or None.
      reading: how the source was read.
      stream: of a source larger than the device's budget, all training examples; ``train`` is a sample of them then,
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
            _check(split, f"the {name} split of {self.name}", required=name == "train")
            if len(split.x) and split.x.shape[1:] != self.shape:
                raise InvalidInput(
                    f"the {name} split of {self.name} has examples of shape {split.x.shape[1:]}: "
                    f"expected {self.shape}, as in the train split."
                )
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
    def range(self) -> tuple[float, float]:
        """The lowest and the highest value of all splits, in model units.

        Example:
          >>> from ae_jax.data import from_splits
          >>> from_splits(np.array([[2.0, 4.0]]), scaling=Scaling(scale=-4.0)).range
          (-1.0, -0.5)
        """
        statistics = [self._trained, *(Statistics.of([x], moments=False) for x in self._held_out())]
        extremes = [extreme for one in statistics for extreme in (one.low, one.high)]
        values = np.stack([np.broadcast_to(extreme, self.shape) for extreme in extremes])
        scaled = np.asarray(self.scaling(values))
        return float(scaled.min()), float(scaled.max())

    @cached_property
    def description(self) -> DataSpec:
        """What the data are like."""
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
        """The same data with the validation examples among those that are trained on, and none held out.

        For the last training, once everything is chosen: as nothing is validated, the latest parameters are kept.

        Raises:
          InvalidInput: the training examples are streamed.

        Example:
          >>> from ae_jax.data import digits
          >>> data = digits()
          >>> len(data.train.x), len(data.validation.x), len(data.with_validation().train.x)
          (1258, 180, 1438)
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
        return to_config(self.description)

    @cached_property
    def _trained(self) -> Statistics:
        return Statistics.of([self.train.x], moments=False) if self.statistics is None else self.statistics

    def _held_out(self) -> list[np.ndarray]:
        return [split.x for split in (self.validation, self.test) if len(split.x)]

    def _splits(self) -> dict[str, Split]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


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
