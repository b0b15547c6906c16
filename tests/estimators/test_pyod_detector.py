"""PyOD's own test of each of its detectors (pyod 3.6.7, pyod/test/test_knn.py), and its ensembles."""

import sys
import warnings
from typing import Any

import numpy as np
import pytest
from pyod.models.base import BaseDetector
from pyod.models.embedding import EmbeddingOD
from pyod.models.feature_bagging import FeatureBagging
from pyod.models.lscp import LSCP
from pyod.models.ts_od import TimeSeriesOD
from pyod.utils.data import generate_data
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


def test_a_fitted_detector_has_pyods_attributes_scores_and_labels(fitted, data):
    train, x, _, y = data
    for name in ("decision_scores_", "labels_", "threshold_", "_mu", "_sigma", "detector_"):
        assert getattr(fitted, name) is not None
    assert isinstance(fitted, BaseDetector)
    assert fitted.labels_.sum() == 20
    np.testing.assert_array_equal(fitted.labels_, fitted.decision_scores_ > fitted.threshold_)
    np.testing.assert_allclose(fitted.decision_function(train), fitted.decision_scores_, rtol=1e-12)
    assert roc_auc_score(y, fitted.decision_function(x)) >= 0.8
    assert set(fitted.predict(x)) == {0, 1}
    assert clone(fitted).get_params() == fitted.get_params()
    scores = fitted.decision_function(x)
    for ranks in (fitted._predict_rank(x), 200 * fitted._predict_rank(x, normalized=True)):
        np.testing.assert_allclose(rankdata(ranks), rankdata(scores), atol=3)
        assert -0.1 < ranks.min() <= ranks.max() < 202


@pytest.mark.filterwarnings("ignore:The cost of rejection must be positive:UserWarning")
def test_probabilities_confidence_and_rejection(fitted, data):
    x = data[1]
    for method in ("linear", "unify"):
        probabilities = fitted.predict_proba(x, method=method)
        assert probabilities.shape == (100, 2)
        assert 0 <= probabilities.min() <= probabilities.max() <= 1
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    with pytest.raises(ValueError, match="is not a valid probability conversion method"):
        fitted.predict_proba(x, method="something")
    _, confidence = fitted.predict(x, return_confidence=True)
    np.testing.assert_array_equal(confidence, fitted.predict_confidence(x))
    assert 0 <= confidence.min() <= confidence.max() <= 1
    assert set(fitted.predict_with_rejection(x, return_stats=False)) <= {0, 1, -2}


def test_it_is_the_detector_of_scikit_learn_with_the_other_sign(fitted, data):
    other = AutoencoderDetector(**SMALL, contamination=CONTAMINATION).fit(data[0])
    np.testing.assert_allclose(fitted.decision_function(data[1]), -other.score_samples(data[1]), rtol=1e-12)
    np.testing.assert_array_equal(fitted.predict(data[1]) == 1, other.predict(data[1]) == -1)
    np.testing.assert_allclose(fitted.explain(data[1]), other.explain(data[1]), rtol=1e-12)
    ours, theirs = AutoencoderPyOD().get_params(), AutoencoderDetector().get_params()
    assert ours == theirs | {"contamination": CONTAMINATION}


def test_detectors_work_in_ensembles(data):
    bagging = FeatureBagging(
        AutoencoderPyOD(**SMALL), n_estimators=2, max_features=2, contamination=CONTAMINATION, random_state=0
    )
    assert bagging.fit(data[0]).decision_function(data[1]).shape == (100,)
    assert len({one.random_state for one in bagging.estimators_}) == 2
    detectors = [AutoencoderPyOD(**SMALL | {"random_state": seed}) for seed in (0, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyOD, about bins and local regions
        scores = LSCP(detectors, random_state=0, contamination=CONTAMINATION).fit(data[0]).decision_function(data[1])
    assert np.isfinite(scores).all()


@pytest.mark.slow
def test_pyod_judges_embeddings_by_it(data):
    x, test, _, y = data
    rows = {f"text {place}": row for place, row in enumerate([*x, *test])}
    texts = list(rows)
    detector = EmbeddingOD(
        encoder=lambda texts: np.array([rows[text] for text in texts]),
        detector=AutoencoderPyOD(**SMALL),
        contamination=CONTAMINATION,
    ).fit(texts[:200])
    assert roc_auc_score(y, detector.decision_function(texts[200:])) >= 0.8


@pytest.mark.slow
def test_pyod_judges_windows_of_time_series_by_it():
    time = np.arange(400)
    series = np.sin(2 * np.pi * time / 25) + 0.05 * np.random.default_rng(0).normal(size=400)
    series[300:310] += 3.0
    detector = TimeSeriesOD(AutoencoderPyOD(**SMALL | {"code": 2}), window_size=8, contamination=0.05).fit(series)
    assert 290 < int(np.argmax(detector.decision_scores_)) < 320


def test_parameters_that_cannot_be_used_are_refused(unchecked, data):
    with pytest.raises(ValueError, match=r"contamination must be in \(0, 0.5\]"):
        AutoencoderPyOD(contamination=0.6)
    with pytest.raises(InvalidInput, match="unknown anomaly score 'distance'"):
        AutoencoderPyOD(anomaly_score="distance").fit(data[0])


def test_without_pyod_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "ae_jax.estimators.pyod_detector")
    monkeypatch.delattr(estimators, "pyod_detector")
    for name in [name for name in sys.modules if name.split(".")[0] == "pyod"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'needs PyOD, which is not installed: run pip install "ae_jax\[pyod\]"'):
        from ae_jax.estimators import AutoencoderPyOD  # noqa: F401
    with pytest.raises(AttributeError, match=r"module 'ae_jax\.estimators' has no attribute 'AutoencoderPyOd'"):
        estimators.AutoencoderPyOd  # noqa: B018
