"""Metrics: labels, units, and whether lower or higher is better."""

import math
from typing import Literal, NamedTuple

_LIMITS = {
    "fraction": (0.0, 1.0),
    "of 1": (-math.inf, 1.0),
    **dict.fromkeys(("squared model units", "squared feature units", "code / model units", "count"), (0.0, math.inf)),
    "1 / model units": (0.0, math.inf),
}
"""The lowest and the highest possible value by unit; of others there is none."""


class Metric(NamedTuple):
    """What a column of results means.

    Attributes:
      label: its heading.
      unit: of its values.
      better: which way is better; None where neither is.
      format: how a value is printed.
      meaning: one line for readers of the table.
      least: the lowest possible value, where the unit does not tell it.
    """

    label: str
    unit: str
    better: Literal["low", "high"] | None
    format: str
    meaning: str
    least: float = -math.inf

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest possible value."""
        low, high = _LIMITS.get(self.unit, (-math.inf, math.inf))
        return max(low, self.least), high


METRICS: dict[str, Metric] = {
    "code_units": Metric("code", "count", None, ",.0f", "units of the code; only codes of one size are ranked"),
    "mse": Metric("MSE", "squared model units", "low", ".5f", "mean over features and examples of the squared error"),
    "psnr": Metric("PSNR", "dB", "high", ".2f", "peak signal-to-noise ratio, of the error of all examples"),
    "psnr_gain": Metric("PSNR gain", "dB", "high", ".2f", "PSNR less that of the corrupted input"),
    "ssim": Metric("SSIM", "of 1", "high", ".3f", "structural similarity to the clean image, mean over examples", -1.0),
    "ssim_gain": Metric("SSIM gain", "of 1", "high", ".3f", "SSIM less that of the corrupted input"),
    "explained_variance": Metric(
        "explained", "of 1", "high", ".3f", "reconstructed share of the squared distance from the training mean"
    ),
    "psnr_corrupted": Metric(
        "PSNR, corrupted", "dB", "high", ".2f", "of reconstructions of noisy inputs, mean over examples"
    ),
    "linear_probe_accuracy": Metric("linear probe", "fraction", "high", ".3f", "of a logistic regression on the codes"),
    "knn_accuracy": Metric("kNN", "fraction", "high", ".3f", "of the five nearest neighbours among the codes"),
    "kmeans_nmi": Metric(
        "NMI", "of 1", "high", ".3f", "normalised mutual information of k-means clusters and labels", 0.0
    ),
    "kmeans_ari": Metric("ARI", "of 1", "high", ".3f", "adjusted Rand index of k-means clusters and labels", -0.5),
    "trustworthiness": Metric(
        "trustworthy", "of 1", "high", ".3f", "neighbours in the code that are so in the data", 0.0
    ),
    "continuity": Metric("continuity", "of 1", "high", ".3f", "neighbours in the data that are so in the code", 0.0),
    "mean_activation": Metric("mean act.", "code units", None, ".3f", "mean of the codes over units and examples"),
    "active_fraction": Metric("active", "fraction", None, ".2f", "units with 1% of the most active one's variance"),
    "code_correlation": Metric("|corr.|", "of 1", None, ".3f", "mean absolute correlation between two units", 0.0),
    "codes_used": Metric("codes used", "fraction", "high", ".2f", "discrete codes that some training example uses"),
    "perplexity": Metric("perplexity", "count", None, ".1f", "codes in even use with the entropy of their use"),
    "dead_codes": Metric("dead codes", "count", "low", ",.0f", "discrete codes that no training example uses"),
    "jacobian_norm": Metric("‖J‖", "code / model units", None, ".3f", "mean Frobenius norm of the encoder's Jacobian"),
    "relative_jacobian": Metric("relative ‖J‖", "1 / model units", "low", ".3f", "‖J‖ by the spread of the code"),
    "roc_auc": Metric("ROC AUC", "fraction", "high", ".3f", "pairs of one abnormal and one normal that are in order"),
    "average_precision": Metric("AP", "fraction", "high", ".3f", "mean precision at the rank of each abnormal example"),
    "precision_at_n": Metric("P@n", "fraction", "high", ".3f", "abnormal among as many highest scores as are abnormal"),
    "map_at_k": Metric("mAP@k", "fraction", "high", ".3f", "mean average precision of the k nearest, by label"),
    "precision_at_k": Metric("P@k", "fraction", "high", ".3f", "results among the k nearest that have the label"),
    "recall_at_k": Metric("R@k", "fraction", "high", ".4f", "items of the label that are among the k nearest"),
    "log_likelihood": Metric("log p(x)", "nats", "high", ".2f", "by importance sampling, of the data in model units"),
    "effective_samples": Metric("eff. samples", "count", None, ",.0f", "importance samples of equal weight, mean"),
    "negative_elbo": Metric("-ELBO", "nats", "low", ".2f", "negative evidence lower bound, of the data in model units"),
    "negative_log_likelihood": Metric("E[-log p(x|z)]", "nats", None, ".2f", "the part of -ELBO that reconstructs"),
    "kl": Metric("KL", "nats", None, ".2f", "the part of -ELBO that keeps the posterior near the prior", 0.0),
    "frechet_distance": Metric(
        "Fréchet", "squared feature units", "low", ".3f", "distance between Gaussians fitted to samples and to data"
    ),
    "kernel_distance": Metric("kernel", "squared kernel units", "low", ".5f", "unbiased MMD², cubic kernel"),
    "precision": Metric("precision", "fraction", "high", ".3f", "samples that lie among data"),
    "recall": Metric("recall", "fraction", "high", ".3f", "data that lie among samples"),
    "parameters": Metric("parameters", "count", None, ",.0f", "trained numbers"),
}
"""Every metric that results name, in the order of the table's columns."""
