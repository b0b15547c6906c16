"""Fraction of the machine's own limits that training reaches: its matrix products and its memory bandwidth.

References:
  Williams, Waterman and Patterson, *Roofline: an insightful visual performance model*, CACM 2009.
"""

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import interleave, ratio, timed
from benchmarks.workloads import Layer, Task, Workload, parameter_count

Shape = tuple[int, int, int]

SHAPES: tuple[Shape, ...] = ((512, 784, 512), (1024, 1024, 1024), (2048, 2048, 2048))
"""Rows, inner size and columns of the measured products; on a GPU a larger one too."""

_REPEATS = 10


class Machine(NamedTuple):
    """Measured limits of this machine.

    Attributes:
      shape: shape of the matrix product with the most operations a second.
      peak: its floating-point operations a second, in float32 as JAX computes it by default.
      bandwidth: bytes a second that a copy reads and writes.
    """

    shape: Shape
    peak: float
    bandwidth: float


def measure_machine(shapes: Sequence[Shape] | None = None, *, copied: int = 2**26, rounds: int = 3) -> Machine:
    """Measures the best of some matrix products and the bandwidth of a copy of ``copied`` float32 numbers."""
    if shapes is None:
        shapes = (*SHAPES, *([(8192, 8192, 8192)] if jax.default_backend() == "gpu" else []))
    runs = {str(shape): fastest(product(shape)) for shape in shapes} | {"copy": fastest(_copy(copied))}
    seconds = {name: min(values) for name, values in interleave(runs, rounds=rounds).items()}
    peaks = {shape: product_flops(shape) / seconds[str(shape)] for shape in shapes}
    best = max(peaks, key=peaks.__getitem__)
    return Machine(best, peaks[best], 8.0 * copied / seconds["copy"])


def product(shape: Shape) -> Callable[[], jax.Array]:
    """Returns a compiled matrix product of numbers between zero and one."""
    rows, inner, columns = shape
    left, right = jax.random.uniform(jax.random.key(0), (rows, inner)), jnp.ones((inner, columns)) / inner
    return partial(jax.jit(jnp.matmul).lower(left, right).compile(), left, right)


def product_flops(shape: Shape) -> float:
    """Returns the floating-point operations of a matrix product."""
    return 2.0 * float(np.prod(shape, dtype=float))


def roofline_row(
    workload: Workload, task: Task, seconds: Sequence[float], probe: Sequence[float], machine: Machine
) -> dict[str, Any]:
    """Returns how much of the machine's limits whole epochs reach, everything included.

    Args:
      workload: its members are counted.
      task: its layers are counted.
      seconds: seconds of our epoch in each round.
      probe: seconds of the machine's fastest matrix product in the same rounds.
      machine: the limits.
    """
    flops = workload.members * task.steps * step_flops(task)
    moved = workload.members * task.steps * step_bytes(task)
    per_product = product_flops(machine.shape)
    fractions = ratio([flops * one for one in probe], [per_product * one for one in seconds])
    epoch_s, peak = statistics.median(seconds), per_product / statistics.median(probe)
    limits = {"matrix products": flops / peak, "memory": moved / machine.bandwidth}
    limit = max(limits, key=limits.__getitem__)
    return {
        "gflops": flops / epoch_s / 1e9,
        "peak_gflops": peak / 1e9,
        "fraction": fractions.median,
        "fraction_low": fractions.low,
        "fraction_high": fractions.high,
        "flops_per_epoch": flops,
        "bytes_per_epoch": moved,
        "bandwidth_fraction": moved / epoch_s / machine.bandwidth,
        "limit": limit,
        "fraction_of_limit": limits[limit] / epoch_s,
        "images_per_s": workload.members * len(task.images) / epoch_s,
    }


def step_flops(task: Task) -> float:
    """Returns the floating-point operations of a step's matrix products, forward and backward.

    A layer has one product forward and two backward, for its kernel and for its input; the first layer's input needs
    no gradient. Elementwise operations and the optimiser are left out: they count as overhead.
    """
    forward = [2.0 * task.batch_size * kernel.size * places for (kernel, _), places in _applied_layers(task)]
    return 3.0 * sum(forward) - forward[0]


def step_bytes(task: Task) -> float:
    """Returns the bytes that a step moves if nothing stays in a cache.

    Parameters are read forward and backward and their gradient is written; Adam reads it, the parameters and two
    moments, and writes three of them. Each layer's output and its gradient are written and read once.
    """
    units = [kernel.shape[-1] * places for (kernel, _), places in _applied_layers(task)]
    floats = 10 * parameter_count(task) + 4 * task.batch_size * sum(units)
    return 4.0 * floats + float(task.batch_size * task.images[0].size)


def fastest(call: Callable[[], Any]) -> Callable[[], float]:
    """Wraps a call so that it returns the seconds of the fastest of ten repetitions."""
    run = timed(call)
    return lambda: min(run() for _ in range(_REPEATS))


def _copy(count: int) -> Callable[[], jax.Array]:
    values = jnp.ones(count)
    return partial(jax.jit(lambda x: -x).lower(values).compile(), values)


def _applied_layers(task: Task) -> list[tuple[Layer, int]]:
    """Returns each layer and the number of pixels at which it is applied: one for a dense layer."""
    side = task.images.shape[1] if task.images.ndim == 3 else 1
    places = []
    for kernel, _ in task.encoder:
        side = -(-side // 2) if kernel.ndim == 4 else side
        places.append(side**2 if kernel.ndim == 4 else 1)
    for kernel, _ in task.decoder:
        places.append(side**2 if kernel.ndim == 4 else 1)
        side = 2 * side if kernel.ndim == 4 else side
    return list(zip((*task.encoder, *task.decoder), places, strict=True))
