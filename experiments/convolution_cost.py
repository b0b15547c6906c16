"""Speed of ``ae_jax.networks.convolutional.convolve`` over ``lax.conv`` inside a scanned epoch on a CPU.

COMMAND
    python experiments/convolution_cost.py
EXPECTED
    7 to 18 times fewer seconds for 28 x 28 images, 16 and 32 channels, batch 128, with equal losses.
MEASURED
    see the table in experiments/README.md; ratios of medians, rounds interleaved in one process.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ae_jax.networks.convolutional import convolve
from benchmarks.timing import interleave, print_rows, timed

BATCH, STEPS = 128, 8
SHAPES = ((3, 3, 1, 16), (3, 3, 16, 32), (3, 3, 32, 64), (3, 3, 16, 4))


def epoch(convolution: Callable[..., jax.Array], kernels: list[jax.Array], x: jax.Array) -> Any:
    """Scans gradient-descent steps on the convolutions of a 28 x 28 autoencoder, 28 -> 14 -> 7 -> 14 -> 28."""

    def loss_of(kernels: list[jax.Array], batch: jax.Array) -> jax.Array:
        down = partial(convolution, window_strides=(2, 2), padding="SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        same = partial(convolution, window_strides=(1, 1), padding="SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        h = jax.nn.relu(down(batch, kernels[0]))
        h = jax.nn.relu(down(h, kernels[1]))
        h = jax.nn.relu(same(h, kernels[2])).reshape(-1, 14, 14, 16)
        h = same(h, kernels[3]).reshape(-1, 28, 28, 1)
        return jnp.mean(jnp.square(h - batch))

    def body(kernels: list[jax.Array], batch: jax.Array) -> tuple[list[jax.Array], jax.Array]:
        loss, gradient = jax.value_and_grad(loss_of)(kernels, batch)
        return jax.tree.map(lambda k, g: k - 0.01 * g, kernels, gradient), loss

    return jax.lax.scan(body, kernels, x)


def measure(repetitions: int) -> Iterator[dict[str, Any]]:
    """Measures ratios of ``lax.conv`` over ``convolve``, alone and as a population of four."""
    x = jax.random.uniform(jax.random.key(0), (STEPS, BATCH, 28, 28, 1))
    keys = jax.random.split(jax.random.key(1), len(SHAPES))
    kernels = [0.1 * jax.random.normal(key, shape) for key, shape in zip(keys, SHAPES, strict=True)]
    for members in (1, 4):
        start = kernels if members == 1 else [jnp.stack([kernel] * members) for kernel in kernels]
        runs = {}
        for name, convolution in (("convolve", convolve), ("lax.conv", lax_convolution)):
            one = partial(epoch, convolution)
            runs[name] = jax.jit(one if members == 1 else jax.vmap(one, in_axes=(0, None)))
        calls = {name: timed(partial(run, start, x)) for name, run in runs.items()}
        seconds = interleave(calls, rounds=repetitions)
        losses = {name: float(jnp.mean(run(start, x)[1])) for name, run in runs.items()}
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        yield {"members": members, "ratio": medians["lax.conv"] / medians["convolve"], "losses": losses}


def lax_convolution(x: jax.Array, kernel: jax.Array, **settings: Any) -> jax.Array:
    """Applies XLA's own convolution."""
    return jax.lax.conv_general_dilated(x, kernel, **settings)


def main() -> None:
    """Prints one line for each population size, or JSON, as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5, help="timed rounds (count)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()

    def line(row: dict[str, Any]) -> str:
        return f"members {row['members']}: lax.conv takes {row['ratio']:.1f} times as long; mean losses {row['losses']}"

    print_rows(measure(arguments.repetitions), line, as_json=arguments.json)


if __name__ == "__main__":
    main()
