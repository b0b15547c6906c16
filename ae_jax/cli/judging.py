"""What the uses of a run look up and work out around the library's functions: references, truths, tables, lines."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ae_jax.cli.using import Use
from ae_jax.data.sources import examples, has_label, is_named, parse_path
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


def map_figure(run: "Run", shown: "Contents") -> "Figure":
    """Codes in two dimensions, of examples from beginning to end, as files are often sorted by label."""
    from ae_jax.report import code_map

    rows = np.unique(np.linspace(0, len(shown.x) - 1, min(len(shown.x), _POINTS)).astype(int))
    return code_map(run, shown.x[rows], None if shown.labels is None else shown.labels[rows])


def denoising_figure(clean: np.ndarray | None, noisy: np.ndarray, denoised: np.ndarray) -> "Figure":
    """Some examples, clean where that is known, noisy and denoised."""
    from ae_jax.report.uses import denoising_strip

    return denoising_strip(clean, noisy, denoised)


def samples_figure(samples: np.ndarray) -> "Figure":
    """Samples in a grid."""
    from ae_jax.report.uses import image_grid

    return image_grid(samples)


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
      InvalidInput: clean examples that cannot be had, or are not as many; damage that leaves the range of the data.
    """
    if corruption is not None:
        return _damaged(use.run, x, corruption, seed), x
    if clean is None:
        return x, None
    known = use.examples(clean, split).x
    if known.shape != x.shape:
        raise InvalidInput(
            f"--clean has examples of shape {known.shape} and --data of {x.shape}: expected the same examples, without "
            "and with noise."
        )
    return x, known


def require_same_rows(use: Use, data: str | None, clean: str | None, split: str | None) -> None:
    """Raises a sentence where a split of noisy examples may hold others than that of the clean ones.

    Raises:
      InvalidInput: clean examples are named beside a split, and either is a file or folder.
    """
    sources = [source for source in (data, clean) if source is not None]
    if clean is not None and split is not None and not all(map(is_named, sources)):
        raise InvalidInput(
            f"--split was given {split} beside --clean: expected none, as files are each split by themselves, into "
            "other rows; leave it out, or give files that hold those rows only."
        )


def _damaged(run: "Run", x: np.ndarray, corruption: "Corruption", seed: int) -> np.ndarray:
    """Examples with damage done to them, in the units of the data."""
    import jax

    from ae_jax.evaluation.denoising import corrupted

    model_units = np.asarray(run.scaling(run.data.stored(x)))
    noisy = np.asarray(run.scaling.invert(corrupted(corruption, jax.random.key(seed), model_units)))
    if run.data.unit_interval:
        try:
            run.data.require_range(noisy, "the noisy examples")
        except InvalidInput as error:
            raise InvalidInput(
                f"--corrupt was given {corruption!r}, after which values reach from {noisy.min():g} to "
                f"{noisy.max():g}: expected a lower level, as the data reach from {run.data.low:g} to "
                f"{run.data.high:g} and levels are in model units, from 0 to 1."
            ) from error
    return noisy


def judge_denoising(use: Use, noisy: np.ndarray, denoised: np.ndarray, clean: np.ndarray) -> None:
    """Takes down how near noisy and denoised examples are to the clean ones, in model units.

    Where all clean values are one, no range is known that decibels could be relative to: only errors are taken down.
    """
    from ae_jax.evaluation.reconstruction import mean_squared_error, structural_similarity
    from ae_jax.report.canvas import is_image

    scaling = use.run.scaling
    before, after, known = (np.asarray(scaling(x), np.float32) for x in (noisy, denoised, clean))
    reach = 1.0 if use.run.data.unit_interval else float(known.max() - known.min())
    for name, what, x in (("noisy", "noisy", before), ("denoised", "denoised", after)):
        error = mean_squared_error(x, known)
        if reach == 0:
            line = f"{what}: mean squared error {error:.4g}; no PSNR, as all clean values are {known.flat[0]:g}"
            use.measured(line, **{f"mse_{name}": error})
            continue
        decibels = _decibels(error, reach)
        line, metrics = f"{what}: PSNR {decibels:.2f} dB", {f"psnr_{name}": decibels}
        if is_image(known.shape[1:]) and min(known.shape[1:3]) >= 3:
            similarity = float(np.mean(structural_similarity(x, known, data_range=reach)))
            line, metrics = f"{line}, SSIM {similarity:.3f}", metrics | {f"ssim_{name}": similarity}
        use.measured(line, **metrics)
    use.summary["data_range"] = reach


def _decibels(error: float, reach: float) -> float:
    """The PSNR of a mean squared error; NaN of NaN, as of a run that diverged."""
    if error == 0:
        return math.inf
    return math.nan if not math.isfinite(error) else 20.0 * math.log10(reach) - 10.0 * math.log10(error)


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
      InvalidInput: labels named and none there, or one named that no example has, or measurements instead of labels.
    """
    from ae_jax.evaluation.inquiry import class_names, shortened

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
      InvalidInput: either cannot be had, or queries are rows of the database without being all of it.
    """
    if query_label is not None and queries is None:
        raise InvalidInput("--query-label was given without --queries, which alone uses it: give both or neither.")
    database = use.examples(data, split, label, by_default="train")
    source = use.run.data.name if data is None else data
    if queries is None and not is_named(source):
        return database, database, True
    if queries is None:
        asked = use.examples(data, "test", label)
    else:
        asked = use.examples(queries, None, _label_of_queries(queries, label, query_label))
    if queries is not None and not _same_source(source, queries):
        return database, asked, False
    whole = not is_named(source) and examples(source, use.run.data) is not None
    taken, looked_up = split or ("all" if whole else "train"), "all" if whole else "test"
    if taken == looked_up and not (whole and split):  # --split all of a file orders its rows by their splits
        return database, asked, True
    if "all" in (taken, looked_up):
        remedy = "leave --queries out" if whole else "choose --split train, or other examples with --queries"
        raise InvalidInput(
            f"search was given queries that are among the rows of {source}, its database, and would find "
            f"themselves: expected others, or each row of the database; {remedy}."
        )
    return database, asked, False


def _label_of_queries(queries: str, label: str | None, query_label: str | None) -> str | None:
    """The name of the queries' labels: the one given for them, else the database's where they have it."""
    if query_label is not None or label is None or is_named(queries):
        return query_label
    path, _ = parse_path(queries)
    return label if path.exists() and has_label(path, label) else None


def _same_source(one: str, other: str) -> bool:
    """Whether two names or paths are of the same data."""
    if is_named(one) or is_named(other):
        return one == other
    (path, key), (other_path, other_key) = parse_path(one), parse_path(other)
    return (path.resolve(), key) == (other_path.resolve(), other_key)


def judge_retrieval(
    use: Use, indices: np.ndarray, query_labels: np.ndarray, labels: np.ndarray, *, k: int, itself: bool
) -> None:
    """Takes down how well neighbours agree in label with their query, or why that cannot be told."""
    from ae_jax.evaluation.inquiry import class_names
    from ae_jax.evaluation.retrieval import retrieval_metrics

    asked, names = class_names(query_labels), class_names(labels)
    if asked is None or names is None:
        use.lines.append("mAP, precision and recall were left out, as labels are measurements and name no classes")
        return
    known, counts = np.unique(names, return_counts=True)
    if not np.isin(asked, known[counts > itself]).any():
        use.lines.append("mAP, precision and recall were left out, as no query shares its label with another example")
        return
    metrics = retrieval_metrics(indices, asked, names, k=k, exclude_self=itself)
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
    from ae_jax.evaluation.inquiry import class_names
    from ae_jax.report.canvas import shown_places
    from ae_jax.report.uses import retrieval_strips

    shown = shown_places(queries.labels, len(queries.x), _SHOWN)
    nearest = indices[shown, :10]
    names = [(class_names(one.labels), rows) for one, rows in ((queries, shown), (database, nearest))]
    labels = [None if of_all is None else of_all[rows] for of_all, rows in names]
    return retrieval_strips(queries.x[shown], database.x[nearest], *labels)
