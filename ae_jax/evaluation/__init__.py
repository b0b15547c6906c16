"""Questions asked of a trained autoencoder: a file for each, pure functions, and one that asks them all."""

from ae_jax.evaluation.baseline import evaluate_pca
from ae_jax.evaluation.contraction import jacobian_norm
from ae_jax.evaluation.denoising import psnr_corrupted
from ae_jax.evaluation.evaluate import evaluate
from ae_jax.evaluation.likelihood import negative_elbo
from ae_jax.evaluation.metrics import METRICS, Metric, Row
from ae_jax.evaluation.reconstruction import mean_squared_error, psnr
from ae_jax.evaluation.representation import active_fraction, knn_accuracy, linear_probe_accuracy, mean_activation

__all__ = [
    "METRICS",
    "Metric",
    "Row",
    "active_fraction",
    "evaluate",
    "evaluate_pca",
    "jacobian_norm",
    "knn_accuracy",
    "linear_probe_accuracy",
    "mean_activation",
    "mean_squared_error",
    "negative_elbo",
    "psnr",
    "psnr_corrupted",
]
