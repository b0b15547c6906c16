"""The tasks that runs and baselines are evaluated on, each a function of a context."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ae_jax.evaluation import reconstruction, representation
from ae_jax.evaluation.baselines import LABELLED, Baseline, Identity
from ae_jax.evaluation.context import Context, Subject, with_members
from ae_jax.evaluation.contraction import relative_norms
from ae_jax.evaluation.denoising import denoising_grid
from ae_jax.evaluation.diagnosis import diagnose
from ae_jax.evaluation.filters import are_images
from ae_jax.evaluation.generation import frechet_distance, kernel_distance, precision_recall
from ae_jax.evaluation.labels import are_too_many
from ae_jax.evaluation.likelihood import cautions, has_prior, log_likelihood, negative_elbo
from ae_jax.evaluation.neighbors import search
from ae_jax.evaluation.results import Row, TaskResult
from ae_jax.evaluation.retrieval import RandomHyperplanes, binarise, metrics_of_queries, thresholds_of
from ae_jax.evaluation.sampling import subsample, subsample_split
from ae_jax.evaluation.scores import rows_of
from ae_jax.objectives import BernoulliLikelihood
from ae_jax.training import Run

_NEIGHBORS = 5
_DATABASE, _QUERIES, _RESULTS = 10_000, 2_000, 100
_DENOISED = 2_000
_GENERATED = 2_000
"""The largest number of samples that are compared with as many examples."""
_EXAMPLES, _SAMPLES = 1_000, 1_000
"""The largest number of examples whose log-likelihood is estimated, and the importance samples of each."""

SUMMARY = "summary"
"""The task that comparisons report."""


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
    for subject in context.subjects:
        code, norms = subject.output("code"), subject.output("jacobian_norm")
        values = {
            "code_units": float(code.shape[1]),
            "mse": reconstruction.mean_squared_errors(subject.output("reconstruction"), x),
            "psnr_corrupted": reconstruction.psnr(subject.output("denoised"), x, data_range=context.data_range),
            **representation.label_hits(subject.output("train_code"), train_labels, code, labels),
            "mean_activation": code.mean(axis=1, dtype=np.float64),
            "active_fraction": representation.active_fraction(code),
            **_code_use(context, subject),
            "jacobian_norm": norms,
            "relative_jacobian": relative_norms(norms, code),
            **{name: of_members[subject.member] for name, of_members in bounds.items()},
            "parameters": float(subject.parameters),
        }
        if isinstance(context.evaluated, Identity):  # of raw data, only accuracies compare with those of codes
            known = LABELLED[0] in values
            values = {name: values[name] for name in ("code_units", *LABELLED)} if known else {}
        rows += context.rows(subject, values)
    return TaskResult.of(SUMMARY, rows, context.range_messages, findings=diagnose(context, bounds.get("kl")))


def _code_use(context: Context, subject: Subject) -> dict[str, float]:
    """How training examples use the codes of a member, where codes are discrete."""
    codes = context.run.autoencoder.objective.codes if isinstance(context.evaluated, Run) else None
    return (
        {}
        if codes is None or subject.member is None
        else representation.code_use(subject.output("train_indices"), codes)
    )


def reconstruction_task(context: Context) -> TaskResult:
    """Errors of reconstructions, beside PCA's."""
    x, mean, messages = context.x, context.train.mean(axis=0, dtype=np.float64), [*context.range_messages]
    if not are_images(x) or min(x.shape[1:3]) < 3:
        messages.append("SSIM was left out: examples are not images of at least 3 pixels on a side.")

    def values(subject: Subject) -> dict[str, Any]:
        made = subject.output("reconstruction")
        quality = reconstruction.image_quality(made, x, data_range=context.data_range)
        errors = {"mse": reconstruction.mean_squared_errors(made, x), "psnr": quality.pop("psnr")}
        return errors | {"explained_variance": reconstruction.explained_variance(made, x, mean)} | quality

    rows, failed = _beside_pca(context, "reconstructions", values, ("reconstruction",))
    return TaskResult.of("reconstruction", rows, (*messages, *failed))


def representation_task(context: Context) -> TaskResult:
    """What codes know of labels and neighbours, and how their units are used, beside PCA."""
    part, train, x = context.part, context.dataset.train, context.x
    enough = len(part.x) > 2 * _NEIGHBORS

    def values(subject: Subject) -> dict[str, Any]:
        codes, norms = subject.output("code"), subject.output("jacobian_norm")
        known = representation.label_hits(subject.output("train_code"), train.labels, codes, part.labels)
        if known and part.labels is not None and len(np.unique(part.labels)) > 1 and not are_too_many(part.labels):
            known |= representation.clustering_agreement(codes, part.labels, seed=context.seed)
        if enough:
            known |= {
                "trustworthiness": representation.trustworthiness(x, codes, neighbors=_NEIGHBORS),
                "continuity": representation.continuity(x, codes, neighbors=_NEIGHBORS),
            }
        return known | {
            "mean_activation": representation.mean_activation(codes),
            "active_fraction": representation.active_fraction(codes),
            "code_correlation": representation.code_correlation(codes),
            **_code_use(context, subject),
            "jacobian_norm": norms,
            "relative_jacobian": relative_norms(norms, codes),
        }

    rows, failed = _beside_pca(context, "codes", values, ("code", "train_code", "jacobian_norm"))
    messages = context.split_messages("representation")
    names = {"linear_probe_accuracy": "linear probe", "knn_accuracy": "kNN", "kmeans_nmi": "k-means"}
    if missing := [name for metric, name in names.items() if metric not in {row["metric"] for row in rows}]:
        messages.append(
            f"Metrics by label were left out ({', '.join(missing)}): they need labels that are classes, at least two "
            f"and at most half as many as examples, in both splits; name them by "
            "--label, or give the data set labels."
        )
    if not enough:
        failed.append(f"Trustworthiness and continuity were left out: {len(part.x)} examples are too few.")
    return TaskResult.of("representation", rows, (*messages, *failed))


def retrieval_task(context: Context) -> TaskResult:
    """Whether nearest neighbours have the label of the query, beside raw data, random hyperplanes and PCA."""
    labels, train_labels = context.classes(context.split), context.classes("train")
    queries, database = subsample(len(context.x), _QUERIES), subsample(len(context.train), _DATABASE)
    k, left_out = min(_RESULTS, len(database)), 0
    rows: list[Row] = []
    values: dict[str, np.ndarray] = {}
    for subject, kind, distance, codes, train_codes in _representations(context):
        further = {"representation": kind, "distance": distance, "k": k}
        if not subject.is_finite("code", "train_code"):
            rows += context.rows(subject, dict.fromkeys(values, math.nan), **further | {"finite": False})
            continue
        found = search(codes[queries], train_codes[database], k=k, metric=distance).indices
        values = metrics_of_queries(found, labels[queries], train_labels[database], k=k)
        left_out = len(queries) - len(values["map_at_k"])
        rows += context.rows(subject, values, **further)
    messages = [f"The {k} nearest of {len(database):,} training examples are judged."]
    messages += context.split_messages("retrieval")
    broken = [subject for subject in context.subjects if not subject.is_finite("code", "train_code")]
    messages += context.not_finite_messages("codes", broken)
    if len(database) < len(context.train) or len(queries) < len(context.x):
        messages.append(
            f"Cut to {len(database):,} of {len(context.train):,} training examples and {len(queries):,} of "
            f"{len(context.x):,} queries, evenly spaced."
        )
    if left_out:
        messages.append(f"{left_out} of {len(queries):,} queries were left out: no training example has their label.")
    return TaskResult.of("retrieval", rows, messages)


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
    features = context.features or rows_of
    real = features(context.x[subsample(len(context.x), count)])

    def distances(examples: np.ndarray) -> dict[str, float]:
        made = features(examples)
        found = {"frechet_distance": frechet_distance(real, made), "kernel_distance": kernel_distance(real, made)}
        return found | precision_recall(real, made)

    train = context.train[subsample(len(context.train), count)]
    of_data, further = distances(train), {"features": context.features_name, "samples": count}
    data_rows = context.rows(context.raw._replace(name="training data"), of_data, **further | {"samples": len(train)})
    further |= {} if sampler == "prior" else {"sampler": sampler}
    finite = [bool(np.isfinite(of_member).all()) for of_member in samples]
    rows, failed = context.measured(
        "samples", lambda subject: distances(samples[subject.member]), finite, of_data, **further
    )
    messages = [
        f"Distances are between {count:,} samples ({sampler}) and as many examples, on {context.features_name} as "
        "features: comparable on the same features and numbers only.",
        *context.split_messages("generation"),
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
    finite = np.all([np.isfinite(values).all(axis=1) for values in found.values()], axis=0)

    def values(subject: Subject) -> dict[str, np.ndarray]:
        return {name: of_run[subject.member] for name, of_run in found.items()}

    rows, failed = context.measured("log-likelihoods", values, finite, found, samples=_SAMPLES, examples=len(x))
    return TaskResult.of("likelihood", rows, (*messages, *failed))


def _beside_pca(
    context: Context, what: str, measure: Callable[[Subject], dict[str, Any]], needed: tuple[str, ...]
) -> tuple[list[Row], list[str]]:
    """Rows of PCA and of the subjects, NaN where needed outputs are not finite, and the message that says so."""
    if isinstance(context.evaluated, Baseline):
        return context.rows(context.subjects[0], measure(context.subjects[0])), []
    pca = context.baseline(context.pca)
    of_pca = measure(pca)
    finite = [subject.is_finite(*needed) for subject in context.subjects]
    rows, messages = context.measured(what, measure, finite, of_pca)
    return context.rows(pca, of_pca) + rows, messages


def _representations(context: Context) -> Iterator[tuple[Subject, str, str, np.ndarray, np.ndarray]]:
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
