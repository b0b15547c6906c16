"""The names of what is measured, with their units and which way is better."""

from typing import Any, Literal, NamedTuple

Row = dict[str, Any]
"""One long-format result: autoencoder, seed, member, metric, value, split, and any hyper-parameters that were swept."""


class Metric(NamedTuple):
    """What a column of results means.

    Attributes:
      label: its heading.
      unit: of its values.
      better: which way is better; None where neither is.
      format: how a value is printed.
      meaning: one line for readers of the table.
    """

    label: str
    unit: str
    better: Literal["low", "high"] | None
    format: str
    meaning: str


METRICS: dict[str, Metric] = {
    "mse": Metric("MSE", "squared model units", "low", ".5f", "mean over features and examples of the squared error"),
    "psnr_corrupted": Metric("PSNR, corrupted", "dB", "high", ".2f", "of reconstructions from noisy inputs"),
    "linear_probe_accuracy": Metric("linear probe", "fraction", "high", ".3f", "of a logistic regression on the codes"),
    "knn_accuracy": Metric("kNN", "fraction", "high", ".3f", "of the five nearest neighbours among the codes"),
    "mean_activation": Metric("mean act.", "code units", None, ".3f", "mean of the codes over units and examples"),
    "active_fraction": Metric("active", "fraction", None, ".2f", "units with 1% of the most active one's variance"),
    "jacobian_norm": Metric("‖J‖", "code / model units", "low", ".3f", "mean Frobenius norm of the encoder's Jacobian"),
    "negative_elbo": Metric("-ELBO", "nats", "low", ".2f", "negative evidence lower bound"),
    "negative_log_likelihood": Metric("E[-log p(x|z)]", "nats", None, ".2f", "the part of -ELBO that reconstructs"),
    "kl": Metric("KL", "nats", None, ".2f", "the part of -ELBO that keeps the posterior near the prior"),
    "parameters": Metric("parameters", "count", None, ",.0f", "trained numbers"),
}
"""Every metric that results name, in the order of the table's columns."""
