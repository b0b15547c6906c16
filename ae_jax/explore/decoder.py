"""The decoder of a multi-layer perceptron as JSON, for the script of the page to run."""

import base64
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from ae_jax.networks import MLP
from ae_jax.training import Run

_NUMBERS = 1_000_000
"""Weights of a decoder that a page holds, at most."""


def page_decoder(run: Run) -> dict[str, Any] | None:
    """The layers of a single run's decoder, its activation and the map to the units of the data, ready for JSON.

    Returns:
      None of networks that :class:`ae_jax.networks.MLP` does not build, of more than a million weights, or of a
      likelihood whose mean is neither an output nor its logistic function.
    """
    member = run.members[0]
    config, likelihood = member.networks, member.objective.likelihood
    mean = _mean_of(likelihood.mean, likelihood.outputs, run.shape)
    if type(config) is not MLP or mean is None:
        return None
    networks = member.bind(run.shape, *(_first(tree) for tree in (run.params, run.state))).networks
    if config.tied:
        kernels = [np.asarray(layer.kernel[...]).T for layer in reversed(networks.encoder)]
        layers = list(zip(kernels, (bias[...] for bias in networks.decoder_biases), strict=True))
    else:
        layers = [(layer.kernel[...], layer.bias[...]) for layer in networks.decoder]
    linear = [(networks.from_code.kernel[...], networks.from_code.bias[...])] if config.shortcut else []
    if sum(kernel.size for kernel, _ in layers + linear) > _NUMBERS:
        return None
    scale, offset = (
        np.broadcast_to(np.asarray(number, np.float32), run.shape) for number in (run.scaling.scale, run.scaling.offset)
    )
    return {
        "layers": [{"kernel": encoded(kernel), "bias": encoded(bias)} for kernel, bias in layers],
        "linear": [{"kernel": encoded(kernel), "bias": encoded(bias)} for kernel, bias in linear],
        "activation": config.activation,
        "condition": config.condition or 0,
        "outputs": likelihood.outputs,
        "logistic": mean == "logistic",
        "scale": encoded(scale),
        "offset": encoded(offset),
    }


def encoded(values: Any) -> str:
    """Numbers as 32-bit floats in base64; the script knows their shape."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode("ascii")


def _first(tree: Any) -> Any:
    """The parameters or the state of the only member."""
    return {name: _first(below) for name, below in tree.items()} if isinstance(tree, dict) else tree[0]


def _mean_of(mean: Callable[[Any], Any], outputs: int, shape: tuple[int, ...]) -> str | None:
    """Whether a likelihood's mean is the first output of each feature, or its logistic function; None if neither."""
    tail = () if outputs == 1 else (outputs,)
    drawn = np.random.default_rng(0).normal(size=(2, *shape, *tail)).astype(np.float32)
    first, found = drawn.reshape(2, math.prod(shape), -1)[..., 0], np.asarray(mean(jnp.asarray(drawn))).reshape(2, -1)
    for name, expected in (("output", first), ("logistic", 1 / (1 + np.exp(-first)))):
        if found.shape == expected.shape and np.allclose(found, expected, rtol=1e-5, atol=1e-6):
            return name
    return None
