"""Every one of scikit-learn's own checks, of both estimators and autoencoders of every kind; none is excused."""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import ae_jax
from ae_jax.estimators import AutoencoderDetector, AutoencoderTransformer

ESTIMATORS = (AutoencoderTransformer, AutoencoderDetector)
OF_FRAMES = (
    "check_get_feature_names_out_error",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
)
"""Checks that scikit-learn makes of its own transformers only."""
KINDS = ("convolutional", "variational", "vq")
"""Autoencoders that differ in what an estimator meets: images, stochastic codes, parts and state."""
UNLABELLED = [name for name in ae_jax.NAMED if name != "conditional"]  # estimators have no labels


def small(estimator, name="undercomplete"):
    """An estimator whose programs compile and run fast."""
    narrow = {"convolutional": {"channels": (4,)}, "top_k": {"k": 1}}.get(name, {"hidden": ()})
    quantized = {"lfq": {"size": 2}, "residual_vq": {"size": 2}}.get(name, {})
    code = None if name in ("categorical", "joint") else 2
    return estimator(name, code=code, hyperparameters=narrow | quantized, epochs=1)


def every_check(estimators):
    """Scikit-learn's own parametrisation, as a list: older ones give pytest a generator, which it comes to refuse."""
    mark = parametrize_with_checks(estimators)
    names, cases = mark.args
    return pytest.mark.parametrize(names, list(cases), **mark.kwargs)


@every_check([small(estimator) for estimator in ESTIMATORS])
def test_an_estimator_passes_every_check(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")  # which some checks provoke
def test_estimators_pass_the_checks_of_frames():
    for estimator in map(small, ESTIMATORS):
        estimator_checks.check_dataframe_column_names_consistency(type(estimator).__name__, estimator)
    for name in OF_FRAMES:
        getattr(estimator_checks, name)("AutoencoderTransformer", small(AutoencoderTransformer))


@pytest.mark.slow
@every_check([small(estimator, name) for name in KINDS for estimator in ESTIMATORS] + [each() for each in ESTIMATORS])
def test_an_estimator_of_any_kind_or_with_all_defaults_passes_every_check(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("name", UNLABELLED)
def test_every_named_autoencoder_makes_a_transformer(name):
    estimator_checks.check_transformer_general("AutoencoderTransformer", small(AutoencoderTransformer, name))
