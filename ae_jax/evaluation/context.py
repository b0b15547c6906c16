"""The context that tasks share: the subject, the data, and outputs that are computed once."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property, partial
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.data import Dataset, Scaling, Split, require_shape
from ae_jax.errors import InvalidInput, require_known
from ae_jax.evaluation.baselines import PCA, Baseline, Identity, most_components
from ae_jax.evaluation.contraction import norm_of_batch
from ae_jax.evaluation.labels import class_name, class_names, shortened
from ae_jax.evaluation.noise import with_noise
from ae_jax.evaluation.results import Row
from ae_jax.models import Autoencoder
from ae_jax.networks import deterministic
from ae_jax.training import Run

Features = Callable[[np.ndarray], np.ndarray]
"""Maps examples in model units, ``[n, *shape]``, to rows of features, ``[n, features]``."""


_FLATTERED = {
    "representation": "linear probe and kNN are tested on their own training examples",
    "anomaly": "scores compare normal examples with themselves, which are their own nearest neighbours",
    "retrieval": "every query finds itself",
    "generation": "the training data beside samples are the examples themselves",
}
"""Why the result of a task on the training split is too good."""


class Subject(NamedTuple):
    """One member of a run, or one baseline: the subject of a row of results.

    Attributes:
      name: of the autoencoder or baseline.
      seed: of the member; of a baseline that of the split of the data, or None.
      member: position in the run; None of a baseline.
      output: gives by name an output for each example of the split: ``"code"`` (flat), ``"reconstruction"``,
        ``"denoised"`` (the reconstruction of the example corrupted by :data:`ae_jax.evaluation.NOISE`, another draw for
        each seed) and ``"jacobian_norm"``; and for each training example ``"train_code"`` and, of discrete codes,
        ``"train_indices"``.
      parameters: number of parameters.
      diverged: the member's training met a value that was not finite.
    """

    name: str
    seed: int | None
    member: int | None
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
      evaluated, dataset, split, seed, abnormal, features, features_name, sampler: as of
        :func:`ae_jax.evaluation.evaluate`.
      outputs: names of the outputs that the tasks need, which one program computes.
      members: numbers of the members in the run that they are a part of; None where they are all of it.
      split_seed: of the split of the data, where each seed has its own; baselines have it as their seed.
    """

    evaluated: Run | Baseline
    dataset: Dataset
    split: str = "test"
    seed: int = 0
    abnormal: tuple[Any, ...] | None = None
    features: Features | None = None
    features_name: str = "data"
    sampler: str = "prior"
    outputs: frozenset[str] = frozenset()
    members: Sequence[int] | None = None
    split_seed: int | None = None

    @cached_property
    def part(self) -> Split:
        """The split; refused where it is unknown, empty, or of another shape or scaling than the run's."""
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
        """The run; refused where a baseline is evaluated."""
        if not isinstance(self.evaluated, Run):
            raise InvalidInput(f"{self.evaluated.name} is a baseline: expected a trained run.")
        return self.evaluated

    def condition(self, split: Split) -> Any:
        """The labels of a split where the run is conditional, else None."""
        return self.evaluated.condition_of(split.labels) if isinstance(self.evaluated, Run) else None

    @cached_property
    def x(self) -> np.ndarray:
        """The split in model units, ``[n, *shape]``."""
        return self.scaled(self.part.x)

    @cached_property
    def train(self) -> np.ndarray:
        """The training split in model units, ``[n, *shape]``."""
        return self.scaled(self.dataset.train.x)

    @cached_property
    def keys(self) -> Any:
        """A key for each example of the split, ``[n]``, from which each seed of a member draws noise of its own."""
        return jax.random.split(jax.random.key(self.seed), len(self.part.x))

    @cached_property
    def subjects(self) -> list[Subject]:
        """The members of the run, or the one baseline that is evaluated."""
        if isinstance(self.evaluated, Baseline):
            return [self.baseline(self.evaluated)]
        run = self.evaluated
        known: dict[str, np.ndarray] = {}

        def output(name: str, member: int) -> np.ndarray:
            if name not in known:
                known.update(self._outputs(run, name))
            return known[name][member]

        return [
            Subject(run.name, int(seed), member, partial(output, member=member), run.parameters, not run.finite[member])
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
            "denoised": lambda: baseline.reconstruct(np.asarray(with_noise(self.keys, self.split_seed or 0, x))),
            "jacobian_norm": lambda: np.full(len(x), jacobian),
        }
        output = cache(lambda name: make[name]())
        return Subject(baseline.name, self.split_seed, None, output, baseline.parameters)

    def _outputs(self, run: Run, name: str) -> dict[str, np.ndarray]:
        """The output of that name, and of the split all others that the tasks need."""
        of_train = name.startswith("train_")
        split = self.dataset.train if of_train else self.part
        names = (name.removeprefix("train_"),) if of_train else tuple(sorted(self.outputs | {name}))
        arrays = [split.x.astype(np.float32), *([self.keys] if "denoised" in names else [])]
        how = {"condition": self.condition(split), "per_member": np.asarray(run.seeds, np.uint32)}
        found = with_members(run, run.apply(_Outputs(names), *arrays, **how))
        return {name: found[names[0]]} if of_train else found

    @cached_property
    def extremes(self) -> tuple[float, float]:
        """Lowest and highest value in model units, of the training split where data leave [0, 1], else 0 and 1."""
        return (0.0, 1.0) if self.dataset.spec.unit_interval else (float(self.train.min()), float(self.train.max()))

    @property
    def data_range(self) -> float:
        """The width of the range of values in model units; 1 of constant data."""
        return self.extremes[1] - self.extremes[0] or 1.0

    @property
    def range_messages(self) -> tuple[str, ...]:
        """The message that decibels are relative to another range than 1, where they are."""
        message = f"PSNR and SSIM are relative to the training split's range, {self.data_range:.4g} model units."
        return () if self.dataset.spec.unit_interval else (message,)

    def scaled(self, stored: np.ndarray) -> np.ndarray:
        """Stored examples in model units."""
        return np.asarray(self.dataset.scaling(stored.astype(np.float32)))

    def number_of(self, subject: Subject) -> int | None:
        """The number of a member in its run; None of a baseline."""
        return subject.member if self.members is None or subject.member is None else self.members[subject.member]

    def rows(self, subject: Subject, values: Mapping[str, Any], **further: Any) -> list[Row]:
        """Values of a subject, or of its examples, as rows, which say where its training diverged."""
        further |= {"finite": False} if subject.diverged else {}
        who = {"autoencoder": subject.name, "seed": subject.seed, "member": self.number_of(subject)}
        return [
            {**who, "metric": name, "value": value, "split": self.split, **further} for name, value in values.items()
        ]

    def measured(
        self,
        what: str,
        measure: Callable[[Subject], Mapping[str, Any]],
        finite: Sequence[bool] | np.ndarray,
        names: Iterable[str],
        **further: Any,
    ) -> tuple[list[Row], list[str]]:
        """Measured values as rows, NaN of a subject whose outputs are not finite, and the message that says so."""
        rows, broken = [], []
        for subject, measurable in zip(self.subjects, finite, strict=True):
            if measurable:
                rows += self.rows(subject, measure(subject), **further)
            else:
                broken.append(subject)
                rows += self.rows(subject, dict.fromkeys(names, math.nan), **further | {"finite": False})
        return rows, self.not_finite_messages(what, broken)

    def not_finite_messages(self, what: str, broken: Iterable[Subject]) -> list[str]:
        """The message about members whose outputs are not finite, where there are any."""
        names = " and ".join(f"member {self.number_of(subject)}" for subject in broken)
        message = f"The {what} of {names} are NaN or infinite, and so are the rows of each: train it anew."
        return [message] if names else []

    def split_messages(self, task: str) -> list[str]:
        """The message that results of a task on the training split are too good."""
        return [f"This is the training split: {_FLATTERED[task]}; evaluate another one."] * (self.split == "train")

    def classes(self, split: str) -> np.ndarray:
        """Names of the classes of a split, ``[n]``; refused where it has none."""
        names = class_names(self.dataset.split(split).labels)
        if names is None:
            raise InvalidInput(
                f"the {split} split of {self.dataset.name} has no labels that are classes: expected text or whole "
                "numbers; name them by --label, or give the data set labels."
            )
        return names

    def is_abnormal(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether each example of the split and of the training split counts as abnormal; refused of one kind alone."""
        labels, unlabelled = self.classes(self.split), self.dataset.train.labels is None
        train_labels = labels[:0] if unlabelled else self.classes("train")
        names = self.abnormal_names(np.union1d(labels, train_labels))
        abnormal, among_train = np.isin(labels, names), np.isin(train_labels, names)
        if unlabelled:  # then the training examples count as normal
            among_train = np.zeros(len(self.dataset.train.x), bool)
        if abnormal.all() or not abnormal.any():
            kind = "abnormal" if abnormal.all() else "normal"
            raise InvalidInput(
                f"all {len(abnormal)} examples of the {self.split} split of {self.dataset.name} count as {kind} "
                f"({', '.join(names)} being abnormal): expected some of both kinds; "
                "choose other labels by --abnormal, or another split."
            )
        return abnormal, among_train

    def abnormal_names(self, known: np.ndarray) -> list[str]:
        """The classes that count as abnormal; refused where they are unknown, or not given and not 0 and 1."""
        if self.abnormal is None:
            if set(known) != {"0", "1"}:
                raise InvalidInput(
                    f"the labels of {self.dataset.name} are {shortened(known)}: expected 0 for normal and 1 for "
                    "abnormal; say which of them count as abnormal by --abnormal, or abnormal=."
                )
            return ["1"]
        names = [class_name(label) for label in self.abnormal]
        for name in names:
            require_known("label", name, known.tolist())
        return names


@dataclasses.dataclass(frozen=True)
class _Outputs:
    """Gives :meth:`ae_jax.Run.apply` several outputs of each example, by name, as one program."""

    names: tuple[str, ...]

    def __call__(
        self, autoencoder: Autoencoder, model: Any, scaling: Scaling, seed: Any, stored: Any, keys: Any = None
    ) -> dict[str, Any]:
        mean, x = autoencoder.objective.likelihood.mean, scaling(stored)
        given = () if model.condition is None else (model.condition,)

        def code_of(x: Any) -> Any:
            return deterministic(model.encode(x))

        make: dict[str, Callable[[], Any]] = {
            "code": lambda: code_of(x).reshape(len(x), -1),
            "reconstruction": lambda: mean(model.decode(code_of(x))),
            "denoised": lambda: mean(model.decode(code_of(with_noise(keys, seed, x)))),
            "jacobian_norm": lambda: norm_of_batch(autoencoder, model, scaling, stored),
            "indices": lambda: model.bottleneck.indices(model.networks.encode(x, *given)),
        }
        return {name: make[name]() for name in self.names}


def with_members(run: Run, tree: Any) -> Any:
    """Results of a run with the leading member axis that those of a single run lack."""
    return jax.tree.map(lambda leaf: leaf[None], tree) if run.single else tree
