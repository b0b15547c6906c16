"""Every one of scikit-learn's own checks, of both estimators and every named autoencoder; none is excused."""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import ae_jax
from ae_jax.estimators import AutoencoderDetector, AutoencoderTransformer

ESTIMATORS = (AutoencoderTransformer, AutoencoderDetector)
OF_FRAMES = (
    "check_dataframe_column_names_consistency",
    "check_get_feature_names_out_error",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
)
"""Checks that scikit-learn makes of its own estimators only."""
OTHERS = [name for name in ae_jax.NAMED if name not in ("undercomplete", "conditional")]  # estimators have no labels


def small(estimator, name):
    """An estimator whose programs compile and run fast."""
    narrow = {"channels": (4,)} if name == "convolutional" else {"hidden": ()}
    return estimator(name, code=2, hyperparameters=narrow, epochs=2)


def every_check(estimators):
    """Scikit-learn's own parametrisation, as a list: older ones give pytest a generator, which it comes to refuse."""
    mark = parametrize_with_checks(estimators)
    names, cases = mark.args
    return pytest.mark.parametrize(names, list(cases), **mark.kwargs)


@every_check([small(estimator, "undercomplete") for estimator in ESTIMATORS])
def test_an_estimator_passes_every_check(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")  # which some checks provoke
@pytest.mark.parametrize("name", OF_FRAMES)
def test_a_transformer_passes_the_checks_of_frames(name):
    transformer = small(AutoencoderTransformer, "undercomplete")
    getattr(estimator_checks, name)(type(transformer).__name__, transformer)


def test_a_detector_knows_the_columns_of_frames():
    detector = small(AutoencoderDetector, "undercomplete")
    estimator_checks.check_dataframe_column_names_consistency(type(detector).__name__, detector)


@pytest.mark.slow
@every_check([small(estimator, name) for name in OTHERS for estimator in ESTIMATORS])
def test_an_estimator_of_any_named_autoencoder_passes_every_check(estimator, check):
    check(estimator)


@pytest.mark.slow
@every_check([estimator() for estimator in ESTIMATORS])
def test_an_estimator_with_all_defaults_passes_every_check(estimator, check):
    check(estimator)
