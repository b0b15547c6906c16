"""The tasks that runs and baselines are evaluated on, and one function that evaluates any of them."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import IsolationForest

from ae_jax._checks import non_negative_whole
from ae_jax.data import Dataset, Split
from ae_jax.errors import InvalidInput, require_known
from ae_jax.evaluation.anomaly import SCORES, AnomalyScore, anomaly_score
from ae_jax.evaluation.baselines import LABELLED, Baseline, Identity
from ae_jax.evaluation.context import Context, Features, Subject, with_members
from ae_jax.evaluation.contraction import relative_norms
from ae_jax.evaluation.denoising import denoising_grid
from ae_jax.evaluation.detection_metrics import anomaly_metrics
from ae_jax.evaluation.diagnosis import diagnose, join_findings
from ae_jax.evaluation.filters import are_images
from ae_jax.evaluation.generation import frechet_distance, kernel_distance, precision_recall
from ae_jax.evaluation.labels import are_too_many, class_names
from ae_jax.evaluation.likelihood import cautions, has_prior, log_likelihood, negative_elbo
from ae_jax.evaluation.neighbors import search
from ae_jax.evaluation.reconstruction import (
    explained_variance,
    image_quality,
    mean_squared_error,
    mean_squared_errors,
    psnr,
)
from ae_jax.evaluation.representation import (
    active_fraction,
    clustering_agreement,
    code_correlation,
    code_use,
    continuity,
    label_accuracies,
    label_hits,
    mean_activation,
    trustworthiness,
)
from ae_jax.evaluation.results import Evaluation, Row, ScoredLabels, TaskResult
from ae_jax.evaluation.retrieval import RandomHyperplanes, binarise, retrieval_metrics, thresholds_of
from ae_jax.evaluation.sampling import subsample, subsample_split
from ae_jax.objectives import BernoulliLikelihood
from ae_jax.public import public
from ae_jax.training import Run

_NEIGHBORS = 5
_REFERENCE = 10_000
"""The largest number of normal training examples that scores compare with."""
_DATABASE, _QUERIES, _RESULTS = 10_000, 2_000, 100
_DENOISED = 2_000
_GENERATED = 2_000
"""The largest number of samples that are compared with as many examples."""
_EXAMPLES, _SAMPLES = 1_000, 1_000
"""The largest number of examples whose log-likelihood is estimated, and the importance samples of each."""

_FILLED = "Missing values count as the mean of their feature over the training split, as truth and as input."

_OWN_SPLITS = "Each member is evaluated on the split that it was trained on, which its seed drew."

_FLATTERED = {
    "representation": "linear probe and kNN are tested on their own training examples",
    "anomaly": "scores compare normal examples with themselves, which are their own nearest neighbours",
    "retrieval": "every query finds itself",
    "generation": "the training data beside samples are the examples themselves",
}
"""Why the result of a task on the training split is too good."""


class Task(NamedTuple):
    """A use of autoencoders that is evaluated.

    Attributes:
      run: evaluates it, or raises the reason why it cannot be evaluated.
      meaning: what it tells, as a question.
      headline: the metric that summarises it, the first of those that were measured.
      outputs: the outputs of subjects that it needs (:class:`ae_jax.evaluation.context.Subject`).
      by, over: the keys of rows that make a row of a table, and a table.
    """

    run: Callable[[Context], TaskResult]
    meaning: str
    headline: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    by: tuple[str, ...] = ("autoencoder",)
    over: tuple[str, ...] = ()


@public
def evaluate(
    evaluated: Run | Baseline,
    dataset: Dataset,
    tasks: str | Iterable[str] = "summary",
    *,
    split: str = "test",
    seed: int = 0,
    abnormal: Any = None,
    features: Features | None = None,
    features_name: str = "data",
    sampler: str = "prior",
) -> Evaluation:
    """Evaluates a run or a baseline on one or several tasks.

    ``"summary"`` has the few numbers that comparisons report, and what is wrong with members. Each other task has rows
    of its baselines too. A task that the run or the data do not allow has a result without rows, whose message says why
    and what to do. Rows of a member that diverged, or whose outputs are not finite and values NaN, say
    ``"finite": False``.

    Members that were trained on splits of their own (``resplit=True``) are each evaluated on the split of their seed,
    where the data have the size trained on and their splits were drawn at random; baselines are fitted to each of these
    splits, and their rows have its seed.

    Args:
      evaluated: a trained population, or a baseline such as :class:`ae_jax.evaluation.PCA`.
      dataset: the data; their shape and scaling are the run's. Probes, scores and searches learn from its training
        split.
      tasks: one name or several in :data:`TASKS`, or ``"all"``, every task but the summary.
      split: the split that is evaluated; results on the training split are too good, and messages say how.
      seed: of clusters, corruptions, hyperplanes, latents and samples.
      abnormal: for the anomaly task, the label or labels that count as abnormal; by default 1 where labels are 0 and
        1. Scores that need normal examples take those of the training split.
      features: for the generation task, maps examples in model units to rows of features, on which distances between
        samples and data are measured; by default their values. Only distances on the same features are comparable.
      features_name: what results call them.
      sampler: of the generation task: ``"prior"``, or one that :meth:`ae_jax.Run.sampler` fits to the training split.

    Returns:
      A result for each task; ``.findings`` and ``.rows`` are those of all of them, rows as
      ``{"autoencoder", "seed", "member", "metric", "value", "split"}`` with :data:`ae_jax.evaluation.METRICS` as
      metrics, where ``member`` is None of a baseline, and further keys: the numbers in which members differ, such as
      ``beta`` (:attr:`ae_jax.Run.swept`); ``score`` of the anomaly task;
      ``representation``, ``distance`` and ``k`` of retrieval; ``corruption``, ``level`` and ``trained_on`` of
      denoising; ``features``, ``samples``, ``sampler`` and ``examples`` of generation and likelihood.

    Raises:
      InvalidInput: an unknown task or label, a seed that is not a whole number below 2**32, an unknown or empty split,
        data of another shape or scaling than the run's, or features without a name.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> rows = evaluate(ae_jax.evaluation.PCA.fit(data, 16), data).rows
      >>> rows[1]["metric"], round(rows[1]["value"], 4)
      ('mse', 0.0117)
    """
    names = list(dict.fromkeys(_several(tasks)))
    names = [name for name in TASKS if name != SUMMARY] if names == ["all"] else names
    for name in names:
        require_known("task", name, [*TASKS, "all"])
    if (features is None) != (features_name == "data"):
        raise InvalidInput(
            f"the generation task was given features={features} called {features_name!r}: expected both, or neither; "
            "name the features, as only distances on the same features are comparable."
        )
    non_negative_whole("evaluate", "seed", seed)
    if seed >= 2**32:
        raise InvalidInput(f"evaluate was given seed={seed}: expected a whole number below 2**32.")
    how = {
        "split": split,
        "seed": seed,
        "abnormal": None if abnormal is None else _several(abnormal),
        "features": features,
        "features_name": features_name,
        "sampler": sampler,
        "outputs": frozenset(output for name in names for output in TASKS[name].outputs),
    }
    if dataset.has_missing:
        found = evaluate(evaluated, dataset.filled(), names, **{key: how[key] for key in how if key != "outputs"})
        return Evaluation(one._replace(messages=(_FILLED, *one.messages)) for one in found)
    if isinstance(evaluated, Baseline):
        return _results(Context(evaluated=evaluated, dataset=dataset, **how), names)
    if not evaluated.has_own_splits(dataset):
        return _with_swept(evaluated, _results(Context(evaluated=evaluated, dataset=dataset, **how), names))
    seeds, found = list(dict.fromkeys(evaluated.seeds.tolist())), []
    parts = [np.flatnonzero(evaluated.seeds == own).tolist() for own in seeds]
    for own, members in zip(seeds, parts, strict=True):
        run = evaluated if len(members) == len(evaluated) else evaluated[members]
        of_seed = how | {"members": members, "split_seed": own}
        found.append(_results(Context(evaluated=run, dataset=run.own_split(dataset), **of_seed), names))
    joined = Evaluation(_joined(evaluated, parts, results) for results in zip(*found, strict=True))
    return _with_swept(evaluated, joined)


def _with_swept(run: Run, found: Evaluation) -> Evaluation:
    """The results, of which the rows of members have the numbers in which members differ as further keys."""
    swept = run.swept
    for row in found.rows:
        if row["member"] is not None:
            row |= {name: values[row["member"]] for name, values in swept.items()}
    return found


def evaluate_baseline(
    fit: Callable[[Dataset], Baseline], dataset: Dataset, seeds: Iterable[int] | None = None
) -> Evaluation:
    """Evaluates a baseline by the summary, fitted to the training split or, given seeds, to that of each seed's split.

    Args:
      fit: makes the baseline of a data set.
      dataset: the data.
      seeds: of the splits (:meth:`ae_jax.data.Dataset.resplit`), which the rows have as theirs.

    Example:
      >>> import ae_jax
      >>> found = evaluate_baseline(lambda data: ae_jax.evaluation.PCA.fit(data, 16), ae_jax.data.digits(), [0, 1])
      >>> [(row["seed"], round(row["value"], 4)) for row in found.rows if row["metric"] == "mse"]
      [(0, 0.0117), (1, 0.0115)]
    """
    dataset = dataset.filled()
    splits = [(None, dataset)] if seeds is None else [(seed, dataset.resplit(seed)) for seed in seeds]
    outputs = frozenset(_SUMMARY_OUTPUTS)
    contexts = [Context(evaluated=fit(data), dataset=data, outputs=outputs, split_seed=seed) for seed, data in splits]
    return Evaluation(map(summary_task, contexts))


def _results(context: Context, names: Iterable[str]) -> Evaluation:
    labels = context.part.labels, context.dataset.train.labels
    known = [names for names in map(class_names, labels) if names is not None]
    if context.abnormal is not None and known:
        context.abnormal_names(np.unique(np.concatenate(known)))
    results = []
    for name in names:
        try:
            results.append(TASKS[name].run(context))
        except InvalidInput as error:
            results.append(TaskResult(name, [], (f"The task {name} could not be evaluated: {error}",)))
    return Evaluation(results)


def _joined(run: Run, parts: list[list[int]], results: tuple[TaskResult, ...]) -> TaskResult:
    """The result of a task from those of parts of a run, with the curves of the first member that stayed finite."""
    shown = next(place for place, members in enumerate(parts) if np.argmax(run.finite) in members)
    messages = dict.fromkeys(message for result in results for message in result.messages)
    return results[shown]._replace(
        rows=[row for result in results for row in result.rows],
        messages=(_OWN_SPLITS, *messages),
        findings=join_findings(run, zip(parts, [result.findings for result in results], strict=True)),
        examples=[values for result in results for values in result.examples],
    )


def summary_task(context: Context) -> TaskResult:
    """The few numbers that comparisons report of every autoencoder, and their values at each example."""
    x, train_labels, labels = context.x, context.dataset.train.labels, context.part.labels
    bounds: dict[str, np.ndarray] = {}
    if isinstance(context.evaluated, Run) and has_prior(context.evaluated.autoencoder):
        found = negative_elbo(
            context.evaluated, context.part.x, condition=context.condition(context.part), seed=context.seed
        )
        bounds = with_members(context.evaluated, found)
    rows: list[Row] = []
    examples: list[np.ndarray | None] = []
    for subject in context.subjects:
        code, norms = subject.output("code"), subject.output("jacobian_norm")
        values = {
            "code_units": float(code.shape[1]),
            "mse": mean_squared_errors(subject.output("reconstruction"), x),
            "psnr_corrupted": psnr(subject.output("denoised"), x, data_range=context.data_range),
            **label_hits(subject.output("train_code"), train_labels, code, labels),
            "mean_activation": code.mean(axis=1, dtype=np.float64),
            "active_fraction": active_fraction(code),
            **_code_use(context, subject),
            "jacobian_norm": norms,
            "relative_jacobian": relative_norms(norms, code),
            **{name: of_members[subject.member] for name, of_members in bounds.items()},
            "parameters": float(subject.parameters),
        }
        if isinstance(context.evaluated, Identity):  # of raw data, only accuracies compare with those of codes
            known = LABELLED[0] in values
            values = {name: values[name] for name in ("code_units", *LABELLED)} if known else {}
        rows += context.rows(subject, {name: float(np.mean(of_each)) for name, of_each in values.items()})
        examples += [of_each if isinstance(of_each, np.ndarray) else None for of_each in values.values()]
    found = diagnose(context, bounds.get("kl"))
    return TaskResult(SUMMARY, rows, context.range_messages, findings=found, examples=examples)


def _code_use(context: Context, subject: Subject) -> dict[str, float]:
    """How training examples use the codes of a member, where codes are discrete."""
    codes = context.run.autoencoder.objective.codes if isinstance(context.evaluated, Run) else None
    return {} if codes is None or subject.member is None else code_use(subject.output("train_indices"), codes)


def reconstruction_task(context: Context) -> TaskResult:
    """Errors of reconstructions, beside PCA's."""
    x, mean, messages = context.x, context.train.mean(axis=0, dtype=np.float64), [*context.range_messages]
    if not are_images(x) or min(x.shape[1:3]) < 3:
        messages.append("SSIM was left out: examples are not images of at least 3 pixels on a side.")

    def values(subject: Subject) -> dict[str, float]:
        made = subject.output("reconstruction")
        quality = image_quality(made, x, data_range=context.data_range)
        errors = {"mse": mean_squared_error(made, x), "psnr": quality.pop("psnr")}
        return errors | {"explained_variance": explained_variance(made, x, mean)} | quality

    rows, failed = _beside_pca(context, "reconstructions", values, ("reconstruction",))
    return TaskResult("reconstruction", rows, (*messages, *failed))


def representation_task(context: Context) -> TaskResult:
    """What codes know of labels and neighbours, and how their units are used, beside PCA."""
    part, train, x = context.part, context.dataset.train, context.x
    enough = len(part.x) > 2 * _NEIGHBORS

    def values(subject: Subject) -> dict[str, float]:
        codes = subject.output("code")
        known = label_accuracies(subject.output("train_code"), train.labels, codes, part.labels)
        if known and part.labels is not None and len(np.unique(part.labels)) > 1 and not are_too_many(part.labels):
            known |= clustering_agreement(codes, part.labels, seed=context.seed)
        if enough:
            known |= {
                "trustworthiness": trustworthiness(x, codes, neighbors=_NEIGHBORS),
                "continuity": continuity(x, codes, neighbors=_NEIGHBORS),
            }
        return known | {
            "mean_activation": mean_activation(codes),
            "active_fraction": active_fraction(codes),
            "code_correlation": code_correlation(codes),
            **_code_use(context, subject),
            "jacobian_norm": float(np.mean(subject.output("jacobian_norm"))),
            "relative_jacobian": float(np.mean(relative_norms(subject.output("jacobian_norm"), codes))),
        }

    rows, failed = _beside_pca(context, "codes", values, ("code", "train_code", "jacobian_norm"))
    messages = _split_messages(context, "representation")
    names = {"linear_probe_accuracy": "linear probe", "knn_accuracy": "kNN", "kmeans_nmi": "k-means"}
    if missing := [name for metric, name in names.items() if metric not in {row["metric"] for row in rows}]:
        messages.append(
            f"Metrics by label were left out ({', '.join(missing)}): they need labels that are classes, at least two "
            f"and at most half as many as examples, in both splits; name them by "
            "--label, or give the data set labels."
        )
    if not enough:
        failed.append(f"Trustworthiness and continuity were left out: {len(part.x)} examples are too few.")
    return TaskResult("representation", rows, (*messages, *failed))


def anomaly_task(context: Context) -> TaskResult:
    """How well scores tell abnormal examples from normal ones, beside scores of PCA and of the data themselves."""
    abnormal, among_train = context.is_abnormal()
    if among_train.all():
        raise InvalidInput("all training examples count as abnormal: expected normal ones to compare with.")
    normal = np.flatnonzero(~among_train)
    reference = normal[subsample(len(normal), _REFERENCE)]
    train = context.dataset.train
    normal_part = Split(train.x[reference], None if train.labels is None else train.labels[reference])
    messages = [
        f"Scores compare with {len(reference):,} normal training examples.",
        "The best score is chosen by the labels of this split, which makes its result too good: choose one beforehand.",
        *_split_messages(context, "anomaly"),
    ]
    if among_train.any():
        messages.append(
            f"{int(among_train.sum()):,} of {len(among_train):,} training examples count as abnormal: a run that was "
            "trained on them learned to reconstruct them too; train on normal ones alone for a one-class detector."
        )
    rows: list[Row] = []
    curves: dict[str, ScoredLabels] = {}
    for subject, score, scores in _baseline_scores(context, reference):
        rows += context.rows(subject, anomaly_metrics(scores, abnormal), score=score)
        curves[f"{subject.name}, {score}"] = ScoredLabels(scores, abnormal)
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
    return TaskResult("anomaly", rows, tuple(messages), curves, best)


def retrieval_task(context: Context) -> TaskResult:
    """Whether nearest neighbours have the label of the query, beside raw data, random hyperplanes and PCA."""
    labels, train_labels = context.classes(context.split), context.classes("train")
    queries, database = subsample(len(context.x), _QUERIES), subsample(len(context.train), _DATABASE)
    k, left_out = min(_RESULTS, len(database)), 0
    rows: list[Row] = []
    values: dict[str, float] = {}
    for subject, representation, distance, codes, train_codes in _representations(context):
        further = {"representation": representation, "distance": distance, "k": k}
        if not subject.is_finite("code", "train_code"):
            rows += context.rows(subject, dict.fromkeys(values, math.nan), **further | {"finite": False})
            continue
        found = search(codes[queries], train_codes[database], k=k, metric=distance).indices
        values = retrieval_metrics(found, labels[queries], train_labels[database], k=k)
        left_out = int(values.pop("queries_left_out"))
        rows += context.rows(subject, values, **further)
    messages = [f"The {k} nearest of {len(database):,} training examples are judged."]
    messages += _split_messages(context, "retrieval")
    broken = [subject for subject in context.subjects if not subject.is_finite("code", "train_code")]
    messages += context.not_finite_messages("codes", broken)
    if len(database) < len(context.train) or len(queries) < len(context.x):
        messages.append(
            f"Cut to {len(database):,} of {len(context.train):,} training examples and {len(queries):,} of "
            f"{len(context.x):,} queries, evenly spaced."
        )
    if left_out:
        messages.append(f"{left_out} of {len(queries):,} queries were left out: no training example has their label.")
    return TaskResult("retrieval", rows, tuple(messages))


def denoising_task(context: Context) -> TaskResult:
    """The quality of reconstructions of corrupted examples, beside PCA and image filters."""
    rows = denoising_grid(context, limit=_DENOISED)
    cut = (f"Cut to {_DENOISED:,} of {len(context.x):,} examples, evenly spaced.",)
    return TaskResult("denoising", rows, (*cut[: len(context.x) > _DENOISED], *context.range_messages))


def generation_task(context: Context) -> TaskResult:
    """How close samples are to the data, beside training examples."""
    run, count = context.run, min(len(context.x), _GENERATED)
    condition = context.condition(subsample_split(context.part, count))
    sampler = context.sampler
    if sampler != "prior":
        run.sampler(sampler, context.dataset)
    drawn = run.sample(count, seed=context.seed, condition=condition, sampler=sampler)
    samples = with_members(run, context.scaled(drawn))
    features = context.features or _flat
    real = features(context.x[subsample(len(context.x), count)])

    def distances(examples: np.ndarray) -> dict[str, float]:
        made = features(examples)
        found = {"frechet_distance": frechet_distance(real, made), "kernel_distance": kernel_distance(real, made)}
        return found | precision_recall(real, made)

    def is_finite(subject: Subject) -> bool:
        return bool(np.isfinite(samples[subject.member]).all())

    train = context.train[subsample(len(context.train), count)]
    of_data, further = distances(train), {"features": context.features_name, "samples": count}
    data_rows = context.rows(context.raw._replace(name="training data"), of_data, **further | {"samples": len(train)})
    further |= {} if sampler == "prior" else {"sampler": sampler}
    rows, failed = context.measured(
        "samples", lambda subject: distances(samples[subject.member]), is_finite, of_data, **further
    )
    messages = [
        f"Distances are between {count:,} samples ({sampler}) and as many examples, on {context.features_name} as "
        "features: comparable on the same features and numbers only.",
        *_split_messages(context, "generation"),
        *failed,
    ]
    return TaskResult("generation", data_rows + rows, tuple(messages))


def likelihood_task(context: Context) -> TaskResult:
    """Importance-sampled log-likelihoods beside the evidence lower bound."""
    run, part = context.run, subsample_split(context.part, _EXAMPLES)
    x, further = part.x, {"condition": context.condition(part), "seed": context.seed}
    estimate = log_likelihood(run, x, samples=_SAMPLES, **further)
    bound = negative_elbo(run, x, **further)
    messages = [f"Log-likelihoods are of {len(x):,} examples, by {_SAMPLES:,} importance samples each."]
    messages += cautions(run, estimate)
    scaled = context.scaled(x)
    if isinstance(run.autoencoder.objective.likelihood, BernoulliLikelihood) and np.any(scaled * (1 - scaled)):
        messages.append("The data are not binary: under a Bernoulli likelihood, compare their values with care.")
    of_run = {
        "log_likelihood": estimate.log_likelihood,
        "effective_samples": estimate.effective_samples,
        "negative_elbo": bound["negative_elbo"],
        "kl": bound["kl"],
    }
    found = with_members(run, of_run)

    def is_finite(subject: Subject) -> bool:
        return all(bool(np.isfinite(values[subject.member]).all()) for values in found.values())

    def means(subject: Subject) -> dict[str, float]:
        return {name: float(np.mean(values[subject.member])) for name, values in found.items()}

    rows, failed = context.measured("log-likelihoods", means, is_finite, found, samples=_SAMPLES, examples=len(x))
    return TaskResult("likelihood", rows, (*messages, *failed))


SUMMARY = "summary"
"""The task that comparisons report."""

_SUMMARY_OUTPUTS = ("code", "reconstruction", "denoised", "jacobian_norm")

TASKS: dict[str, Task] = {
    SUMMARY: Task(summary_task, "What do comparisons report?", ("mse",), _SUMMARY_OUTPUTS),
    "reconstruction": Task(
        reconstruction_task, "How well are examples reconstructed?", ("psnr",), ("code", "reconstruction")
    ),
    "representation": Task(
        representation_task,
        "What do the codes know, and how are they used?",
        ("knn_accuracy", "trustworthiness", "relative_jacobian"),
        ("code", "jacobian_norm"),
    ),
    "anomaly": Task(
        anomaly_task, "Do scores tell abnormal from normal examples?", ("roc_auc",), by=("autoencoder", "score")
    ),
    "retrieval": Task(
        retrieval_task,
        "Do nearest neighbours have the label of the query?",
        ("map_at_k",),
        ("code",),
        by=("representation", "distance"),
    ),
    "denoising": Task(
        denoising_task,
        "How much of the clean example is restored from a corrupted one?",
        ("psnr_gain",),
        ("code",),
        by=("autoencoder", "trained_on"),
        over=("corruption", "level"),
    ),
    "generation": Task(generation_task, "Are samples like the data?", ("frechet_distance",)),
    "likelihood": Task(likelihood_task, "How probable are the data?", ("log_likelihood",)),
}
"""Every task by its name."""


def _several(given: Any) -> tuple[Any, ...]:
    """One or several, as several."""
    return (given,) if isinstance(given, (str, bytes)) or not isinstance(given, Iterable) else tuple(given)


def _beside_pca(
    context: Context, what: str, measure: Callable[[Subject], dict[str, float]], needed: tuple[str, ...]
) -> tuple[list[Row], list[str]]:
    """Rows of PCA and of the subjects, NaN where needed outputs are not finite, and the message that says so."""
    if isinstance(context.evaluated, Baseline):
        return context.rows(context.subjects[0], measure(context.subjects[0])), []
    pca = context.baseline(context.pca)
    of_pca = measure(pca)
    rows, messages = context.measured(what, measure, lambda subject: subject.is_finite(*needed), of_pca)
    return context.rows(pca, of_pca) + rows, messages


def _split_messages(context: Context, task: str) -> list[str]:
    """The message that results on the training split are too good."""
    return [f"This is the training split: {_FLATTERED[task]}; evaluate another one."] * (context.split == "train")


def _baseline_scores(context: Context, reference: np.ndarray) -> Iterator[tuple[Subject, str, np.ndarray]]:
    """Scores without networks: errors, mean distances to as many normal examples as codes have, and isolation."""
    if isinstance(context.evaluated, Baseline):
        subjects = [(context.subjects[0], score) for score in ("reconstruction_error", "knn")]
    else:
        subjects = [(context.baseline(context.pca), "reconstruction_error"), (context.raw, "knn")]
        forest = IsolationForest(random_state=context.seed).fit(_flat(context.train[reference]))
        yield context.raw, "isolation_forest", -forest.score_samples(_flat(context.x))
    for subject, score in subjects:
        if score == "reconstruction_error":
            errors = np.square(_flat(subject.output("reconstruction")) - _flat(context.x)).sum(axis=1)
            yield subject, score, errors.astype(np.float64)
        elif len(reference) >= _NEIGHBORS:
            nearest = search(subject.output("code"), subject.output("train_code")[reference], k=_NEIGHBORS)
            yield subject, score, nearest.distances.mean(axis=1).astype(np.float64)


def _scored(context: Context, scorer: AnomalyScore, abnormal: np.ndarray) -> tuple[ScoredLabels, list[Row], list[str]]:
    """A score of the first member that stayed finite, rows of all members, and messages; refused where none is."""
    found = with_members(context.run, scorer.score(context.part.x, condition=context.condition(context.part)))
    finite = np.isfinite(found).all(axis=1)
    trusted = finite & context.run.finite
    shown = ScoredLabels(found[int(np.argmax(trusted if trusted.any() else finite))], abnormal)
    rows, messages = context.measured(
        f"scores by {scorer.name}",
        lambda subject: anomaly_metrics(found[subject.member], abnormal),
        lambda subject: bool(finite[subject.member]),
        anomaly_metrics(*shown),
        score=scorer.name,
    )
    return shown, rows, messages


def _representations(
    context: Context,
) -> Iterator[tuple[Subject, str, str, np.ndarray, np.ndarray]]:
    """What is searched: subject, representation, distance, and its values for the split and the training split."""
    if isinstance(context.evaluated, Run):
        raw, pca = context.raw, context.baseline(context.pca)
        units = pca.output("code").shape[1]
        planes = RandomHyperplanes.fit(context.train, context.subjects[0].output("code").shape[1], seed=context.seed)
        yield raw, "raw", "euclidean", raw.output("code"), raw.output("train_code")
        yield raw, "random hyperplanes", "hamming", planes.encode(context.x), planes.encode(context.train)
        yield pca, f"pca-{units}", "euclidean", pca.output("code"), pca.output("train_code")
    for subject in context.subjects:
        codes, train_codes = subject.output("code"), subject.output("train_code")
        middle = thresholds_of(train_codes)
        yield subject, "code", "euclidean", codes, train_codes
        yield subject, "code", "cosine", codes, train_codes
        yield subject, "code binarised", "hamming", binarise(codes, middle), binarise(train_codes, middle)


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)
