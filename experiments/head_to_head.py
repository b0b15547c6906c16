"""Nine members of the family beside those of pythae 0.1.2: quality and time of training.

COMMAND
    ae-jax data prepare binarized_mnist; ae-jax data prepare mnist
    taskset -c 1 python experiments/head_to_head.py
    (PyTorch and pythae come with ``pip install -e ".[bench]"``; without taskset, on all cores)
EXPECTED
    each metric at most pythae's, or not shown to be larger: 95% intervals over seeds, of each library by itself,
    overlap.
MEASURED
    12 of 12 metrics, with --examples 5000 --images 500. 2.0 to 4.4 times as fast without compilation. From our own
    initial values (--initial own) 9 of 12: likelihoods are better, the squared errors of ``wae``, ``vq`` and ``rae``
    missed, by 9 to 18%. See experiments/README.md.

10,000 images of static binarised MNIST, 784-400-16 and back, ReLU, Adam at 1e-3, batches of 100, 10 epochs, seeds 0 to
2. Layers of both start from PyTorch's initial values; orders and noise are each library's own. Weights are our
defaults, converted to pythae's scale; those of the game are its: weight 1, one layer of 256; and codebooks have no
replacement of dead codes, as its. pythae's VampPrior clips pseudo-inputs, its flow is not given the example, and its
codebook has no prior that is trained beside. Metrics are computed by the same NumPy code from the functions of either
library (``benchmarks/family.py``): negative log-likelihoods and the beta-TCVAE's objective by 100 latents of each of
1,000 test images, squared errors of all 10,000, Fréchet distances of 10,000 samples on the features of a classifier of
MNIST; WAE and AAE are sampled at N(0, I), RAE at a mixture of ten Gaussians. Times are seconds of the processor of
whole trainings, the two libraries in turn; ours compiles in the first of a name alone, and JAX's cache of programs on
disk is off.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

import ae_jax
from ae_jax import Autoencoder, component, static
from ae_jax.data import Dataset, from_splits
from ae_jax.errors import require_known
from ae_jax.networks import MLP, deterministic
from ae_jax.studies.results import Interval, intervals
from ae_jax.types import Shape
from benchmarks import family
from benchmarks.baselines import pythae_family
from benchmarks.baselines.pythae_family import Work
from benchmarks.family import Fitted
from experiment import Experiment, ExperimentLog, run_experiment
from features import features_of

Rows = Sequence[dict[str, Any]]

CODE, HIDDEN, BATCH, RATE = 16, 400, 100, 1e-3
TC_WEIGHT = 5.0
OURS, THEIRS = "ae_jax", "pythae"
OWN: dict[str, dict[str, Any]] = {"aae": {"weight": 1.0, "critic": (256,)}, "vq": {"dead_after": None}}
METRICS = {
    "variational": ("nll",),
    "beta_tc": ("objective",),
    "importance_weighted": ("nll",),
    "vamp": ("nll",),
    "iaf": ("nll",),
    "wae": ("squared_error", "frechet"),
    "aae": ("squared_error", "frechet"),
    "vq": ("squared_error",),
    "rae": ("squared_error", "frechet"),
}
"""Name -> the metrics that are judged."""
TIME = "seconds"


@component
class AsPyTorch:
    """Perceptrons whose weights and biases start as PyTorch's, uniform within one over the root of the inputs.

    Attributes:
      networks: the perceptrons.
    """

    networks: MLP = static()

    @property
    def code(self) -> int:
        return self.networks.code

    @property
    def stochastic(self) -> bool:
        return self.networks.stochastic

    def __call__(self, shape: Shape, outputs: int, rngs: nnx.Rngs) -> nnx.Module:
        built = self.networks(shape, outputs, rngs)
        for layer in (*built.encoder, *built.decoder):
            most = layer.in_features**-0.5
            for variable in (layer.kernel, layer.bias):
                variable.set_value(jax.random.uniform(rngs.params(), variable.shape, minval=-most, maxval=most))
        return built


def autoencoder(name: str, examples: int, initial: str) -> Autoencoder:
    """Ours, with the layers that all have and PyTorch's or its own initial values."""
    require_known("initial values", initial, ("pytorch", "own"))
    further = {"examples": examples} if name == "beta_tc" else OWN.get(name, {})
    ours = ae_jax.named(name)(code=CODE, hidden=(HIDDEN,), activation="relu", learning_rate=RATE, **further)
    return ours if initial == "own" else dataclasses.replace(ours, networks=AsPyTorch(networks=ours.networks))


def trained(name: str, work: Work, seed: int, initial: str) -> tuple[Fitted, float]:
    """Ours trained, with the seconds of the processor that training took."""
    ours, data = autoencoder(name, len(work.images), initial), from_splits(work.images, scaling="none")
    started = time.process_time()
    run = ae_jax.fit(ours, data, epochs=work.epochs, batch_size=work.batch_size, seeds=seed)
    seconds = time.process_time() - started
    return fitted(run), seconds


def fitted(run: ae_jax.Run) -> Fitted:
    """A run of one member as functions of NumPy arrays."""
    params, state = jax.tree.map(lambda leaf: leaf[0], (run.params, run.state))
    model, ours = run.members[0].bind(run.shape, params, state), run.members[0]

    @jax.jit
    def moments(x: Any) -> Any:
        posterior = model.encode(x)
        return deterministic(posterior), getattr(posterior, "log_scale", None)

    @jax.jit
    def decode(z: Any) -> Any:
        return ours.objective.likelihood.mean(model.decode(z))

    @jax.jit
    def draw(x: Any, seed: Any) -> Any:
        return model.encode(x).sample_and_log_prob(jax.random.key(seed))

    @jax.jit
    def indices(x: Any) -> Any:
        return model.bottleneck.indices(model.networks.encode(x))

    def by_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arrays: jax.tree.map(np.asarray, function(*arrays))

    return Fitted(
        moments=by_numpy(moments),
        decode=by_numpy(decode),
        draw=by_numpy(draw) if ours.name == "iaf" else None,
        prior=by_numpy(lambda: tuple(model.prior.posterior()))() if ours.name == "vamp" else None,
        indices=by_numpy(indices) if ours.name == "vq" else None,
    )


def quality(name: str, one: Fitted, data: Mapping[str, Any], budget: Mapping[str, Any], seed: int) -> dict[str, float]:
    """The metrics of a trained member of either library."""
    few, test, judged = data["test"][: budget["images"]], data["test"], METRICS[name]
    found = {"squared_error": family.squared_error(one, test)}
    if judged in (("nll",), ("objective",)):
        found["nll"] = family.negative_log_likelihood(one, few, budget["samples"])
    if "objective" in judged:
        bound = -float(family.log_weights(one, few, budget["samples"]).mean())
        found["total_correlation"] = family.total_correlation(one, few)
        found["objective"] = bound + TC_WEIGHT * found["total_correlation"]
    if "frechet" in judged:
        count = len(test)
        samples = (
            family.samples_by_mixture(one, data["train"], count, seed)
            if name == "rae"
            else family.samples_by_normal(one, CODE, count, seed)
        )
        found["frechet"] = family.distance_of(samples, data["real"], data["features"])
    if name == "vq":
        found["perplexity"] = family.perplexity(one, test, pythae_family.CODES)
    return found


def measured(name: str, data: Mapping[str, Any], budget: Mapping[str, Any], _: Path) -> Rows:
    """Trains by both libraries in turn and returns metrics and times."""
    rows, work = [], Work(data["train"], HIDDEN, CODE, BATCH, budget["epochs"], RATE)
    for seed in range(budget["seeds"]):
        of = {OURS: trained(name, work, seed, budget["initial"]), THEIRS: pythae_family.trained(name, work, seed)}
        for library, (model, seconds) in of.items():
            values = quality(name, model, data, budget, seed) | {TIME: seconds}
            about = {"autoencoder": name, "library": library, "seed": seed}
            rows += [about | {"metric": metric, "value": float(value)} for metric, value in values.items()]
    return rows


def arrays_of(images: Dataset, grey: Dataset, budget: Mapping[str, Any]) -> dict[str, Any]:
    """Training and test images, flat and binary, and real images as features of the classifier of grey ones."""
    top = float(images.train.x.max())
    train, test = (
        (split.x.reshape(len(split.x), -1) / top > 0.5).astype(np.float32) for split in (images.train, images.test)
    )
    features, white = features_of(grey, Path("runs/features")), float(grey.train.x.max())

    def of(x: np.ndarray) -> np.ndarray:
        return features(white * x.reshape(-1, *grey.shape))

    return {"train": train[: budget["examples"]], "test": test, "features": of, "real": features(grey.test.x)}


def study(log: ExperimentLog) -> None:
    images, grey = log.sources if len(log.sources) == 2 else log.sources * 2
    data = arrays_of(ae_jax.data.load(images), ae_jax.data.load(grey), log.budget)
    jax.config.update("jax_enable_compilation_cache", False)
    settings = {key: value for key, value in log.budget.items() if key != "autoencoders"}
    for name in log.budget["autoencoders"]:
        log.trial(name, partial(measured, name, data, log.budget), data=[images, grey], **settings)


def both(rows: Rows) -> dict[str, dict[str, dict[str, Interval]]]:
    """Name -> library -> metric -> interval."""
    names = dict.fromkeys(row["autoencoder"] for row in rows)
    return {name: intervals([r for r in rows if r["autoencoder"] == name], by=("library",)) for name in names}


def expected(rows: Rows) -> dict[str, bool]:
    """Checks that no metric of ours is shown to be larger than pythae's."""
    met = {}
    for name, of in both(rows).items():
        for metric in METRICS[name]:
            one, other = (of[library][metric] for library in (OURS, THEIRS))
            low, high = one.mean - (one.half_width or 0.0), other.mean + (other.half_width or 0.0)
            met[f"{name}: {metric} {one.shown()}, pythae {other.shown()}"] = bool(low <= high)
    return met


def table(rows: Rows) -> str:
    """Formats the metrics of both, the ratio of times, and versions."""
    head = "| autoencoder | metric | ae_jax | pythae | seconds: first, later | pythae | ratio: later, first |"
    lines = [head, "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    for name, of in both(rows).items():
        ours, theirs = (
            [r["value"] for r in rows if (r["autoencoder"], r["library"], r["metric"]) == (name, library, TIME)]
            for library in (OURS, THEIRS)
        )
        ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
        later = ratios[1:] or ratios
        times = [
            f"{ours[0]:.1f}, {np.median(ours[1:] or ours):.1f}",
            f"{np.median(theirs):.1f}",
            f"{np.median(later):.2f} ({min(later):.2f} to {max(later):.2f}), {ratios[0]:.2f}",
        ]
        for place, metric in enumerate(metric for metric in of[OURS] if metric != TIME):
            both_of = [of[library][metric].shown() for library in (OURS, THEIRS)]
            lines.append(f"| {' | '.join([name, metric, *both_of, *(times if place == 0 else [''] * 3)])} |")
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in ("pythae", "torch", "jax"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return "\n".join([*lines, "", f"{versions}; cores: {cores}"])


EXPERIMENT = Experiment(
    name="head_to_head",
    study=study,
    about={
        "autoencoders": "names, each a training by both libraries",
        "examples": "training images (count)",
        "epochs": "how often every image is seen (count)",
        "seeds": "trainings from other initial values (count)",
        "images": "test images whose likelihood is measured (count)",
        "samples": "latents for each likelihood (count)",
        "initial": "initial values of our layers, pytorch or own (He's)",
    },
    budgets={
        budget: {"autoencoders": tuple(METRICS), "initial": "pytorch"} | numbers
        for budget, numbers in {
            "default": {"examples": 10_000, "epochs": 10, "seeds": 3, "images": 1000, "samples": 100},
            "smoke": {"examples": 200, "epochs": 2, "seeds": 2, "images": 20, "samples": 3},
            "full": {"examples": 50_000, "epochs": 100, "seeds": 5, "images": 1000, "samples": 1000},
        }.items()
    },
    data=("binarized_mnist", "mnist"),
    expected=expected,
    table=table,
)

if __name__ == "__main__":
    raise SystemExit(run_experiment(EXPERIMENT, __doc__ or ""))
