"""Named autoencoders with the hyper-parameters that fit a data set: all rules in one place."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ae_jax.data import Dataset, residual_deviation
from ae_jax.errors import InvalidInput
from ae_jax.models import Autoencoder, named
from ae_jax.objectives import GaussianLikelihood, SquaredError

_FEATURES, _VARIANCE = 64, 4.7
"""Number of features, and sum of their variances, of the digits, on which the defaults were chosen."""

_STEP = 0.5
"""The most that a unit's input changes in a step of Adam, which changes each weight by about the learning rate."""

_SAMPLE = 2_000
"""Examples that the rules look at."""


def suited(name: str, dataset: Dataset, **hyperparameters: Any) -> tuple[Autoencoder, list[str]]:
    r"""Builds a named autoencoder with hyper-parameters that fit the data; values that are given are kept.

    With d features in model units, and statistics of the training split:

    - ``code``: a bottleneck (a default below the 64 features of the digits) has at most d/2 units, as PCA with d units
      reconstructs exactly. Vectors of a codebook keep their number.
    - ``learning_rate``: at most 0.5 / E‖x‖₁. Adam changes each weight by up to the rate in a step, and so the input of
      a unit by up to rate times ‖x‖₁; beyond one or two, sigmoids saturate and rectifiers die.
    - ``weight`` of a penalty: the default times the data's total variance over that of the digits, 4.7, to one
      significant digit. The squared error grows with it and the penalty does not; with another likelihood it stays.
    - ``likelihood``: a likelihood of values in [0, 1] gives way to a Gaussian where the data leave that range, of the
      standard deviation that PCA with a code of that size leaves in each direction left out: the maximum-likelihood
      estimate of a linear decoder, but at least a tenth of the data's own.
    - ``classes`` and ``examples``: the number of the data's classes and of its training examples.

    The rules were chosen on digits, wine, diabetes and breast cancer of scikit-learn, synthetic heartbeats, dSprites,
    and fault, glass, letter and Pima of ADBench.

    Args:
      name: of the autoencoder.
      dataset: the data.
      hyperparameters: of the autoencoder.

    Returns:
      The autoencoder, and a sentence where a hyper-parameter is not its default.

    Raises:
      InvalidInput: no autoencoder has that name, a hyper-parameter cannot be used, or the data lack classes.

    Example:
      >>> from ae_jax.data import from_arrays
      >>> wide = from_arrays(np.random.default_rng(0).normal(size=(20, 4)))
      >>> autoencoder, messages = suited("variational", wide, learning_rate=1e-3)
      >>> autoencoder.networks.code, autoencoder.optimizer.learning_rate, messages[0][:40]
      (2, 0.001, 'variational has code=2 and likelihood=Ga')

    References:
      Tipping and Bishop, *Probabilistic principal component analysis*, JRSS B 1999 (the scale of the Gaussian).
    """
    make = named(name)
    defaults = {key: value.default for key, value in inspect.signature(make).parameters.items()}
    if "classes" in defaults and "classes" not in hyperparameters and not dataset.classes:
        raise InvalidInput(f"{name} needs the class of each example, and {dataset.name} has no labels of classes.")
    open_to = {key: value for key, value in defaults.items() if key not in hyperparameters}
    code = hyperparameters.get("code", defaults.get("code"))
    found = _chosen(open_to, code, dataset)
    values = [f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in found.items()]
    changed = " and ".join(filter(None, [", ".join(values[:-1]), *values[-1:]]))
    messages = [f"{name} has {changed}, which fits the data (ae_jax.studies.suited)."] if found else []
    if "examples" in open_to:
        found["examples"] = len(dataset.train.x)
    if "classes" in open_to:
        found["classes"] = len(dataset.classes or ())
    return make(**hyperparameters | found), messages


def _chosen(defaults: Mapping[str, Any], code: Any, dataset: Dataset) -> dict[str, Any]:
    """The hyper-parameters whose values are not the defaults, by the rules of :func:`suited`."""
    stored = dataset.train.x[:: -(-len(dataset.train.x) // _SAMPLE)]
    x = np.nan_to_num(np.asarray(dataset.scaling(stored))).reshape(len(stored), -1)
    found: dict[str, Any] = {}
    likelihood = defaults.get("likelihood")
    if (
        isinstance(defaults.get("code"), int)
        and defaults["code"] < _FEATURES
        and not {"size", "levels"} & set(defaults)
    ):
        found["code"] = code = max(1, min(defaults["code"], x.shape[1] // 2))
    if likelihood is not None and likelihood.unit_interval and not dataset.spec.unit_interval:
        units = math.prod(np.atleast_1d(1 if code is None else code).tolist())
        found["likelihood"] = GaussianLikelihood(scale=_rounded(residual_deviation(x, units), 2))
    if "weight" in defaults and isinstance(likelihood, SquaredError):
        found["weight"] = defaults["weight"] * (_rounded(float(x.var(axis=0).sum()) / _VARIANCE, 1) or 1.0)
    if "learning_rate" in defaults:
        most = _STEP / max(float(np.abs(x).sum(axis=1).mean()), 1e-6)
        found["learning_rate"] = min(defaults["learning_rate"], _rounded(most, 2))
    return {key: value for key, value in found.items() if value != defaults[key]}


def _rounded(value: float, digits: int) -> float:
    """A number to some significant digits, as a rule of thumb has them."""
    return float(f"{value:.{digits - 1}e}")
