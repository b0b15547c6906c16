"""Results as data: long-format rows, their means with confidence intervals, and the JSON that holds them."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, special

from ae_jax.atomic import write_text
from ae_jax.data import Dataset
from ae_jax.errors import require_known
from ae_jax.evaluation import METRICS, Row
from ae_jax.training import Run

Examples = np.ndarray | None
"""The values of each test example, ``[n]``, of which a result is the mean; None where it is no mean."""

SOURCES = ("training", "splits", "test examples")
"""What intervals may contain; training is what the seed decides."""

_LOWEST = math.log(1e-30)


class Interval(NamedTuple):
    """A mean and its 95% confidence interval.

    Attributes:
      mean: over the values that are finite.
      half_width: of the interval; None where nothing was repeated.
      count: of values.
      over: what the interval contains, some of :data:`SOURCES`.
    """

    mean: float
    half_width: float | None
    count: int
    over: tuple[str, ...] = ()

    def shown(self) -> str:
        """The mean and the half-width in four digits.

        Example:
          >>> Interval(0.5, 0.01, 5).shown()
          '0.5 ± 0.01'
        """
        return f"{self.mean:.4g}" + ("" if self.half_width is None else f" ± {self.half_width:.2g}")


class Estimate(NamedTuple):
    """A mean, and the variance of it that each source contributes.

    Attributes:
      mean, count, over: as of :class:`Interval`.
      sources: variance and degrees of freedom of each.
    """

    mean: float
    count: int
    sources: tuple[tuple[float, int], ...]
    over: tuple[str, ...]

    def interval(self) -> Interval:
        """The mean with its 95% confidence interval."""
        return Interval(self.mean, self.half_width(0.05) if self.sources else None, self.count, self.over)

    def half_width(self, level: float) -> float:
        """Half-width of the interval that misses the expected value with this probability."""
        return math.sqrt(sum(special.stdtrit(freedom, level / 2) ** 2 * of for of, freedom in self.sources))

    @property
    def p_value(self) -> float:
        """The level at which the interval just reaches zero; NaN where nothing is known of the variance."""
        if not self.half_width(0.05) > 1e-12 * abs(self.mean):
            return math.nan if self.mean or not self.sources else 1.0

        def beyond(log_level: float) -> float:
            return self.half_width(math.exp(log_level)) - abs(self.mean)

        if not self.mean or beyond(_LOWEST) < 0:
            return 0.0 if self.mean else 1.0
        found: Any = optimize.brentq(beyond, _LOWEST, 0.0)
        return math.exp(found)


def estimate(
    values: Sequence[float | None], examples: Sequence[Examples] = (), *, resampled: float | None = None
) -> Estimate:
    """Returns the mean of finite values with the sources of its variance; arguments are those of :func:`interval`."""
    finite = [place for place, value in enumerate(values) if value is not None and np.isfinite(value)]
    of_seeds = np.array([values[place] for place in finite], np.float64)
    count, sources, over = len(finite), [], []
    if count > 1:
        sources.append((float(of_seeds.var(ddof=1) * (1 / count + (resampled or 0.0))), count - 1))
        over += SOURCES[:1] if resampled is None else SOURCES
    kept = [examples[place] for place in finite] if examples else [None]
    tested = [of_seed for of_seed in kept if of_seed is not None and len(of_seed) > 1]
    if len(tested) == count and (resampled is None or count == 1) and len({len(of_seed) for of_seed in tested}) == 1:
        means = np.mean(tested, axis=0, dtype=np.float64)
        sources.append((float(means.var(ddof=1) / len(means)), len(means) - 1))
        over.append(SOURCES[2])
    return Estimate(float(of_seeds.mean()) if count else math.nan, count, tuple(sources), tuple(over))


def split_ratio(run: Run, dataset: Dataset, split: str = "test") -> float | None:
    """Examples of a split for each training example, where each seed of a run has its own; else None."""
    own = run.has_own_splits(dataset) and split in ("train", *dataset.redrawn)
    return len(dataset.split(split).x) / len(dataset.train.x) if own else None


def interval(
    values: Sequence[float | None], examples: Sequence[Examples] = (), *, resampled: float | None = None
) -> Interval:
    r"""Returns the mean of values, one a seed, and its 95% confidence interval.

    .. math:: \bar v \pm \sqrt{t_{J-1}^2 \, s^2 / J + t_{n-1}^2 \, s_x^2 / n}

    with t the quantile of 0.975, s the standard deviation over J seeds, and, where the values of the n test examples
    are given that all seeds share, s_x that of their means over seeds: the half-widths of two Student intervals, added
    as the sides of a right angle. Without examples it is Student's interval over seeds. Where each seed has a split of
    its own, training and test sets overlap, and the variance is that of Nadeau and Bengio,

    .. math:: (1 / J + n_\text{test} / n_\text{train}) \, s^2.

    Args:
      values: one for each seed; those that are not finite are left out.
      examples: values of each test example, of which each seed's value is the mean, ``[n]`` for each seed.
      resampled: test examples for each training example, where each seed has a split of its own.

    Example:
      >>> mean, half_width, count, over = interval([1.0, 2.0, 3.0])
      >>> round(mean, 2), round(half_width, 2), count, over
      (2.0, 2.48, 3, ('training',))

    References:
      Student, *The probable error of a mean*, Biometrika 1908; Zou and Donner, *Construction of confidence limits about
      effect measures: a general approach*, Statistics in Medicine 2008 (the sum); Nadeau and Bengio, *Inference for the
      generalization error*, Machine Learning 2003.
    """
    return estimate(values, examples, resampled=resampled).interval()


def summarise(
    rows: Sequence[Row], *, by: Sequence[str] = ("autoencoder",), split: str = "test", **tested: Any
) -> dict[str, dict[str, Interval]]:
    """Returns group -> metric -> interval, groups in order of appearance, metrics in that of ``METRICS``.

    Args:
      rows: long-format results; members that diverged (``"finite": False``) are left out.
      by: the keys that make a group, such as a number that was swept; one names it by its value, several by
        ``key=value``. Rows that lack one, as those of baselines do, are grouped by their autoencoder.
      split: the split whose rows are summarised.
      tested: ``examples`` and ``resampled``, as of :func:`intervals`.

    Example:
      >>> rows = [{"autoencoder": "a", "seed": s, "metric": "mse", "value": 0.1, "split": "test"} for s in (0, 1)]
      >>> summarise(rows)["a"]["mse"].mean
      0.1
    """
    order = list(METRICS)
    found = intervals([row if row["split"] == split else {} for row in rows], by=by, **tested)
    return {group: {metric: of[metric] for metric in sorted(of, key=order.index)} for group, of in found.items()}


def intervals(
    rows: Sequence[Mapping[str, Any]],
    *,
    by: Sequence[str] = ("autoencoder",),
    examples: Sequence[Examples] = (),
    resampled: float | None = None,
) -> dict[str, dict[str, Interval]]:
    """Returns group -> metric, of any name -> interval over rows, both in order of appearance.

    Args:
      rows: with the keys of groups, ``metric`` and ``value``; a value of None, and a row with ``"finite": False``, is
        left out of means and counts.
      by: as in :func:`summarise`.
      examples: the values of test examples of each row, or None (:attr:`ae_jax.evaluation.Evaluation.examples`).
      resampled: as of :func:`interval`.

    Example:
      >>> rows = [{"autoencoder": "a", "metric": "error", "value": value} for value in (1.0, 3.0)]
      >>> intervals(rows)["a"]["error"].mean
      2.0
    """
    groups: dict[str, dict[str, list[tuple[float | None, Examples]]]] = {}
    known = dict.fromkeys(key for row in rows for key in row)
    for key in by if known else ():
        require_known("key of the rows", key, known)
    for row, of_row in zip(rows, examples or [None] * len(rows), strict=True):
        if row:
            if not all(key in row for key in by):  # of a baseline, which has no hyper-parameters
                group = str(row.get("autoencoder"))
            else:
                group = str(row[by[0]]) if len(by) == 1 else ", ".join(f"{key}={row[key]}" for key in by)
            value = row["value"] if row.get("finite", True) else None
            found = None if value is None else float(value), of_row
            groups.setdefault(group, {}).setdefault(row["metric"], []).append(found)
    return {
        group: {metric: interval(*zip(*found, strict=True), resampled=resampled) for metric, found in of.items()}
        for group, of in groups.items()
    }


def best(summary: dict[str, dict[str, Interval]], metric: str) -> str | None:
    """Returns the group whose mean of a metric is best, which shows no difference (:func:`ae_jax.studies.undefeated`).

    None where no direction is better or no group has it.

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
