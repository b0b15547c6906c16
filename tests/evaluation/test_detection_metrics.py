import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.evaluation import anomaly_metrics, precision_at_n, threshold_for
from ae_jax.evaluation.detection_metrics import roc_auc_of_examples


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
    assert anomaly_metrics(scores, abnormal)["roc_auc"] == pytest.approx(expected)
    assert anomaly_metrics(-scores, abnormal)["roc_auc"] == pytest.approx(1 - expected)


def test_average_precision_is_the_sum_over_thresholds(scored):
    scores, abnormal = scored
    expected, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        called = scores >= threshold
        found = (called & (abnormal == 1)).sum()
        expected += (found / 25 - recall) * found / called.sum()
        recall = found / 25
    assert anomaly_metrics(scores, abnormal)["average_precision"] == pytest.approx(expected)


def test_values_of_examples_have_the_area_as_mean_and_delong_s_variance(scored):
    scores, abnormal = scored
    values = roc_auc_of_examples(scores, abnormal)
    differences = scores[abnormal == 1][:, None] - scores[abnormal == 0][None]
    pairs = (differences > 0) + 0.5 * (differences == 0)
    delong = sum(pairs.mean(axis=axis).var() / pairs.shape[1 - axis] for axis in (0, 1))
    assert values.mean() == pytest.approx(anomaly_metrics(scores, abnormal)["roc_auc"])
    assert values.var() / len(values) == pytest.approx(delong)


def test_precision_at_n_is_that_of_the_highest_scores():
    scores = np.array([0.9, 0.1, 0.8, 0.7, 0.2, 0.6])
    abnormal = np.array([1, 0, 0, 1, 1, 0])
    # Highest three: abnormal, normal, abnormal.
    for kind in (int, bool, float, np.uint8):
        assert precision_at_n(scores, abnormal.astype(kind)) == pytest.approx(2 / 3)


def test_precision_at_n_is_the_expectation_over_ties():
    scores, abnormal = np.array([3.0, 2.0, 2.0, 2.0, 1.0]), np.array([1, 1, 0, 0, 0])
    # One is found for certain, the second of three with one abnormal among them.
    assert precision_at_n(scores, abnormal) == pytest.approx((1 + 1 / 3) / 2)
    assert precision_at_n(scores[::-1], abnormal[::-1]) == pytest.approx((1 + 1 / 3) / 2)


@pytest.mark.parametrize("contamination", [0.05, 0.5])
def test_a_share_of_the_scores_lies_above_the_threshold(contamination):
    scores = np.random.default_rng(0).permutation(np.arange(1000.0))
    threshold = threshold_for(scores, contamination)
    assert np.mean(scores > threshold) == contamination
    assert threshold == pytest.approx((1 - contamination) * 999)


@pytest.mark.parametrize("contamination", [0.0, 0.51, float("nan"), "auto"])
def test_a_contamination_out_of_range_is_refused(contamination, unchecked):
    with pytest.raises(InvalidInput, match=f"threshold_for was given contamination='?{contamination}'?: expected a"):
        threshold_for(np.arange(10.0), contamination)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("scores", "abnormal", "sentence"),
    [
        ([0.1, 0.2], [0, 0], "all 2 examples are normal: expected some of both kinds"),
        ([0.1, 0.2], [1, 1], "all 2 examples are abnormal: expected some of both kinds"),
        ([0.1, 0.2, 0.3], [0, 1, 2], "labels have the values 0, 1, 2: expected 1 for abnormal and 0 for normal"),
        ([0.1, 0.2], ["0", "1"], "labels have the values 0, 1: expected 1 for abnormal"),
        ([0.1, 0.2], [0, 1, 1], r"labels have shape \(3,\) and scores \(2,\): expected one label for each score"),
        ([0.1, np.nan, np.inf], [0, 1, 1], "2 of 3 scores are NaN or infinite, the first at index 1: expected finite"),
        ([], [], r"scores have shape \(0,\): expected one score for each example"),
        ([[0.1], [0.2]], [[0], [1]], r"scores have shape \(2, 1\): expected one score for each example"),
    ],
)
def test_what_cannot_be_compared_is_refused(scores, abnormal, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        anomaly_metrics(np.array(scores, float), np.array(abnormal))


@pytest.mark.usefixtures("unchecked")
def test_a_threshold_of_no_scores_is_refused():
    with pytest.raises(InvalidInput, match="scores have type <U1: expected numbers"):
        threshold_for(["a", "b"], 0.1)
