"""What an epoch by ``fit`` costs beside a hand-written JAX scan of the same network, batch size and optimiser.

COMMAND
    python experiments/training_overhead.py
EXPECTED
    at most 1.05 times the hand-written scan.
MEASURED
    see the table in experiments/README.md; ratios of median epochs, rounds interleaved in one process.

The hand-written epoch uses jax.nn, optax and lax.scan only: shuffle, gather, scale, gradient, Adam. Both train from the
same kind of start on the same bytes; their last losses are printed, so that the work is known to be the same.
"""

import argparse
import json
import math
import statistics
import time
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import ae_jax
from ae_jax.training import Progress

WORK = {
    "digits-sized, 64-256-16": ((64,), (256,), 16, 1280, 64),
    "MNIST-sized, 784-512-16": ((784,), (512,), 16, 12800, 128),
}
LEARNING_RATE = 1e-3


def hand_written(widths: list[int], batch_size: int) -> tuple[Any, Any]:
    """Initial state and compiled epoch of a mirror-image multi-layer perceptron with GELU layers."""
    optimizer = optax.adam(LEARNING_RATE)
    sizes = [*widths, *widths[-2::-1]]
    linear = {len(widths) - 2, len(sizes) - 2}
    keys = jax.random.split(jax.random.key(0), len(sizes) - 1)
    params = [
        (jax.random.normal(key, (a, b)) * math.sqrt(2.0 / a), jnp.zeros(b))
        for key, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]

    def loss_of(params: Any, x: jax.Array) -> jax.Array:
        h = x
        for layer, (kernel, bias) in enumerate(params):
            h = h @ kernel + bias
            h = h if layer in linear else jax.nn.gelu(h)
        return jnp.mean(jnp.sum(jnp.square(h - x), axis=-1))

    @partial(jax.jit, donate_argnums=0)
    def epoch(state: Any, key: jax.Array, data: jax.Array) -> tuple[Any, jax.Array]:
        order = jax.random.permutation(key, len(data)).reshape(-1, batch_size)

        def body(state: Any, rows: jax.Array) -> tuple[Any, jax.Array]:
            params, moments = state
            loss, gradient = jax.value_and_grad(loss_of)(params, data[rows] / 255.0)
            updates, moments = optimizer.update(gradient, moments)
            return (optax.apply_updates(params, updates), moments), loss

        state, losses = jax.lax.scan(body, state, order)
        return state, jnp.mean(losses)

    return (params, optimizer.init(params)), epoch


def seconds_by_hand(start: Any, epoch: Any, data: jax.Array, epochs: int) -> tuple[list[float], float]:
    """Seconds of each epoch after the first, and the last loss."""
    state = jax.tree.map(jnp.copy, start)
    seconds, loss = [], 0.0
    for number in range(epochs):
        started = time.perf_counter()
        state, value = epoch(state, jax.random.key(number), data)
        loss = float(value)
        seconds.append(time.perf_counter() - started)
    return seconds[1:], loss


def seconds_by_fit(
    autoencoder: ae_jax.Autoencoder, data: np.ndarray, batch_size: int, epochs: int
) -> tuple[list[float], float]:
    """The same of ``fit``, by the times at which it reports progress."""
    times, losses = [], []

    def progress(told: Progress) -> None:
        times.append(time.perf_counter())
        losses.append(told.metrics["train"]["loss"])

    ae_jax.fit(autoencoder, data, epochs=epochs, batch_size=batch_size, progress=progress)
    # The last report follows its predecessor at once, having been dispatched before it.
    return [late - early for early, late in pairwise(times[:-1])], losses[-1]


def measure(rounds: int, epochs: int) -> list[dict[str, Any]]:
    """A row of ratios for each kind of work."""
    rows = []
    for name, (shape, hidden, code, examples, batch_size) in WORK.items():
        data = np.random.default_rng(0).integers(0, 256, (examples, *shape), np.uint8)
        autoencoder = ae_jax.undercomplete(code=code, hidden=hidden, learning_rate=LEARNING_RATE)
        start, epoch = hand_written([*shape, *hidden, code], batch_size)
        on_device = jnp.asarray(data)
        ours, theirs, ratios = 0.0, 0.0, []
        for number in range(rounds + 1):
            by_fit, ours = seconds_by_fit(autoencoder, data, batch_size, epochs)
            by_hand, theirs = seconds_by_hand(start, epoch, on_device, epochs)
            if number:
                ratios.append(statistics.median(by_fit) / statistics.median(by_hand))
        rows.append(
            {
                "work": f"{name}, batch {batch_size}",
                "ratio": statistics.median(ratios),
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
                "loss_fit": ours,
                "loss_by_hand": theirs,
            }
        )
    return rows


def main() -> None:
    """Measures and prints one line for each kind of work, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds (count)")
    parser.add_argument("--epochs", type=int, default=12, help="epochs in a round (count)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    rows = measure(arguments.rounds, arguments.epochs)
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(
            f"{row['work']:38} ratio {row['ratio']:.3f} ({row['ratio_low']:.3f} to {row['ratio_high']:.3f})"
            f"   loss {row['loss_fit']:.2f} by fit, {row['loss_by_hand']:.2f} by hand"
        )


if __name__ == "__main__":
    main()
