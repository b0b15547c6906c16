"""Statistical tests of results: paired tests over seeds and test examples, and ranks over many questions."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from ae_jax._checks import require_inside, size
from ae_jax.errors import InvalidInput, require_known
from ae_jax.evaluation import LABELLED, METRICS, Row, is_baseline
from ae_jax.studies.results import Examples, Interval, estimate

LEVEL = 0.05
"""The probability of any false difference among all that one table shows."""


class _Values(NamedTuple):
    """Values of an autoencoder by seed, NaN of a member that diverged, and their test examples."""

    of_seeds: dict[int | None, float]
    examples: dict[int | None, Examples]


class Difference(NamedTuple):
    """The difference of two autoencoders in one question, over the seeds that they share.

    Attributes:
      question: its keys and their values, such as ``{"metric": "mse"}``.
      first, second: names of the autoencoders.
      difference: mean and 95% confidence interval of the first one's values less the second one's.
      p_value: two-sided; NaN where nothing was repeated, and where all differences are equal but not zero.
      corrected: the p value by Holm's step-down correction over all differences of one call.
      better: name of the one with the better mean; None where the means are equal.
    """

    question: dict[str, Any]
    first: str
    second: str
    difference: Interval
    p_value: float
    corrected: float
    better: str | None

    def shown(self, level: float = LEVEL) -> bool:
        """Whether one is shown to be better than the other."""
        return self.corrected < level


class Ranking(NamedTuple):
    """Average ranks of autoencoders over questions, and groups that do not differ.

    Attributes:
      ranks: autoencoder -> average rank, 1 being best, from the best to the worst.
      questions: number of questions.
      statistic: Friedman's, corrected for ties.
      p_value: of Friedman's test that all autoencoders are equal.
      critical_difference: of average ranks, by Nemenyi's test.
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
    examples: Sequence[Examples] = (),
    resampled: float | None = None,
) -> list[Difference]:
    r"""Tests the difference of every pair of autoencoders in every question, over seeds and test examples.

    The p value is the level at which the interval of :func:`ae_jax.studies.interval` just reaches zero, for the
    differences :math:`a_{ji} - b_{ji}` of seeds j and test examples i; by seeds alone it is that of Student's paired
    test, which takes the test examples of all seeds to be the whole population.

    A value without a seed stands beside every seed. Members that diverged are left out, and so are metrics of which no
    way is better. Codes of different size, by the rows of ``code_units``, are compared with raw data and PCA by their
    accuracies alone.

    Args:
      rows: long-format results.
      over: the keys that make a question, ``"metric"`` among them.
      split: the split whose rows are compared.
      examples: the values of test examples of each row, or None (:attr:`ae_jax.evaluation.Evaluation.examples`).
      resampled: as of :func:`ae_jax.studies.interval`.

    Returns:
      A difference for each question and pair, in the order of appearance.

    Raises:
      InvalidInput: an unknown metric, no metric in ``over``, a row that lacks a key, or an autoencoder with two values
        of one seed in a question.

    Example:
      >>> values = {("a", 0): 1.0, ("a", 1): 2.0, ("a", 2): 3.0, ("b", 0): 1.5, ("b", 1): 2.6, ("b", 2): 3.4}
      >>> rows = [
      ...     {"autoencoder": name, "seed": seed, "metric": "mse", "value": value, "split": "test"}
      ...     for (name, seed), value in values.items()
      ... ]
      >>> found, = paired_differences(rows)
      >>> found.better, round(found.difference.mean, 2), round(found.p_value, 3)
      ('a', -0.5, 0.013)

    References:
      As of :func:`ae_jax.studies.interval`; Holm 1979 (:func:`holm`).
    """
    units = {row["autoencoder"]: row["value"] for row in rows if row["metric"] == "code_units"}
    found = []
    for question, by_name in _by_question(rows, over, split, examples):
        metric = question["metric"]
        for (first, ours), (second, theirs) in itertools.combinations(by_name.items(), 2):
            seeds = list(dict.fromkeys([*ours.of_seeds, *theirs.of_seeds]))
            seeds = [seed for seed in seeds if seed is not None] or seeds
            by_labels = metric in LABELLED and (is_baseline(first) or is_baseline(second))
            if METRICS[metric].better is None or not (by_labels or units.get(first) == units.get(second)):
                continue
            pairs = [[_of_seed(of, seed) for of in (ours, theirs)] for seed in seeds]
            of_examples = [None if a is None or b is None or len(a) != len(b) else a - b for (_, a), (_, b) in pairs]
            estimated = estimate([a - b for (a, _), (b, _) in pairs], of_examples, resampled=resampled)
            high, low = (first, second) if estimated.mean > 0 else (second, first)
            better = (high if METRICS[metric].better == "high" else low) if abs(estimated.mean) > 0 else None
            difference = estimated.interval()
            found.append(Difference(question, first, second, difference, estimated.p_value, math.nan, better))
    corrected = holm([difference.p_value for difference in found])
    return [difference._replace(corrected=float(p)) for difference, p in zip(found, corrected, strict=True)]


def undefeated(differences: Iterable[Difference], level: float = LEVEL) -> dict[str, bool]:
    """Returns name -> whether no other is shown to be better, of all that a test over test examples compared.

    Example:
      >>> close = Difference({"metric": "mse"}, "a", "b", Interval(-0.1, 0.2, 3, ("test examples",)), 0.2, 0.4, "a")
      >>> undefeated([close, close._replace(second="c", corrected=0.01)])
      {'a': True, 'b': True, 'c': False}
    """
    tested = [one for one in differences if one.corrected <= 1 and "test examples" in one.difference.over]
    names = dict.fromkeys(name for one in tested for name in (one.first, one.second))
    worse = {name for one in tested if one.shown(level) for name in (one.first, one.second) if name != one.better}
    return {name: name not in worse for name in names}


def _of_seed(values: _Values, seed: int | None) -> tuple[float, Examples]:
    """The value of a seed and of its test examples, or those of an autoencoder without seeds."""
    own = seed if seed in values.of_seeds else None
    return values.of_seeds.get(own, math.nan), values.examples.get(own)


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    r"""Corrects p values for their number by Holm's step-down method.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) \, p_{(j)})

    The chance of any false difference among those below a level is at most that level, for any dependence.

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
    corrected = np.array(p_values, np.float64)
    order = np.argsort(corrected, kind="stable")[: np.count_nonzero(~np.isnan(corrected))]
    steps = np.arange(len(order), 0, -1) * corrected[order]
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def average_ranks(
    rows: Sequence[Row], *, over: Sequence[str] = ("metric",), split: str = "test", level: float = 0.05
) -> Ranking:
    r"""Ranks autoencoders over questions, with Friedman's test and Nemenyi's critical difference (:func:`nemenyi`).

    Autoencoders are ranked by their means over seeds in each question, and equal means share a rank. The test takes
    questions to be independent; several about the same data are not, and make it overconfident.

    Args:
      rows: long-format results, one metric with a better direction for each question.
      over: the keys that make a question, ``"metric"`` among them.
      split: the split whose rows are ranked.
      level: alpha, of the critical difference.

    Raises:
      InvalidInput: fewer than three autoencoders or two questions, a metric without a better direction, a question
        without a finite value of one of them, a level that is not between 0 and 1, or rows as in
        :func:`paired_differences`.

    Example:
      >>> values = {"ssim": (0.9, 0.8, 0.7), "mse": (0.1, 0.3, 0.2)}
      >>> rows = [
      ...     {"autoencoder": name, "seed": 0, "metric": metric, "value": value, "split": "test"}
      ...     for metric in values
      ...     for name, value in zip("abc", values[metric])
      ... ]
      >>> average_ranks(rows).ranks
      {'a': 1.0, 'b': 2.5, 'c': 2.5}

    References:
      Demšar, *Statistical comparisons of classifiers over multiple data sets*, JMLR 2006; Friedman, *A comparison of
      alternative tests of significance for the problem of m rankings*, Annals of Mathematical Statistics 1940.
    """
    require_inside("average_ranks", 0, 1, level=level)
    questions = _by_question(rows, over, split)
    names = list(dict.fromkeys(name for _, by_name in questions for name in by_name))
    if len(names) < 3 or len(questions) < 2:
        raise InvalidInput(
            f"average_ranks was given {len(names)} autoencoders in {len(questions)} questions: expected at least three "
            "in at least two."
        )
    costs = np.array(
        [[_cost(keys, name, by_name.get(name, _Values({}, {}))) for name in names] for keys, by_name in questions]
    )
    averages = stats.rankdata(costs, axis=1).mean(axis=0)
    ranks = {names[place]: float(averages[place]) for place in np.argsort(averages, kind="stable")}
    statistic, p_value = 0.0, 1.0
    if np.ptp(costs, axis=1).any():  # else the statistic is zero over zero
        statistic, p_value = stats.friedmanchisquare(*costs.T)
    critical = nemenyi(len(names), len(questions), level=level)
    return Ranking(ranks, len(questions), float(statistic), float(p_value), critical, level, _groups(ranks, critical))


def nemenyi(autoencoders: int, questions: int, *, level: float = 0.05) -> float:
    r"""Returns the critical difference of average ranks, by Nemenyi's test.

    .. math:: \mathrm{CD} = q_\alpha \sqrt{k (k + 1) / (6 N)}

    with q the upper quantile of the studentised range of k groups and infinite degrees of freedom, over the square root
    of two.

    Args:
      autoencoders: k.
      questions: N, in which they were ranked.
      level: alpha, the probability of any false difference.

    Example:
      >>> round(nemenyi(4, 14), 2)
      1.25

    References:
      Nemenyi, *Distribution-free multiple comparisons*, PhD thesis, Princeton 1963; Demšar 2006, table 5.
    """
    size("nemenyi", "autoencoders", autoencoders)
    size("nemenyi", "questions", questions)
    require_inside("nemenyi", 0, 1, level=level)
    quantile = stats.studentized_range.ppf(1 - level, autoencoders, np.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(autoencoders * (autoencoders + 1) / (6 * questions)))


def _by_question(
    rows: Sequence[Row], over: Sequence[str], split: str, examples: Sequence[Examples] = ()
) -> list[tuple[dict[str, Any], dict[str, _Values]]]:
    """Returns the keys of each question, and the values of each autoencoder in it."""
    if "metric" not in over:
        raise InvalidInput(f"over was given as {', '.join(over)}: expected metric among the keys of a question.")
    questions: dict[tuple[Any, ...], dict[str, _Values]] = {}
    for row, of_row in zip(rows, examples or [None] * len(rows), strict=True):
        if lacking := {"autoencoder", "metric", "seed", "split", "value"} - set(row):
            raise InvalidInput(f"a row lacks {', '.join(sorted(lacking))}: expected it of every row that is compared.")
        require_known("metric", row["metric"], METRICS)
        if row["split"] != split:
            continue
        question, seed = tuple(row.get(key) for key in over), row["seed"]
        values = questions.setdefault(question, {}).setdefault(row["autoencoder"], _Values({}, {}))
        if seed in values.of_seeds:
            raise InvalidInput(
                f"{row['autoencoder']} has two values of seed {seed} in the question "
                f"{_in_words(dict(zip(over, question, strict=True)))}: expected one; add a key that separates them to "
                "over."
            )
        value: Any = row["value"] if row.get("finite", True) else None
        values.of_seeds[seed] = math.nan if value is None else float(value)
        values.examples[seed] = of_row
    return [(dict(zip(over, question, strict=True)), by_name) for question, by_name in questions.items()]


def _cost(question: dict[str, Any], name: str, values: _Values | None) -> float:
    """Returns the mean over seeds, low being better."""
    better = METRICS[question["metric"]].better
    if better is None:
        raise InvalidInput(
            f"average_ranks was given the metric {question['metric']}: expected one with a better direction."
        )
    mean = estimate([] if values is None else list(values.of_seeds.values())).mean
    if math.isnan(mean):
        raise InvalidInput(
            f"{name} has no finite value in the question {_in_words(question)}: expected one of every autoencoder; "
            "leave the question or the autoencoder out."
        )
    return mean if better == "low" else -mean


def _groups(ranks: dict[str, float], critical: float) -> tuple[tuple[str, ...], ...]:
    """Returns the largest groups of neighbours in rank of which no two differ by the critical difference."""
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
