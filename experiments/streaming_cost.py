"""Cost of streaming: an epoch's time over that in memory, and the memory used for data that do not fit.

COMMAND
    python experiments/streaming_cost.py
EXPECTED
    an epoch on MNIST-sized bytes, streamed from a .npy file, at most 1.25 times the one in memory; an epoch on a .npy
    file of 8 GB with a peak of resident memory below 2 GB, at the default device budget of 1 GiB.
MEASURED
    see the table in experiments/README.md; ratios of median epochs, rounds interleaved in one process; the memory is
    that of a process of its own, its JAX and compiled programs included.

Both ways train the same network on the same examples with as many steps; their last losses are printed, which shows
that the work is the same. The large file is created for the measurement and removed.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import ae_jax
from ae_jax.data import Dataset, ReadOptions, from_splits
from ae_jax.data.shards import NpyRows
from ae_jax.data.splits import from_rows
from benchmarks.ours import EpochClock
from benchmarks.timing import interleave, print_rows, ratio

EXAMPLES, FEATURES, BATCH = 60_000, 784, 128


def epochs_of(data: Dataset, epochs: int, batch_size: int, **network: Any) -> tuple[list[float], float]:
    """Returns the seconds of each epoch but the first and the last, and the last loss."""
    clock = EpochClock()
    autoencoder = ae_jax.undercomplete(**network)
    run = ae_jax.fit(autoencoder, data, epochs=epochs, batch_size=batch_size, callbacks=[clock])
    return clock.seconds, float(run.history["train"]["loss"][0, -1])


def overhead(folder: Path, rounds: int, epochs: int, examples: int) -> dict[str, Any]:
    """Returns the ratio of the streamed epoch over the one in memory, on the same examples."""
    images = np.random.default_rng(0).integers(0, 256, (examples, FEATURES), np.uint8)
    np.save(folder / "images.npy", images)
    streamed = from_rows(NpyRows([folder / "images.npy"]), name="images", reading=ReadOptions(budget=images.size // 2))
    assert streamed.stream is not None
    trained = np.delete(images, streamed.stream.held_out, axis=0)
    in_memory = from_splits(trained, validation=streamed.validation, test=streamed.test)
    losses: dict[str, float] = {}

    def median_epoch(name: str, data: Dataset) -> float:
        taken, losses[name] = epochs_of(data, epochs, BATCH, hidden=(512,), code=16, learning_rate=1e-3)
        return statistics.median(taken)

    both = {"streamed": streamed, "in memory": in_memory}
    seconds = interleave({name: partial(median_epoch, name, data) for name, data in both.items()}, rounds=rounds)
    cost = ratio(seconds["streamed"], seconds["in memory"])
    return {
        "work": f"epoch of {examples:,} x {FEATURES} bytes, 784-512-16, batch {BATCH}",
        "ratio": cost.median,
        "ratio_low": cost.low,
        "ratio_high": cost.high,
        "losses": losses,
    }


def write_large(path: Path, gigabytes: float) -> int:
    """Writes a .npy file of noise of that many gigabytes and returns its number of rows."""
    part = np.random.default_rng(0).integers(0, 256, (16_384, 4096), np.uint8)
    parts = max(1, round(gigabytes * 2**30 / part.size))
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (parts * len(part), part.shape[1])}
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(parts):
            part.tofile(file)
    return parts * len(part)


def train_large(path: Path) -> dict[str, Any]:
    """Trains one epoch on a file and returns the peak of this process's resident memory."""
    size = path.stat().st_size
    data = ae_jax.data.load(str(path), ReadOptions() if size > 2**30 else ReadOptions(budget=size // 2))
    assert data.stream is not None
    started = time.perf_counter()
    run = ae_jax.fit(ae_jax.undercomplete(hidden=(16,), code=8), data, epochs=1, batch_size=1024)
    return {
        "examples": data.training_examples,
        "seconds": time.perf_counter() - started,
        "loss": float(run.history["train"]["loss"][0, 0]),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def memory(folder: Path, gigabytes: float) -> dict[str, Any]:
    """Runs :func:`train_large` on a file of that many gigabytes in a process of its own."""
    path = folder / "large.npy"
    write_large(path, gigabytes)
    command = [sys.executable, __file__, "--train", str(path)]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    path.unlink()
    row = json.loads(finished.stdout)
    return {"work": f"epoch of a {gigabytes:g} GB file", **row}


def line(row: dict[str, Any]) -> str:
    if "peak_bytes" in row:
        return f"{row['work']}: {row['examples']:,} examples, peak of memory {row['peak_bytes'] / 2**30:.2f} GB"
    losses = ", ".join(f"{loss:.2f} {name}" for name, loss in row["losses"].items())
    spread = f"{row['ratio_low']:.3f} to {row['ratio_high']:.3f}"
    return f"{row['work']}: ratio {row['ratio']:.3f} ({spread}), loss {losses}"


def main() -> None:
    """Prints one line for each measurement, or JSON, as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (count)")
    parser.add_argument("--epochs", type=int, default=6, help="epochs in a round (count)")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="examples of the first question (count)")
    parser.add_argument("--gigabytes", type=float, default=8.0, help="size of the large file (GB)")
    parser.add_argument("--train", type=Path, help="train on this file and print the peak of memory, as JSON")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if arguments.train is not None:
        print(json.dumps(train_large(arguments.train)))
        return

    def measure() -> Iterator[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as name:
            yield overhead(Path(name), arguments.rounds, arguments.epochs, arguments.examples)
            yield memory(Path(name), arguments.gigabytes)

    print_rows(measure(), line, as_json=arguments.json)


if __name__ == "__main__":
    main()
