"""Evaluation of trained autoencoders and baselines: tasks, the metrics that they report, and anomaly scores."""

from ae_jax.evaluation.anomaly import SCORES, AnomalyScore, anomaly_score, definition_of
from ae_jax.evaluation.baselines import LABELLED, PCA, Baseline, Identity, LinearDenoiser, is_baseline
from ae_jax.evaluation.context import Context
from ae_jax.evaluation.contraction import jacobian_norm, jacobian_spectrum
from ae_jax.evaluation.denoising import denoising_grid
from ae_jax.evaluation.detection_metrics import anomaly_metrics, precision_at_n, threshold_for
from ae_jax.evaluation.diagnosis import FAULTS, diagnose, diagnose_training, disqualified, sentences
from ae_jax.evaluation.generation import frechet_distance, kernel_distance, precision_recall
from ae_jax.evaluation.labels import class_names, shortened
from ae_jax.evaluation.likelihood import LogLikelihood, log_likelihood, negative_elbo
from ae_jax.evaluation.metrics import METRICS, Metric
from ae_jax.evaluation.neighbors import Neighbors, search
from ae_jax.evaluation.noise import NOISE, NOISY, corrupted, families_within, trained_on
from ae_jax.evaluation.reconstruction import (
    explained_variance,
    image_quality,
    mean_squared_error,
    psnr,
    structural_similarity,
)
from ae_jax.evaluation.representation import (
    active_fraction,
    clustering_agreement,
    code_correlation,
    code_use,
    continuity,
    knn_accuracy,
    linear_probe_accuracy,
    mean_activation,
    trustworthiness,
)
from ae_jax.evaluation.results import Evaluation, Row, ScoredLabels, TaskResult
from ae_jax.evaluation.retrieval import (
    RandomHyperplanes,
    average_precision_at,
    binarise,
    retrieval_metrics,
    thresholds_of,
)
from ae_jax.evaluation.sampling import subsample
from ae_jax.evaluation.scores import Score, SumOverFeatures
from ae_jax.evaluation.suite import SUMMARY, TASKS, Task, evaluate, evaluate_baseline

__all__ = [
    "FAULTS",
    "LABELLED",
    "METRICS",
    "NOISE",
    "NOISY",
    "PCA",
    "SCORES",
    "SUMMARY",
    "TASKS",
    "AnomalyScore",
    "Baseline",
    "Context",
    "Evaluation",
    "Identity",
    "LinearDenoiser",
    "LogLikelihood",
    "Metric",
    "Neighbors",
    "RandomHyperplanes",
    "Row",
    "Score",
    "ScoredLabels",
    "SumOverFeatures",
    "Task",
    "TaskResult",
    "active_fraction",
    "anomaly_metrics",
    "anomaly_score",
    "average_precision_at",
    "binarise",
    "class_names",
    "clustering_agreement",
    "code_correlation",
    "code_use",
    "continuity",
    "corrupted",
    "definition_of",
    "denoising_grid",
    "diagnose",
    "diagnose_training",
    "disqualified",
    "evaluate",
    "evaluate_baseline",
    "explained_variance",
    "families_within",
    "frechet_distance",
    "image_quality",
    "is_baseline",
    "jacobian_norm",
    "jacobian_spectrum",
    "kernel_distance",
    "knn_accuracy",
    "linear_probe_accuracy",
    "log_likelihood",
    "mean_activation",
    "mean_squared_error",
    "negative_elbo",
    "precision_at_n",
    "precision_recall",
    "psnr",
    "retrieval_metrics",
    "search",
    "sentences",
    "shortened",
    "structural_similarity",
    "subsample",
    "threshold_for",
    "thresholds_of",
    "trained_on",
    "trustworthiness",
]
