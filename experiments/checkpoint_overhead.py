"""Time that a checkpoint after every epoch adds to a training of MNIST's size.

COMMAND
    python experiments/checkpoint_overhead.py
EXPECTED
    at most 1.05 times the training without checkpoints.
MEASURED
    see the table in experiments/README.md; the median of ratios of neighbouring trainings in one process.

The time is measured from the end of the first epoch, when everything is compiled, until ``fit`` returns, after the last
checkpoint is written. Both ways train the same network on the same examples; their last losses are
printed and must be equal, which shows that the work is the same.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import ae_jax
from ae_jax.data import Dataset
from ae_jax.training import Checkpoints
from benchmarks.ours import EpochClock

EXAMPLES, FEATURES, BATCH = 60_000, 784, 128


def images(examples: int) -> Dataset:
    """Returns random bytes in the shape of MNIST's images."""
    x = np.random.default_rng(0).integers(0, 256, (examples, FEATURES), np.uint8)
    return ae_jax.data.from_splits(x[examples // 10 :], validation=x[: examples // 10])


def train(data: Dataset, epochs: int, checkpoints: Checkpoints | None) -> tuple[float, float]:
    """Returns the seconds of an epoch after the first, including its checkpoint, and the last loss."""
    clock = EpochClock()
    autoencoder = ae_jax.variational(code=16, hidden=(512,), learning_rate=1e-3)
    run = ae_jax.fit(autoencoder, data, epochs=epochs, batch_size=BATCH, checkpoints=checkpoints, callbacks=[clock])
    return (time.perf_counter() - clock.times[0]) / (epochs - 1), float(run.history["train"]["loss"][0, -1])


def measure(data: Dataset, folder: Path, rounds: int, epochs: int) -> dict[str, Any]:
    """Returns the time ratio of training with checkpoints over training without; they alternate in going first.

    The ratio of each round is told on stderr as it is measured.
    """
    ratios, losses, plain = [], {}, []
    ways = {"with": Checkpoints(folder=folder, every_epochs=1), "without": None}
    for number in range(rounds + 1):
        seconds = {}
        for name in sorted(ways, reverse=bool(number % 2)):
            seconds[name], losses[name] = train(data, epochs, ways[name])
        if number:  # the first compiles
            ratios.append(seconds["with"] / seconds["without"])
            plain.append(seconds["without"])
            print(f"round {number} of {rounds}: ratio {ratios[-1]:.3f}", file=sys.stderr, flush=True)
    newest = max((path for path in folder.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))
    return {
        "work": f"{len(data.train.x):,} x {np.prod(data.shape)} bytes, VAE 784-512-16, batch {BATCH}",
        "ratio": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "seconds_without": statistics.median(plain),
        "checkpoint_bytes": sum(path.stat().st_size for path in newest.rglob("*") if path.is_file()),
        "losses": losses,
    }


def main() -> None:
    """Measures and prints one line, or JSON; exits with 1 if the losses differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a source that ae-jax reads, such as mnist, instead of random bytes")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (count)")
    parser.add_argument("--epochs", type=int, default=6, help="epochs of a training, at least two (count)")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="random examples (count)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    data = images(arguments.examples) if arguments.data is None else ae_jax.data.load(arguments.data)
    with tempfile.TemporaryDirectory() as name:
        row = measure(data, Path(name) / "checkpoints", arguments.rounds, arguments.epochs)
    if arguments.json:
        print(json.dumps(row))
    else:
        losses = " and ".join(f"{loss:.3f} {name}" for name, loss in row["losses"].items())
        spread = f"{row['ratio_low']:.3f} to {row['ratio_high']:.3f}"
        size = f"{row['checkpoint_bytes'] / 1e6:.1f} MB a checkpoint"
        seconds = f"{row['seconds_without']:.2f} s an epoch"
        print(f"{row['work']}: ratio {row['ratio']:.3f} ({spread}), {seconds}, {size}; loss {losses}")
    if len(set(row["losses"].values())) > 1:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
