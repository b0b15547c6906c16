"""A data set: train, validation and test arrays of one shape, with labels where there are any, and a scaling."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ae_jax._reprs import as_html, as_text, listed
from ae_jax.components import to_config
from ae_jax.data.arrays import as_labels, missing_values, require_examples, require_finite
from ae_jax.data.classes import as_condition, classes_of
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
      ids: names of the examples, ``[n]``, or None.
    """

    x: np.ndarray
    labels: np.ndarray | None = None
    ids: np.ndarray | None = None

    def take(self, rows: np.ndarray | Sequence[int] | slice) -> "Split":
        """Some of the examples, with their labels and ids."""
        taken: Any = (None if each is None else each[rows] for each in self)
        return Split(*taken)

    def condition(self, classes: Sequence[Label] | None) -> np.ndarray:
        """The labels as positions among the classes; see :func:`as_condition`."""
        return as_condition(self.labels, classes)


def joined(*splits: Split) -> Split:
    """Several splits as one, with labels and ids where all have them.

    Example:
      >>> joined(Split(np.zeros((2, 1)), np.array([3, 4])), Split(np.ones((1, 1)), np.array([5]))).labels
      array([3, 4, 5])
    """
    fields: Any = zip(*splits, strict=True)
    whole: Any = (None if any(each is None for each in field) else np.concatenate(field) for field in fields)
    return Split(*whole)


def draw_rows(
    examples: int, held_out: Mapping[str, int], labels: np.ndarray | None, seed: int
) -> dict[str, np.ndarray]:
    """Rows of the splits of examples, ascending, drawn at random: of each held-out split so many, and ``"train"``.

    Splits are stratified where every class has examples for both sides.

    Example:
      >>> {name: len(rows) for name, rows in draw_rows(10, {"test": 2, "validation": 1}, None, seed=0).items()}
      {'train': 7, 'test': 2, 'validation': 1}
    """
    rest, rows = np.arange(examples), {}
    for name in sorted(held_out):  # the test split first, which is then the same for any number of validation examples
        rest, rows[name] = _take(rest, held_out[name], labels, seed)
    return {"train": np.sort(rest)} | rows


def _take(rows: np.ndarray, count: int, labels: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows left and rows taken at random; stratified where every class has examples for both."""
    if count == 0:
        return rows, rows[:0]
    from sklearn.model_selection import train_test_split  # which takes a second to import

    strata = None
    if labels is not None:
        classes, sizes = np.unique(labels[rows], return_counts=True)
        if sizes.min() >= 2 and len(classes) <= min(count, len(rows) - count):
            strata = labels[rows]
    left, taken = train_test_split(rows, test_size=count, stratify=strata, random_state=seed)
    return np.asarray(left), np.sort(taken)


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
      notes: a sentence for each thing that was guessed: the range of bytes, the axis of channels.
      origin: the name or path that :func:`ae_jax.data.load` was given, and the seed of the split; else None.
      missing: whether values may be missing, NaN in the splits.
      drawn: of splits that were drawn at random from one source, the rows of each in it, ``"train"`` among them; None
        of splits that are given, as in every data set that ``dataclasses.replace`` makes.

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
    notes: tuple[str, ...] = ()
    origin: tuple[str, int] | None = None
    missing: bool = False
    drawn: Mapping[str, np.ndarray] | None = dataclasses.field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        with missing_values(self.missing):
            self._check()

    def _check(self) -> None:
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

    def __repr__(self) -> str:
        return as_text(f"Dataset {self.name}", self._facts())

    def _repr_html_(self) -> str:
        return as_html(f"Dataset {self.name}", self._facts())

    def _facts(self) -> dict[str, str]:
        spec = self.spec
        facts = {"shape": f"{spec.shape}, {spec.dtype} from {spec.low:g} to {spec.high:g}"}
        facts["examples"] = ", ".join(f"{count:,} {split}" for split, count in spec.examples.items())
        if spec.columns is not None:
            facts["columns"] = listed(spec.columns)
        if spec.classes is not None:
            facts["classes"] = listed(spec.classes)
        low, high = self.range
        return facts | {"model units": f"from {low:.4g} to {high:.4g}"}

    @property
    def shape(self) -> Shape:
        """The shape of one example."""
        return self.train.x.shape[1:]

    @cached_property
    def has_missing(self) -> bool:
        """Whether a value of some split is missing."""
        return self.missing and any(np.isnan(split.x).any() for split in self._splits().values())

    def filled(self) -> "Dataset":
        """The data with the mean of a feature over the training split in place of what is missing, for evaluation."""
        if not self.has_missing:
            return self
        mean = np.nanmean(self.train.x, axis=0, dtype=np.float64).astype(np.float32)[None]
        whole = {name: np.where(np.isnan(split.x), mean, split.x) for name, split in self._splits().items()}
        splits = {name: split._replace(x=whole[name]) for name, split in self._splits().items()}
        return remember(dataclasses.replace(self, missing=False, **splits), self.drawn)

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
        scaled = np.asarray(self.scaling(np.where(np.isfinite(values), values, self._trained.low)))
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

    @property
    def redrawn(self) -> tuple[str, ...]:
        """Names of the held-out splits that :meth:`resplit` draws anew; none of data whose splits are given."""
        return tuple(name for name, rows in (self.drawn or {}).items() if name != "train" and len(rows))

    def resplit(self, seed: int) -> "Dataset":
        """The same examples under the split of another seed, stratified, each split as large as here.

        It depends on the source and the seed alone: ``digits(seed=1).resplit(2)`` has the splits of ``digits(seed=2)``.
        An official test or validation split stays. The scaling stays as well, fitted on the training examples here, so
        that errors under different splits have the same units.

        Args:
          seed: from 0 to 2**32 - 1.

        Raises:
          InvalidInput: the splits are given, or the training examples streamed.

        Example:
          >>> from ae_jax.data import digits
          >>> first, second = digits().resplit(1), digits().resplit(2)
          >>> len(first.test.x) == len(second.test.x), bool((first.test.x == second.test.x).all())
          (True, False)
        """
        source, rows = self.source(), self.draw(seed)
        splits = {name: source.take(own) for name, own in rows.items()}
        return remember(dataclasses.replace(self, **splits), rows)

    def draw(self, seed: int) -> dict[str, np.ndarray]:
        """Rows of :meth:`source` of the splits that :meth:`resplit` makes of them; same Raises."""
        drawn = self._require_drawn()
        held_out = {name: len(rows) for name, rows in drawn.items() if name != "train"}
        return draw_rows(sum(map(len, drawn.values())), held_out, self.source_labels(), seed)

    def source(self) -> Split:
        """The examples that the splits were drawn from, in the order of their source; Raises as :meth:`resplit`."""
        x = np.empty((sum(map(len, self._require_drawn().values())), *self.shape), self.train.x.dtype)
        for name, rows in self._require_drawn().items():
            x[rows] = self._splits()[name].x
        return Split(x, self.source_labels(), self._of_source("ids"))

    def source_labels(self) -> np.ndarray | None:
        """The labels of :meth:`source`; same Raises."""
        return self._of_source("labels")

    def _of_source(self, what: str) -> np.ndarray | None:
        rows = [(getattr(self._splits()[name], what), own) for name, own in self._require_drawn().items() if len(own)]
        known = [of_split for of_split, _ in rows if of_split is not None]
        if len(known) < len(rows):
            return None
        return np.concatenate(known)[np.argsort(np.concatenate([own for _, own in rows]))]

    def _require_drawn(self) -> Mapping[str, np.ndarray]:
        if not self.redrawn or self.drawn is None:
            why = "has splits that are given" if self.stream is None else "is streamed"
            raise InvalidInput(
                f"{self.name} {why}, which cannot be drawn anew for each seed: expected data in memory, split at "
                "random by from_arrays or load; or train on one split (resplit=False)."
            )
        return self.drawn

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
        train = joined(self.train, self.validation)
        return dataclasses.replace(self, train=train, validation=train.take(slice(0)), statistics=None)

    def describe(self) -> dict[str, Any]:
        """What results say of the data: name, shape, storage type, counts, range, columns, scaling."""
        return to_config(self.spec)

    @cached_property
    def _trained(self) -> Statistics:
        return Statistics.of([self.train.x], moments=False) if self.statistics is None else self.statistics

    def _splits(self) -> dict[str, Split]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


def remember(dataset: Dataset, drawn: Mapping[str, np.ndarray] | None) -> Dataset:
    """The data set, which from now on knows the rows that its splits were drawn as (:attr:`Dataset.drawn`)."""
    object.__setattr__(dataset, "drawn", drawn)
    return dataset
