import numpy as np
import pytest

from ae_jax import InvalidInput, conditional
from ae_jax.data import from_arrays
from ae_jax.objectives import BernoulliLikelihood, GaussianLikelihood, LaplaceLikelihood, SquaredError
from ae_jax.studies import suited, sweep

UNIT = from_arrays(np.random.default_rng(0).uniform(size=(40, 3)))
REAL = from_arrays(np.random.default_rng(0).normal(size=(40, 3)))


@pytest.mark.parametrize(
    ("name", "data", "chosen", "likelihood", "messages"),
    [
        ("variational", UNIT, {}, BernoulliLikelihood(), 0),
        ("variational", REAL, {}, GaussianLikelihood(), 1),
        ("variational", REAL, {"likelihood": LaplaceLikelihood()}, LaplaceLikelihood(), 0),
        ("variational", REAL, {"likelihood": BernoulliLikelihood()}, BernoulliLikelihood(), 0),
        ("sparse", REAL, {"weight": 2.0}, SquaredError(), 0),
    ],
)
def test_the_likelihood_is_that_of_the_data_unless_one_is_chosen(name, data, chosen, likelihood, messages):
    autoencoder, said = suited(name, data, **chosen)
    assert autoencoder.objective.likelihood == likelihood
    assert len(said) == messages


def test_a_sweep_suits_the_data_and_says_so_once():
    study = sweep("variational", REAL, {"beta": [0.5, 1.0], "hidden": [(4,)]}, seeds=[0], epochs=1, batch_size=8)
    assert [message.split(":")[0] for message in study.messages] == ["variational has a Gaussian likelihood"]
    assert study.runs["variational"].autoencoder.objective.likelihood.name == "gaussian_nll"


def test_an_unknown_name_is_refused():
    with pytest.raises(InvalidInput, match="unknown autoencoder 'sprase'"):
        suited("sprase", UNIT)


def test_the_classes_are_those_of_the_data():
    labelled = from_arrays(UNIT.train.x, np.arange(len(UNIT.train.x)) % 3)
    assert suited("conditional", labelled)[0] == conditional(classes=3)
    assert suited("conditional", labelled, classes=5)[0] == conditional(classes=5)
    with pytest.raises(InvalidInput, match="conditional needs the class of each example"):
        suited("conditional", UNIT)
