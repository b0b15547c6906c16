"""The context that tasks share: the subject, the data, and outputs that are computed once."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.data import Dataset, Scaling, Split, require_shape
from ae_jax.errors import InvalidInput, unknown
from ae_jax.evaluation.baselines import PCA, Baseline, Identity, most_components
from ae_jax.evaluation.contraction import norm_of_batch
from ae_jax.evaluation.labels import class_name, class_names, shortened
from ae_jax.evaluation.noise import NOISE, corrupted
from ae_jax.evaluation.results import Row, rows_of
from ae_jax.models import Autoencoder
from ae_jax.networks import deterministic
from ae_jax.training import Run

Features = Callable[[np.ndarray], np.ndarray]
"""Maps examples in model units, ``[n, *shape]``, to rows of features, ``[n, features]``."""


class Subject(NamedTuple):
    """One member of a run, or one baseline: the subject of a row of results.

    Attributes:
      name: of the autoencoder or baseline.
      seed: of the member; None of a baseline.
      member: position in the run; 0 of a baseline.
      output: gives by name an output for each example of the split: ``"code"`` (flat), ``"reconstruction"``,
        ``"denoised"`` (the reconstruction of the example corrupted by :data:`NOISE`) and ``"jacobian_norm"``; and
        ``"train_code"`` for each training example.
      parameters: number of parameters.
      diverged: the member's training met a value that was not finite.
    """

    name: str
    seed: int | None
    member: int
    output: Callable[[str], np.ndarray]
    parameters: int
    diverged: bool = False

    def is_finite(self, *outputs: str) -> bool:
        """Whether all values of these outputs are finite."""
        return all(bool(np.isfinite(self.output(name)).all()) for name in outputs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """A run or baseline, the data that it is evaluated on, and quantities that several tasks use.

    Attributes:
      evaluated: a trained population or a baseline.
      dataset: of its shape and scaling.
      split: the split that is evaluated.
      seed: of everything random.
      abnormal: the labels that count as abnormal; None stands for 1 where labels are 0 and 1.
      features: of examples, for distances between samples and data; None takes their values.
      features_name: what results call them.
      outputs: names of the outputs that the tasks need, which one program computes.
    """

    evaluated: Run | Baseline
    dataset: Dataset
    split: str = "test"
    seed: int = 0
    abnormal: tuple[Any, ...] | None = None
    features: Features | None = None
    features_name: str = "data"
    outputs: frozenset[str] = frozenset()

    @cached_property
    def part(self) -> Split:
        """The split.

        Raises:
          InvalidInput: it is unknown or empty, or has another shape or scaling than the run's.
        """
        part = self.dataset.split(self.split)
        require_shape(part.x, self.evaluated.shape, f"the {self.split} split of {self.dataset.name}")
        if isinstance(self.evaluated, Run) and self.evaluated.scaling != self.dataset.scaling:
            raise InvalidInput(
                f"{self.dataset.name} has {self.dataset.scaling} and the run {self.evaluated.scaling}: expected data "
                "in the units trained on; give the data set the scaling of the run."
            )
        return part

    @property
    def run(self) -> Run:
        """The run.

        Raises:
          InvalidInput: a baseline is evaluated.
        """
        if not isinstance(self.evaluated, Run):
            raise InvalidInput(f"{self.evaluated.name} is a baseline: expected a trained run.")
        return self.evaluated

    def condition(self, split: Split) -> Any:
        """The labels of a split where the run is conditional, else None."""
        networks = self.evaluated.autoencoder.networks if isinstance(self.evaluated, Run) else None
        return None if getattr(networks, "condition", None) is None else split.labels

    @property
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
    def noisy(self) -> np.ndarray:
        """The split corrupted by :data:`NOISE`, in model units, ``[n, *shape]``."""
        return corrupted(NOISE, jax.random.key(self.seed), self.x)

    @cached_property
    def subjects(self) -> list[Subject]:
        """The members of the run, or the one baseline that is evaluated."""
        if isinstance(self.evaluated, Baseline):
            return [self.baseline(self.evaluated)]
        run, known = self.evaluated, {}

        def output(name: str) -> np.ndarray:
            if name not in known:
                known.update(self._train_codes(run) if name == "train_code" else self._outputs(run, name))
            return known[name]

        return [
            Subject(run.name, int(seed), member, _of_member(output, member), run.parameters, not run.finite[member])
            for member, seed in enumerate(run.seeds)
        ]

    @cached_property
    def raw(self) -> Subject:
        """The data themselves as codes."""
        return self.baseline(Identity(self.evaluated.shape))

    @cached_property
    def pca(self) -> PCA:
        """PCA with a code of the size of the subject's, or as many components as there are."""
        code = self.subjects[0].output("code").shape[1]
        return PCA.fit(self.train, min(code, most_components(self.train)))

    def baseline(self, baseline: Baseline) -> Subject:
        """A baseline as the subject of results."""
        x, jacobian = self.x, baseline.jacobian_norm
        make: dict[str, Callable[[], np.ndarray]] = {
            "code": lambda: baseline.encode(x),
            "train_code": lambda: baseline.encode(self.train),
            "reconstruction": lambda: baseline.reconstruct(x),
            "denoised": lambda: baseline.reconstruct(self.noisy),
            "jacobian_norm": lambda: np.full(len(x), jacobian),
        }
        known: dict[str, np.ndarray] = {}

        def output(name: str) -> np.ndarray:
            if name not in known:
                known[name] = make[name]()
            return known[name]

        return Subject(baseline.name, None, 0, output, baseline.parameters)

    def _outputs(self, run: Run, name: str) -> dict[str, np.ndarray]:
        names = tuple(sorted(self.outputs | {name}))
        arrays = [self.part.x.astype(np.float32)]
        arrays += [run.scaling.invert(self.noisy)] if "denoised" in names else []
        found = with_members(run, run.apply(_Outputs(names), *arrays, condition=self.condition(self.part)))
        return found | ({"code": _flat_codes(found["code"])} if "code" in found else {})

    def _train_codes(self, run: Run) -> dict[str, np.ndarray]:
        train = self.dataset.train
        codes = run.apply(_Outputs(("code",)), train.x.astype(np.float32), condition=self.condition(train))
        return {"train_code": _flat_codes(with_members(run, codes)["code"])}

    @cached_property
    def data_range(self) -> float:
        """The range of values in model units, 1 for data in [0, 1] and that of the training split otherwise."""
        return 1.0 if self.dataset.spec.unit_interval else float(np.ptp(self.train))

    @property
    def range_messages(self) -> tuple[str, ...]:
        """The message that decibels are relative to another range than 1, where they are."""
        message = f"PSNR and SSIM are relative to the training split's range, {self.data_range:.4g} model units."
        return () if self.dataset.spec.unit_interval else (message,)

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
        return np.asarray(self.dataset.scaling(stored.astype(np.float32)))

    def rows(self, subject: Subject, values: Mapping[str, float], **further: Any) -> list[Row]:
        """Values of a subject as rows, which say where its training diverged."""
        further |= {"finite": False} if subject.diverged else {}
        return rows_of(subject.name, subject.seed, subject.member, self.split, values, **further)

    def finite_rows(
        self,
        subjects: Iterable[Subject],
        measure: Callable[[Subject], Mapping[str, float]],
        is_finite: Callable[[Subject], bool],
        names: Iterable[str],
        **further: Any,
    ) -> list[Row]:
        """Measured values of each subject as rows; NaN under the same names where its outputs are not finite."""
        rows, nothing = [], dict.fromkeys(names, math.nan)
        for subject in subjects:
            rows += (
                self.rows(subject, measure(subject), **further)
                if is_finite(subject)
                else self.rows(subject, nothing, **further | {"finite": False})
            )
        return rows

    def not_finite_messages(self, is_finite: Callable[[Subject], bool], what: str) -> list[str]:
        """The message about members whose outputs are not finite, where there are any."""
        names = ", ".join(str(subject.member) for subject in self.subjects if not is_finite(subject))
        return (
            [f"The {what} of member {names} are NaN or infinite, and so are its rows: train it anew."] if names else []
        )

    def require_classes(self) -> tuple[np.ndarray, np.ndarray]:
        """Names of the classes of the split and of the training split.

        Raises:
          InvalidInput: one of them has none.
        """
        named = {self.where: self.labels, f"the train split of {self.dataset.name}": self.train_labels}
        for where, labels in named.items():
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
          InvalidInput: labels are missing; no abnormal labels were named and the labels are not 0 and 1; or all
            examples of the split are of one kind.
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


@dataclasses.dataclass(frozen=True)
class _Outputs:
    """Gives :meth:`ae_jax.Run.apply` several outputs of each example, by name, as one program."""

    names: tuple[str, ...]

    def __call__(
        self, autoencoder: Autoencoder, model: Any, scaling: Scaling, stored: Any, noisy: Any = None
    ) -> dict[str, Any]:
        mean = autoencoder.objective.likelihood.mean

        def code_of(x: Any) -> Any:
            return deterministic(model.encode(scaling(x)))

        make: dict[str, Callable[[], Any]] = {
            "code": lambda: code_of(stored),
            "reconstruction": lambda: mean(model.decode(code_of(stored))),
            "denoised": lambda: mean(model.decode(code_of(noisy))),
            "jacobian_norm": lambda: norm_of_batch(autoencoder, model, scaling, stored),
        }
        return {name: make[name]() for name in self.names}


def with_members(run: Run, tree: Any) -> Any:
    """Results of a run with the leading member axis that those of a single run lack."""
    return jax.tree.map(lambda leaf: leaf[None], tree) if run.single else tree


def _of_member(output: Callable[[str], np.ndarray], member: int) -> Callable[[str], np.ndarray]:
    return lambda name: output(name)[member]


def _flat_codes(codes: np.ndarray) -> np.ndarray:
    """Codes of any shape as rows, ``[members, n, units]``."""
    return codes.reshape(*codes.shape[:2], -1)
