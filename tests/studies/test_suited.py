"""The rules by which hyper-parameters follow the data."""

from typing import Any

import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.data import Dataset, from_arrays
from ae_jax.objectives import GaussianLikelihood, LaplaceLikelihood, LearnedGaussianLikelihood
from ae_jax.studies import DEFAULT_AUTOENCODERS, suited


def normal(features: int, deviation: float = 1.0, rows: int = 60) -> Dataset:
    x = np.random.default_rng(0).normal(0.0, deviation, size=(rows, features)).astype(np.float32)
    return from_arrays(x, np.arange(rows) % 2, name="measurements")


def fit_for(name: str, data: Dataset, **given: Any) -> Any:
    return suited(name, data, **given)[0]


@pytest.mark.parametrize("name", DEFAULT_AUTOENCODERS)
def test_the_defaults_are_those_of_the_digits(name, digits):
    assert suited(name, digits) == (ae_jax.NAMED[name](), [])


def test_a_bottleneck_is_at_most_half_of_the_features():
    sizes = {name: fit_for(name, normal(6)).networks.code for name in ("undercomplete", "denoising", "sparse", "vq")}
    assert sizes == {"undercomplete": 3, "denoising": 3, "sparse": 128, "vq": 16}
    assert fit_for("undercomplete", normal(6), code=5).networks.code == 5
    assert fit_for("undercomplete", normal(1)).networks.code == 1


def test_a_step_moves_the_input_of_a_unit_by_half_at_most():
    bright = from_arrays(np.random.default_rng(0).uniform(size=(40, 5000)).astype(np.float32), name="bright")
    rates = {name: fit_for(name, bright).optimizer.learning_rate for name in ("sparse", "undercomplete")}
    assert rates == pytest.approx({"sparse": 0.5 / 2500, "undercomplete": 0.5 / 2500}, rel=0.05)
    assert fit_for("sparse", bright, learning_rate=0.01).optimizer.learning_rate == 0.01
    assert fit_for("sparse", normal(30)).optimizer.learning_rate == 5e-3


@pytest.mark.parametrize(("name", "default"), [("sparse", 1.0), ("contractive", 0.1)])
def test_the_weight_of_a_penalty_grows_with_the_variance_of_the_data(name, default):
    def weight(data: Dataset, **given: Any) -> float:
        return fit_for(name, data, **given).objective.penalties[0].weight

    assert weight(normal(47)) == pytest.approx(10 * default)
    assert weight(normal(47, deviation=2.0)) == pytest.approx(40 * default)
    assert weight(normal(47), weight=0.3) == 0.3
    assert weight(normal(47), likelihood=LaplaceLikelihood()) == default


def test_the_gaussian_has_the_scale_that_principal_components_leave():
    rng = np.random.default_rng(1)
    noise = rng.normal(0.0, 2.0, (400, 40))
    x = rng.normal(size=(400, 16)) @ rng.normal(size=(16, 40)) + noise
    likelihood = fit_for("variational", from_arrays(x, name="plane")).objective.likelihood
    assert isinstance(likelihood, GaussianLikelihood)
    assert likelihood.scale == pytest.approx(2.0, abs=0.15)
    exact = fit_for("variational", from_arrays(x - noise, name="exact")).objective.likelihood
    assert exact.scale == pytest.approx(0.1 * np.sqrt((x - noise).var(axis=0).mean()), rel=0.1)


@pytest.mark.parametrize("likelihood", [LaplaceLikelihood(), LearnedGaussianLikelihood()])
def test_what_is_given_is_kept_and_what_is_not_is_said(likelihood):
    autoencoder, messages = suited("variational", normal(6), likelihood=likelihood, code=2)
    assert (autoencoder.objective.likelihood, autoencoder.networks.code, messages) == (likelihood, 2, [])
    (sentence,) = suited("variational", normal(6), code=2)[1]
    assert sentence.startswith("variational has likelihood=GaussianLikelihood(scale=")


def test_the_classes_and_the_number_of_examples_are_those_of_the_data():
    data = normal(5)
    assert fit_for("beta_tc", data).objective.penalties[0].examples == len(data.train.x)
    assert fit_for("beta_tc", data, examples=7).objective.penalties[0].examples == 7
    assert fit_for("conditional", data).networks.condition == 2
    assert fit_for("conditional", data, classes=5).networks.condition == 5
    with pytest.raises(InvalidInput, match="conditional needs the class of each example"):
        suited("conditional", from_arrays(data.train.x))
