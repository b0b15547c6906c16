"""Which group of a study won what, in a sentence."""

from collections.abc import Sequence

import numpy as np

from ae_jax.evaluation import METRICS
from ae_jax.report.charts import Summary
from ae_jax.report.tables import cell, cells
from ae_jax.studies import Interval


def verdict(summary: Summary) -> str:
    """Says of each winner in what it has the best mean, and whose intervals reach into the winner's.

    Metrics that only one group has, or of which neither way is better, have no winner.

    Args:
      summary: as :func:`ae_jax.studies.summarise` gives it.

    Returns:
      Sentences for a reader of the results.

    Example:
      >>> verdict({"pca": {"mse": Interval(0.3, None, 1)}, "sparse": {"mse": Interval(0.1, 0.02, 5)}})
      'sparse has the lowest MSE (0.10000 ± 0.02000).'
    """
    winners = cells(summary).best
    if not winners:
        return "No metric was measured of two or more, so that nothing can be compared."
    won: dict[str, list[str]] = {}
    for metric, winner in winners.items():
        won.setdefault(winner, []).append(metric)
    sentences = [
        f"{winner} has {_listed([_answer(summary, winner, metric) for metric in metrics])}."
        for winner, metrics in won.items()
    ]
    sentence = " ".join(sentences)
    seeds = max(answer.count for metrics in summary.values() for answer in metrics.values())
    return sentence if seeds > 1 else f"{sentence} One seed only: chance may have decided."


def level_with(summary: Summary, winner: str, metric: str) -> list[str]:
    """The groups whose interval of a metric overlaps the winner's; a mean without interval counts as exact.

    Example:
      >>> level_with({"a": {"mse": Interval(0.1, 0.02, 5)}, "b": {"mse": Interval(0.13, 0.02, 5)}}, "a", "mse")
      ['b']
    """
    low, high = _bounds(summary[winner][metric])
    others = {group: _bounds(metrics[metric]) for group, metrics in summary.items() if metric in metrics}
    return [group for group, (a, b) in others.items() if group != winner and a <= high and low <= b]


def _answer(summary: Summary, winner: str, metric: str) -> str:
    what = METRICS[metric]
    value = str(cell(summary, winner, metric)) + (f" {what.unit}" if what.unit in ("dB", "nats") else "")
    level = level_with(summary, winner, metric)
    if level:
        named = len(level) <= 2 and not any("," in group for group in level)
        value += f", level with {_listed(level) if named else f'{len(level)} others'}"
    return f"the {'lowest' if what.better == 'low' else 'highest'} {what.label} ({value})"


def _listed(items: Sequence[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _bounds(answer: Interval) -> tuple[float, float]:
    half_width = answer.half_width or 0.0
    return (answer.mean - half_width, answer.mean + half_width) if np.isfinite(answer.mean) else (np.inf, -np.inf)
