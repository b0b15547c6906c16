import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.data import from_arrays
from ae_jax.estimators import AutoencoderDetector
from ae_jax.estimators.parameters import choose
from ae_jax.objectives import BernoulliLikelihood, GaussianLikelihood, SquaredError

UNIT = from_arrays(np.eye(8))
STANDARD = from_arrays(np.eye(8) - 0.5)
MINE = ae_jax.contractive(code=3)


def test_names_and_hyperparameters_are_those_given_and_the_likelihood_fits_the_data():
    assert choose("sparse", None, {"weight": 1.0}, UNIT) == ae_jax.sparse()
    chosen = choose("contractive", 3, {"weight": 2.0, "hidden": (5,)}, UNIT)
    assert chosen == ae_jax.contractive(code=3, weight=2.0, hidden=(5,))
    assert choose(MINE, None, None, UNIT) is MINE
    for data, given, likelihood in (
        (UNIT, None, BernoulliLikelihood),
        (STANDARD, None, GaussianLikelihood),
        (STANDARD, {"likelihood": SquaredError()}, SquaredError),
    ):
        assert isinstance(choose("variational", None, given, data).objective.likelihood, likelihood)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (("undercomplet", None, None), "did you mean 'undercomplete'"),
        ((7, None, None), "expected a name, such as 'undercomplete'"),
        ((MINE, 4, None), "code=4 was given beside the autoencoder 'contractive'"),
        ((MINE, None, {"weight": 1.0}), "was given beside the autoencoder 'contractive'"),
        (("sparse", None, {"wieght": 1.0}), "did you mean 'weight'"),
        (("sparse", 4, {"code": 5}), "code=4 was given, and 5 in hyperparameters"),
        (("sparse", None, 5), "expected a dict"),
        (("sparse", 0, None), "sparse was given code=0"),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(unchecked, parameters, message):
    with pytest.raises(InvalidInput, match=message):
        choose(*parameters, UNIT)


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        ("autoencoder", np.array(["vae", "sparse"]), "str | Autoencoder"),
        ("scaling", np.array([]), "str | None"),
        ("verbose", np.array([True, False]), "bool"),
        ("random_state", "seven", "int | RandomState | None"),
        ("contamination", 10**400, "a number of 64 bits"),
    ],
)
def test_a_parameter_of_a_wrong_type_is_one_sentence_in_fit(unchecked, parameter, value, expected):
    detector = AutoencoderDetector(**{parameter: value})
    with pytest.raises(InvalidInput, match=f"AutoencoderDetector was given {parameter}=.*: expected ") as told:
        detector.fit(np.eye(20))
    assert str(told.value).endswith(f"expected {expected}.")
