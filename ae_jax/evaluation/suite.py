"""The questions of a use: what an autoencoder is trained for, asked of a run beside the baselines of the field."""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ae_jax._checks import non_negative_whole
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput, unknown
from ae_jax.evaluation.anomaly import SCORES, AnomalyScore, anomaly_score
from ae_jax.evaluation.context import Context, Features, ScoredLabels, TaskResult, all_finite
from ae_jax.evaluation.contraction import jacobian_norm
from ae_jax.evaluation.denoising import evaluate_denoising, image_quality
from ae_jax.evaluation.detection import average_precision, precision_at_n, roc_auc
from ae_jax.evaluation.evaluate import with_members
from ae_jax.evaluation.filters import are_images
from ae_jax.evaluation.generation import frechet_distance, kernel_distance, precision_recall
from ae_jax.evaluation.likelihood import log_likelihood, negative_elbo
from ae_jax.evaluation.metrics import Row
from ae_jax.evaluation.neighbors import search
from ae_jax.evaluation.reconstruction import explained_variance, mean_squared_error
from ae_jax.evaluation.representation import (
    active_fraction,
    are_too_many,
    clustering_agreement,
    code_correlation,
    continuity,
    label_accuracies,
    mean_activation,
    trustworthiness,
)
from ae_jax.evaluation.retrieval import binarise, random_hyperplanes, retrieval_metrics, thresholds_of
from ae_jax.evaluation.sampling import subsample
from ae_jax.objectives import BernoulliLikelihood
from ae_jax.training import Run

_NEIGHBORS = 5
_REFERENCE = 10_000
"""How many normal training examples scores compare with, at most."""
_DATABASE, _QUERIES, _RESULTS = 10_000, 2_000, 100
_DENOISED = 2_000
_GENERATED = 2_000
"""How many samples are compared with as many examples, at most."""
_EXAMPLES, _SAMPLES = 1_000, 1_000
"""Of how many examples, at most, and by how many importance samples a log-likelihood is estimated."""


_FLATTERED = {
    "representation": "linear probe and kNN are asked what they were told",
    "anomaly": "scores compare normal examples with themselves, which are their own nearest neighbours",
    "retrieval": "every query finds itself",
    "generation": "the training data beside samples are the examples themselves",
}
"""What an answer about the training split suffers from."""


class Task(NamedTuple):
    """One question of a use.

    Attributes:
      run: answers it, or raises the reason why it cannot be asked.
      meaning: the question in words.
      over: the keys of rows that make a table.
      by: the keys of rows that make a row of a table.
      headline: the metric that answers in one number, the first of those that were measured.
    """

    run: Callable[[Context], TaskResult]
    meaning: str
    over: tuple[str, ...]
    by: tuple[str, ...]
    headline: tuple[str, ...]


def run_tasks(
    run: Run,
    dataset: Dataset,
    tasks: Iterable[str] | None = None,
    *,
    split: str = "test",
    seed: int = 0,
    abnormal: Any = None,
    features: Features | None = None,
    features_name: str = "data",
) -> list[TaskResult]:
    """Asks a run the questions of uses, each beside its baselines.

    A question that the run or the data do not allow has an answer without rows, whose message says why and what to do.
    Rows of a member whose codes, reconstructions or samples are not finite are NaN and say ``"finite": False``.

    Args:
      run: a trained population.
      dataset: the data; its shape and scaling are the run's. What must be learned or searched is its training split.
      tasks: one name or several in :data:`TASKS`; None asks all of them.
      split: which split the questions are about; the training split flatters, and messages say how.
      seed: of clusters, damage, planes, latents and samples.
      abnormal: for detection, the label or labels that count as abnormal; by default 1 where labels are 0 and 1. Scores
        that need normal examples take those of the training split.
      features: for generation, what maps examples in model units to rows of features, on which distances between
        samples and data are measured; by default their values. Distances are comparable on the same features only.
      features_name: what results call them.

    Returns:
      An answer for each question, with rows as those of :func:`ae_jax.evaluation.evaluate` and further keys:
      ``score`` of detection; ``representation``, ``distance`` and ``k`` of retrieval; ``corruption``, ``level`` and
      ``trained_on`` of denoising; ``features``, ``samples`` and ``examples`` of generation.

    Raises:
      InvalidInput: an unknown question or label, a seed that is no whole number below 2**32, an unknown or empty
        split, data of another shape or scaling than the run's, or features without a name.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> run = ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), data, epochs=1)
      >>> answer, = run_tasks(run, data, ["reconstruction"])
      >>> [row["metric"] for row in answer.rows if row["autoencoder"] == "pca"]
      ['mse', 'psnr', 'explained_variance', 'ssim']
    """
    names = list(TASKS) if tasks is None else list(dict.fromkeys(_several(tasks)))
    for name in names:
        if name not in TASKS:
            raise unknown("task", name, TASKS)
    if (features is None) != (features_name == "data"):
        raise InvalidInput(
            f"generation was given features={features} called {features_name!r}: expected both, or neither; name the "
            "features, as distances are comparable on the same ones only."
        )
    non_negative_whole("run_tasks", "seed", seed)
    if seed >= 2**32:
        raise InvalidInput(f"run_tasks was given seed={seed}: expected a whole number below 2**32.")
    context = Context(
        run=run,
        dataset=dataset,
        split=split,
        seed=seed,
        abnormal=None if abnormal is None else _several(abnormal),
        features=features,
        features_name=features_name,
    )
    _require_askable(context)
    return [_answer(name, context) for name in names]


def evaluate_reconstruction_task(asked: Context) -> TaskResult:
    """How well does it reconstruct what it is shown?"""
    x, mean, messages = asked.x, asked.train.mean(axis=0, dtype=np.float64), [*asked.on_the_range]
    images = are_images(x) and min(x.shape[1:3]) >= 3
    if not images:
        messages.append("SSIM was left out: examples are no images of at least 3 pixels on a side.")

    def values(made: np.ndarray) -> dict[str, float]:
        near = image_quality(made, x, data_range=asked.data_range)
        shown = {"mse": mean_squared_error(made, x), "psnr": near.pop("psnr")}
        return shown | {"explained_variance": explained_variance(made, x, mean)} | near

    made = with_members(asked.run, asked.scaled(asked.run.reconstruct(asked.part.x)))
    of_pca, whole = values(asked.pca.reconstruct(x)), all_finite(made)
    rows = asked.baseline_rows("pca", of_pca)
    rows += asked.rows_of_members(lambda member: values(made[member]), whole, of_pca)
    return TaskResult("reconstruction", rows, (*messages, *asked.said_of(whole, "reconstructions")))


def evaluate_representation_task(asked: Context) -> TaskResult:
    """What do the codes know, and how are they used?"""
    part, train, messages = asked.part, asked.dataset.train, _of_training_split(asked, "representation")
    near = len(part.x) > 2 * _NEIGHBORS

    def values(train_codes: np.ndarray, codes: np.ndarray, jacobian: float) -> dict[str, float]:
        known = label_accuracies(train_codes, train.labels, codes, part.labels)
        if known and part.labels is not None and len(np.unique(part.labels)) > 1 and not are_too_many(part.labels):
            known |= clustering_agreement(codes, part.labels, seed=asked.seed)
        if near:
            known |= {
                "trustworthiness": trustworthiness(asked.x, codes, neighbors=_NEIGHBORS),
                "continuity": continuity(asked.x, codes, neighbors=_NEIGHBORS),
            }
        return known | {
            "mean_activation": mean_activation(codes),
            "active_fraction": active_fraction(codes),
            "code_correlation": code_correlation(codes),
            "jacobian_norm": jacobian,
        }

    norms = with_members(asked.run, jacobian_norm(asked.run, part.x))
    codes = asked.pca.encode(asked.train), asked.pca.encode(asked.x)
    of_pca, whole = values(*codes, math.sqrt(codes[0].shape[1])), asked.coded & all_finite(norms)

    def of_member(member: int) -> dict[str, float]:
        return values(asked.train_codes[member], asked.codes[member], float(np.mean(norms[member])))

    rows = asked.baseline_rows("pca", of_pca) + asked.rows_of_members(of_member, whole, of_pca)
    messages += _left_out_of_labels(asked, of_pca) + asked.said_of(whole, "codes")
    if not near:
        messages.append(f"Trustworthiness and continuity were left out: {len(part.x)} examples are too few.")
    return TaskResult("representation", rows, tuple(messages))


def evaluate_detection_task(asked: Context) -> TaskResult:
    """Do scores tell abnormal examples from normal ones?"""
    abnormal, among_train = asked.is_abnormal()
    if among_train.all():
        raise InvalidInput("all training examples count as abnormal: expected normal ones to compare with.")
    normal = np.flatnonzero(~among_train)
    reference = asked.dataset.train.x[normal[subsample(len(normal), _REFERENCE)]]
    messages = _of_reference(among_train, len(reference)) + _of_training_split(asked, "anomaly")
    rows: list[Row] = []
    curves: dict[str, ScoredLabels] = {}
    scorers: list[tuple[float, AnomalyScore]] = []
    for name, scores in _baseline_scores(asked, reference).items():
        autoencoder, score = name
        rows += asked.baseline_rows(autoencoder, _detection_values(scores, abnormal), score=score)
        curves[", ".join(name)] = ScoredLabels(scores, abnormal)
    for score in SCORES:
        try:
            scorer = anomaly_score(asked.run, score, reference)
            judged, of_score = _judged(asked, scorer, abnormal, messages)
        except InvalidInput as error:
            messages.append(f"The score {score} was left out: {error}")
            continue
        rows += of_score
        curves[f"{asked.run.name}, {score}"] = judged
        scorers.append((roc_auc(*judged), scorer))
    best = max(scorers, key=lambda scorer: scorer[0], default=(0.0, None))[1]
    return TaskResult("anomaly", rows, tuple(messages), curves, best)


def evaluate_retrieval_task(asked: Context) -> TaskResult:
    """Do nearest neighbours have the label of what was looked for?"""
    labels, train_labels = asked.require_classes()
    sought, among = subsample(len(asked.x), _QUERIES), subsample(len(asked.train), _DATABASE)
    k = min(_RESULTS, len(among))
    rows: list[Row] = []
    values: dict[str, float] = {}
    left_out = 0
    for one in [*_baselines_of_search(asked), *_codes_to_search(asked)]:
        further = {"representation": one.representation, "distance": one.distance, "k": k}
        if one.member is not None and not asked.coded[one.member]:
            rows += asked.rows(one.member, dict.fromkeys(values, math.nan), **further, finite=False)
            continue
        found = search(one.queries[sought], one.database[among], k=k, metric=one.distance).indices
        values = retrieval_metrics(found, labels[sought], train_labels[among], k=k)
        left_out = int(values.pop("queries_left_out"))
        if one.member is None:
            rows += asked.baseline_rows(one.autoencoder, values, **further)
        else:
            rows += asked.rows(one.member, values, **further)
    messages = [f"The {k} nearest are judged, of {len(among):,} training examples."]
    messages += _of_training_split(asked, "retrieval") + asked.said_of(asked.coded, "codes")
    if len(among) < len(asked.train) or len(sought) < len(asked.x):
        messages.append(
            f"Cut to {len(among):,} of {len(asked.train):,} training examples and {len(sought):,} of {len(asked.x):,} "
            "queries, evenly spaced."
        )
    if left_out:
        messages.append(f"{left_out} of {len(sought):,} queries were left out: no training example has their label.")
    return TaskResult("retrieval", rows, tuple(messages))


def evaluate_denoising_task(asked: Context) -> TaskResult:
    """How much of the clean example does it bring back from a corrupted one?"""
    rows = evaluate_denoising(asked.run, asked.dataset, split=asked.split, seed=asked.seed, limit=_DENOISED)
    messages = []
    if len(asked.x) > _DENOISED:
        messages.append(f"Cut to {_DENOISED:,} of {len(asked.x):,} examples, evenly spaced.")
    return TaskResult("denoising", rows, (*messages, *asked.on_the_range))


def evaluate_generation_task(asked: Context) -> TaskResult:
    """Are samples like the data, and how probable does it find the data?"""
    count = min(len(asked.part.x), _GENERATED)
    samples = with_members(asked.run, asked.scaled(asked.run.sample(count, seed=asked.seed)))
    features = asked.features or _flat
    real = features(asked.x[subsample(len(asked.x), count)])
    further = {"features": asked.features_name, "samples": count}

    def values(made: np.ndarray) -> dict[str, float]:
        drawn = features(made)
        distances = {"frechet_distance": frechet_distance(real, drawn), "kernel_distance": kernel_distance(real, drawn)}
        return distances | precision_recall(real, drawn)

    train = asked.train[subsample(len(asked.train), count)]
    of_data, whole = values(train), all_finite(samples)
    rows = asked.baseline_rows("training data", of_data, **further | {"samples": len(train)})
    rows += asked.rows_of_members(lambda member: values(samples[member]), whole, of_data, **further)
    messages = [
        f"Distances are between {count:,} samples and as many examples, on {asked.features_name} as features: "
        "comparable on the same features and numbers only.",
        *_of_training_split(asked, "generation"),
        *asked.said_of(whole, "samples"),
    ]
    try:
        rows += _rows_of_likelihood(asked, messages)
    except InvalidInput as error:
        messages.append(f"The log-likelihood was left out: {error}")
    return TaskResult("generation", rows, tuple(messages))


TASKS: dict[str, Task] = {
    "reconstruction": Task(
        evaluate_reconstruction_task, "How well does it reconstruct what it is shown?", (), ("autoencoder",), ("psnr",)
    ),
    "representation": Task(
        evaluate_representation_task,
        "What do the codes know, and how are they used?",
        (),
        ("autoencoder",),
        ("knn_accuracy", "trustworthiness", "jacobian_norm"),
    ),
    "anomaly": Task(
        evaluate_detection_task,
        "Do scores tell abnormal from normal examples?",
        (),
        ("autoencoder", "score"),
        ("roc_auc",),
    ),
    "retrieval": Task(
        evaluate_retrieval_task,
        "Do nearest neighbours have the label of what was looked for?",
        (),
        ("representation", "distance"),
        ("map_at_k",),
    ),
    "denoising": Task(
        evaluate_denoising_task,
        "How much of the clean example does it bring back from a corrupted one?",
        ("corruption", "level"),
        ("autoencoder", "trained_on"),
        ("psnr_gain",),
    ),
    "generation": Task(
        evaluate_generation_task,
        "Are samples like the data, and how probable does it find the data?",
        (),
        ("autoencoder",),
        ("frechet_distance",),
    ),
}
"""What can be asked, by name."""


def _several(given: Any) -> tuple[Any, ...]:
    """One or several, as several."""
    return (given,) if isinstance(given, (str, bytes)) or not isinstance(given, Iterable) else tuple(given)


def _of_training_split(asked: Context, question: str) -> list[str]:
    """What must be said of a question about the split that was learned from."""
    return [f"This is the training split: {_FLATTERED[question]}; ask about another one."] * (asked.split == "train")


def _left_out_of_labels(asked: Context, measured: Iterable[str]) -> list[str]:
    """What must be said of what was not measured for want of classes."""
    where = f"the train split of {asked.dataset.name}"
    if "linear_probe_accuracy" not in measured:
        labels = asked.train_labels
        if labels is not None and asked.labels is not None and are_too_many(labels):
            return [f"Linear probe, kNN and k-means were left out: {_too_many(labels, where)}"]
        return [
            "Linear probe, kNN and k-means were left out: they need labels that are classes, at least two, in the "
            f"training split and in {asked.where}; name them by --label, or give the data set labels."
        ]
    if asked.labels is not None and are_too_many(asked.labels):
        return [f"K-means was left out: {_too_many(asked.labels, asked.where)}"]
    return []


def _too_many(labels: np.ndarray, where: str) -> str:
    return (
        f"{len(labels)} examples of {where} have {len(np.unique(labels))} different labels, which name no classes; "
        "expected at most half as many."
    )


def _require_askable(context: Context) -> None:
    """Raises what is wrong with the arguments, before any question is asked."""
    _ = context.part
    known = [labels for labels in (context.labels, context.train_labels) if labels is not None]
    if context.abnormal is not None and known:
        context.abnormal_names(np.unique(np.concatenate(known)))


def _answer(name: str, context: Context) -> TaskResult:
    try:
        return TASKS[name].run(context)
    except InvalidInput as error:
        return TaskResult(name, [], (f"The task {name} could not be evaluated: {error}",))


def _of_reference(abnormal: np.ndarray, count: int) -> list[str]:
    """What must be said of the training split that scores compare with."""
    messages = [
        f"Scores compare with {count:,} normal training examples.",
        "Which score is best is seen with the labels of this split, which flatters it: choose one beforehand.",
    ]
    if abnormal.any():
        messages.append(
            f"{int(abnormal.sum()):,} of {len(abnormal):,} training examples count as abnormal: a run that was trained "
            "on them learned to reconstruct them too; train on normal ones alone for a one-class detector."
        )
    return messages


def _baseline_scores(asked: Context, reference: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Scores without an autoencoder, by what they are of and their name."""
    x, normal = _flat(asked.x), _flat(asked.scaled(reference))
    errors = np.square(_flat(asked.pca.reconstruct(asked.x)) - x).sum(axis=1)
    scores = {("pca", "reconstruction_error"): errors.astype(np.float64)}
    if len(normal) >= _NEIGHBORS:
        near = search(x, normal, k=_NEIGHBORS).distances.mean(axis=1)
        scores["raw", "knn"] = near.astype(np.float64)
    return scores


def _judged(
    asked: Context, scorer: AnomalyScore, abnormal: np.ndarray, messages: list[str]
) -> tuple[ScoredLabels, list[Row]]:
    """A score of the member that is shown, and rows of all members.

    Raises:
      InvalidInput: scores of no member are finite.
    """
    found = with_members(asked.run, scorer.score(asked.part.x))
    whole = all_finite(found)
    trusted = whole & asked.run.finite
    shown = ScoredLabels(found[int(np.argmax(trusted if trusted.any() else whole))], abnormal)
    names = _detection_values(*shown)
    messages += asked.said_of(whole, f"scores by {scorer.name}")
    return shown, asked.rows_of_members(
        lambda member: _detection_values(found[member], abnormal), whole, names, score=scorer.name
    )


def _detection_values(scores: np.ndarray, abnormal: np.ndarray) -> dict[str, float]:
    return {
        "roc_auc": roc_auc(scores, abnormal),
        "average_precision": average_precision(scores, abnormal),
        "precision_at_n": precision_at_n(scores, abnormal),
    }


class _Searched(NamedTuple):
    """What is searched by what, of the whole split and the whole training split."""

    autoencoder: str
    member: int | None
    representation: str
    distance: str
    queries: np.ndarray
    database: np.ndarray


def _baselines_of_search(asked: Context) -> list[_Searched]:
    x, train = _flat(asked.x), _flat(asked.train)
    codes, train_codes = asked.pca.encode(x), asked.pca.encode(train)
    planes = random_hyperplanes(train, bits=asked.codes.shape[-1], seed=asked.seed)
    return [
        _Searched("raw", None, "raw", "euclidean", x, train),
        _Searched("raw", None, "random hyperplanes", "hamming", planes(x), planes(train)),
        _Searched("pca", None, f"pca-{codes.shape[1]}", "euclidean", codes, train_codes),
    ]


def _codes_to_search(asked: Context) -> list[_Searched]:
    found = []
    for member, (codes, train_codes) in enumerate(zip(asked.codes, asked.train_codes, strict=True)):
        middle = thresholds_of(train_codes)
        bits, train_bits = binarise(codes, middle), binarise(train_codes, middle)
        found += [
            _Searched(asked.run.name, member, "code", "euclidean", codes, train_codes),
            _Searched(asked.run.name, member, "code", "cosine", codes, train_codes),
            _Searched(asked.run.name, member, "code binarised", "hamming", bits, train_bits),
        ]
    return found


def _rows_of_likelihood(asked: Context, messages: list[str]) -> list[Row]:
    """Log-likelihoods beside the bound, and what must be said of them."""
    x = asked.part.x[subsample(len(asked.part.x), _EXAMPLES)]
    estimate = with_members(asked.run, log_likelihood(asked.run, x, samples=_SAMPLES, seed=asked.seed))
    bound = with_members(asked.run, negative_elbo(asked.run, x, seed=asked.seed))
    messages.append(f"Log-likelihoods are of {len(x):,} examples, by {_SAMPLES:,} importance samples each.")
    scaled = asked.scaled(x)
    if isinstance(asked.run.autoencoder.objective.likelihood, BernoulliLikelihood) and np.any(scaled * (1 - scaled)):
        messages.append("The data are not binary: under a Bernoulli likelihood, compare their values with care.")
    found = {
        "log_likelihood": estimate.log_likelihood,
        "effective_samples": estimate.effective_samples,
        "negative_elbo": bound["negative_elbo"],
        "kl": bound["kl"],
    }
    whole = np.all([all_finite(values) for values in found.values()], axis=0)
    messages += asked.said_of(whole, "log-likelihoods")

    def of_member(member: int) -> dict[str, float]:
        return {name: float(np.mean(values[member])) for name, values in found.items()}

    return asked.rows_of_members(of_member, whole, found, samples=_SAMPLES, examples=len(x))


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)
