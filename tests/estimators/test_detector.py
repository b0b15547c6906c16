import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score

from ae_jax import InvalidInput
from ae_jax.estimators import AutoencoderDetector, learner
from ae_jax.evaluation import SCORES


@pytest.fixture(scope="module")
def detector(rows, narrow):
    return AutoencoderDetector(**narrow).fit(rows)


@pytest.fixture(scope="module")
def normal(rows):
    """Rows whose first column tells the second to the fourth."""
    return np.outer(rows[:, 0], [1.0, -2.0, 3.0, 0.5]) + 0.01 * rows[:, [1]]


def test_the_default_score_is_minus_the_squared_error_in_model_units(detector, rows):
    reconstructed = detector.scaling_(np.asarray(detector.run_.reconstruct(rows), np.float64))
    errors = np.square(detector.scaling_(rows) - reconstructed)
    np.testing.assert_allclose(detector.score_samples(rows), -errors.sum(axis=1), rtol=1e-3)
    np.testing.assert_allclose(detector.explain(rows), errors, rtol=1e-2, atol=1e-4)
    assert detector.score_samples(rows).dtype == np.float64
    assert detector.predict(rows[:1] + 1e9) == [-1]


def test_the_automatic_offset_is_the_upper_fence_of_tukey(detector, rows, narrow):
    low, high = np.quantile(-detector.score_samples(rows), [0.25, 0.75])
    np.testing.assert_allclose(-detector.offset_, high + 1.5 * (high - low), rtol=1e-12)
    assert (AutoencoderDetector(**narrow).fit_predict(np.ones((60, 6))) == 1).all()  # equal scores are normal


def test_contamination_is_the_fraction_of_the_rows_of_fit_that_is_abnormal(rows, narrow):
    detector = AutoencoderDetector(**narrow, contamination=0.2)
    assert (detector.fit_predict(rows) == -1).sum() == 12
    np.testing.assert_array_equal(detector.predict(rows) == -1, detector.decision_function(rows) < 0)


def test_what_breaks_the_ties_between_columns_is_found_and_explained(normal):
    detector = AutoencoderDetector(
        code=1, hyperparameters={"hidden": (), "learning_rate": 0.05}, epochs=200, random_state=0
    ).fit(normal)
    broken = normal.copy()
    broken[:, 2] *= -1
    far = np.abs(normal[:, 0]) > 0.3
    scores = -detector.score_samples(np.concatenate([normal[far], broken[far]]))
    assert roc_auc_score(np.repeat([0, 1], far.sum()), scores) == 1.0
    assert (detector.predict(broken[far]) == -1).all()
    assert (detector.explain(broken[far]).argmax(axis=1) == 2).all()


@pytest.mark.parametrize("name", SCORES)
def test_every_named_score_treats_each_row_by_itself_and_is_explained(rows, narrow, name):
    kind = "variational" if name == "negative_elbo" else "undercomplete"
    detector = AutoencoderDetector(kind, **narrow, anomaly_score=name).fit(rows)
    scores = detector.score_samples(rows)
    np.testing.assert_allclose(detector.score_samples(rows[::-1])[::-1], scores, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(detector.score_samples(rows[4:5]), scores[4:5], rtol=1e-9, atol=1e-9)
    contributions = detector.explain(rows[:5])
    assert contributions.shape == (5, 6)
    if name == "negative_elbo":  # explanations use the latents of the score
        start = detector.scaling_.invert(detector._anomaly_score.statistics["baseline"])
        difference = detector.score_samples(start) - scores[:5]
        np.testing.assert_allclose(contributions.sum(axis=1), difference, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"anomaly_score": "negative_elbo"}, "undercomplete has no evidence lower bound: expected a variational"),
        ({"score_options": {"neighbors": 3}}, "reconstruction_error was given the option 'neighbors': it has none"),
        ({"anomaly_score": "knn_code", "score_options": {"neighbors": 60}}, "given 60 rows: expected at least 61, as"),
        ({"anomaly_score": "knn_code", "score_options": {"skip": 0.5}}, "knn_code was given skip=0.5: expected zero"),
        ({"score_options": 3}, "score_options=3 was given: expected a dict, such as"),
        ({"anomaly_score": "mahalanobi"}, "unknown anomaly score 'mahalanobi': did you mean 'mahalanobis'"),
        (
            {"contamination": 0.6},
            r"AutoencoderDetector was given contamination=0.6: expected 'auto' or a fraction in \(",
        ),
        ({"contamination": "much"}, "contamination='much'"),
        ({"contamination": float("nan")}, "contamination=nan"),
    ],
    ids=str,
)
def test_parameters_that_cannot_be_used_are_refused_before_training(
    unchecked, rows, narrow, parameters, sentence, monkeypatch
):
    monkeypatch.setattr(learner, "fit", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises(InvalidInput, match=sentence):
        AutoencoderDetector(**narrow, **parameters).fit(rows)


def test_no_row_of_fit_is_compared_with_itself_for_the_offset(rows, narrow):
    detector = AutoencoderDetector(**narrow, anomaly_score="knn_code", score_options={"neighbors": 1}).fit(rows)
    codes = detector._anomaly_score.statistics["centred"][0]
    distances = np.linalg.norm(codes[:, None] - codes[None], axis=2) + np.diag(np.full(60, np.inf))
    np.testing.assert_allclose(-detector.training_scores_, distances.min(axis=1), rtol=1e-4)
    np.testing.assert_allclose(detector.score_samples(rows), 0.0, atol=1e-6)  # each row's nearest is itself


def test_a_score_that_is_no_number_is_abnormal(detector, rows, monkeypatch):
    monkeypatch.setattr(type(detector), "score_samples", lambda self, X: np.full(len(X), np.nan))
    assert (detector.predict(rows[:3]) == -1).all()


def test_a_fit_that_failed_leaves_no_earlier_offset(unchecked, rows, narrow):
    detector = AutoencoderDetector(**narrow).fit(rows)
    with pytest.raises(InvalidInput, match="unknown anomaly score"):
        detector.set_params(anomaly_score="distance").fit(rows)
    with pytest.raises(NotFittedError, match="This AutoencoderDetector instance is not fitted yet"):
        detector.predict(rows)
