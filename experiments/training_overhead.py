"""Time of an epoch by ``fit`` over that of a hand-written JAX scan of the same work.

COMMAND
    python experiments/training_overhead.py
EXPECTED
    at most 1.05 times the hand-written scan.
MEASURED
    see the table in experiments/README.md; ratios of median epochs, rounds interleaved in one process.

The hand-written epoch, the baseline ``jax-scan`` of benchmark.py, uses jax.nn, optax and lax.scan only: shuffle,
gather, scale, gradient, Adam. Both train from the same initial parameters on the same bytes; their last losses are
printed, which shows that the work is the same.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import ae_jax
from benchmarks.baselines import prepare
from benchmarks.ours import ours
from benchmarks.timing import interleave, print_rows, ratio
from benchmarks.workloads import task_of

WORK = {
    "digits-sized, 64-256-16": ((64,), (256,), 16, 1280, 64),
    "MNIST-sized, 784-512-16": ((784,), (512,), 16, 12800, 128),
}
LEARNING_RATE = 1e-3


def measure(rounds: int, epochs: int) -> Iterator[dict[str, Any]]:
    """Measures a row of ratios for each workload."""
    for name, (shape, hidden, code, examples, batch_size) in WORK.items():
        data = np.random.default_rng(0).integers(0, 256, (examples, *shape), np.uint8)
        autoencoder = ae_jax.undercomplete(code=code, hidden=hidden, learning_rate=LEARNING_RATE, shortcut=False)
        by_hand = prepare("jax-scan", task_of(autoencoder, data, batch_size, scale=255.0))
        losses: dict[str, float] = {}

        def median_epoch(way: str, train: Callable[[int], Any], losses: dict[str, float] = losses) -> float:
            seconds, means = train(epochs)
            losses[way] = means[-1]
            return statistics.median(seconds[1:] if way == "hand" else seconds)

        ways = {"fit": ours(autoencoder, data, batch_size), "hand": by_hand}
        calls = {way: lambda way=way, train=train, run=median_epoch: run(way, train) for way, train in ways.items()}
        seconds = interleave(calls, rounds=rounds)
        cost = ratio(seconds["fit"], seconds["hand"])
        yield {
            "work": f"{name}, batch {batch_size}",
            "ratio": cost.median,
            "ratio_low": cost.low,
            "ratio_high": cost.high,
            "loss_fit": losses["fit"],
            "loss_by_hand": losses["hand"],
        }


def main() -> None:
    """Prints one line for each workload, or JSON, as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds (count)")
    parser.add_argument("--epochs", type=int, default=12, help="epochs in a round (count)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()

    def line(row: dict[str, Any]) -> str:
        return (
            f"{row['work']:38} ratio {row['ratio']:.3f} ({row['ratio_low']:.3f} to {row['ratio_high']:.3f})"
            f"   loss {row['loss_fit']:.2f} by fit, {row['loss_by_hand']:.2f} by hand"
        )

    print_rows(measure(arguments.rounds, arguments.epochs), line, as_json=arguments.json)


if __name__ == "__main__":
    main()
