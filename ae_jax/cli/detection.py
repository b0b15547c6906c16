"""What ``ae-jax detect`` works out around the library's functions: references, truths, thresholds, explanations."""

import math
from typing import TYPE_CHECKING

import numpy as np

from ae_jax.cli.using import Use
from ae_jax.data.sources import is_named
from ae_jax.errors import InvalidInput, unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ae_jax.evaluation import AnomalyScore
    from ae_jax.training import Run

_SHOWN = 8
"""How many examples of either end a picture shows."""


def require_detection(run: "Run", score: str, contamination: float | None, explain: int) -> None:
    """Raises a sentence where a score, a contamination or a number of features to name is none.

    Raises:
      InvalidInput: one of them is.
    """
    from ae_jax.evaluation import SCORES

    if score not in SCORES:
        raise unknown("anomaly score", score, SCORES)
    if contamination is not None and not 0 < contamination <= 0.5:
        raise InvalidInput(f"--contamination was given {contamination:g}: expected a share above 0 and at most 0.5.")
    features = math.prod(run.shape)
    if not 0 <= explain <= features:
        raise InvalidInput(f"--explain was given {explain}: expected a number of features, from 0 to {features}.")


def reference_for(
    use: Use, source: str | None, score: str, contamination: float | None, explain: int
) -> np.ndarray | None:
    """Normal examples to compare with: those asked for, or where any are needed the training split by name.

    Raises:
      InvalidInput: they cannot be had, or are needed and have no name.
    """
    from ae_jax.evaluation import SCORES, SumOverFeatures

    if source is not None:
        return use.examples(source, None, by_default="train").x
    reasons = [score] if SCORES[score].needs_reference else []
    reasons += ["--contamination"] if contamination is not None else []
    reasons += ["--explain"] if explain and not issubclass(SCORES[score], SumOverFeatures) else []
    if not reasons:
        return None
    if not is_named(use.run.data.name):
        raise InvalidInput(
            f"{reasons[0]} compares with normal examples, and the run was trained on {use.run.data.name}, which has no "
            "name here: give examples with --reference."
        )
    return use.examples(None, "train").x


def truth_of(labels: np.ndarray | None, abnormal: tuple[str, ...] | None) -> np.ndarray | None:
    """Which examples are abnormal, 1 or 0 each: those of the labels named, or those of 1 where labels are 0 and 1.

    Example:
      >>> truth_of(np.array([0, 3, 9]), ("3", "9")), truth_of(np.array(["cat", "dog"]), None)
      (array([0, 1, 1]), None)

    Raises:
      InvalidInput: labels named and none there, or one named that no example has, or measurements instead of labels.
    """
    from ae_jax.evaluation import class_names, shortened

    if labels is None:
        if abnormal is not None:
            raise InvalidInput(
                "--abnormal names labels, and the data have none: expected some; name them with --label."
            )
        return None
    names = class_names(labels)
    if abnormal is None:
        return None if names is None or set(names) != {"0", "1"} else (names == "1").astype(int)
    if names is None:
        raise InvalidInput(
            "--abnormal names labels, and those of the data are measurements: expected text or whole numbers; name "
            "others with --label."
        )
    if labels.dtype == bool:
        abnormal = tuple({"true": "1", "false": "0"}.get(name.lower(), name) for name in abnormal)
    for name in abnormal:
        if name not in names:
            raise InvalidInput(f"unknown label {name!r}: expected some of {shortened(np.unique(names))}.")
    return np.isin(names, abnormal).astype(int)


def flag(use: Use, scores: np.ndarray, of_reference: np.ndarray, contamination: float) -> np.ndarray:
    """Which examples score above the threshold that the reference sets, 1 or 0 each; takes it down."""
    from ae_jax.evaluation import threshold_for

    threshold = threshold_for(of_reference, contamination)
    flagged = (scores > threshold).astype(np.uint8)
    count = int(flagged.sum())
    use.summary.update({"contamination": contamination})
    use.measured(f"{count:,} of them above {threshold:.6g}, called abnormal", threshold=threshold, flagged=count)
    return flagged


def judge_detection(use: Use, scores: np.ndarray, truth: np.ndarray) -> None:
    """Takes down how well scores tell abnormal examples from normal ones.

    Raises:
      InvalidInput: all examples are of one kind.
    """
    from ae_jax.evaluation import anomaly_metrics

    found = anomaly_metrics(scores, truth)
    auc, precision = found["roc_auc"], found["average_precision"]
    line = f"ROC AUC {auc:.4f}, average precision {precision:.4f}, {int(truth.sum()):,} abnormal by their labels"
    use.measured(line, roc_auc=auc, average_precision=precision)


def explained(run: "Run", contributions: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Columns of the features that contribute most to each example, and of what they do.

    Args:
      run: whose features have names or, in an array, indices.
      contributions: ``[n, *shape]``.
      count: how many features.

    Returns:
      ``"feature_1"``, ``"contribution_1"`` and so on, ``[n]`` each.
    """
    places = np.ndindex(*run.shape)
    names = np.array(run.data.columns or [",".join(map(str, place)) for place in places])
    rows = contributions.reshape(len(contributions), -1)
    order = np.argsort(-rows, axis=1, kind="stable")[:, :count]
    table = {}
    for rank in range(count):
        table[f"feature_{rank + 1}"] = names[order[:, rank]]
        table[f"contribution_{rank + 1}"] = rows[np.arange(len(rows)), order[:, rank]]
    return table


def anomaly_figure(scorer: "AnomalyScore", x: np.ndarray, scores: np.ndarray) -> "Figure":
    """The most and the least abnormal examples, and where the score knows it, what contributes to theirs."""
    from ae_jax.evaluation import SCORES, SumOverFeatures
    from ae_jax.report import anomalous_examples

    order = np.argsort(-scores, kind="stable")
    shown = order if len(order) <= 2 * _SHOWN else np.concatenate([order[:_SHOWN], order[-_SHOWN:]])
    known = issubclass(SCORES[scorer.name], SumOverFeatures) or "baseline" in scorer.statistics
    return anomalous_examples(x[shown], scores[shown], scorer.explain(x[shown]) if known else None)
