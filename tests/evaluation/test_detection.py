import numpy as np
import pytest
from ae_jax.evaluation.detection import (
    average_precision,
    precision_at_n,
    precision_recall_curve,
    roc_auc,
    roc_curve,
    threshold_for,
)
from sklearn import metrics

from ae_jax import InvalidInput

QUESTIONS = [roc_auc, average_precision, precision_at_n, roc_curve, precision_recall_curve]


@pytest.fixture(scope="module")
def scored():
    """Scores with ties of 60 normal and 25 abnormal examples, in no order."""
    rng = np.random.default_rng(0)
    abnormal = rng.permutation(np.repeat([0, 1], [60, 25]))
    return np.round(rng.normal(size=85) + abnormal, 1), abnormal


def test_roc_auc_is_the_share_of_pairs_in_order(scored):
    scores, abnormal = scored
    differences = scores[abnormal == 1][:, None] - scores[abnormal == 0][None]
    expected = np.mean(differences > 0) + 0.5 * np.mean(differences == 0)
    assert (differences == 0).any()
    assert 0.6 < expected < 0.9
    assert roc_auc(scores, abnormal) == pytest.approx(expected)
    assert roc_auc(-scores, abnormal) == pytest.approx(1 - expected)
    assert roc_auc(np.exp(scores), abnormal) == roc_auc(scores, abnormal)


def test_average_precision_is_the_sum_over_thresholds(scored):
    scores, abnormal = scored
    expected, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        called = scores >= threshold
        found = (called & (abnormal == 1)).sum()
        expected += (found / 25 - recall) * found / called.sum()
        recall = found / 25
    assert average_precision(scores, abnormal) == pytest.approx(expected)


def test_labels_may_be_truth_values_or_whole_floats(scored):
    scores, abnormal = scored
    for question in QUESTIONS:
        for kind in (bool, float, np.uint8):
            np.testing.assert_equal(question(scores, abnormal.astype(kind)), question(scores, abnormal))


def test_precision_at_n_is_that_of_the_highest_scores():
    scores = np.array([0.9, 0.1, 0.8, 0.7, 0.2, 0.6])
    abnormal = np.array([1, 0, 0, 1, 1, 0])
    # Highest three: abnormal, normal, abnormal.
    assert precision_at_n(scores, abnormal) == pytest.approx(2 / 3)
    assert [precision_at_n(scores, abnormal, n=n) for n in (1, 2, 4, 6)] == pytest.approx([1, 1 / 2, 1 / 2, 1 / 2])


def test_precision_at_n_is_pyod_s_where_nothing_ties():
    rng = np.random.default_rng(1)
    abnormal = np.repeat([0, 1], [70, 30])
    scores = rng.normal(size=100) + abnormal
    # What PyOD 2 does: whatever lies above the percentile of the share of outliers is called one.
    called = scores > np.percentile(scores, 70)
    assert precision_at_n(scores, abnormal) == pytest.approx(metrics.precision_score(abnormal, called))


def test_precision_at_n_expects_of_ties_what_drawing_gives():
    scores = np.array([3.0, 2.0, 2.0, 2.0, 1.0])
    abnormal = np.array([1, 1, 0, 0, 0])
    # One is found for certain, the second of three with one abnormal among them.
    expected = (1 + 1 / 3) / 2
    assert precision_at_n(scores, abnormal) == pytest.approx(expected)
    assert precision_at_n(scores[::-1], abnormal[::-1]) == pytest.approx(expected)
    rng = np.random.default_rng(0)
    drawn = [abnormal[np.lexsort((rng.random(5), -scores))[:2]].mean() for _ in range(4000)]
    assert abs(np.mean(drawn) - expected) < 4 * np.std(drawn) / 4000**0.5


def test_the_roc_curve_has_the_rates_of_each_threshold_and_the_area(scored):
    scores, abnormal = scored
    curve = roc_curve(scores, abnormal)
    assert np.isposinf(curve.thresholds[0])
    for false, true, threshold in zip(*curve, strict=True):
        called = scores >= threshold
        assert false == pytest.approx(called[abnormal == 0].mean())
        assert true == pytest.approx(called[abnormal == 1].mean())
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(roc_auc(scores, abnormal))


def test_the_precision_recall_curve_has_both_of_each_threshold(scored):
    scores, abnormal = scored
    curve = precision_recall_curve(scores, abnormal)
    assert (curve.precision[-1], curve.recall[-1]) == (1.0, 0.0)
    for precision, recall, threshold in zip(curve.precision[:-1], curve.recall[:-1], curve.thresholds, strict=True):
        called = scores >= threshold
        assert precision == pytest.approx(abnormal[called].mean())
        assert recall == pytest.approx(called[abnormal == 1].mean())


@pytest.mark.parametrize("contamination", [0.05, 0.1, 0.5])
def test_a_share_of_the_scores_lies_above_the_threshold(contamination):
    scores = np.random.default_rng(0).permutation(np.arange(1000.0))
    threshold = threshold_for(scores, contamination)
    assert np.mean(scores > threshold) == contamination
    assert threshold == pytest.approx((1 - contamination) * 999)


@pytest.mark.parametrize("contamination", [0.0, -0.1, 0.51, 1, float("nan"), "auto"])
def test_a_contamination_that_is_none_is_refused(contamination, unchecked):
    with pytest.raises(InvalidInput, match=f"threshold_for was given contamination='?{contamination}'?: expected a"):
        threshold_for(np.arange(10.0), contamination)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    ("scores", "abnormal", "sentence"),
    [
        ([0.1, 0.2], [0, 0], "all 2 examples are normal: expected some of both kinds"),
        ([0.1, 0.2], [1, 1], "all 2 examples are abnormal: expected some of both kinds"),
        ([0.1, 0.2, 0.3], [0, 1, 2], "labels have the values 0, 1, 2: expected 1 for abnormal and 0 for normal"),
        ([0.1, 0.2], [-1, 1], "labels have the values -1, 1: expected 1 for abnormal"),
        ([0.1, 0.2], [0.0, np.nan], "labels have the values 0.0, nan: expected 1 for abnormal"),
        ([0.1, 0.2], ["0", "1"], "labels have the values 0, 1: expected 1 for abnormal"),
        (np.zeros(7), list("abcdefg"), "labels have the values a, b, c, d, e, ...: expected 1 for"),
        ([0.1, 0.2], [0, 1, 1], r"labels have shape \(3,\) and scores \(2,\): expected one label for each score"),
        ([0.1, np.nan, np.inf], [0, 1, 1], "2 of 3 scores are NaN or infinite, the first at index 1: expected finite"),
        ([], [], r"scores have shape \(0,\): expected one score for each example"),
        ([[0.1], [0.2]], [[0], [1]], r"scores have shape \(2, 1\): expected one score for each example"),
    ],
)
def test_what_cannot_be_compared_is_refused(question, scores, abnormal, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        question(np.array(scores, float), np.array(abnormal))


def test_a_rank_beyond_the_examples_is_refused(scored):
    with pytest.raises(InvalidInput, match="precision_at_n was given n=86 of 85 examples: expected at most as many"):
        precision_at_n(*scored, n=86)
    with pytest.raises(InvalidInput, match="precision_at_n was given n=0: expected a whole number above zero"):
        precision_at_n(*scored, n=0)


@pytest.mark.usefixtures("unchecked")
def test_a_threshold_of_scores_that_are_none_is_refused():
    with pytest.raises(InvalidInput, match="1 of 2 scores are NaN or infinite, the first at index 0"):
        threshold_for(np.array([np.nan, 1.0]), 0.1)
    with pytest.raises(InvalidInput, match=r"scores have shape \(0,\): expected one score for each example"):
        threshold_for(np.array([]), 0.1)


def test_lists_are_as_good_as_arrays(scored):
    scores, abnormal = (values.tolist() for values in scored)
    for question in QUESTIONS:
        np.testing.assert_equal(question(scores, abnormal), question(*scored))
    assert threshold_for(scores, 0.1) == threshold_for(scored[0], 0.1)


@pytest.mark.usefixtures("unchecked")
def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(InvalidInput, match="scores have type <U1: expected numbers"):
        threshold_for(["a", "b"], 0.1)
