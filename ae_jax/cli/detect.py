"""The command ``detect``."""

import math
from typing import Annotated

import numpy as np

from ae_jax.cli.inputs import examples_of, trained_on
from ae_jax.cli.options import FROM_RUN, InputData, Json, Labels, Picture, RunFolder, option
from ae_jax.cli.use import Use, row_names
from ae_jax.data import RawData
from ae_jax.data.writing import write_table
from ae_jax.errors import InvalidInput, require_known
from ae_jax.training import Run

Reference = Annotated[str | None, option("NAME|PATH", "training split of the data trained on")]
Share = Annotated[float | None, option("FLOAT", "no example is called abnormal")]


def detect(
    run: RunFolder,
    data: InputData = FROM_RUN,
    *,
    score: str = "reconstruction_error",
    reference: Reference = None,
    contamination: Share = None,
    abnormal: Labels = None,
    explain: int = 0,
    out: str = "scores.csv",
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Writes an anomaly score of each example; higher is more abnormal.

    Prints ROC AUC and average precision where labels tell which examples are abnormal.

    Args:
      data: what the run is used on.
      score: reconstruction_error, in squared model units; reconstruction_nll, the negative log-likelihood given the
        code; whitened_error, relative to each feature's usual error; mahalanobis, of the code; knn_code, distance of
        the code to its nearest neighbours; error_and_knn, sum of the logarithms of reconstruction_error and knn_code;
        jacobian_corrected, in nats; negative_elbo, in nats, of a variational autoencoder.
      reference: normal examples to compare with.
      contamination: share of the reference that is abnormal, above 0 and at most 0.5; an example is called abnormal (1)
        where its score is above the reference's quantile of that share.
      explain: number of features to name, those that contribute most to each score, in its units.
      out: .csv, .tsv, .parquet or .npy: index, score, and id, abnormal, label, feature_1, contribution_1, ... where
        known.
      picture: file for the most and the least abnormal examples.
    """
    from ae_jax.evaluation import SCORES, anomaly_score
    from ae_jax.report import scored_examples

    require_known("anomaly score", score, SCORES)
    if contamination is not None and not 0 < contamination <= 0.5:
        raise InvalidInput(f"--contamination was given {contamination:g}: expected a share above 0 and at most 0.5.")
    use = Use.open("detect", run, data.member, out, picture)
    if not 0 <= explain <= (features := math.prod(use.run.shape)):
        raise InvalidInput(f"--explain was given {explain}: expected a number of features, from 0 to {features}.")
    examples = examples_of(use.run, data)
    truth = abnormal_examples(examples.labels, abnormal)
    normal = reference_examples(use, reference, score, contamination, explain)
    known = use.run.condition_of(normal.labels)
    condition = use.run.condition_of(examples.labels)
    scorer = anomaly_score(use.run, score, normal.x, condition=known)
    scores = scorer.score(examples.x, condition=condition)
    table = row_names(examples, always=True) | {"score": scores}
    use.summary.update({"score": score, "examples": len(scores)})
    use.lines.append(f"{len(scores):,} examples scored by {score}")
    if contamination is not None:
        of_reference = scorer.score(normal.x, condition=known, of_reference=True)
        table["abnormal"] = flagged(use, scores, of_reference, contamination)
    if examples.labels is not None:
        table["label"] = examples.labels
        report_detection(use, scores, truth)
    if explain:
        table |= explanation(use.run, scorer.explain(examples.x, condition=condition), explain)
    use.draw(lambda: scored_examples(scorer, examples.x, scores, condition))
    return use.finish(json, write_table(out, table))


def flagged(use: Use, scores: np.ndarray, of_reference: np.ndarray, contamination: float) -> np.ndarray:
    """Returns 1 of each example that is called abnormal and 0 of others, and reports their number."""
    from ae_jax.evaluation import threshold_for

    threshold = threshold_for(of_reference, contamination)
    above = scores > threshold
    use.summary.update({"contamination": contamination})
    use.report(
        f"{above.sum():,} of them above {threshold:.6g}, called abnormal", threshold=threshold, flagged=int(above.sum())
    )
    return above.astype(np.uint8)


def report_detection(use: Use, scores: np.ndarray, truth: np.ndarray | None) -> None:
    """Reports how well scores tell the abnormal examples by their labels, or that the labels do not tell them."""
    from ae_jax.evaluation import anomaly_metrics

    if truth is None:
        use.lines.append("the labels do not tell which examples are abnormal: name those that do with --abnormal")
        return
    found = anomaly_metrics(scores, truth)
    auc, precision = found["roc_auc"], found["average_precision"]
    line = f"ROC AUC {auc:.4f}, average precision {precision:.4f}, {int(truth.sum()):,} abnormal by their labels"
    use.report(line, roc_auc=auc, average_precision=precision)


def reference_examples(use: Use, source: str | None, score: str, contamination: float | None, explain: int) -> RawData:
    """Returns normal examples to compare with: those asked for, or where any are needed the training split."""
    from ae_jax.evaluation import SCORES, SumOverFeatures

    if source is not None:
        return examples_of(use.run, InputData(data=source), by_default="train")
    reasons = [score] if SCORES[score].needs_reference else []
    reasons += ["--contamination"] if contamination is not None else []
    reasons += ["--explain"] if explain and not issubclass(SCORES[score], SumOverFeatures) else []
    if not reasons:
        return RawData(None)
    try:
        return trained_on(use.run)
    except InvalidInput as error:
        raise InvalidInput(f"{reasons[0]} compares with normal examples, and {error}") from error


def abnormal_examples(labels: np.ndarray | None, abnormal: tuple[str, ...] | None) -> np.ndarray | None:
    """Returns 1 of each abnormal example and 0 of others, by the labels named, or where labels are 0 and 1.

    Example:
      >>> abnormal_examples(np.array([0, 3, 9]), ("3", "9")), abnormal_examples(np.array(["cat", "dog"]), None)
      (array([0, 1, 1]), None)
    """
    from ae_jax.evaluation import class_names, shortened

    names = None if labels is None else class_names(labels)
    if abnormal is None:
        return None if names is None or set(names) != {"0", "1"} else (names == "1").astype(int)
    if labels is None or names is None:
        have = "no labels" if labels is None else "measurements as labels"
        raise InvalidInput(f"--abnormal was given and the data have {have}: expected classes; name them with --label.")
    if labels.dtype == bool:
        abnormal = tuple({"true": "1", "false": "0"}.get(name.lower(), name) for name in abnormal)
    for name in abnormal:
        if name not in names:
            raise InvalidInput(f"unknown label {name!r}: expected some of {shortened(np.unique(names))}.")
    return np.isin(names, abnormal).astype(int)


def explanation(run: Run, contributions: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Returns columns feature_1, contribution_1 and so on, of the features that contribute most to each score."""
    names = np.array(run.data.columns or [",".join(map(str, place)) for place in np.ndindex(*run.shape)])
    rows = contributions.reshape(len(contributions), -1)
    order = np.argsort(-rows, axis=1, kind="stable")[:, :count]
    table = {}
    for rank in range(count):
        table[f"feature_{rank + 1}"] = names[order[:, rank]]
        table[f"contribution_{rank + 1}"] = rows[np.arange(len(rows)), order[:, rank]]
    return table
