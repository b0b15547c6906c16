"""How an epoch's time grows with examples, features, code, members and batch: power laws, and a model of its cost."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ae_jax.benchmarks.cost_model import LINKS, Size, fit_cost, table
from ae_jax.benchmarks.images import blobs
from ae_jax.benchmarks.ours import ours
from ae_jax.benchmarks.timing import interleave
from ae_jax.models import Autoencoder, variational

AXES: dict[str, tuple[int, ...]] = {
    "examples": (1024, 2048, 4096, 8192),
    "features": (196, 784, 1764, 3136),
    "code": (8, 32, 128, 512),
    "members": (1, 2, 4, 8),
    "batch": (32, 64, 128, 512),
}
"""What grows, and the values it takes; features are the pixels of square images."""

_BASE = {"examples": 2048, "features": 784, "code": 16, "members": 1, "batch": 128}
_HIDDEN = 512

CHECK = {"examples": 6144, "features": 1764, "code": 64, "members": 2, "batch": 256}
"""A size that no axis has: what the cost model says of it is held against what it takes."""


class PowerLaw(NamedTuple):
    """A power law through measured points.

    Attributes:
      exponent: of the growing value.
      factor: what it is multiplied by, in seconds.
      r_squared: the share of the variance of the logarithms that it explains.
    """

    exponent: float
    factor: float
    r_squared: float


def power_law(values: Sequence[float | int], seconds: Sequence[float]) -> PowerLaw:
    r"""The least-squares line through logarithms.

    .. math:: \log t = \log a + b \log v

    Args:
      values: what grows, above zero.
      seconds: the time at each of them.

    Example:
      >>> [round(number, 3) for number in power_law([1, 2, 4], [3.0, 12.0, 48.0])]
      [2.0, 3.0, 1.0]
    """
    x, y = np.log(np.asarray(values, float)), np.log(np.asarray(seconds, float))
    slope, intercept = np.polyfit(x, y, 1)
    unexplained = float(np.sum(np.square(y - intercept - slope * x)))
    total = float(np.sum(np.square(y - y.mean())))
    return PowerLaw(float(slope), float(np.exp(intercept)), 1.0 - unexplained / total if total else 1.0)


def exponents(
    axes: Mapping[str, Sequence[int]] = AXES, *, rounds: int = 5, epochs: int = 4
) -> Iterator[dict[str, Any]]:
    """A row for each axis: the times of an epoch along it and the exponent with which they grow.

    A VAE 784-512-16 at batch 128 on 2,048 examples, of which one number at a time is changed.

    Args:
      axes: what grows, and the values it takes.
      rounds: in each of which all values of an axis are timed.
      epochs: of a round.

    Yields:
      ``exponent``, of the medians, with ``exponent_low`` and ``exponent_high`` of single rounds.
    """
    for axis, values in axes.items():
        seconds = interleave({str(value): _epoch(epochs, **{axis: value}) for value in values}, rounds=rounds)
        medians = [statistics.median(seconds[str(value)]) for value in values]
        each = [power_law(values, times).exponent for times in zip(*seconds.values(), strict=True)]
        law = power_law(values, medians)
        yield {
            "axis": axis,
            "values": list(values),
            "epoch_s": medians,
            "exponent": law.exponent,
            "exponent_low": min(each),
            "exponent_high": max(each),
            "factor_s": law.factor,
            "r_squared": law.r_squared,
            "base": dict(_BASE),
        }


def cost_model(
    rows: Sequence[Mapping[str, Any]], check: Mapping[str, int] = CHECK, *, rounds: int = 5, epochs: int = 4
) -> dict[str, Any]:
    """The model of cost fitted to what :func:`exponents` measured, held against a size that it was not fitted to.

    Args:
      rows: of several axes.
      check: the size that is measured now.
      rounds, epochs: of the measurement.

    Returns:
      The coefficients; of the fit the largest relative error; of the check ``predicted_s``, ``measured_s`` and their
      ratio; and the table of predictions for a VAE 784-512-16 at batch 512 of each device.
    """
    points = [
        (size_of(**{row["axis"]: value}), seconds)
        for row in rows
        for value, seconds in zip(row["values"], row["epoch_s"], strict=True)
    ]
    sizes, seconds = [size for size, _ in points], [value for _, value in points]
    model = fit_cost(sizes, seconds)
    apart = [abs(model.epoch(size) / value - 1.0) for size, value in points]
    run = _epoch(epochs, **check)
    run()
    measured = statistics.median(run() for _ in range(rounds))
    predicted = model.epoch(size_of(**check))
    return {
        **dataclasses.asdict(model),
        "fitted_to": len(points),
        "largest_error": max(apart),
        "check": dict(check),
        "predicted_s": predicted,
        "measured_s": measured,
        "predicted_over_measured": predicted / measured,
        "links": LINKS._asdict(),
        "table": table(model, size_of(batch=512)),
    }


def size_of(**changed: int) -> Size:
    """The size of the base with some numbers changed, as the cost model has it.

    Example:
      >>> size_of(members=4)
      Size(examples=2048, batch=128, parameters=829232, members=4)
    """
    sizes = _BASE | changed
    params = jax.eval_shape(lambda: _autoencoder(sizes["code"]).init((sizes["features"],), jax.random.key(0)))
    parameters = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    return Size(sizes["examples"], sizes["batch"], parameters, sizes["members"])


def _autoencoder(code: int) -> Autoencoder:
    return variational(activation="relu", hidden=(_HIDDEN,), code=code)


def _epoch(epochs: int, **changed: int) -> Callable[[], float]:
    """Seconds of the median epoch with some numbers changed."""
    sizes = _BASE | changed
    side = round(sizes["features"] ** 0.5)
    images = blobs(sizes["examples"], side=side).reshape(sizes["examples"], -1)
    train = ours(_autoencoder(sizes["code"]), images, sizes["batch"], seeds=range(sizes["members"]))
    return lambda: statistics.median(train(epochs)[0])
