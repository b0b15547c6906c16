"""Metrics of anomaly scores against labels, and a threshold for them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata
from sklearn import metrics

from ae_jax._checks import require_number
from ae_jax.errors import InvalidInput
from ae_jax.evaluation.labels import shortened

Scores = Float[np.ndarray, "_"] | Sequence[float]
Labels = np.ndarray | Sequence[int | bool]


def anomaly_metrics(scores: Scores, abnormal: Labels) -> dict[str, float]:
    r"""How well scores tell abnormal examples from normal ones.

    The area under the ROC curve is :math:`P(s_+ > s_-) + \tfrac12 P(s_+ = s_-)`, 0.5 by chance; the average precision
    is :math:`\sum_i (R_i - R_{i-1}) P_i` over thresholds, the share of abnormal examples by chance.

    Args:
      scores: high means abnormal, ``[n]``.
      abnormal: 1 or True for abnormal examples, 0 or False for normal ones, ``[n]``.

    Returns:
      ``roc_auc``, ``average_precision`` (both by scikit-learn) and ``precision_at_n``, each in [0, 1].

    Raises:
      InvalidInput: NaN or infinite scores, another number of labels, labels other than 0 and 1, or of one kind only.

    Example:
      >>> anomaly_metrics(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))["roc_auc"]
      0.75

    References:
      Hanley and McNeil, *The meaning and use of the area under a ROC curve*, Radiology 1982;
      Davis and Goadrich, *The relationship between precision-recall and ROC curves*, ICML 2006.
    """
    truth, found = _truth_and_scores(scores, abnormal)
    return {
        "roc_auc": float(metrics.roc_auc_score(truth, found)),
        "average_precision": float(metrics.average_precision_score(truth, found)),
        "precision_at_n": precision_at_n(found, truth),
    }


def roc_auc_of_examples(scores: Scores, abnormal: Labels) -> Float[np.ndarray, " n"]:
    """Values of each example whose mean is the area under the ROC curve, and the variance of this mean DeLong's.

    Args and Raises are those of :func:`anomaly_metrics`.

    Example:
      >>> roc_auc_of_examples(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).tolist()
      [1.25, 0.25, 0.25, 1.25]

    References:
      DeLong et al., *Comparing the areas under two or more correlated receiver operating characteristic curves*,
      Biometrics 1988.
    """
    truth, found = _truth_and_scores(scores, abnormal)
    within = np.empty(len(found))
    for kind in (truth, ~truth):
        within[kind] = rankdata(found[kind])
    others = np.where(truth, np.sum(~truth), np.sum(truth))
    below = (rankdata(found) - within) / others  # share of the other kind below each example, ties counted by half
    placed = np.where(truth, below, 1.0 - below)
    area = placed[truth].mean()
    return area + (placed - area) * len(found) / (len(found) - others)


def precision_at_n(scores: Scores, abnormal: Labels) -> float:
    """Share of abnormal examples among as many highest scores as there are abnormal examples.

    Examples that tie for the last places count by the share of abnormal ones among them. Args and Raises are those of
    :func:`anomaly_metrics`; the precision is in [0, 1].

    Example:
      >>> precision_at_n(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
      0.5

    References:
      Campos et al., *On the evaluation of unsupervised outlier detection*, Data Mining and Knowledge Discovery 2016.
    """
    truth, found = _truth_and_scores(scores, abnormal)
    n = int(truth.sum())
    last = np.sort(found)[-n]
    above, tied = found > last, found == last
    drawn = truth[tied].mean() * (n - above.sum())
    return float((truth[above].sum() + drawn) / n)


def threshold_for(scores: Scores, contamination: float) -> float:
    """The score above which an example is called abnormal, if that share of the training data is.

    Args:
      scores: of the training data, high means abnormal, ``[n]``.
      contamination: the share of abnormal ones among them, above 0 and at most 0.5.

    Returns:
      The (1 - contamination) quantile of the scores.

    Raises:
      InvalidInput: no scores, NaN or infinite ones, or another contamination.

    Example:
      >>> threshold_for(np.arange(11.0), 0.1)
      9.0

    References:
      Zhao et al., *PyOD: a Python toolbox for scalable outlier detection*, JMLR 2019.
    """
    found = _as_scores(scores)
    require_number("threshold_for", contamination=contamination)
    if not 0 < contamination <= 0.5:
        raise InvalidInput(
            f"threshold_for was given contamination={contamination}: expected a share above 0 and at most 0.5."
        )
    return float(np.quantile(found.astype(np.float64), 1.0 - contamination))


def _truth_and_scores(scores: Scores, abnormal: Labels) -> tuple[np.ndarray, np.ndarray]:
    """The labels as truth values beside the scores, once they are what can be compared."""
    found, labels = _as_scores(scores), np.asarray(abnormal)
    if labels.shape != found.shape:
        raise InvalidInput(
            f"labels have shape {labels.shape} and scores {found.shape}: expected one label for each score."
        )
    if labels.dtype.kind not in "buif" or not np.isin(labels, (0, 1)).all():
        values = shortened(list(dict.fromkeys(map(str, labels.tolist()))))
        raise InvalidInput(f"labels have the values {values}: expected 1 for abnormal and 0 for normal examples.")
    truth = labels.astype(bool)
    if truth.all() or not truth.any():
        kind = "abnormal" if truth[0] else "normal"
        raise InvalidInput(f"all {len(truth)} examples are {kind}: expected some of both kinds to tell apart.")
    return truth, found


def _as_scores(scores: Scores) -> np.ndarray:
    found = np.asarray(scores)
    if found.ndim != 1 or len(found) == 0:
        raise InvalidInput(f"scores have shape {found.shape}: expected one score for each example, [n].")
    if found.dtype.kind not in "buif":
        raise InvalidInput(f"scores have type {found.dtype}: expected numbers.")
    bad = ~np.isfinite(found)
    if bad.any():
        raise InvalidInput(
            f"{int(bad.sum())} of {len(found)} scores are NaN or infinite, the first at index {int(bad.argmax())}: "
            "expected finite numbers; look for examples that overflow, or for a member that diverged."
        )
    return found
