import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.data import from_arrays
from ae_jax.estimators.choice import choose
from ae_jax.objectives import BernoulliLikelihood, GaussianLikelihood, SquaredError

UNIT = from_arrays(np.eye(8))
STANDARD = from_arrays(np.eye(8) - 0.5)
MINE = ae_jax.contractive(code=3)


@pytest.mark.parametrize("name", ae_jax.NAMED)
def test_a_named_autoencoder_has_its_defaults(name):
    assert choose(name, None, None, UNIT) == ae_jax.named(name)()


def test_code_and_hyperparameters_are_those_given():
    chosen = choose("contractive", 3, {"weight": 2.0, "hidden": (5,)}, UNIT)
    assert chosen == ae_jax.contractive(code=3, weight=2.0, hidden=(5,))


@pytest.mark.parametrize(
    ("data", "given", "likelihood"),
    [
        (UNIT, None, BernoulliLikelihood()),
        (STANDARD, None, GaussianLikelihood()),
        (STANDARD, {"likelihood": SquaredError()}, SquaredError()),
    ],
)
def test_the_likelihood_is_that_of_the_data_unless_one_is_given(data, given, likelihood):
    assert choose("variational", None, given, data).objective.likelihood == likelihood


def test_a_composition_is_taken_as_it_is():
    assert choose(MINE, None, None, UNIT) is MINE


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (("undercomplet", None, None), r"unknown autoencoder 'undercomplet': did you mean 'undercomplete'\?"),
        (
            (7, None, None),
            "autoencoder=7 was given: expected a name, such as 'undercomplete', or an ae_jax.Autoencoder",
        ),
        ((MINE, 4, None), "code=4 was given beside the composition 'contractive': expected it in the composition"),
        (
            (MINE, None, {"weight": 1.0}),
            r"hyperparameters=\{'weight': 1.0\} was given beside the composition 'contractive': expected it in the",
        ),
        (("sparse", None, {"wieght": 1.0}), "unknown hyper-parameter of sparse 'wieght': did you mean 'weight'"),
        (("sparse", 4, {"code": 5}), "code=4 was given, and 5 in hyperparameters: expected it once"),
        (("sparse", None, 5), r"hyperparameters=5 was given: expected a dict, such as \{'hidden': \(64,\)\}"),
        (("sparse", 0, None), "sparse was given code=0: expected a whole number above zero"),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(unchecked, parameters, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        choose(*parameters, UNIT)
