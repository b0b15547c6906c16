"""How near to the machine's own limits a work comes: its matrix products and its memory, measured in the same run.

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

from ae_jax.benchmarks.timing import interleave, ratio, timed
from ae_jax.benchmarks.works import Layer, Task, Work, parameters

SHAPES = ((512, 784, 512), (1024, 1024, 1024), (2048, 2048, 2048))
"""Rows, inner size and columns of the products that are tried; on a GPU larger ones too."""
_GPU_SHAPES = ((8192, 8192, 8192),)
_COPIED = 2**26
_REPEATS = 10

Shape = tuple[int, int, int]


class Machine(NamedTuple):
    """What this machine can do.

    Attributes:
      shape: of the matrix product that is fastest on it, by operations a second.
      peak: its floating-point operations a second, in float32 as JAX computes it by default.
      bandwidth: bytes a second that a copy reads and writes.
      products: operations a second of every shape that was tried.
    """

    shape: Shape
    peak: float
    bandwidth: float
    products: dict[Shape, float]

    def row(self) -> dict[str, Any]:
        """As results state it."""
        return {
            "peak_gflops": self.peak / 1e9,
            "copy_gb_per_s": self.bandwidth / 1e9,
            "products_gflops": {"x".join(map(str, shape)): value / 1e9 for shape, value in self.products.items()},
        }


def look_at_machine(shapes: Sequence[Shape] | None = None, *, copied: int = _COPIED, rounds: int = 3) -> Machine:
    """Measures the limits of the machine: the best of some matrix products and of some copies.

    Args:
      shapes: of products, rows, inner size and columns.
      copied: how many numbers of four bytes are copied; more than caches hold.
      rounds: of all of them.

    Example:
      >>> machine = look_at_machine([(8, 8, 8)], copied=64, rounds=1)
      >>> machine.shape, machine.peak > 0, machine.bandwidth > 0
      ((8, 8, 8), True, True)
    """
    if shapes is None:
        shapes = (*SHAPES, *(_GPU_SHAPES if jax.default_backend() == "gpu" else ()))
    runs = {str(shape): least(product(shape)) for shape in shapes} | {"copy": least(_copy(copied))}
    seconds = {name: min(values) for name, values in interleave(runs, rounds=rounds).items()}
    products = {shape: 2.0 * np.prod(shape, dtype=float) / seconds[str(shape)] for shape in shapes}
    best = max(products, key=products.__getitem__)
    return Machine(best, float(products[best]), 8.0 * copied / seconds["copy"], products)


def product(shape: Shape) -> Callable[[], jax.Array]:
    """A compiled matrix product of numbers between zero and one."""
    rows, inner, columns = shape
    left, right = jax.random.uniform(jax.random.key(0), (rows, inner)), jnp.ones((inner, columns)) / inner
    return partial(jax.jit(jnp.matmul).lower(left, right).compile(), left, right)


def fraction_row(
    work: Work, task: Task, seconds: Sequence[float], probe: Sequence[float], machine: Machine
) -> dict[str, Any]:
    """What part of the machine's peak a work achieves over whole epochs, everything included.

    Args:
      work: whose members are counted.
      task: whose layers are counted.
      seconds: of an epoch, in each round.
      probe: of the machine's fastest matrix product, in the same rounds.
      machine: its limits.
    """
    flops = work.members * task.steps * flops_of(task)
    moved = work.members * task.steps * bytes_of(task)
    per_product = 2.0 * float(np.prod(machine.shape, dtype=float))
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
        "gb_per_s": moved / epoch_s / 1e9,
        "copy_gb_per_s": machine.bandwidth / 1e9,
        "bandwidth_fraction": moved / epoch_s / machine.bandwidth,
        "limit": limit,
        "fraction_of_limit": limits[limit] / epoch_s,
        "images_per_s": work.members * len(task.images) / epoch_s,
    }


def flops_of(task: Task) -> float:
    """Floating-point operations of the matrix products of a step, forward and backward.

    A layer's product is done once forward and twice backward, for its kernel and for its input; the first layer's input
    needs no gradient. Everything elementwise and the optimiser are left out: what is not products is overhead here.

    Example:
      >>> from ae_jax.benchmarks.images import blobs
      >>> from ae_jax.benchmarks.works import WORKS
      >>> flops_of(WORKS["autoencoder"].task(blobs(64), 64)) / (2 * 64)
      2056192.0
    """
    forward = [2.0 * task.batch_size * kernel.size * places for (kernel, _), places in _layers_with_places(task)]
    return 3.0 * sum(forward) - forward[0]


def bytes_of(task: Task) -> float:
    """Bytes that a step moves at least, were nothing to stay in a cache.

    Parameters are read forward and backward, their gradient is written; Adam reads it, parameters and two moments,
    and writes three of them. Each layer's output and its gradient are written and read once.
    """
    units = [kernel.shape[-1] * places for (kernel, _), places in _layers_with_places(task)]
    floats = 10 * parameters(task) + 4 * task.batch_size * sum(units)
    return 4.0 * floats + float(task.batch_size * task.images[0].size)


def least(call: Callable[[], Any]) -> Callable[[], float]:
    """The call, saying the seconds of the fastest of some."""
    run = timed(call)
    return lambda: min(run() for _ in range(_REPEATS))


def _copy(count: int) -> Callable[[], jax.Array]:
    values = jnp.ones(count)
    return partial(jax.jit(lambda x: -x).lower(values).compile(), values)


def _layers_with_places(task: Task) -> list[tuple[Layer, int]]:
    """Each layer and at how many places of an image it is applied: one, of a dense layer."""
    side = task.images.shape[1] if task.images.ndim == 3 else 1
    places = []
    for kernel, _ in task.encoder:
        side = -(-side // 2) if kernel.ndim == 4 else side
        places.append(side**2 if kernel.ndim == 4 else 1)
    for kernel, _ in task.decoder:
        places.append(side**2 if kernel.ndim == 4 else 1)
        side = 2 * side if kernel.ndim == 4 else side
    return list(zip((*task.encoder, *task.decoder), places, strict=True))
