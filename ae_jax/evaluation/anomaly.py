"""Anomaly scores of a trained autoencoder by name, the contribution of each feature to a score, and their task."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.ensemble import IsolationForest

from ae_jax._checks import positive_whole
from ae_jax.data import Scaling
from ae_jax.errors import InvalidInput, require_known
from ae_jax.evaluation import code_scores, scores
from ae_jax.evaluation.baselines import Baseline
from ae_jax.evaluation.context import Context, Subject, with_members
from ae_jax.evaluation.detection_metrics import anomaly_metrics, roc_auc_of_examples
from ae_jax.evaluation.neighbors import search
from ae_jax.evaluation.results import Row, ScoredLabels, TaskResult
from ae_jax.evaluation.sampling import subsample
from ae_jax.evaluation.scores import MemberModel, Score, Statistics, SumOverFeatures, rows_of
from ae_jax.models import Autoencoder
from ae_jax.training import Run

_NEIGHBORS = 5
_REFERENCE = 10_000
"""The largest number of normal training examples that the task's scores compare with."""

SCORES: dict[str, type[Score]] = {
    "reconstruction_error": scores.ReconstructionError,
    "reconstruction_nll": scores.ReconstructionNLL,
    "whitened_error": scores.WhitenedError,
    "mahalanobis": code_scores.Mahalanobis,
    "knn_code": code_scores.NearestCodes,
    "error_and_knn": code_scores.ErrorAndNearestCodes,
    "jacobian_corrected": code_scores.JacobianCorrected,
    "negative_elbo": scores.NegativeELBO,
}
"""The scores by their names; each class tells the equation, units and options."""


def definition_of(name: str, **options: Any) -> Score:
    """Makes the definition of a named score from its options; refuses unknown names, options and values.

    Example:
      >>> definition_of("knn_code", neighbors=3)
      NearestCodes(neighbors=3, skip=0)
    """
    require_known("anomaly score", name, SCORES)
    known = [field.name for field in dataclasses.fields(SCORES[name])]
    if options and not known:
        raise InvalidInput(f"{name} was given the option {next(iter(options))!r}: it has none.")
    for option in options:
        require_known(f"option of {name}", option, known)
    return SCORES[name](**options)


@dataclasses.dataclass(frozen=True, eq=False)
class AnomalyScore:
    """A score of a trained run, ready for new examples; :func:`anomaly_score` makes it.

    Attributes:
      run: the trained population.
      name: of the score, in :data:`SCORES`.
      definition: its options and equation.
      statistics: learned from reference examples; NumPy arrays of double precision, ``[members, ...]``;
        ``"baseline"`` is their mean in model units, from which explanations start.
      reference_size: number of reference examples; 0 without any.
    """

    run: Run
    name: str
    definition: Score
    statistics: Statistics = dataclasses.field(repr=False)
    reference_size: int = 0

    def score(self, x: Any, *, condition: Any = None, of_reference: bool = False) -> np.ndarray:
        """Anomaly score of each example, higher for more abnormal ones.

        Args:
          x: examples in the units that the run was trained on, ``[n, *shape]``.
          condition: as of :meth:`ae_jax.Run.encode`.
          of_reference: the examples are the reference, and none is compared with itself; use such scores to choose a
            threshold.

        Returns:
          The scores in double precision, computed in that of the networks: ``[members, n]``, or ``[n]`` of a single
          run, in the units that :data:`SCORES` tells.

        Raises:
          InvalidInput: another shape or range than trained on, no numbers, NaN or infinity; or with
            ``of_reference=True`` another number of examples than the reference has, or no more than neighbours.
        """
        if not of_reference:
            return self._apply(self.definition, x, condition)
        if self.reference_size and len(x) != self.reference_size:
            raise InvalidInput(
                f"score was given of_reference=True with {len(x)} examples: expected the {self.reference_size} of the "
                "reference, all of them; leave it out for others."
            )
        definition = self.definition.without_itself()
        if self.reference_size and self.reference_size < definition.fewest:
            raise InvalidInput(
                f"each of {self.reference_size} reference examples was to be compared with {definition.fewest - 1} "
                "others: expected more examples, or fewer neighbours."
            )
        return self._apply(definition, x, condition)

    @property
    def explains(self) -> bool:
        """Whether :meth:`explain` has what it needs: a sum over features, or reference examples to start from."""
        return isinstance(self.definition, SumOverFeatures) or "baseline" in self.statistics

    def explain(self, x: Any, *, condition: Any = None, steps: int = 32) -> np.ndarray:
        r"""Contribution of each feature to the score of each example.

        Scores that are sums over features have their summands. Others have integrated gradients on the straight way
        from the mean of the reference examples :math:`\bar x` to x, by the midpoint rule,

        .. math:: (x_i - \bar x_i) \frac{1}{S} \sum_{s=1}^{S} \frac{\partial f}{\partial x_i}
           \left(\bar x + \tfrac{s - 1/2}{S} (x - \bar x)\right)

        which sum to :math:`f(x) - f(\bar x)` up to the error of the midpoint rule.

        Args:
          x: examples in the units that the run was trained on, ``[n, *shape]``.
          condition: as of :meth:`ae_jax.Run.encode`.
          steps: S, of integrated gradients; each costs a gradient of the score.

        Returns:
          The contributions in units of the score, ``[members, n, *shape]``, or ``[n, *shape]`` of a single run.

        Raises:
          InvalidInput: as of :meth:`score`; steps is no whole number above zero; or no reference examples were given.

        References:
          Sundararajan et al., *Axiomatic attribution for deep networks*, ICML 2017, section 5.
        """
        steps = positive_whole("explain", "steps", steps)
        if not self.explains:
            raise InvalidInput(
                f"{self.name} was given no reference examples, and explanations start from their mean: give normal "
                "examples as the reference, such as the training split."
            )
        return self._apply(_Contributions(self.definition, steps), x, condition)

    def _apply(self, function: Any, x: Any, condition: Any) -> np.ndarray:
        stored = self.run.data.raw(x)
        draws = self.definition.draws(len(stored))
        found = self.run.apply(function, stored, *draws, condition=condition, per_member=self.statistics)
        return np.asarray(found, np.float64)


def anomaly_score(run: Run, name: str, reference: Any = None, *, condition: Any = None, **options: Any) -> AnomalyScore:
    """Makes a named anomaly score of a trained run.

    Args:
      run: a trained population.
      name: of the score, in :data:`SCORES`.
      reference: normal examples in the units trained on, ``[n, *shape]``, usually the training split's.
      condition: of the reference, as of :meth:`ae_jax.Run.encode`.
      options: of the score, the fields of its class in :data:`SCORES`.

    Raises:
      InvalidInput: an unknown score or option, or an option out of range; no or too few reference examples for a
        score that needs them, or some that do not fit the run; ``negative_elbo`` of a run without a prior.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> run = ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), data, epochs=1)
      >>> score = anomaly_score(run, "mahalanobis", data.train.x)
      >>> score.score(data.test.x).shape, score.explain(data.test.x[:2]).shape
      ((359,), (2, 8, 8))
    """
    definition = definition_of(name, **options)
    definition.require(run.autoencoder)
    if reference is None and definition.needs_reference:
        raise InvalidInput(
            f"{name} compares with normal examples and was given none: give a reference, such as the training split."
        )
    statistics, size = {}, 0
    if reference is not None:
        stored = run.data.raw(reference, "the reference")
        size = len(stored)
        if size < definition.fewest:
            raise InvalidInput(
                f"{name} was given {size} reference examples: expected at least {definition.fewest}; give more "
                "normal examples."
            )
        mean = np.asarray(run.scaling(stored.mean(axis=0, dtype=np.float64)[None]), np.float64)
        statistics = {"baseline": np.repeat(mean, len(run), axis=0)}
        statistics |= definition.statistics(dataclasses.replace(run, single=False), stored, condition)
    return AnomalyScore(run, name, definition, statistics, size)


@dataclasses.dataclass(frozen=True)
class _Contributions:
    """Gives :meth:`ae_jax.Run.apply` the summands of a sum over features, else integrated gradients."""

    score: Score
    steps: int

    def __call__(
        self, autoencoder: Autoencoder, model: Any, scaling: Scaling, statistics: Any, stored: Any, *draws: Any
    ) -> Any:
        member, x = MemberModel(autoencoder, model), scaling(stored)
        if isinstance(self.score, SumOverFeatures):
            return self.score.contributions(member, statistics, x)
        way = x - statistics["baseline"][None]

        def total(x: Any) -> Any:
            return jnp.sum(self.score.values(member, statistics, x, *draws))

        def add(step: Any, gradients: Any) -> Any:
            return gradients + jax.grad(total)(x - (1.0 - (step + 0.5) / self.steps) * way)

        return way * jax.lax.fori_loop(0, self.steps, add, jnp.zeros_like(x)) / self.steps


def anomaly_task(context: Context) -> TaskResult:
    """How well scores tell abnormal examples from normal ones, beside scores of PCA and of the data themselves."""
    abnormal, among_train = context.is_abnormal()
    if among_train.all():
        raise InvalidInput("all training examples count as abnormal: expected normal ones to compare with.")
    normal = np.flatnonzero(~among_train)
    reference = normal[subsample(len(normal), _REFERENCE)]
    normal_part = context.dataset.train.take(reference)
    messages = [
        f"Scores compare with {len(reference):,} normal training examples.",
        "The best score is chosen by the labels of this split, which makes its result too good: choose one beforehand.",
        *context.split_messages("anomaly"),
    ]
    if among_train.any():
        messages.append(
            f"{int(among_train.sum()):,} of {len(among_train):,} training examples count as abnormal: a run that was "
            "trained on them learned to reconstruct them too; train on normal ones alone for a one-class detector."
        )
    rows: list[Row] = []
    curves: dict[str, ScoredLabels] = {}
    for subject, score, values in _baseline_scores(context, reference):
        rows += context.rows(subject, _metrics(values, abnormal), score=score)
        curves[f"{subject.name}, {score}"] = ScoredLabels(values, abnormal)
    scorers: list[tuple[float, AnomalyScore]] = []
    for score in SCORES if isinstance(context.evaluated, Run) else ():
        try:
            scorer = anomaly_score(context.run, score, normal_part.x, condition=context.condition(normal_part))
            shown, of_score, failed = _scored(context, scorer, abnormal)
        except InvalidInput as error:
            messages.append(f"The score {score} was left out: {error}")
            continue
        rows, messages = rows + of_score, messages + failed
        curves[f"{context.run.name}, {score}"] = shown
        scorers.append((anomaly_metrics(*shown)["roc_auc"], scorer))
    best = max(scorers, key=lambda scorer: scorer[0], default=(0.0, None))[1]
    return TaskResult.of("anomaly", rows, messages, curves=curves, scorer=best)


def _metrics(scores: np.ndarray, abnormal: np.ndarray) -> dict[str, Any]:
    return anomaly_metrics(scores, abnormal) | {"roc_auc": roc_auc_of_examples(scores, abnormal)}


def _baseline_scores(context: Context, reference: np.ndarray) -> Iterator[tuple[Subject, str, np.ndarray]]:
    """Scores without networks: errors, mean distances to as many normal examples as codes have, and isolation."""
    projected = coded = context.subjects[0]
    if not isinstance(context.evaluated, Baseline):
        projected, coded = context.baseline(context.pca), context.raw
        forest = IsolationForest(random_state=context.seed).fit(rows_of(context.train[reference]))
        yield context.raw, "isolation_forest", -forest.score_samples(rows_of(context.x))
    errors = np.square(rows_of(projected.output("reconstruction")) - rows_of(context.x)).sum(axis=1)
    yield projected, "reconstruction_error", errors.astype(np.float64)
    if len(reference) >= _NEIGHBORS:
        nearest = search(coded.output("code"), coded.output("train_code")[reference], k=_NEIGHBORS)
        yield coded, "knn", nearest.distances.mean(axis=1).astype(np.float64)


def _scored(context: Context, scorer: AnomalyScore, abnormal: np.ndarray) -> tuple[ScoredLabels, list[Row], list[str]]:
    """A score of the first member that stayed finite, rows of all members, and messages; refused where none is."""
    found = with_members(context.run, scorer.score(context.part.x, condition=context.condition(context.part)))
    finite = np.isfinite(found).all(axis=1)
    trusted = finite & context.run.finite
    shown = ScoredLabels(found[int(np.argmax(trusted if trusted.any() else finite))], abnormal)
    rows, messages = context.measured(
        f"scores by {scorer.name}",
        lambda subject: _metrics(found[subject.member], abnormal),
        finite,
        anomaly_metrics(*shown),
        score=scorer.name,
    )
    return shown, rows, messages
