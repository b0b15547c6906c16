"""What an epoch would cost elsewhere: a model of its time, fitted to measured ones and checked against others."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls

PRODUCTS_OF = 6.0
"""Floating-point operations for each parameter and example: a product forward, two backward."""

STATE_BYTES = 40.0
"""Bytes for each parameter and step: parameters, gradients and Adam's moments, each read and written; float32."""

EXAMPLES = (10**6, 10**7, 10**8, 10**9, 10**10)
DEVICES = (1, 8, 64, 1024)


class Size(NamedTuple):
    """What decides about the time of an epoch.

    Attributes:
      examples: trained on.
      batch: examples in a step, of one device.
      parameters: of a member, of dense layers.
      members: of the population.
    """

    examples: int
    batch: int
    parameters: int
    members: int = 1

    @property
    def steps(self) -> int:
        """Of an epoch, the last one completed."""
        return -(-self.examples // self.batch)


@dataclasses.dataclass(frozen=True)
class CostModel:
    r"""Seconds of an epoch as a sum of what it computes, what it moves and how often it begins anew.

    .. math:: t = M \, (c_f \, 6 P N + c_b \, 40 P \lceil N / B \rceil + c_s \lceil N / B \rceil)

    for M members of P parameters, N examples and batches of B.

    Attributes:
      per_flop: c_f, seconds for each operation of matrix products.
      per_byte: c_b, seconds for each byte of optimiser traffic.
      per_step: c_s, seconds for each step of a member, whatever its size.

    Example:
      >>> model = CostModel(per_flop=1e-11, per_byte=0.0, per_step=1e-4)
      >>> round(model.epoch(Size(examples=1000, batch=100, parameters=10_000)), 6)
      0.0016
    """

    per_flop: float
    per_byte: float
    per_step: float

    def epoch(self, size: Size) -> float:
        """Seconds of an epoch on one device."""
        return float(_features(size) @ np.array([self.per_flop, self.per_byte, self.per_step]))


class Links(NamedTuple):
    """What joins devices: assumed, not measured.

    Attributes:
      bandwidth: bytes a second of each device.
      latency: seconds of a message.
    """

    bandwidth: float
    latency: float


LINKS = Links(bandwidth=12.5e9, latency=2e-5)
"""A network of 100 Gbit/s."""


def fit_cost(sizes: Sequence[Size], seconds: Sequence[float]) -> CostModel:
    """The model whose relative errors are least in squares, no coefficient below zero.

    Args:
      sizes: of measured epochs.
      seconds: that each of them took.

    Example:
      >>> true = CostModel(1e-11, 2e-10, 3e-5)
      >>> sizes = [Size(1000, 10, 10**6), Size(1000, 100, 10**6), Size(2000, 10, 10**3), Size(2000, 10, 10**5, 4)]
      >>> fitted = fit_cost(sizes, [true.epoch(size) for size in sizes])
      >>> [f"{number:.2g}" for number in dataclasses.astuple(fitted)]
      ['1e-11', '2e-10', '3e-05']
    """
    features = np.array([_features(size) for size in sizes]) / np.asarray(seconds, float)[:, None]
    largest = features.max(axis=0)
    found, _ = nnls(features / largest, np.ones(len(sizes)))
    return CostModel(*(found / largest).tolist())


def divided_epoch(model: CostModel, size: Size, devices: int, links: Links = LINKS) -> float:
    r"""Seconds of an epoch whose batches are divided over devices, each of which has a batch of ``size.batch``.

    Gradients are summed in a ring:

    .. math:: 2 \frac{D - 1}{D} \frac{4 P}{\text{bandwidth}} + 2 \log_2 D \cdot \text{latency}

    for each step, not hidden behind anything.

    Example:
      >>> model = CostModel(1e-11, 0.0, 0.0)
      >>> size = Size(examples=10**6, batch=100, parameters=10**6)
      >>> round(model.epoch(size)), round(divided_epoch(model, size, 10), 2)
      (60, 6.74)
    """
    share = size._replace(examples=-(-size.examples // devices))
    ring = 2 * (devices - 1) / devices * 4.0 * size.parameters / links.bandwidth
    together = ring + 2 * math.ceil(math.log2(devices)) * links.latency
    return model.epoch(share) + size.members * share.steps * together


def table(
    model: CostModel,
    size: Size,
    *,
    examples: Sequence[int] = EXAMPLES,
    devices: Sequence[int] = DEVICES,
    links: Links = LINKS,
) -> list[dict[str, Any]]:
    """Rows of an epoch's predicted seconds, by examples and devices, each device like the one that was measured.

    Example:
      >>> row = table(CostModel(1e-11, 0.0, 0.0), Size(1, 512, 10**6), examples=[512], devices=[1])[0]
      >>> row["examples"], row["devices"], round(row["epoch_s"], 4)
      (512, 1, 0.0307)
    """
    return [
        {
            "examples": count,
            "devices": over,
            "batch": size.batch * over,
            "epoch_s": divided_epoch(model, size._replace(examples=count), over, links),
        }
        for count in examples
        for over in devices
    ]


def _features(size: Size) -> np.ndarray:
    """What the three coefficients are multiplied by."""
    taken = float(size.members * size.steps)
    per_step = [PRODUCTS_OF * size.parameters * size.batch, STATE_BYTES * size.parameters, 1.0]
    return taken * np.array(per_step)
