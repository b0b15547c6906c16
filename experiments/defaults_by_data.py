r"""Whether the default autoencoders do what each exists for, on any data.

COMMAND
    python experiments/defaults_by_data.py digits mnist fashion_mnist \
        "DATA/olivettifaces.mat:faces;transpose;shape=64,64" "DATA/freyfaces.npz:x;shape=28,20" \
        DATA/20news_w1000.mat:trainW DATA/41_Waveform.npz:X DATA/6_cardio.npz:X DATA/25_musk.npz:X
EXPECTED
    every line met.
MEASURED
    met where it was measured; Fashion-MNIST and half of MNIST only with --epochs 5; the table is in
    experiments/README.md.

Each argument is a data set, as ``ae-jax compare --data`` takes it, followed by ``;transpose`` and ``;shape=H,W`` where
it needs them. The six autoencoders, those that fit the data, have their defaults (:func:`ae_jax.studies.suited`). Every
seed must meet, on the test split:

- undercomplete: a squared error of at most that of PCA with a code of the same size;
- contractive: a code that varies, and an error below that of the mean example;
- sparse: a mean activation within 0.02 of its target, and more than 90% of units active;
- variational: an error below that of the mean example;
- convolutional: an error of at most that of the mean example;
- denoising: from inputs with Gaussian noise of 0.3, a smaller error than the variational autoencoder of the same seed.
"""

import argparse
import sys
import time
from typing import Any

import jax
import numpy as np

import ae_jax
from ae_jax import Run
from ae_jax.cli.session import quiet_libraries, use_cache
from ae_jax.data import Dataset, ReadOptions, from_splits, load
from ae_jax.evaluation import PCA, active_fraction
from ae_jax.evaluation.noise import NOISE, corrupted
from ae_jax.studies import default_autoencoders

SLACK = 0.02
"""The most by which a mean activation may differ from its target."""


def read(argument: str, examples: int | None) -> Dataset:
    """Returns the data set of an argument, with at most so many examples in a split."""
    source, *options = argument.split(";")
    shape = next((tuple(map(int, option[6:].split(","))) for option in options if option.startswith("shape=")), None)
    data = load(source, ReadOptions(transpose="transpose" in options, shape=shape))
    if examples is None or examples >= len(data.train.x):
        return data
    train, validation, test = (split.x[:examples] for split in (data.train, data.validation, data.test))
    return from_splits(train, validation=validation, test=test, name=data.name, scaling=data.scaling)


def errors(run: Run, data: Dataset, x: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean squared error of each member's reconstructions of examples in model units, ``[members]``."""
    made = run.reconstruct(np.asarray(data.scaling.invert(x)))
    return np.array([np.mean(np.square(np.asarray(data.scaling(one)) - target)) for one in made])


def figures(run: Run, data: Dataset, test: np.ndarray, noisy: np.ndarray) -> dict[str, Any]:
    """What is asked of a run: arrays of one value for each member."""
    codes = run.encode(data.test.x)
    return {
        "error": errors(run, data, test, test),
        "denoised": errors(run, data, noisy, test),
        "spread": np.array([np.std(one, axis=0).max() for one in codes]),
        "activation": np.array([one.mean() for one in codes]),
        "active": np.array([active_fraction(one) for one in codes]),
    }


def lines(found: dict[str, dict[str, Any]], pca: float, mean: float) -> list[tuple[str, bool, str]]:
    """Name, whether it is met by all members, and the figures, of everything that is asked."""

    def shown(values: np.ndarray) -> str:
        return " ".join(f"{value:.3g}" for value in values)

    asked = []
    for name, of in found.items():
        over = of["error"] / mean
        if name == "undercomplete":
            ratio = of["error"] / max(pca, 1e-12)
            asked.append((name, bool((ratio <= 1.0).all()), f"error over PCA's {shown(ratio)}"))
        elif name == "sparse":
            good = (abs(of["activation"] - 0.05) <= SLACK).all() and (of["active"] > 0.9).all()
            figure = (
                f"activation {shown(of['activation'])}, active {shown(of['active'])}, error over mean's {shown(over)}"
            )
            asked.append((name, bool(good), figure))
        elif name == "denoising":
            gain = 10 * np.log10(found["variational"]["denoised"] / of["denoised"])
            asked.append((name, bool((gain > 0).all()), f"dB above variational {shown(gain)}"))
        else:
            good = (over <= 1.0).all() and (of["spread"] > 1e-3).all()
            asked.append((name, bool(good), f"error over mean's {shown(over)}, code's deviation {shown(of['spread'])}"))
    return asked


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--examples", type=int, help="most examples in a split")
    options = parser.parse_args()
    quiet_libraries()
    use_cache()
    missed = 0
    print("| data | autoencoder | met | figures |\n| --- | --- | --- | --- |", flush=True)
    for argument in options.data:
        data, started = read(argument, options.examples), time.perf_counter()
        autoencoders, _ = default_autoencoders(data)
        train, test = (np.asarray(data.scaling(split.x.astype(np.float32))) for split in (data.train, data.test))
        noisy = corrupted(NOISE, jax.random.key(0), test)
        mean = float(np.mean(np.square(test - train.mean(axis=0))))
        code = min(autoencoders[0].networks.code, len(train), train[0].size)
        pca = float(np.mean(np.square(PCA.fit(data, code).reconstruct(test) - test)))
        found: dict[str, dict[str, Any]] = {}
        for autoencoder in sorted(autoencoders, key=lambda one: one.name == "denoising"):  # after the variational one
            run = ae_jax.fit(autoencoder, data, seeds=range(options.seeds), epochs=options.epochs)
            found[autoencoder.name] = figures(run, data, test, noisy)
            name, met, figure = lines(found, pca, mean)[-1]
            missed += not met
            print(f"| {data.name} | {name} | {'yes' if met else 'NO'} | {figure} |", flush=True)
        print(
            f"{data.name}: {len(train)} examples of {train[0].size}, {time.perf_counter() - started:.0f} s",
            file=sys.stderr,
        )
    print(f"\n{missed} missed")
    return 0 if not missed else 4


if __name__ == "__main__":
    sys.exit(main())
