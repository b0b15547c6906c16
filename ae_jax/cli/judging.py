"""What the uses of a run look up and work out around the library's functions: references, truths, tables, lines."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ae_jax.cli.using import Use
from ae_jax.data.sources import is_named
from ae_jax.errors import InvalidInput, unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ae_jax.corruptions import Corruption
    from ae_jax.data.contents import Contents
    from ae_jax.evaluation.anomaly_scores import AnomalyScore
    from ae_jax.evaluation.retrieval import Neighbors
    from ae_jax.training import Run

_SHOWN = 8
"""How many queries, or examples of either end, a picture shows."""
_POINTS = 2000
"""How many examples a map shows."""


def map_figure(run: "Run", examples: "Contents") -> "Figure":
    """Codes in two dimensions, of examples from beginning to end, as files are often sorted by label."""
    from ae_jax.report import code_map

    shown = np.unique(np.linspace(0, len(examples.x) - 1, min(len(examples.x), _POINTS)).astype(int))
    return code_map(run, examples.x[shown], None if examples.labels is None else examples.labels[shown])


def corruption_of(family: str, level: float) -> "Corruption":
    """The corruption of a family at a level, which is its first number.

    Example:
      >>> corruption_of("gaussian", 0.25)
      Gaussian(scale=0.25)

    Raises:
      InvalidInput: an unknown family, or a level that it does not have.
    """
    from ae_jax.evaluation.denoising import FAMILIES

    if family not in FAMILIES:
        raise unknown("corruption", family, FAMILIES)
    kind: Any = next(iter(FAMILIES[family].values()))
    return dataclasses.replace(kind, **{dataclasses.fields(kind)[0].name: level})


def noisy_and_clean(
    use: Use, x: np.ndarray, corruption: "Corruption | None", seed: int, clean: str | None, split: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Noisy examples, and the clean ones where they are known, in the units of the data.

    Raises:
      InvalidInput: clean examples that cannot be had, or are not as many.
    """
    if corruption is not None:
        import jax

        from ae_jax.evaluation.denoising import corrupted

        model_units = np.asarray(use.run.scaling(use.run.data.stored(x)))
        return np.asarray(use.run.scaling.invert(corrupted(corruption, jax.random.key(seed), model_units))), x
    if clean is None:
        return x, None
    known = use.examples(clean, split).x
    if known.shape != x.shape:
        raise InvalidInput(
            f"--clean has examples of shape {known.shape} and --data of {x.shape}: expected the same examples, without "
            "and with noise."
        )
    return x, known


def judge_denoising(use: Use, noisy: np.ndarray, denoised: np.ndarray, clean: np.ndarray) -> None:
    """Takes down how near noisy and denoised examples are to the clean ones, in model units."""
    from ae_jax.evaluation.reconstruction import mean_squared_error, structural_similarity
    from ae_jax.report.canvas import is_image

    scaling = use.run.scaling
    before, after, known = (np.asarray(scaling(x), np.float32) for x in (noisy, denoised, clean))
    reach = 1.0 if use.run.data.unit_interval else float(known.max() - known.min())
    for name, what, x in (("noisy", "noisy", before), ("denoised", "denoised", after)):
        error = mean_squared_error(x, known)
        decibels = 10.0 * math.log10(reach**2 / error) if error > 0 else math.inf
        line, metrics = f"{what}: PSNR {decibels:.2f} dB", {f"psnr_{name}": decibels}
        if is_image(known.shape[1:]) and min(known.shape[1:3]) >= 3:
            similarity = float(np.mean(structural_similarity(x, known, data_range=reach)))
            line, metrics = f"{line}, SSIM {similarity:.3f}", metrics | {f"ssim_{name}": similarity}
        use.measured(line, **metrics)
    use.summary["data_range"] = reach


def require_detection(run: "Run", score: str, contamination: float | None, explain: int) -> None:
    """Raises a sentence where a score, a contamination or a number of features to name is none.

    Raises:
      InvalidInput: one of them is.
    """
    from ae_jax.evaluation.anomaly_scores import SCORES

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
    from ae_jax.evaluation.anomaly_scores import SCORES, SumOverFeatures

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
      InvalidInput: labels named and none there, or one named that no example has.
    """
    if labels is None:
        if abnormal is not None:
            raise InvalidInput(
                "--abnormal names labels, and the data have none: expected some; name them with --label."
            )
        return None
    whole = labels.dtype.kind == "f" and bool((labels == np.rint(labels)).all())
    names = (labels.astype(np.int64) if whole else labels).astype(str)
    if abnormal is None:
        return (names == "1").astype(int) if set(names) == {"0", "1"} else None
    for name in abnormal:
        if name not in names:
            raise unknown("label", name, set(names.tolist()))
    return np.isin(names, abnormal).astype(int)


def flag(use: Use, scores: np.ndarray, of_reference: np.ndarray, contamination: float) -> np.ndarray:
    """Which examples score above the threshold that the reference sets, 1 or 0 each; takes it down."""
    from ae_jax.evaluation.detection import threshold_for

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
    from ae_jax.evaluation.detection import average_precision, roc_auc

    auc, precision = roc_auc(scores, truth), average_precision(scores, truth)
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
    from ae_jax.evaluation.anomaly_scores import SCORES, SumOverFeatures
    from ae_jax.report.uses import anomaly_strip

    order = np.argsort(-scores, kind="stable")
    shown = order if len(order) <= 2 * _SHOWN else np.concatenate([order[:_SHOWN], order[-_SHOWN:]])
    known = issubclass(SCORES[scorer.name], SumOverFeatures) or "baseline" in scorer.statistics
    return anomaly_strip(x[shown], scores[shown], scorer.explain(x[shown]) if known else None)


def database_and_queries(
    use: Use,
    data: str | None,
    split: str | None,
    label: str | None,
    queries: str | None,
    query_label: str | None,
) -> "tuple[Contents, Contents, bool]":
    """The database, the queries, and whether they are the database itself.

    Raises:
      InvalidInput: either cannot be had.
    """
    database = use.examples(data, split, label, by_default="train")
    if queries is not None:
        return database, use.examples(queries, None, query_label or label), False
    if is_named(use.run.data.name if data is None else data):
        return database, use.examples(data, "test", label), False
    return database, database, True


def judge_retrieval(use: Use, metrics: dict[str, float], k: int) -> None:
    """Takes down how well neighbours agree in label with their query."""
    values = (metrics["map_at_k"], metrics["precision_at_k"], metrics["recall_at_k"])
    line = "mAP@{k} {:.4f}, precision@{k} {:.4f}, recall@{k} {:.4f}".format(*values, k=k)
    if left_out := int(metrics["queries_left_out"]):
        line += f"; {left_out:,} queries left out, whose label no other example has"
    use.measured(line, **metrics)


def neighbour_table(
    found: "Neighbors", query_labels: np.ndarray | None, labels: np.ndarray | None
) -> dict[str, np.ndarray]:
    """A row for each query and neighbour, with labels where they are known."""
    count, k = found.indices.shape
    query, index = np.repeat(np.arange(count), k), found.indices.ravel()
    table = {"query": query, "rank": np.tile(np.arange(1, k + 1), count), "index": index}
    table["distance"] = found.distances.ravel()
    if query_labels is not None:
        table["query_label"] = query_labels[query]
    if labels is not None:
        table["label"] = labels[index]
    return table


def retrieval_figure(indices: np.ndarray, queries: "Contents", database: "Contents") -> "Figure":
    """Some queries, of every label in turn, beside their nearest neighbours."""
    from ae_jax.report.canvas import shown_places
    from ae_jax.report.uses import retrieval_strips

    shown = shown_places(queries.labels, len(queries.x), _SHOWN)
    nearest = indices[shown, :10]
    labels = [None if one.labels is None else one.labels[rows] for one, rows in ((queries, shown), (database, nearest))]
    return retrieval_strips(queries.x[shown], database.x[nearest], *labels)
