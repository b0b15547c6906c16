"""What a checkpoint after every epoch costs a training of the size of MNIST.

COMMAND
    python experiments/checkpoint_overhead.py
EXPECTED
    at most 1.05 times the training without checkpoints.
MEASURED
    see the table in experiments/README.md; the median of ratios of neighbouring trainings in one process.

Timed is a training from the end of its first epoch, when everything is compiled, until ``fit`` returns, which is not
before the last checkpoint is written. Both ways train the same network on the same examples; their last losses are
printed and must be equal, so that the work is known to be the same.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import ae_jax
from ae_jax.data import Dataset
from ae_jax.training import Callback, Checkpoints, Progress

EXAMPLES, FEATURES, BATCH = 60_000, 784, 128


def images(examples: int) -> Dataset:
    """Bytes of the shape of MNIST's images, on which a training takes as long as on them."""
    x = np.random.default_rng(0).integers(0, 256, (examples, FEATURES), np.uint8)
    return ae_jax.data.from_splits(x[examples // 10 :], x[: examples // 10], None)


def train(data: Dataset, epochs: int, checkpoints: Checkpoints | None) -> tuple[float, float]:
    """Seconds of an epoch after the first, the last checkpoint included, and the last loss."""
    times = []

    class Clock(Callback):
        """Notes the time after each epoch."""

        def on_epoch(self, progress: Progress) -> None:
            times.append(time.perf_counter())

    autoencoder = ae_jax.variational(code=16, hidden=(512,), learning_rate=1e-3)
    settings = {"epochs": epochs, "batch_size": BATCH, "checkpoints": checkpoints}
    run = ae_jax.fit(autoencoder, data, callbacks=[Clock()], **settings)
    return (time.perf_counter() - times[0]) / (epochs - 1), float(run.history["train"]["loss"][0, -1])


def measure(data: Dataset, folder: Path, rounds: int, epochs: int) -> dict[str, Any]:
    """Ratio of the training with checkpoints over the one without, which take turns in going first."""
    ratios, losses, plain = [], {}, []
    ways = {"with": Checkpoints(folder=folder, every_epochs=1), "without": None}
    for number in range(rounds + 1):
        seconds = {}
        for name in sorted(ways, reverse=bool(number % 2)):
            seconds[name], losses[name] = train(data, epochs, ways[name])
        if number:  # the first compiles
            ratios.append(seconds["with"] / seconds["without"])
            plain.append(seconds["without"])
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
    """Measures and prints one line, or JSON; ends with 1 where the losses differ."""
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
        print(json.dumps(row, indent=1))
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
