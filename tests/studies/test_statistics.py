"""Paired tests, Holm's correction, ranks and critical differences, against R, SciPy and Demšar 2006."""

import numpy as np
import pytest
from scipy import stats

from ae_jax import InvalidInput
from ae_jax.evaluation import METRICS
from ae_jax.studies import Interval, average_ranks, holm, interval, nemenyi, paired_differences
from ae_jax.studies.results import estimate


def rows_of(values, metric="mse", **further):
    """Rows of autoencoder -> values by seed; a number alone is a baseline without a seed."""
    return [
        {"autoencoder": name, "seed": seed, "metric": metric, "value": value, "split": "test", **further}
        for name, given in values.items()
        for seed, value in ([(None, given)] if np.ndim(given) == 0 else list(enumerate(given)))
    ]


# Student 1908, hours of sleep gained under two drugs; R 4.3, t.test(extra ~ group, sleep, paired = TRUE):
# t = -4.0621, p = 0.002833, from -2.4598858 to -0.7001142; wilcox.test has ties there.
SLEEP = {
    "first": [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    "second": [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
}


def test_differences_are_those_of_student_s_paired_test():
    (found,) = paired_differences(rows_of(SLEEP))
    assert (found.first, found.second, found.question) == ("first", "second", {"metric": "mse"})
    assert found.p_value == pytest.approx(0.002832890)
    mean, half_width, count, _ = found.difference
    np.testing.assert_allclose([mean - half_width, mean + half_width], [-2.4598858, -0.7001142], rtol=1e-7)
    assert count == 10
    assert found.corrected == found.p_value


def test_the_better_one_has_the_better_mean_if_any_way_is_better():
    values = {"a": [1.0, 2.0, 3.0], "b": [0.5, 1.4, 2.6]}
    assert [METRICS[metric].better for metric in ("mse", "psnr", "kl")] == ["low", "high", None]
    found = paired_differences([row for metric in ("mse", "psnr", "kl") for row in rows_of(values, metric)])
    assert [(one.question["metric"], one.better) for one in found] == [("mse", "b"), ("psnr", "a")]
    assert paired_differences(rows_of({"a": [1.0, 2.0], "b": [2.0, 1.0]}))[0].better is None


def test_every_pair_of_every_question_is_corrected_together():
    values = {name: (10 + np.random.default_rng(seed).normal(size=6)).tolist() for seed, name in enumerate("abc")}
    found = paired_differences(rows_of(values, data=1) + rows_of(values, data=2), over=("data", "metric"))
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    assert [(one.question["data"], one.first, one.second) for one in found] == [(n, *p) for n in (1, 2) for p in pairs]
    expected = [stats.ttest_rel(values[first], values[second]).pvalue for first, second in pairs]
    np.testing.assert_allclose([one.p_value for one in found], 2 * expected)
    np.testing.assert_allclose([one.corrected for one in found], holm(2 * expected))
    lone, _ = paired_differences(rows_of({"a": [1.0], "b": [2.0]}) + rows_of({"a": [1.0, 2.0], "b": [1, 3]}, "psnr"))
    assert lone.difference == Interval(-1.0, None, 1, ())
    assert np.isnan([lone.p_value, lone.corrected]).all()


def test_a_baseline_is_the_same_beside_every_seed():
    found = paired_differences(rows_of({"pca": 0.3, "raw": 0.4, "a": [0.1, 0.2, 0.4]}))
    assert [(one.first, one.second) for one in found] == [("pca", "raw"), ("pca", "a"), ("raw", "a")]
    assert np.isnan(found[0].p_value)
    assert found[1].difference == interval([0.3 - 0.1, 0.3 - 0.2, 0.3 - 0.4])
    assert found[1].p_value == pytest.approx(stats.ttest_1samp([0.1, 0.2, 0.4], 0.3).pvalue)


def test_seeds_that_one_lacks_or_that_diverged_are_left_out():
    rows = rows_of({"a": [1.0, 2.0, 3.0, 5.0, 9.0], "b": [0.5, 1.2, float("nan"), 3.0]})
    rows[3]["finite"] = False
    rows.append(rows[0] | {"split": "validation", "value": 70.0})
    (found,) = paired_differences(rows)
    assert found.difference == interval([0.5, 0.8])


@pytest.mark.parametrize(
    ("second", "p_value"), [([1.0, 2.0, 3.0], 1.0), ([0.0, 1.0, 2.0], np.nan), ([0.9, 1.9, 2.9], np.nan)]
)
def test_of_differences_that_are_all_the_same_nothing_is_known_but_of_zeros(second, p_value):
    (found,) = paired_differences(rows_of({"a": [1.0, 2.0, 3.0], "b": second}))
    np.testing.assert_equal([found.p_value, found.corrected], [p_value, p_value])


def correct(names, rng, seeds=3, examples=400):
    """Rows of kNN accuracy with correctness of each test example."""
    hits = {name: rng.random((seeds, examples)) < rate for name, rate in names.items()}
    rows = rows_of({name: of.mean(axis=1).tolist() for name, of in hits.items()}, "knn_accuracy")
    return rows, [of_seed.astype(float) for of in hits.values() for of_seed in of], hits


def test_of_one_seed_the_test_over_examples_agrees_with_mcnemar_s():
    rows, examples, hits = correct({"a": 0.9, "b": 0.85}, np.random.default_rng(0), seeds=1)
    (found,) = paired_differences(rows, examples=examples)
    only_a, only_b = np.sum(hits["a"] > hits["b"]), np.sum(hits["b"] > hits["a"])
    assert found.difference.over == ("test examples",)
    assert found.p_value == pytest.approx(stats.chi2.sf((only_a - only_b) ** 2 / (only_a + only_b), 1), rel=0.05)
    assert found.p_value == pytest.approx(stats.ttest_rel(*examples).pvalue)


def test_seeds_and_shared_examples_add_the_squares_of_their_half_widths():
    rows, examples, _ = correct({"a": 0.9, "b": 0.85}, np.random.default_rng(1))
    (found,) = paired_differences(rows, examples=examples)
    by_seeds = np.array([row["value"] for row in rows]).reshape(2, 3)
    by_seeds = by_seeds[0] - by_seeds[1]
    by_examples = np.mean(np.subtract(*np.reshape(examples, (2, 3, 400))), axis=0)
    widths = [np.ptp(stats.ttest_1samp(of, 0.0).confidence_interval()) / 2 for of in (by_seeds, by_examples)]
    assert found.difference == (
        pytest.approx(by_seeds.mean()),
        pytest.approx(np.hypot(*widths)),
        3,
        found.difference[3],
    )
    assert found.difference.over == ("training", "test examples")
    # A bootstrap over the test examples has the variance of which the second half-width is made.
    drawn = np.random.default_rng(2).integers(400, size=(4000, 400))
    assert by_examples[drawn].mean(axis=1).std() == pytest.approx(by_examples.std(ddof=1) / 20, rel=0.05)


def test_codes_of_other_sizes_are_compared_with_raw_data_and_pca_by_accuracies_alone():
    values = {name: [0.1, 0.2, 0.4] for name in ("raw", "pca", "a", "b", "sparse")}
    units = rows_of(dict.fromkeys(values, 16.0) | {"raw": 64.0, "sparse": 128.0}, "code_units")
    found = paired_differences(units + rows_of(values) + rows_of(values, "knn_accuracy"))
    pairs = {metric: {(x.first, x.second) for x in found if x.question["metric"] == metric} for metric in METRICS}
    assert pairs["mse"] == {("pca", "a"), ("pca", "b"), ("a", "b")}
    assert pairs["knn_accuracy"] - pairs["mse"] == {("raw", name) for name in ("pca", "a", "b", "sparse")} | {
        ("pca", "sparse")
    }


SIMULATED = 1000


def rejected(values, examples=None, resampled=None):
    """Shares of simulated nulls that the test, and Student's over seeds alone, reject at 0.05."""
    pairs = zip(values.tolist(), [()] * SIMULATED if examples is None else map(list, examples), strict=True)
    found = [estimate(of, own, resampled=resampled) for of, own in pairs]
    ours = np.mean([abs(one.mean) > one.half_width(0.05) for one in found])
    return ours, np.mean(stats.ttest_1samp(values, 0.0, axis=1).pvalue < 0.05)


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(("training", "fails"), [(0.3, 0.5), (1.0, 0.15), (5.0, 0.04)])
def test_of_shared_examples_a_twentieth_of_nulls_is_rejected(seeds, training, fails):
    """``training`` is the deviation over seeds by that of the mean over test examples."""
    rng, n = np.random.default_rng(seeds), 50
    of_seeds = rng.normal(scale=training / n**0.5, size=(SIMULATED, seeds, 1))
    examples = of_seeds + rng.normal(size=(SIMULATED, 1, n)) + rng.normal(scale=0.1, size=(SIMULATED, seeds, n))
    ours, by_seeds = rejected(examples.mean(axis=2), examples)
    assert ours <= 0.06
    assert by_seeds >= fails


@pytest.mark.parametrize("seeds", [3, 5])
def test_of_splits_of_their_own_a_twentieth_of_nulls_is_rejected(seeds):
    """Least squares on either half of features that are alike, whose expected errors are equal."""
    rng, n, tests, trains, features = np.random.default_rng(seeds), 120, 36, 66, 3
    x = rng.normal(size=(SIMULATED, n, 2, features))
    y = x.sum(axis=(2, 3)) + rng.normal(size=(SIMULATED, n))
    values = np.empty((SIMULATED, seeds))
    for seed in range(seeds):
        of_test, of_train = np.split(rng.permuted(np.tile(np.arange(n), (SIMULATED, 1)), axis=1), [tests], axis=1)
        of_train, every = of_train[:, :trains], np.arange(SIMULATED)[:, None]
        given, sought = np.moveaxis(x[every, of_train], 2, 1), np.moveaxis(x[every, of_test], 2, 1)
        weights = np.linalg.pinv(given) @ y[every, of_train][:, None, :, None]
        errors = np.square((sought @ weights)[..., 0] - y[every, of_test][:, None]).mean(axis=2)
        values[:, seed] = errors[:, 0] - errors[:, 1]
    ours, by_seeds = rejected(values, resampled=tests / trains)
    assert ours <= 0.06
    assert by_seeds > 0.08


def test_holm_is_r_s():
    # R 4.3, p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") and of c(0.001, 0.3, 0.0125, 0.6).
    np.testing.assert_allclose(holm([0.01, 0.02, 0.03, 0.04, 0.05]), [0.05, 0.08, 0.09, 0.09, 0.09])
    np.testing.assert_allclose(holm([0.001, 0.3, 0.0125, 0.6]), [0.004, 0.6, 0.0375, 0.6])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])
    np.testing.assert_allclose(holm([np.nan, 0.02, 0.03]), [np.nan, 0.04, 0.04])
    assert holm([]).shape == (0,)


# Demšar 2006, table 6: AUC of C4.5 with its two parameters chosen or not, on 14 data sets of UCI. Of "voting", which
# he ranks 4, 1, 2, 3, the last two are equal in print.
DEMSAR = {
    "C4.5": [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.0, 0.940, 0.619, 0.972, 0.957],
    "C4.5+m": [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.0, 0.962, 0.666, 0.981, 0.978],
    "C4.5+cf": [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.0, 0.965, 0.614, 0.9751, 0.946],
    "C4.5+m+cf": [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.0, 0.962, 0.669, 0.975, 0.970],
}


def ranking_of(values, **options):
    """A question for each place, in which everybody has one value."""
    rows = [
        row | {"data": place, "seed": 0}
        for name, given in values.items()
        for place, value in enumerate(given)
        for row in rows_of({name: value}, "roc_auc")
    ]
    return average_ranks(rows, over=("data", "metric"), **options)


def test_ranks_are_those_of_demsar():
    ranking = ranking_of(DEMSAR)
    assert list(ranking.ranks) == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    np.testing.assert_allclose(list(ranking.ranks.values()), [1.964, 2.0, 2.893, 3.143], atol=5e-4)
    assert ranking.questions == 14
    # Without ties the statistic is Demšar's 9.28; theirs are a pair in three sets and all four in one.
    assert ranking.statistic * (1 - (3 * 6 + 60) / (14 * 60)) == pytest.approx(9.28, abs=0.01)
    assert ranking.p_value == pytest.approx(stats.chi2.sf(ranking.statistic, 3))
    assert ranking.critical_difference == pytest.approx(1.25, abs=0.005)
    assert ranking.groups == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),)
    # At 0.10 he finds C4.5 outside of the critical difference of 1.12 from both that tune m.
    looser = ranking_of(DEMSAR, level=0.10)
    assert looser.critical_difference == pytest.approx(1.12, abs=0.005)
    assert looser.groups == (("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5"))


# Demšar 2006, table 5(a): critical values of the two-tailed Nemenyi test.
@pytest.mark.parametrize(
    ("level", "values"),
    [
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ],
)
def test_critical_values_are_those_of_demsar_s_table(level, values):
    counts = np.arange(2, 11)
    found = [nemenyi(int(k), 10, level=level) / np.sqrt(k * (k + 1) / 60) for k in counts]
    np.testing.assert_allclose(found, values, atol=1e-3)


def test_ranks_are_of_means_over_seeds_and_low_or_high_is_better_as_the_metric_says():
    rows = rows_of({"a": [0.1, 0.3], "b": [0.5, 0.1], "pca": 0.4})
    rows += rows_of({"a": [9.0, 9.0], "b": [8.0, 8.0], "pca": 8.5}, "psnr")
    ranking = average_ranks(rows)
    assert ranking.ranks == {"a": 1.0, "b": 2.5, "pca": 2.5}
    assert ranking.questions == 2


def test_where_all_are_equal_nothing_differs():
    ranking = ranking_of({name: [0.5, 0.7] for name in "abc"})
    assert (ranking.statistic, ranking.p_value) == (0.0, 1.0)
    assert ranking.groups == (("a", "b", "c"),)


THREE = {"a": [0.1, 0.2], "b": [0.2, 0.1], "c": [0.3, 0.4]}


@pytest.mark.parametrize(
    ("values", "options", "fragment"),
    [
        ({"a": [0.1, 0.2], "b": [0.2, 0.3]}, {}, "2 autoencoders in 2 questions: expected at least three"),
        (THREE | {"b": [0.2]}, {}, r"b has no finite value in the question data=1, metric="),
        (THREE | {"a": [0.1, np.nan]}, {}, "a has no finite value in the question data=1"),
        (THREE, {"level": 1.0}, "level=1.0: expected a number between"),
    ],
)
def test_rankings_that_cannot_be_made_are_refused(values, options, fragment):
    with pytest.raises(InvalidInput, match=fragment):
        ranking_of(values, **options)


@pytest.mark.parametrize(
    ("change", "options", "fragment"),
    [
        ({"metric": "mine"}, {}, "unknown metric 'mine'"),
        ({"seed": 0}, {}, r"a has two values of seed 0 in the question metric=mse"),
        ({}, {"over": ("split",)}, "over was given as split: expected metric"),
        ({"split": None}, {}, "a row lacks split"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(unchecked, change, options, fragment):
    rows = [row | change for row in rows_of({"a": [1.0, 2.0], "b": [2.0, 4.0]})]
    rows = [{key: value for key, value in row.items() if value is not None} for row in rows]
    with pytest.raises(InvalidInput, match=fragment):
        paired_differences(rows, **options)


def test_a_metric_without_a_better_direction_cannot_be_ranked(unchecked):
    rows = rows_of({"a": 1.0, "b": 2.0, "c": 3.0}) + rows_of({"a": 1.0, "b": 2.0, "c": 3.0}, "kl")
    with pytest.raises(InvalidInput, match="given the metric kl"):
        average_ranks(rows)
    with pytest.raises(InvalidInput, match="nemenyi was given"):
        nemenyi(3, 0)
