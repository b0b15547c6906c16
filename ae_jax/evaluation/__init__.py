"""Questions asked of a trained autoencoder: a file for each, pure functions, and two that ask many at once."""

from ae_jax.evaluation.anomaly import SCORES, AnomalyScore, anomaly_score
from ae_jax.evaluation.baseline import evaluate_pca
from ae_jax.evaluation.context import ScoredLabels, TaskResult
from ae_jax.evaluation.contraction import jacobian_norm, jacobian_spectrum
from ae_jax.evaluation.denoising import (
    FAMILIES,
    denoising_baselines,
    denoising_grid,
    evaluate_denoising,
    is_matched,
    psnr_corrupted,
    trained_on,
)
from ae_jax.evaluation.detection import (
    average_precision,
    precision_at_n,
    precision_recall_curve,
    roc_auc,
    roc_curve,
    threshold_for,
)
from ae_jax.evaluation.evaluate import evaluate
from ae_jax.evaluation.filters import best_width, gaussian_filter, median_filter
from ae_jax.evaluation.generation import frechet_distance, kernel_distance, precision_recall
from ae_jax.evaluation.likelihood import LogLikelihood, log_likelihood, negative_elbo
from ae_jax.evaluation.metrics import METRICS, Metric, Row
from ae_jax.evaluation.neighbors import Neighbors, search
from ae_jax.evaluation.reconstruction import explained_variance, mean_squared_error, psnr, structural_similarity
from ae_jax.evaluation.representation import (
    active_fraction,
    clustering_agreement,
    code_correlation,
    continuity,
    knn_accuracy,
    linear_probe_accuracy,
    mean_activation,
    trustworthiness,
)
from ae_jax.evaluation.retrieval import (
    average_precision_at,
    binarise,
    random_hyperplanes,
    retrieval_metrics,
    thresholds_of,
)
from ae_jax.evaluation.suite import TASKS, Task, run_tasks

__all__ = [
    "FAMILIES",
    "METRICS",
    "SCORES",
    "TASKS",
    "AnomalyScore",
    "LogLikelihood",
    "Metric",
    "Neighbors",
    "Row",
    "ScoredLabels",
    "Task",
    "TaskResult",
    "active_fraction",
    "anomaly_score",
    "average_precision",
    "average_precision_at",
    "best_width",
    "binarise",
    "clustering_agreement",
    "code_correlation",
    "continuity",
    "denoising_baselines",
    "denoising_grid",
    "evaluate",
    "evaluate_denoising",
    "evaluate_pca",
    "explained_variance",
    "frechet_distance",
    "gaussian_filter",
    "is_matched",
    "jacobian_norm",
    "jacobian_spectrum",
    "kernel_distance",
    "knn_accuracy",
    "linear_probe_accuracy",
    "log_likelihood",
    "mean_activation",
    "mean_squared_error",
    "median_filter",
    "negative_elbo",
    "precision_at_n",
    "precision_recall",
    "precision_recall_curve",
    "psnr",
    "psnr_corrupted",
    "random_hyperplanes",
    "retrieval_metrics",
    "roc_auc",
    "roc_curve",
    "run_tasks",
    "search",
    "structural_similarity",
    "threshold_for",
    "thresholds_of",
    "trained_on",
    "trustworthiness",
]
