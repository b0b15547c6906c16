"""Kingma and Welling, ICLR 2014, as later papers measure it: a variational autoencoder on the static binarised MNIST.

COMMAND
    ae-jax data prepare binarized_mnist
    python experiments/kingma2014_elbo.py
EXPECTED
    784-400-40, Adam 1e-4, batch 100, 500 epochs: a negative log-likelihood of the test images of 89.9 nats, importance-
    sampled with 200 samples (pythae's reproduction: 89.78). Here at most half a nat above it, with one hidden layer of
    400 units each way, and with two.
MEASURED
    seeds 0 to 2, 100 epochs: two hidden layers 89.80 ± 0.16 nats, which meets it; one 91.49 ± 0.17, which misses it by
    1.1 nats. 2,279 s on one of two cores of an AMD EPYC, beside other work. The published schedule, --full --seeds 1:
    one hidden layer 92.88 nats, missed.

40 latents, one drawn for each image and step, batches of 100; of all epochs, the parameters with the lowest bound on
the 10,000 validation images are measured. Units are GELU, and Adam's rate falls along half a cosine to a fiftieth, from
4e-3 with one hidden layer and from 2e-3 with two; with ``--full`` they are ReLU, and the rate is a constant 1e-4.

The recipe was chosen on the first 1,000 validation images, seed 0, by one training of each variation, which no command
here repeats. Nats after 40 epochs: one hidden layer, ReLU from 1e-3 95.24, from 2e-3 94.28, from 1e-3 with a warm-up of
the divergence over half of the steps 97.29, tanh from 1e-3 96.26, GELU from 1e-3 94.70, from 4e-3 92.86, SiLU from 4e-3
92.86, GELU from 2e-3 with batches of 50 92.93; two, ReLU from 1e-3 92.12, GELU from 4e-3 92.09. After 100 epochs, two
hidden layers: ReLU from 1e-3 91.10, GELU from 2e-3 90.50.

Longer is not better: after 500 epochs with one hidden layer (--layers 1 --epochs 500 --seeds 1) the bound of seed 0 is
92.2 nats on training images, where 100 epochs leave 93.4, but 97.9 on validation images, where they leave 97.4; test
images have 93.20 nats.

The networks behind the 89.9 are not clear: in their source (Rezende and Mohamed, *Variational inference with
normalizing flows*, ICML 2015) they have layers of 400 maxout units, and in the script that pythae publishes
(``examples/scripts/reproducibility/vae.py``) a second layer of 400, each way, is commented out. That script does not
reach its 89.78: pythae 0.1.2 with its layers, rate, epochs and seed 123 has 92.53 nats by its own estimate of 200
samples (PyTorch 2.13 on a CPU, images of the same split), and a program in JAX alone with PyTorch's initial values
92.6 (no command here repeats either). So one layer is hardly what was measured: two layers, which spend 26 nats on
their latents where one spends 30, have the published figure.
"""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import ae_jax
from ae_jax import Autoencoder
from ae_jax.data import Dataset
from ae_jax.evaluation import active_fraction, log_likelihood, negative_elbo
from ae_jax.report import means_table, mosaic
from ae_jax.report.axes import CLASSES, GREY, SMALL, annotate, new_axes
from ae_jax.schedules import Cosine
from ae_jax.studies.results import intervals
from experiment import Experiment, ExperimentLog, run_experiment

Rows = Sequence[dict[str, Any]]

HIDDEN, CODE, BATCH = 400, 40, 100
PUBLISHED, TOLERANCE = 89.9, 0.5
NLL, BOUND, KL, ACTIVE, CURVE, SAMPLES = "nll", "negative_elbo", "kl", "active_units", "validation", "samples"
COLUMNS = {NLL: "-log p(x), nats", BOUND: "-ELBO, nats", KL: "KL, nats", ACTIVE: f"active of {CODE} latents"}


def recipe(layers: int, examples: int, budget: dict[str, Any]) -> Autoencoder:
    """Returns the autoencoder with that many hidden layers each way and a falling learning rate."""
    steps = budget["epochs"] * math.ceil(examples / BATCH)
    rate = budget["rate"] / layers
    return ae_jax.variational(
        code=CODE,
        hidden=(HIDDEN,) * layers,
        activation=budget["activation"],
        learning_rate=Cosine(start=rate, end=rate / budget["fall"], steps=steps),
    )


def measured(folder: Path, name: str, data: Dataset, layers: int, budget: dict[str, Any]) -> Rows:
    """Returns mean negative log-likelihood, bound and KL on the test images, and the number of active units.

    Also returns the validation bound after each epoch, and new images of the first member.
    """
    run = ae_jax.fit(
        recipe(layers, len(data.train.x), budget),
        data,
        seeds=list(range(budget["seeds"])),
        epochs=budget["epochs"],
        batch_size=BATCH,
        checkpoints=folder,
        resume=True,
    )
    x = data.test.x
    estimate = log_likelihood(run, x, samples=budget["samples"])
    bound = negative_elbo(run, x)
    means = {
        NLL: -estimate.log_likelihood.mean(axis=1, dtype=np.float64),
        BOUND: bound[BOUND].mean(axis=1, dtype=np.float64),
        KL: bound["kl"].mean(axis=1, dtype=np.float64),
        ACTIVE: [CODE * active_fraction(codes, scale=1.0) for codes in run.encode(x)],
    }
    about = {"autoencoder": name, "layers": layers}
    rows = [
        about | {"seed": seed, "metric": metric, "value": float(values[seed])}
        for metric, values in means.items()
        for seed in range(len(run))
    ]
    for seed, curve in enumerate(run.history["validation"]["loss"]):
        rows.append(about | {"seed": seed, "metric": CURVE, "value": None, "curve": curve.round(3).tolist()})
    shades = np.rint(255 * np.clip(run.scaling(run[0].sample(40)), 0, 1)).astype(int).tolist()
    return [*rows, about | {"seed": 0, "metric": SAMPLES, "value": None, "pixels": shades}]


def study(log: ExperimentLog) -> None:
    source, budget = log.source, log.budget
    data = ae_jax.data.load(source)
    data.split("validation")  # of which the epoch that is measured is chosen
    for layers in budget["layers"]:
        name = "-".join(map(str, [math.prod(data.shape), *[HIDDEN] * layers, CODE]))
        log.trial(
            name,
            partial(measured, name=name, data=data, layers=layers, budget=budget),
            data=source,
            layers=layers,
            hidden=HIDDEN,
            code=CODE,
            batch=BATCH,
            **{key: budget[key] for key in budget if key != "layers"},
        )


def expected(rows: Rows) -> dict[str, bool]:
    """Compares each network with the published figure."""
    found = {name: of[NLL].mean for name, of in intervals(rows).items()}
    return {
        f"{name}: {nats:.2f} nats, at most {TOLERANCE} above {PUBLISHED}": nats <= PUBLISHED + TOLERANCE
        for name, nats in found.items()
    }


def table(rows: Rows) -> str:
    """Formats the results of each network."""
    return means_table([row for row in rows if row["metric"] in COLUMNS], columns=COLUMNS, digits={ACTIVE: 1})


def draw(rows: Rows) -> Figure:
    """Plots the bound over epochs, the final likelihood, and images sampled from the prior of the last network."""
    figure, (curves, images) = new_axes(2, columns=2, width=4.4, height=3.4)
    found = intervals(rows)
    for place, (name, of) in enumerate(found.items()):
        colour = CLASSES[place % len(CLASSES)]
        bounds = [row["curve"] for row in rows if row["autoencoder"] == name and row["metric"] == CURVE]
        epochs = len(bounds[0])
        for curve in bounds:
            curves.plot(range(1, epochs + 1), curve, color=colour, linewidth=0.8)
        curves.errorbar(
            [epochs],
            [of[NLL].mean],
            yerr=[of[NLL].half_width or 0.0],
            color=colour,
            marker="o",
            capsize=3,
            linestyle="none",
            label=f"{name}: {of[NLL].mean:.2f}",
        )
    curves.axhline(PUBLISHED, color=GREY, linestyle=":", linewidth=1, label=f"published: {PUBLISHED}")
    last = [row["curve"][-1] for row in rows if row["metric"] == CURVE]
    curves.set_ylim(min(PUBLISHED, *(of[NLL].mean for of in found.values())) - 2, max(last) + 12)
    curves.legend(fontsize=SMALL, frameon=False, title="-log p(x), test images", title_fontsize=SMALL)
    annotate(curves, title="-ELBO, validation images", x="epoch", y="nats")
    shown = next(row for row in reversed(rows) if row["metric"] == SAMPLES)
    pixels = np.array(shown["pixels"])
    images.imshow(mosaic(list(pixels.reshape(5, 8, *pixels.shape[1:])))[..., 0], cmap="gray", vmin=0, vmax=255)
    images.set_axis_off()
    annotate(images, title=f"drawn from the prior of {shown['autoencoder']}")
    return figure


EXPERIMENT = Experiment(
    name="kingma2014_elbo",
    study=study,
    about={
        "layers": f"hidden layers of {HIDDEN} units each way, each number a training (counts)",
        "activation": "of the hidden layers, by its name",
        "epochs": "how often every image is seen (count)",
        "rate": "learning rate of the first step, over the number of hidden layers",
        "fall": "of the rate along half a cosine, first over last (ratio)",
        "seeds": "trainings from other initial values (count)",
        "samples": "latents for each likelihood (count)",
    },
    budgets={
        "default": {
            "layers": (1, 2),
            "activation": "gelu",
            "epochs": 100,
            "rate": 4e-3,
            "fall": 50.0,
            "seeds": 3,
            "samples": 200,
        },
        "smoke": {
            "layers": (1, 2),
            "activation": "gelu",
            "epochs": 2,
            "rate": 4e-3,
            "fall": 50.0,
            "seeds": 2,
            "samples": 8,
        },
        "full": {
            "layers": (1,),
            "activation": "relu",
            "epochs": 500,
            "rate": 1e-4,
            "fall": 1.0,
            "seeds": 3,
            "samples": 200,
        },
    },
    data=("binarized_mnist",),
    expected=expected,
    table=table,
    draw=draw,
)

if __name__ == "__main__":
    raise SystemExit(run_experiment(EXPERIMENT, __doc__ or ""))
