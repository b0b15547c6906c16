"""A model of an epoch's time, fitted to measured epochs, that predicts larger sizes and more devices."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls

FLOPS_PER_PARAMETER = 6.0
"""Floating-point operations for each parameter and example: one product forward, two backward."""

BYTES_PER_PARAMETER = 40.0
"""Bytes for each parameter and step: parameters, gradients and Adam's moments, each read and written; float32."""

LINK_BANDWIDTH, LINK_LATENCY = 12.5e9, 2e-5
"""Bytes a second of each device and seconds of a message: a network of 100 Gbit/s, assumed and not measured."""


class Size(NamedTuple):
    """What an epoch's time depends on.

    Attributes:
      examples: training examples.
      batch: examples in a step of one device.
      parameters: parameters of a member with dense layers.
      members: members of the population.
    """

    examples: int
    batch: int
    parameters: int
    members: int = 1

    @property
    def steps(self) -> int:
        """Steps of an epoch, rounded up."""
        return -(-self.examples // self.batch)


@dataclasses.dataclass(frozen=True)
class CostModel:
    r"""Seconds of an epoch as a sum of computation, memory traffic and a fixed cost per step.

    .. math:: t = M \, (c_f \, 6 P N + c_b \, 40 P \lceil N / B \rceil + c_s \lceil N / B \rceil)

    for M members of P parameters, N examples and batches of B.

    Attributes:
      per_flop: c_f, seconds for each operation of matrix products.
      per_byte: c_b, seconds for each byte of optimiser traffic.
      per_step: c_s, seconds for each step of a member.
    """

    per_flop: float
    per_byte: float
    per_step: float

    def epoch(self, size: Size) -> float:
        """Returns the seconds of an epoch on one device."""
        return float(_features(size) @ np.array([self.per_flop, self.per_byte, self.per_step]))


def fit_cost(sizes: Sequence[Size], seconds: Sequence[float]) -> CostModel:
    """Fits the model to measured epochs: least squares of relative errors, coefficients not below zero."""
    features = np.array([_features(size) for size in sizes]) / np.asarray(seconds, float)[:, None]
    largest = features.max(axis=0)
    found, _ = nnls(features / largest, np.ones(len(sizes)))
    return CostModel(*(found / largest).tolist())


def data_parallel_epoch(
    model: CostModel, size: Size, devices: int, *, bandwidth: float = LINK_BANDWIDTH, latency: float = LINK_LATENCY
) -> float:
    r"""Returns the seconds of an epoch over several devices, each of which takes batches of ``size.batch``.

    Gradients are summed in a ring after each step, without overlap:

    .. math:: 2 \frac{D - 1}{D} \frac{4 P}{\text{bandwidth}} + 2 \log_2 D \cdot \text{latency}
    """
    share = size._replace(examples=-(-size.examples // devices))
    ring = 2 * (devices - 1) / devices * 4.0 * size.parameters / bandwidth
    reduction = ring + 2 * math.ceil(math.log2(devices)) * latency
    return model.epoch(share) + size.members * share.steps * reduction


def predictions(
    model: CostModel,
    size: Size,
    examples: Sequence[int] = (10**6, 10**7, 10**8, 10**9, 10**10),
    devices: Sequence[int] = (1, 8, 64, 1024),
) -> list[dict[str, Any]]:
    """Returns rows of predicted ``epoch_s`` by examples and devices, each device like the measured one."""
    return [
        {
            "examples": count,
            "devices": over,
            "batch": size.batch * over,
            "epoch_s": data_parallel_epoch(model, size._replace(examples=count), over),
        }
        for count in examples
        for over in devices
    ]


def _features(size: Size) -> np.ndarray:
    """Returns what the three coefficients are multiplied by."""
    per_step = [FLOPS_PER_PARAMETER * size.parameters * size.batch, BYTES_PER_PARAMETER * size.parameters, 1.0]
    return float(size.members * size.steps) * np.array(per_step)
