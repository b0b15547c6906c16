import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone

import ae_jax
from ae_jax import InvalidInput, TrainingDiverged
from ae_jax.data import from_arrays
from ae_jax.estimators import AutoencoderDetector, AutoencoderTransformer, learner
from ae_jax.objectives import BernoulliLikelihood


@pytest.fixture(scope="module")
def detector(rows, narrow):
    return AutoencoderDetector(**narrow, anomaly_score="mahalanobis").fit(rows)


def test_an_unpickled_estimator_gives_the_same_numbers(fitted, detector, rows, tmp_path):
    joblib.dump(detector, tmp_path / "detector")
    for read in (joblib.load(tmp_path / "detector"), joblib.load(tmp_path / "detector", mmap_mode="r")):
        np.testing.assert_array_equal(read.score_samples(rows), detector.score_samples(rows))
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(rows), fitted.transform(rows))


def test_the_seed_decides_everything(rows, narrow, fitted):
    np.testing.assert_array_equal(AutoencoderTransformer(**narrow).fit(rows).transform(rows), fitted.transform(rows))
    other = AutoencoderTransformer(**narrow | {"random_state": 1}).fit(rows)
    assert not np.allclose(other.transform(rows), fitted.transform(rows))
    generators = [np.random.RandomState(3), np.random.RandomState(3)]
    ours = [AutoencoderTransformer(**narrow | {"random_state": one}).fit(rows).transform(rows) for one in generators]
    np.testing.assert_array_equal(*ours)


def test_a_fit_is_that_of_the_library_on_scaled_rows(rows, fitted, tmp_path):
    run = ae_jax.fit(
        ae_jax.undercomplete(code=2, hidden=(8,)),
        from_arrays(fitted.scaling_(rows), validation=0.0, test=0.0, scaling="none"),
        seeds=int(fitted.run_.seeds[0]),
        epochs=3,
        batch_size=16,
    )
    np.testing.assert_array_equal(fitted.history_["train"]["loss"], run.history["train"]["loss"][0])
    np.testing.assert_allclose(fitted.transform(rows), run.encode(fitted.scaling_(rows)), rtol=1e-4, atol=1e-6)
    loaded = ae_jax.load(fitted.run_.save(tmp_path / "run"))  # takes rows in their own units
    np.testing.assert_allclose(loaded.encode(rows), fitted.transform(rows), rtol=1e-3, atol=1e-5)


def test_results_do_not_depend_on_which_rows_come_together(fitted, rows):
    many = np.concatenate([rows] * 18)  # more than one batch of inference
    order = np.random.default_rng(0).permutation(len(many))
    codes = fitted.transform(many)
    np.testing.assert_allclose(fitted.transform(many[order]), codes[order], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fitted.transform(many[:1]), codes[:1], rtol=1e-12, atol=1e-12)


def test_a_column_far_from_zero_keeps_its_digits(rows, narrow):
    shift = np.array([2.0**30, 0, 0, 0, 0, 0])
    plain = narrow | {"hyperparameters": {"hidden": (8,), "shortcut": False}}  # of which rounding decides no direction
    near, far = (AutoencoderTransformer(**plain).fit(x).transform(x) for x in (rows, rows + shift))
    np.testing.assert_allclose(far, near, atol=1e-4)


def test_the_score_of_a_bernoulli_likelihood_is_finite_beyond_the_range_that_was_fitted(rows, narrow):
    estimator = AutoencoderTransformer("variational", scaling="unit", **narrow).fit(rows)
    assert estimator.run_.members[0].objective.likelihood == BernoulliLikelihood()
    beyond = rows + np.array([3.0, 0, 0, 0, 0, 0])
    nearest = rows.copy()
    nearest[:, 0] = rows[:, 0].max()
    scaled = estimator.scaling_(nearest)
    mean = estimator.scaling_(estimator.inverse_transform(estimator.transform(beyond)))
    nll = -np.sum(scaled * np.log(mean) + (1 - scaled) * np.log1p(-mean), axis=1)
    np.testing.assert_allclose(estimator.score(beyond), -nll.mean(), rtol=1e-5)


def test_rows_that_are_held_out_stop_training(rows, narrow):
    patient = narrow | {"epochs": 40, "hyperparameters": {"hidden": (8,), "learning_rate": 0.3, "shortcut": False}}
    estimator = AutoencoderTransformer(**patient, validation_fraction=0.3, patience=1).fit(rows)
    losses = estimator.history_["validation"]["loss"]
    assert estimator.n_iter_ == len(losses) == int(estimator.run_.best_epoch[0]) + 1 < 40
    assert losses.argmin() == len(losses) - 2
    assert estimator.run_.data.examples == {"train": 42, "validation": 18, "test": 0}
    unseen = estimator.partial_fit(rows).history_["validation"]["loss"]
    np.testing.assert_array_equal(np.isnan(unseen), [False] * len(losses) + [True])


def test_rows_are_images_where_the_networks_want_some(rows, narrow):
    wide = narrow | {"hyperparameters": {"channels": (4,)}}
    image = AutoencoderTransformer("convolutional", **wide, image_shape=(2, 3)).fit(rows)
    assert image.run_.shape == (2, 3)
    assert image.inverse_transform(image.transform(rows)).shape == rows.shape
    assert AutoencoderTransformer("convolutional")._shape(6) == (1, 6)


def test_a_composition_is_trained_and_cloned(rows, narrow, fitted):
    mine = ae_jax.undercomplete(code=2, hidden=(8,))
    given = {name: value for name, value in narrow.items() if name not in ("code", "hyperparameters")}
    estimator = clone(AutoencoderTransformer(mine, **given))
    np.testing.assert_array_equal(estimator.fit(rows).transform(rows), fitted.transform(rows))


def test_columns_of_a_frame_have_their_names(rows, narrow):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows, columns=list("abcdef"))
    estimator = AutoencoderTransformer(**narrow).fit(frame)
    assert estimator.run_.data.columns == ("a", "b", "c", "d", "e", "f")
    np.testing.assert_allclose(
        estimator.run_.encode(frame[list("fedcba")]), estimator.transform(frame), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"autoencoder": "pca"}, "unknown autoencoder 'pca'"),
        ({"scaling": "minmax"}, "unknown scaling 'minmax'"),
        ({"image_shape": (2, 2)}, r"image_shape=\(2, 2\) for rows of 6 features: expected as many pixels"),
        ({"image_shape": 6}, "image_shape=6"),
        ({"autoencoder": ae_jax.convolutional(code=2)}, r"given examples of shape \(6,\): expected images"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 0.5}, "batch_size=0.5"),
        ({"validation_fraction": 1.0}, r"validation_fraction=1.0: expected a fraction in \[0, 1\)"),
        ({"validation_fraction": "a"}, "validation_fraction='a'"),
        ({"patience": 3}, "patience=3 and no rows to validate on"),
    ],
    ids=str,
)
def test_parameters_that_cannot_be_used_are_refused(unchecked, rows, parameters, message):
    with pytest.raises(InvalidInput, match=message):
        AutoencoderTransformer(**parameters).fit(rows)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_columns_beyond_32_bits_are_refused_before_training(unchecked, rows, narrow, method, monkeypatch):
    monkeypatch.setattr(learner, "fit", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises(InvalidInput, match="expected one finite number of 32 bits"):
        getattr(AutoencoderTransformer(**narrow), method)(rows * 1e200)


def test_divergence_is_raised(rows, narrow):
    wild = narrow | {"hyperparameters": {"hidden": (8,), "learning_rate": 1e30}}
    with pytest.raises(TrainingDiverged, match="undercomplete diverged"):
        AutoencoderTransformer(**wild).fit(rows)


def test_a_verbose_estimator_shows_its_progress(rows, narrow, capsys):
    AutoencoderTransformer(**narrow, verbose=True).fit(rows)
    assert "undercomplete: epoch 1/" in capsys.readouterr().err
