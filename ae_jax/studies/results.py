"""Results as data: long-format rows, their means with confidence intervals, and the JSON that holds them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from ae_jax.atomic import write_text
from ae_jax.evaluation import METRICS, Row


class Interval(NamedTuple):
    """A mean over seeds and its 95% confidence interval.

    Attributes:
      mean: over the values that are finite.
      half_width: of the interval, by Student's t; None of fewer than two values.
      count: of values.
    """

    mean: float
    half_width: float | None
    count: int


def interval(values: Sequence[float | None]) -> Interval:
    r"""Returns mean and 95% confidence interval of independent values, by Student's t distribution.

    .. math:: \bar v \pm t_{0.975, n-1} \, s / \sqrt{n}

    Example:
      >>> mean, half_width, count = interval([1.0, 2.0, 3.0])
      >>> round(mean, 2), round(half_width, 2), count
      (2.0, 2.48, 3)

    References:
      Student, *The probable error of a mean*, Biometrika 1908.
    """
    finite = np.asarray([value for value in values if value is not None and np.isfinite(value)], np.float64)
    if not len(finite):
        return Interval(float("nan"), None, 0)
    if len(finite) == 1:
        return Interval(float(finite[0]), None, 1)
    half_width = stats.t.ppf(0.975, len(finite) - 1) * finite.std(ddof=1) / np.sqrt(len(finite))
    return Interval(float(finite.mean()), float(half_width), len(finite))


def summarise(
    rows: Sequence[Row], *, by: Sequence[str] = ("autoencoder",), split: str = "test"
) -> dict[str, dict[str, Interval]]:
    """Returns group -> metric -> interval over seeds, groups in order of appearance, metrics in that of ``METRICS``.

    Args:
      rows: long-format results; members that diverged (``"finite": False``) are left out.
      by: the keys that make a group; one names it by its value, several by ``key=value``.
      split: the split whose rows are summarised.

    Example:
      >>> rows = [{"autoencoder": "a", "seed": s, "metric": "mse", "value": 0.1, "split": "test"} for s in (0, 1)]
      >>> summarise(rows)["a"]["mse"].mean
      0.1
    """
    order = list(METRICS)
    found = intervals((row for row in rows if row["split"] == split), by=by)
    return {group: {metric: of[metric] for metric in sorted(of, key=order.index)} for group, of in found.items()}


def intervals(
    rows: Iterable[Mapping[str, Any]], *, by: Sequence[str] = ("autoencoder",)
) -> dict[str, dict[str, Interval]]:
    """Returns group -> metric, of any name -> interval over rows, both in order of appearance.

    Args:
      rows: with the keys of groups, ``metric`` and ``value``; a value of None, and a row with ``"finite": False``, is
        left out of means and counts.
      by: as in :func:`summarise`.

    Example:
      >>> rows = [{"autoencoder": "a", "metric": "error", "value": value} for value in (1.0, 3.0)]
      >>> intervals(rows)["a"]["error"].mean
      2.0
    """
    groups: dict[str, dict[str, list[float | None]]] = {}
    for row in rows:
        group = str(row[by[0]]) if len(by) == 1 else ", ".join(f"{key}={row[key]}" for key in by)
        value = row["value"] if row.get("finite", True) else None
        groups.setdefault(group, {}).setdefault(row["metric"], []).append(None if value is None else float(value))
    return {group: {metric: interval(values) for metric, values in of.items()} for group, of in groups.items()}


def best(summary: dict[str, dict[str, Interval]], metric: str) -> str | None:
    """Returns the group whose mean of a metric is best; None where no direction is better or no group has it.

    Example:
      >>> best({"a": {"mse": Interval(0.1, None, 1)}, "b": {"mse": Interval(0.2, None, 1)}}, "mse")
      'a'
    """
    means = {group: metrics[metric].mean for group, metrics in summary.items() if metric in metrics}
    means = {group: mean for group, mean in means.items() if np.isfinite(mean)}
    if not means or METRICS[metric].better is None:
        return None
    return (min if METRICS[metric].better == "low" else max)(means, key=means.__getitem__)


def write_results(path: Path, results: dict[str, Any]) -> Path:
    """Writes results as JSON, atomically; a value that is not finite becomes null.

    Raises:
      InvalidInput: the folder cannot be written.
    """
    return write_text(path, as_json(results))


def as_json(results: dict[str, Any]) -> str:
    """Returns results as the text of a JSON file; a value that is not finite becomes null."""
    return json.dumps(_finite(results), indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
