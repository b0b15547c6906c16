"""What differs by more than chance: paired tests over seeds, and ranks over many questions."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import stats

from ae_jax._checks import require_inside, size
from ae_jax.errors import InvalidInput, require_known
from ae_jax.evaluation import METRICS, Row
from ae_jax.studies.results import Interval, interval

_Measured = dict[tuple[Any, ...], dict[str, dict[int | None, float | None]]]
"""Question -> autoencoder -> seed -> value, None of what diverged."""


class Difference(NamedTuple):
    """How two autoencoders differ in one question, over the seeds that they share.

    Attributes:
      question: the keys that it was asked by and their values, such as ``{"metric": "mse"}``.
      first, second: names of the autoencoders.
      difference: mean and 95% confidence interval of the first one's values less the second one's.
      p_value: two-sided, of no difference; NaN of fewer than two shared seeds, and by Student's test where all
        differences are the same.
      corrected: the same by Holm's step-down correction over all differences of one call.
      better: name of the one with the better mean; None where neither is or no way is better.
    """

    question: dict[str, Any]
    first: str
    second: str
    difference: Interval
    p_value: float
    corrected: float
    better: str | None


class Ranking(NamedTuple):
    """Average ranks of autoencoders over questions, and which of them do not differ.

    Attributes:
      ranks: autoencoder -> average rank, 1 being best, from the best to the worst.
      questions: how many were ranked in.
      statistic: Friedman's, corrected for ties.
      p_value: of ranks as even as these or less where all autoencoders are equal.
      critical_difference: by how much average ranks differ where two autoencoders do, by Nemenyi's test.
      level: of that test, the probability of any false difference.
      groups: those within the critical difference, best first; of groups within groups only the largest.
    """

    ranks: dict[str, float]
    questions: int
    statistic: float
    p_value: float
    critical_difference: float
    level: float
    groups: tuple[tuple[str, ...], ...]


def paired_differences(
    rows: Sequence[Row],
    *,
    over: Sequence[str] = ("metric",),
    split: str = "test",
    test: Literal["t", "wilcoxon"] = "t",
) -> list[Difference]:
    r"""Every pair of autoencoders in every question, over the seeds that both have.

    .. math:: t = \bar d \sqrt{n} / s_d, \quad d_i = a_i - b_i

    Members of one seed share initialisation, batches and noise, so that their values go together and the differences
    vary less than the values do. What has no seed, a baseline such as PCA, is the same beside every seed. Members that
    diverged are left out. Of differences that are all the same, whose spread nothing is known of, Student's test says
    NaN, but either test says 1 of zeros.

    Args:
      rows: long-format results.
      over: the keys that make a question, ``"metric"`` among them.
      split: which split to look at.
      test: Student's for differences that are normal, or Wilcoxon's signed-rank test, whose p value of n seeds is no
        less than ``2**(1 - n)``: 0.0625 of five.

    Returns:
      A difference for each question and pair, in the order of appearance; p values are corrected over all of them.

    Raises:
      InvalidInput: an unknown test or metric, no metric in ``over``, a row that lacks a key, or an autoencoder with two
        values of one seed in a question.

    Example:
      >>> values = {"a": (1.0, 2.0, 3.0), "b": (1.5, 2.6, 3.4)}
      >>> rows = [
      ...     {"autoencoder": name, "seed": seed, "metric": "mse", "value": value, "split": "test"}
      ...     for name, of_seeds in values.items()
      ...     for seed, value in enumerate(of_seeds)
      ... ]
      >>> found, = paired_differences(rows)
      >>> found.better, round(found.difference.mean, 2), round(found.p_value, 3)
      ('a', -0.5, 0.013)

    References:
      Student, *The probable error of a mean*, Biometrika 1908; Wilcoxon, *Individual comparisons by ranking methods*,
      Biometrics Bulletin 1945; Holm, *A simple sequentially rejective multiple test procedure*, Scandinavian Journal
      of Statistics 1979.
    """
    require_known("test", test, ("t", "wilcoxon"))
    compared = []
    for question, measured in _measured(rows, over, split).items():
        of_keys = dict(zip(over, question, strict=True))
        for first, second in itertools.combinations(measured, 2):
            differences = _paired(measured[first], measured[second])
            if differences is not None:
                compared.append((of_keys, first, second, differences))
    p_values = [_p_value(differences, test) for *_, differences in compared]
    return [
        Difference(keys, first, second, interval(list(differences)), p_value, corrected, better)
        for (keys, first, second, differences), p_value, corrected in zip(
            compared, p_values, holm(p_values).tolist(), strict=True
        )
        for better in [_better(keys["metric"], first, second, differences)]
    ]


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    r"""P values corrected for their number by Holm's step-down method.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) \, p_{(j)})

    The chance of any false difference among those below a level is at most that level, whatever depends on what.

    Args:
      p_values: ``[m]``; NaN, of what could not be tested, stays and is not counted.

    Returns:
      The corrected ones, ``[m]``, in the given order.

    Example:
      >>> holm([0.01, 0.04, 0.03]).round(3)
      array([0.03, 0.06, 0.06])

    References:
      Holm, *A simple sequentially rejective multiple test procedure*, Scandinavian Journal of Statistics 1979.
    """
    given = np.asarray(p_values, np.float64)
    corrected = np.full(given.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given[tested], kind="stable")]
    steps = np.arange(len(order), 0, -1) * given[order]
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def average_ranks(
    rows: Sequence[Row], *, over: Sequence[str] = ("metric",), split: str = "test", level: float = 0.05
) -> Ranking:
    r"""Average ranks over questions, with Friedman's test of all being equal and Nemenyi's critical difference.

    .. math:: \mathrm{CD} = q_\alpha \sqrt{k (k + 1) / (6 N)}

    The k autoencoders are ranked by their means over seeds in each of N questions, and equal means share a rank.
    Questions are taken to be independent: several about the same data are less than that, and the test says more than
    it knows.

    Args:
      rows: long-format results, one metric with a better way for each question.
      over: the keys that make a question, ``"metric"`` among them.
      split: which split to look at.
      level: alpha, of the critical difference.

    Returns:
      The ranking.

    Raises:
      InvalidInput: fewer than three autoencoders or two questions, a question of no better way or without an answer by
        one of them, a level that is no probability between 0 and 1, or rows as in :func:`paired_differences`.

    Example:
      >>> rows = [
      ...     {"autoencoder": name, "seed": 0, "metric": metric, "value": value, "split": "test"}
      ...     for metric, values in {"ssim": (0.9, 0.8, 0.7), "mse": (0.1, 0.3, 0.2)}.items()
      ...     for name, value in zip("abc", values)
      ... ]
      >>> ranking = average_ranks(rows)
      >>> ranking.ranks, round(ranking.critical_difference, 2)
      ({'a': 1.0, 'b': 2.5, 'c': 2.5}, 2.34)

    References:
      Demšar, *Statistical comparisons of classifiers over multiple data sets*, JMLR 2006; Friedman, *A comparison of
      alternative tests of significance for the problem of m rankings*, Annals of Mathematical Statistics 1940;
      Nemenyi, *Distribution-free multiple comparisons*, PhD thesis, Princeton 1963.
    """
    require_inside("average_ranks", 0, 1, level=level)
    measured = _measured(rows, over, split)
    names = list(dict.fromkeys(name for of_question in measured.values() for name in of_question))
    if len(names) < 3 or len(measured) < 2:
        raise InvalidInput(
            f"average_ranks was given {len(names)} autoencoders in {len(measured)} questions: expected at least three "
            "in at least two."
        )
    costs = np.array(
        [
            [_cost(dict(zip(over, question, strict=True)), name, found.get(name, {})) for name in names]
            for question, found in measured.items()
        ]
    )
    averages = stats.rankdata(costs, axis=1).mean(axis=0)
    ranks = {names[place]: float(averages[place]) for place in np.argsort(averages, kind="stable")}
    statistic, p_value = _friedman(costs)
    critical = nemenyi(len(names), len(measured), level=level)
    return Ranking(ranks, len(measured), statistic, p_value, critical, level, _groups(ranks, critical))


def nemenyi(autoencoders: int, questions: int, *, level: float = 0.05) -> float:
    r"""By how much average ranks must differ, that any of them do so by chance no oftener than at this level.

    .. math:: q_\alpha \sqrt{k (k + 1) / (6 N)}

    with q the upper quantile of the studentised range of k groups and infinite degrees of freedom, over the square root
    of two.

    Args:
      autoencoders: k.
      questions: N, the blocks that they were ranked in.
      level: alpha.

    Returns:
      The critical difference, in ranks.

    Raises:
      InvalidInput: fewer than two autoencoders, no question, or a level that is no probability between 0 and 1.

    Example:
      >>> round(nemenyi(4, 14), 2)
      1.25

    References:
      Demšar, *Statistical comparisons of classifiers over multiple data sets*, JMLR 2006, table 5.
    """
    if size("nemenyi", "autoencoders", autoencoders) < 2:
        raise InvalidInput("nemenyi was given one autoencoder: expected two or more, whose ranks may differ.")
    size("nemenyi", "questions", questions)
    require_inside("nemenyi", 0, 1, level=level)
    quantile = stats.studentized_range.ppf(1 - level, autoencoders, np.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(autoencoders * (autoencoders + 1) / (6 * questions)))


def _measured(rows: Sequence[Row], over: Sequence[str], split: str) -> _Measured:
    measured: _Measured = {}
    if "metric" not in over:
        raise InvalidInput(f"over was given as {', '.join(over)}: expected metric among the keys of a question.")
    for row in rows:
        if lacking := {"autoencoder", "metric", "seed", "split", "value"} - set(row):
            raise InvalidInput(f"a row lacks {', '.join(sorted(lacking))}: expected it of every row that is compared.")
        require_known("metric", row["metric"], METRICS)
        if row["split"] != split:
            continue
        question = tuple(row.get(key) for key in over)
        of_seeds = measured.setdefault(question, {}).setdefault(row["autoencoder"], {})
        if row["seed"] in of_seeds:
            asked = _in_words(dict(zip(over, question, strict=True)))
            raise InvalidInput(
                f"{row['autoencoder']} has two values of seed {row['seed']} in the question {asked}: expected one; "
                "name what tells them apart in over."
            )
        of_seeds[row["seed"]] = row["value"] if row.get("finite", True) else None
    return measured


def _paired(first: dict[int | None, float | None], second: dict[int | None, float | None]) -> np.ndarray | None:
    """Differences over shared seeds that are finite; None of two baselines, which have none."""
    seeds = [seed for seed in {**first, **second} if seed is not None]
    if not seeds:
        return None
    pairs = [(first.get(seed, first.get(None)), second.get(seed, second.get(None))) for seed in seeds]
    differences = [a - b for a, b in pairs if a is not None and b is not None and np.isfinite(a - b)]
    return np.asarray(differences, np.float64)


def _p_value(differences: np.ndarray, test: str) -> float:
    if len(differences) < 2:
        return math.nan
    if not differences.any():
        return 1.0
    if test == "t" and np.ptp(differences) <= 1e-12 * np.abs(differences).max():
        return math.nan
    found: Any = stats.wilcoxon(differences) if test == "wilcoxon" else stats.ttest_1samp(differences, 0.0)
    return float(found.pvalue)


def _better(metric: str, first: str, second: str, differences: np.ndarray) -> str | None:
    mean = float(differences.mean()) if len(differences) else 0.0
    if METRICS[metric].better is None or mean == 0:
        return None
    return first if (mean > 0) == (METRICS[metric].better == "high") else second


def _cost(question: dict[str, Any], name: str, of_seeds: dict[int | None, float | None]) -> float:
    """Mean over seeds, low being better."""
    metric = METRICS[question["metric"]]
    if metric.better is None:
        raise InvalidInput(f"average_ranks was given the metric {question['metric']}: expected one with a better way.")
    mean = interval(list(of_seeds.values())).mean
    if math.isnan(mean):
        raise InvalidInput(
            f"{name} has no finite value in the question {_in_words(question)}: expected one of every autoencoder; "
            "leave the question or the autoencoder out."
        )
    return mean if metric.better == "low" else -mean


def _friedman(costs: np.ndarray) -> tuple[float, float]:
    if not np.ptp(costs, axis=1).any():
        return 0.0, 1.0  # all ranks are tied, where the statistic is zero over zero
    statistic, p_value = stats.friedmanchisquare(*costs.T)
    return float(statistic), float(p_value)


def _groups(ranks: dict[str, float], critical: float) -> tuple[tuple[str, ...], ...]:
    """Neighbours in rank of which no two differ by the critical difference, as many together as can be."""
    names, values = list(ranks), list(ranks.values())
    groups, reached = [], 0
    for start in range(len(names)):
        end = start + sum(value - values[start] < critical for value in values[start:])
        if end > max(reached, start + 1):
            groups.append(tuple(names[start:end]))
        reached = max(reached, end)
    return tuple(groups)


def _in_words(question: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in question.items())
