"""Growth of an epoch's time with examples, features, code, members and batch: power laws and a cost model."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ae_jax import Autoencoder, variational
from benchmarks.cost_model import Size, fit_cost, predictions
from benchmarks.ours import ours
from benchmarks.timing import interleave
from benchmarks.workloads import blobs

AXES: dict[str, tuple[int, ...]] = {
    "examples": (1024, 2048, 4096, 8192),
    "features": (196, 784, 1764, 3136),
    "code": (8, 32, 128, 512),
    "members": (1, 2, 4, 8),
    "batch": (32, 64, 128, 512),
}
"""The numbers that grow and their values; features are the pixels of square images."""

CHECK = {"examples": 6144, "features": 1764, "code": 64, "members": 2, "batch": 256}
"""A size on none of the axes, at which the cost model is checked."""

_BASE = {"examples": 2048, "features": 784, "code": 16, "members": 1, "batch": 128}


def power_law(values: Sequence[float | int], seconds: Sequence[float]) -> tuple[float, float, float]:
    """Fits log seconds = log factor + exponent log value; returns exponent, factor and r squared."""
    x, y = np.log(np.asarray(values, float)), np.log(np.asarray(seconds, float))
    slope, intercept = np.polyfit(x, y, 1)
    unexplained = float(np.sum(np.square(y - intercept - slope * x)))
    total = float(np.sum(np.square(y - y.mean())))
    return float(slope), float(np.exp(intercept)), 1.0 - unexplained / total if total else 1.0


def exponents(
    axes: Mapping[str, Sequence[int]] = AXES, *, rounds: int = 5, epochs: int = 4
) -> Iterator[dict[str, Any]]:
    """Yields a row for each axis: the epoch's seconds along it and the exponent of their growth.

    The base is a VAE 784-512-16 at batch 128 on 2,048 examples; one number at a time changes. ``exponent`` is that of
    the medians over rounds, ``exponent_low`` and ``exponent_high`` are those of single rounds.
    """
    for axis, values in axes.items():
        seconds = interleave({str(value): _epoch(epochs, **{axis: value}) for value in values}, rounds=rounds)
        medians = [statistics.median(seconds[str(value)]) for value in values]
        each = [power_law(values, times)[0] for times in zip(*seconds.values(), strict=True)]
        exponent, factor, r_squared = power_law(values, medians)
        yield {
            "axis": axis,
            "values": list(values),
            "epoch_s": medians,
            "exponent": exponent,
            "exponent_low": min(each),
            "exponent_high": max(each),
            "factor_s": factor,
            "r_squared": r_squared,
            "base": dict(_BASE),
        }


def cost_model(
    rows: Sequence[Mapping[str, Any]], check: Mapping[str, int] = CHECK, *, rounds: int = 5, epochs: int = 4
) -> dict[str, Any]:
    """Fits the cost model to the rows of :func:`exponents` and checks it at a size that it was not fitted to.

    Returns:
      The coefficients, the largest relative error of the fit, ``predicted_s`` and ``measured_s`` of the check, and the
      table of predictions for a VAE 784-512-16 at batch 512 of each device.
    """
    points = [
        (size_of(**{row["axis"]: value}), seconds)
        for row in rows
        for value, seconds in zip(row["values"], row["epoch_s"], strict=True)
    ]
    model = fit_cost([size for size, _ in points], [seconds for _, seconds in points])
    run = _epoch(epochs, **check)
    run()
    measured = statistics.median(run() for _ in range(rounds))
    predicted = model.epoch(size_of(**check))
    return {
        **dataclasses.asdict(model),
        "fitted_to": len(points),
        "largest_error": max(abs(model.epoch(size) / seconds - 1.0) for size, seconds in points),
        "check": dict(check),
        "predicted_s": predicted,
        "measured_s": measured,
        "predicted_over_measured": predicted / measured,
        "table": predictions(model, size_of(batch=512)),
    }


def size_of(**changed: int) -> Size:
    """Returns the base size with some numbers changed."""
    sizes = _BASE | changed
    params, _ = jax.eval_shape(lambda: _autoencoder(sizes["code"]).init((sizes["features"],), jax.random.key(0)))
    parameters = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    return Size(sizes["examples"], sizes["batch"], parameters, sizes["members"])


def _autoencoder(code: int) -> Autoencoder:
    return variational(activation="relu", hidden=(512,), code=code)


def _epoch(epochs: int, **changed: int) -> Callable[[], float]:
    """Returns a function that trains at the base size with some numbers changed and returns the median epoch."""
    sizes = _BASE | changed
    side = round(sizes["features"] ** 0.5)
    images = blobs(sizes["examples"], side=side).reshape(sizes["examples"], -1)
    train = ours(_autoencoder(sizes["code"]), images, sizes["batch"], seeds=range(sizes["members"]))
    return lambda: statistics.median(train(epochs)[0])
