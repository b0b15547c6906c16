"""What PyOD tests of each of its detectors (pyod 3.6.7, pyod/test/test_knn.py), and where a detector is put to use."""

import sys
import warnings
from typing import Any

import joblib
import numpy as np
import pytest
from pyod.models.base import BaseDetector
from pyod.models.combination import aom, average, maximization, moa
from pyod.models.embedding import EmbeddingOD
from pyod.models.feature_bagging import FeatureBagging
from pyod.models.lscp import LSCP
from pyod.models.ts_od import TimeSeriesOD
from pyod.utils.data import generate_data
from pyod.utils.utility import standardizer
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from ae_jax import InvalidInput, estimators
from ae_jax.estimators import AutoencoderDetector, AutoencoderPyOD

SMALL: dict[str, Any] = {
    "code": 1,
    "hyperparameters": {"hidden": (8,), "learning_rate": 0.01},
    "epochs": 30,
    "random_state": 0,
}
CONTAMINATION = 0.1


@pytest.fixture(scope="module")
def data():
    return generate_data(n_train=200, n_test=100, contamination=CONTAMINATION, random_state=42)


@pytest.fixture(scope="module")
def fitted(data):
    return AutoencoderPyOD(**SMALL, contamination=CONTAMINATION).fit(data[0])


def test_parameters(fitted):
    for name in ("decision_scores_", "labels_", "threshold_", "_mu", "_sigma", "detector_"):
        assert getattr(fitted, name) is not None
    assert isinstance(fitted, BaseDetector)
    assert fitted.labels_.sum() == 20
    np.testing.assert_array_equal(fitted.labels_, fitted.decision_scores_ > fitted.threshold_)


def test_train_scores(fitted, data):
    assert fitted.decision_scores_.shape == (200,)
    np.testing.assert_allclose(fitted.decision_function(data[0]), fitted.decision_scores_, rtol=1e-12)


def test_prediction_scores(fitted, data):
    _, x, _, y = data
    scores = fitted.decision_function(x)
    assert scores.shape == (100,)
    assert roc_auc_score(y, scores) >= 0.8


def test_prediction_labels(fitted, data):
    _, x, _, y = data
    assert fitted.predict(x).shape == y.shape
    assert set(fitted.predict(x)) == {0, 1}


@pytest.mark.parametrize("method", [{}, {"method": "linear"}, {"method": "unify"}], ids=str)
def test_prediction_proba(fitted, data, method):
    probabilities = fitted.predict_proba(data[1], **method)
    assert probabilities.shape == (100, 2)
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


def test_prediction_proba_parameter(fitted, data):
    with pytest.raises(ValueError, match="is not a valid probability conversion method"):
        fitted.predict_proba(data[1], method="something")


def test_prediction_confidence(fitted, data):
    labels, confidence = fitted.predict(data[1], return_confidence=True)
    probabilities, again = fitted.predict_proba(data[1], method="linear", return_confidence=True)
    assert labels.shape == confidence.shape == again.shape == (100,)
    np.testing.assert_array_equal(confidence, again)
    np.testing.assert_array_equal(confidence, fitted.predict_confidence(data[1]))
    assert 0 <= confidence.min() <= confidence.max() <= 1
    assert 0 <= probabilities.min() <= probabilities.max() <= 1


@pytest.mark.filterwarnings("ignore:The cost of rejection must be positive:UserWarning")
def test_prediction_with_rejection(fitted, data):
    assert set(fitted.predict_with_rejection(data[1], return_stats=False)) <= {0, 1, -2}
    labels, (rejected, most_rejected, cost) = fitted.predict_with_rejection(data[1], return_stats=True)
    assert labels.shape == (100,)
    assert 0 <= rejected <= 1
    assert 0 <= most_rejected <= 1
    assert cost >= 0


@pytest.mark.filterwarnings("ignore:Function fit_predict is deprecated:FutureWarning")
def test_fit_predict(fitted, data):
    np.testing.assert_array_equal(clone(fitted).fit_predict(data[0]), fitted.labels_)


@pytest.mark.filterwarnings("ignore:Function fit_predict_score is deprecated:FutureWarning")
def test_fit_predict_score(fitted, data):
    x, _, y, _ = data
    again = clone(fitted)
    assert again.fit_predict_score(x, y) == again.fit_predict_score(x, y, scoring="roc_auc_score") > 0.8
    assert 0 <= again.fit_predict_score(x, y, scoring="prc_n_score") <= 1
    with pytest.raises(NotImplementedError):
        again.fit_predict_score(x, y, scoring="something")


def test_predict_rank(fitted, data):
    scores, ranks = fitted.decision_function(data[1]), fitted._predict_rank(data[1])
    np.testing.assert_allclose(rankdata(ranks), rankdata(scores), atol=3)
    assert -0.1 < ranks.min() <= ranks.max() < 201


def test_predict_rank_normalized(fitted, data):
    scores, ranks = fitted.decision_function(data[1]), fitted._predict_rank(data[1], normalized=True)
    np.testing.assert_allclose(rankdata(ranks), rankdata(scores), atol=3)
    assert -0.1 < ranks.min() <= ranks.max() < 1.01


def test_model_clone(fitted):
    assert clone(fitted).get_params() == fitted.get_params()


def test_it_is_the_detector_of_scikit_learn_with_the_other_sign(fitted, data):
    other = AutoencoderDetector(**SMALL, contamination=CONTAMINATION).fit(data[0])
    np.testing.assert_allclose(fitted.decision_function(data[1]), -other.score_samples(data[1]), rtol=1e-12)
    np.testing.assert_array_equal(fitted.predict(data[1]) == 1, other.predict(data[1]) == -1)
    np.testing.assert_allclose(fitted.explain(data[1]), other.explain(data[1]), rtol=1e-12)
    np.testing.assert_allclose(fitted.explain(data[1]).sum(axis=1), fitted.decision_function(data[1]), rtol=1e-4)


def test_decision_scores_compare_no_row_with_itself(data):
    detector = AutoencoderPyOD(**SMALL | {"epochs": 2}, anomaly_score="knn_code", contamination=CONTAMINATION)
    detector.fit(data[0])
    assert (detector.decision_scores_ >= detector.decision_function(data[0])).all()
    assert detector.labels_.sum() == 20
    assert detector.predict(data[0]).sum() < 20


def test_every_parameter_is_that_of_the_detector_of_scikit_learn():
    ours, theirs = AutoencoderPyOD().get_params(), AutoencoderDetector().get_params()
    assert ours | {"contamination": None} == theirs | {"contamination": None}
    assert ours["contamination"] == CONTAMINATION


def test_an_unpickled_detector_gives_the_same_scores(fitted, data, tmp_path):
    joblib.dump(fitted, tmp_path / "detector")
    np.testing.assert_array_equal(
        joblib.load(tmp_path / "detector").decision_function(data[1]), fitted.decision_function(data[1])
    )


def test_labels_are_ignored_with_a_warning_as_in_all_of_pyod(fitted, data):
    with pytest.warns(UserWarning, match="y should not be presented in unsupervised learning"):
        again = clone(fitted).fit(data[0], data[2])
    np.testing.assert_array_equal(again.decision_scores_, fitted.decision_scores_)


def test_scores_of_several_are_combined(fitted, data):
    others = [clone(fitted).set_params(random_state=seed).fit(data[0]) for seed in (1, 2, 3)]
    detectors = [fitted, *others]
    train = np.stack([one.decision_scores_ for one in detectors], axis=1)
    test = np.stack([one.decision_function(data[1]) for one in detectors], axis=1)
    _, scores = standardizer(train, test)
    combined = (average(scores), maximization(scores), aom(scores, n_buckets=2), moa(scores, n_buckets=2))
    assert all(roc_auc_score(data[3], one) >= 0.8 for one in combined)


def test_features_are_bagged(data):
    bagging = FeatureBagging(
        AutoencoderPyOD(**SMALL), n_estimators=2, max_features=2, contamination=CONTAMINATION, random_state=0
    )
    assert bagging.fit(data[0]).decision_function(data[1]).shape == (100,)
    assert len({one.random_state for one in bagging.estimators_}) == 2


def test_detectors_are_selected_locally(data):
    detectors = [AutoencoderPyOD(**SMALL | {"random_state": seed}) for seed in (0, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyOD, about bins and local regions
        scores = LSCP(detectors, random_state=0, contamination=CONTAMINATION).fit(data[0]).decision_function(data[1])
    assert scores.shape == (100,)
    assert np.isfinite(scores).all()


def test_embeddings_are_judged(fitted, data):
    x, test, _, y = data
    rows = {f"text {place}": row for place, row in enumerate([*x, *test])}
    texts = list(rows)
    detector = EmbeddingOD(
        encoder=lambda texts: np.array([rows[text] for text in texts]),
        detector=AutoencoderPyOD(**SMALL),
        contamination=CONTAMINATION,
    ).fit(texts[:200])
    assert roc_auc_score(y, detector.decision_function(texts[200:])) >= 0.8
    assert set(detector.predict(texts[200:])) <= {0, 1}


def test_a_time_series_is_judged_by_its_windows():
    time = np.arange(400)
    series = np.sin(2 * np.pi * time / 25) + 0.05 * np.random.default_rng(0).normal(size=400)
    series[300:310] += 3.0
    detector = TimeSeriesOD(AutoencoderPyOD(**SMALL | {"code": 2}), window_size=8, contamination=0.05).fit(series)
    assert detector.decision_scores_.shape == (400,)
    assert 290 < int(np.argmax(detector.decision_scores_)) < 320
    assert detector.decision_function(series).shape == (400,)


@pytest.mark.parametrize("contamination", [0.0, 0.6])
def test_a_contamination_that_is_none_is_refused(contamination):
    with pytest.raises(ValueError, match=r"contamination must be in \(0, 0.5\]"):
        AutoencoderPyOD(contamination=contamination)


def test_other_parameters_are_refused_as_by_the_detector_of_scikit_learn(unchecked, data):
    with pytest.raises(InvalidInput, match="unknown anomaly score 'distance'"):
        AutoencoderPyOD(anomaly_score="distance").fit(data[0])


def test_without_pyod_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "ae_jax.estimators.pyod_detector")
    monkeypatch.delattr(estimators, "pyod_detector")
    for name in [name for name in sys.modules if name.split(".")[0] == "pyod"]:
        monkeypatch.setitem(sys.modules, name, None)
    sentence = r'AutoencoderPyOD needs PyOD, which is not installed: run pip install "ae_jax\[pyod\]"'
    with pytest.raises(ImportError, match=sentence):
        estimators.AutoencoderPyOD  # noqa: B018
    with pytest.raises(ImportError, match=sentence):
        from ae_jax.estimators import AutoencoderPyOD  # noqa: F401


def test_another_name_is_no_estimator():
    with pytest.raises(AttributeError, match=r"module 'ae_jax\.estimators' has no attribute 'AutoencoderPyOd'"):
        estimators.AutoencoderPyOd  # noqa: B018
