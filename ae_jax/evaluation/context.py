"""What the questions of a use need of a run and its data, worked out once."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ae_jax.data import Dataset, Split
from ae_jax.errors import InvalidInput, unknown
from ae_jax.evaluation.anomaly import AnomalyScore
from ae_jax.evaluation.evaluate import diverged, rows_of, with_members
from ae_jax.evaluation.fitting import fitting_split
from ae_jax.evaluation.metrics import Row
from ae_jax.evaluation.pca import PrincipalComponents, components_of, most_components
from ae_jax.training import Run

Features = Callable[[np.ndarray], np.ndarray]
"""Maps examples in model units, ``[n, *shape]``, to rows of features, ``[n, features]``."""


class ScoredLabels(NamedTuple):
    """Scores of examples and the truth about them, which curves are drawn from.

    Attributes:
      scores: high means abnormal, ``[n]``.
      abnormal: whether each is, ``[n]``.
    """

    scores: np.ndarray
    abnormal: np.ndarray


class TaskResult(NamedTuple):
    """What was found.

    Attributes:
      task: its name.
      rows: long-format results; empty where the question could not be asked.
      messages: what a reader must know: what was left out or cut, why, and what to do.
      curves: of detection, name -> scores with the truth, of the first member that stayed finite.
      scorer: of detection, the score of the run with the highest area under those curves.
    """

    task: str
    rows: list[Row]
    messages: tuple[str, ...] = ()
    curves: Mapping[str, ScoredLabels] = {}
    scorer: AnomalyScore | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """A run, the data that it is asked about, and what several questions need of both.

    Attributes:
      run: a trained population.
      dataset: of the run's shape and scaling.
      split: which the questions are about.
      seed: of everything that is drawn.
      abnormal: the labels that count as abnormal; None stands for 1 where labels are 0 and 1.
      features: of examples, for distances between samples and data; None takes their values as they are.
      features_name: what results call them.
    """

    run: Run
    dataset: Dataset
    split: str = "test"
    seed: int = 0
    abnormal: tuple[Any, ...] | None = None
    features: Features | None = None
    features_name: str = "data"

    @cached_property
    def part(self) -> Split:
        """The split, once it is found to fit the run."""
        return fitting_split(self.run, self.dataset, self.split)

    @cached_property
    def where(self) -> str:
        """The split in words."""
        return f"the {self.split} split of {self.dataset.name}"

    @cached_property
    def x(self) -> np.ndarray:
        """The split in model units, ``[n, *shape]``."""
        return self.scaled(self.part.x)

    @cached_property
    def train(self) -> np.ndarray:
        """The training split in model units, ``[n, *shape]``."""
        return self.scaled(self.dataset.train.x)

    @cached_property
    def codes(self) -> np.ndarray:
        """Of the split, ``[members, n, code]``."""
        return with_members(self.run, self.run.encode(self.part.x))

    @cached_property
    def train_codes(self) -> np.ndarray:
        """Of the training split, ``[members, n, code]``."""
        return with_members(self.run, self.run.encode(self.dataset.train.x))

    @cached_property
    def coded(self) -> np.ndarray:
        """Of which members all codes are finite, ``[members]``."""
        return all_finite(self.codes) & all_finite(self.train_codes)

    @cached_property
    def pca(self) -> PrincipalComponents:
        """The baseline with a code of the run's size, or as many components as there are."""
        return components_of(self.dataset, min(self.codes.shape[-1], most_components(self.dataset)))

    @cached_property
    def data_range(self) -> float:
        """From the lowest to the highest value in model units: 1 of data in [0, 1], else the training split's."""
        return 1.0 if self.dataset.spec.unit_interval else float(np.ptp(self.train))

    @cached_property
    def on_the_range(self) -> tuple[str, ...]:
        """What must be said of decibels where the data do not lie in [0, 1]."""
        said = f"PSNR and SSIM are relative to the training split's range, {self.data_range:.4g} model units."
        return () if self.dataset.spec.unit_interval else (said,)

    @cached_property
    def labels(self) -> np.ndarray | None:
        """Names of the classes of the split, ``[n]``; None where it has none."""
        return class_names(self.part.labels)

    @cached_property
    def train_labels(self) -> np.ndarray | None:
        """Names of the classes of the training split, ``[n]``; None where it has none."""
        return class_names(self.dataset.train.labels)

    def scaled(self, stored: np.ndarray) -> np.ndarray:
        """Stored examples in model units."""
        return np.asarray(self.run.scaling(stored.astype(np.float32)))

    def rows(self, member: int, values: dict[str, float], **further: Any) -> list[Row]:
        """What was found of a member, as rows."""
        run = self.run
        further |= diverged(run, member)
        return rows_of(run.name, int(run.seeds[member]), member, self.split, values, **further)

    def rows_of_members(
        self, measure: Callable[[int], dict[str, float]], whole: np.ndarray, names: Iterable[str], **further: Any
    ) -> list[Row]:
        """What is measured of every member, as rows; of those that are not whole, NaN by these names."""
        rows, nothing = [], dict.fromkeys(names, math.nan)
        for member in range(len(self.run)):
            rows += (
                self.rows(member, measure(member), **further)
                if whole[member]
                else self.rows(member, nothing, **further | {"finite": False})
            )
        return rows

    def said_of(self, whole: np.ndarray, what: str) -> list[str]:
        """What must be said where some members are not whole."""
        if whole.all():
            return []
        names = ", ".join(map(str, np.flatnonzero(~whole)))
        return [f"The {what} of member {names} are NaN or infinite, and so is what rows tell of it: train it anew."]

    def baseline_rows(self, name: str, values: dict[str, float], **further: Any) -> list[Row]:
        """What was found of something that has neither members nor seeds, as rows."""
        return rows_of(name, None, 0, self.split, values, **further)

    def require_classes(self) -> tuple[np.ndarray, np.ndarray]:
        """Names of the classes of the split and of the training split.

        Raises:
          InvalidInput: one of them has none.
        """
        for where, labels in (
            (self.where, self.labels),
            (f"the train split of {self.dataset.name}", self.train_labels),
        ):
            if labels is None:
                raise InvalidInput(
                    f"{where} has no labels that are classes: expected text or whole numbers; name them by --label, or "
                    "give the data set labels."
                )
        assert self.labels is not None
        assert self.train_labels is not None
        return self.labels, self.train_labels

    def is_abnormal(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether each example of the split and of the training split counts as abnormal.

        Raises:
          InvalidInput: labels are missing, or say of more than two kinds, or of others than 0 and 1, which are
            abnormal; or all examples of the split are of one kind.
        """
        labels, train_labels = self.require_classes()
        names = self.abnormal_names(np.union1d(labels, train_labels))
        abnormal, among_train = np.isin(labels, names), np.isin(train_labels, names)
        if abnormal.all() or not abnormal.any():
            kind = "abnormal" if abnormal.all() else "normal"
            raise InvalidInput(
                f"all {len(abnormal)} examples of {self.where} count as {kind} ({', '.join(names)} being abnormal): "
                "expected some of both kinds; choose other labels by --abnormal, or another split."
            )
        return abnormal, among_train

    def abnormal_names(self, known: np.ndarray) -> list[str]:
        """The classes that count as abnormal, of those that are known.

        Raises:
          InvalidInput: a label that no example has; none were given, and those known are not 0 and 1.
        """
        if self.abnormal is None:
            if set(known) != {"0", "1"}:
                raise InvalidInput(
                    f"the labels of {self.dataset.name} are {shortened(known)}: expected 0 for normal and 1 for "
                    "abnormal; say which of them count as abnormal by --abnormal, or abnormal=."
                )
            return ["1"]
        names = [class_name(label) for label in self.abnormal]
        for name in names:
            if name not in known:
                raise unknown("label", name, known.tolist())
        return names


def class_names(labels: np.ndarray | None) -> np.ndarray | None:
    """Labels as text, whole numbers without a point; None where there are none, or measurements.

    Example:
      >>> class_names(np.array([0.0, 3.0])), class_names(np.array([0.5]))
      (array(['0', '3'], dtype='<U1'), None)
    """
    if labels is None:
        return None
    known, places = np.unique(labels.astype(str) if labels.dtype.kind in "OU" else labels, return_inverse=True)
    if labels.dtype.kind == "f" and not (np.isfinite(known).all() and (known == np.round(known)).all()):
        return None
    if labels.dtype.kind not in "OUSbiuf":
        return None
    return np.array([class_name(label) for label in known.tolist()])[places]


def class_name(label: Any) -> str:
    """One label as text.

    Example:
      >>> class_name(True), class_name(3.0), class_name("cat"), class_name(b"cat")
      ('1', '3', 'cat', 'cat')
    """
    if isinstance(label, bytes):
        return label.decode("utf-8", "backslashreplace")
    whole = isinstance(label, (bool, int, float, np.bool_, np.number)) and float(label).is_integer()
    return str(int(label)) if whole else str(label)


def all_finite(outputs: np.ndarray) -> np.ndarray:
    """Of which members all outputs ``[members, ...]`` are finite.

    Example:
      >>> all_finite(np.array([[0.0, 1.0], [0.0, np.nan]]))
      array([ True, False])
    """
    return np.all(np.isfinite(outputs.reshape(len(outputs), -1)), axis=1)


def shortened(names: Sequence[str] | np.ndarray) -> str:
    """The first names, and how many there are.

    Example:
      >>> shortened(["a", "b"]), shortened(list("abcdefgh"))
      ('a, b', 'a, b, c, d, e, ... (8 in all)')
    """
    return ", ".join(names[:5]) + (f", ... ({len(names)} in all)" if len(names) > 5 else "")
