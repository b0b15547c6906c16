"""Kingma and Welling, ICLR 2014, as later papers measure it: a variational autoencoder on the static binarised MNIST.

COMMAND
    ae-jax data prepare binarized_mnist
    python experiments/kingma2014_elbo.py
EXPECTED
    784-400-40, Adam 1e-4, batch 100, 500 epochs: a negative log-likelihood of the test images within 0.5 nats of 89.9,
    importance-sampled with 200 samples (pythae's reproduction: 89.78).
MEASURED
    missed, with --seeds 1 (seed 0): 92.88 nats after all 500 epochs, by 2.5 nats more than allowed; after 25, 50, 100
    and 200 epochs 102.49, 98.89, 96.24 and 94.41. About 1,800 s on one of two cores of an AMD EPYC, beside other work.

One hidden layer of 400 rectified units each way, 40 latents, one latent drawn for each image and step; of all epochs so
far, the parameters with the lowest bound on the 10,000 validation images are measured. pythae draws PyTorch's initial
weights and lowers the rate by 10^(-1/5) after epochs 200 and 350; here weights are He's and the rate is constant, so
that a training of 25 epochs is the beginning of one of 500, and each number of epochs goes on from the one before.

Why it is missed is not known. Tried, 25 epochs on validation images, one seed each: PyTorch's initial weights, 104.6
nats and a bound of 110.3 where He's have 103.6 and 110.3; two hidden layers of 400 with PyTorch's, 104.0 and 108.4. In
the script that pythae publishes a second layer of 400 is commented out each way and its rate falls at epochs up to
1,000, so that the training behind its 89.78 may have been another one; the 89.9 are of maxout networks of 400 units
(Rezende and Mohamed, *Variational inference with normalizing flows*, ICML 2015). Next: a larger rate that falls, and a
warm-up of the divergence, which has all latents active from the start here.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import ae_jax
from ae_jax import Run
from ae_jax.cli.experiments import run_experiment
from ae_jax.data import Dataset
from ae_jax.evaluation import active_fraction, log_likelihood, negative_elbo
from ae_jax.report.canvas import BLUE, SMALL, VERMILLION, annotate, new_axes
from ae_jax.report.means import means_table
from ae_jax.report.pictures import mosaic
from ae_jax.studies.experiment import Experiment, Ledger
from ae_jax.studies.results import intervals

Rows = Sequence[dict[str, Any]]

HIDDEN, CODE, RATE, BATCH = 400, 40, 1e-4, 100
PUBLISHED, TOLERANCE = 89.9, 0.5
NLL, BOUND, KL, ACTIVE, SAMPLES = "nll", "negative_elbo", "kl", "active_units", "samples"
COLUMNS = {NLL: "-log p(x), nats", BOUND: "-ELBO, nats", KL: "KL, nats", ACTIVE: f"active of {CODE} latents"}


def train(data: Dataset, epochs: int, seed: int, folder: Path, before: Path | None) -> Run:
    """So many epochs, of which those in the folder, or else in that of fewer, are not trained again."""
    if before is not None and before.is_dir() and not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(before, part, ignore=shutil.ignore_patterns("lock"))
        part.rename(folder)
    autoencoder = ae_jax.variational(code=CODE, hidden=(HIDDEN,), activation="relu", learning_rate=RATE)
    return ae_jax.fit(
        autoencoder, data, seeds=seed, epochs=epochs, batch_size=BATCH, checkpoints=folder, resume="extend"
    )


def measured(run: Run, x: np.ndarray, epochs: int, samples: int) -> Rows:
    """Means over the images of the negative log-likelihood, the bound and its divergence; active units; new images."""
    bound = negative_elbo(run, x)
    values = {
        NLL: -log_likelihood(run, x, samples=samples, chunk=100).log_likelihood.mean(dtype=np.float64),
        BOUND: bound[BOUND].mean(dtype=np.float64),
        KL: bound["kl"].mean(dtype=np.float64),
        ACTIVE: CODE * active_fraction(run.encode(x), scale=1.0),
    }
    about = {"autoencoder": run.name, "seed": int(run.seeds[0]), "epochs": epochs}
    rows = [about | {"metric": metric, "value": float(value)} for metric, value in values.items()]
    shades = np.rint(255 * np.clip(run.scaling(run.sample(40)), 0, 1)).astype(int).tolist()
    return [*rows, about | {"metric": SAMPLES, "value": None, "pixels": shades}]


def study(ledger: Ledger) -> None:
    source, samples = ledger.source, ledger.budget["samples"]
    data = ae_jax.data.load(source)
    for seed in range(ledger.budget["seeds"]):
        before = None
        for epochs in sorted(ledger.budget["epochs"]):
            folder = ledger.folder / "training" / f"seed-{seed}-epochs-{epochs}"
            ledger.trial(
                f"{epochs} epochs, seed {seed}",
                lambda _, epochs=epochs, seed=seed, folder=folder, before=before: measured(
                    train(data, epochs, seed, folder, before), data.test.x, epochs, samples
                ),
                data=source,
                seed=seed,
                epochs=epochs,
                samples=samples,
                hidden=HIDDEN,
                code=CODE,
                rate=RATE,
                batch=BATCH,
            )
            before = folder


def expected(rows: Rows) -> dict[str, bool]:
    """The published figure after the last epoch, and that more epochs are better."""
    found = [of[NLL].mean for of in intervals(rows, by=("epochs",)).values()]
    last = max(row["epochs"] for row in rows)
    return {
        f"{found[-1]:.2f} nats after {last} epochs, within {TOLERANCE} of {PUBLISHED}": abs(found[-1] - PUBLISHED)
        <= TOLERANCE,
        "lower with more epochs": sorted(found, reverse=True) == found,
    }


def table(rows: Rows) -> str:
    """What was measured after so many epochs."""
    digits = {ACTIVE: 1}
    return means_table([row for row in rows if row["metric"] in COLUMNS], by="epochs", columns=COLUMNS, digits=digits)


def draw(rows: Rows) -> Figure:
    """Likelihood and bound over epochs, beside images drawn from the prior after the last."""
    figure, (curves, images) = new_axes(2, columns=2, width=4.4, height=3.4)
    found = intervals(rows, by=("epochs",))
    epochs = [int(number) for number in found]
    for metric, colour, marker in ((BOUND, VERMILLION, "s"), (NLL, BLUE, "o")):
        answers = [of[metric] for of in found.values()]
        errors = [answer.half_width or 0.0 for answer in answers]
        values = [answer.mean for answer in answers]
        curves.errorbar(epochs, values, yerr=errors, color=colour, marker=marker, capsize=3, label=COLUMNS[metric])
    curves.axhline(PUBLISHED, color=BLUE, linestyle=":", linewidth=1, label=f"published, {PUBLISHED}")
    curves.set_xscale("log")
    curves.set_xticks(epochs, [str(number) for number in epochs])
    curves.set_xticks([], minor=True)
    curves.legend(fontsize=SMALL, frameon=False)
    annotate(curves, title="test images", x="epochs", y="nats")
    pixels = np.array(next(row["pixels"] for row in reversed(rows) if row["metric"] == SAMPLES))
    images.imshow(mosaic(list(pixels.reshape(5, 8, *pixels.shape[1:])))[..., 0], cmap="gray", vmin=0, vmax=255)
    images.set_axis_off()
    annotate(images, title=f"drawn from the prior, {epochs[-1]} epochs")
    return figure


EXPERIMENT = Experiment(
    name="kingma2014_elbo",
    study=study,
    about={
        "epochs": "after which is measured (counts)",
        "seeds": "trainings from other initial values (count)",
        "samples": "latents for each likelihood (count)",
    },
    budgets={
        "default": {"epochs": (25, 50, 100, 200, 500), "seeds": 2, "samples": 200},
        "smoke": {"epochs": (2, 4), "seeds": 1, "samples": 8},
        "full": {"epochs": (25, 50, 100, 200, 500), "seeds": 3, "samples": 200},
    },
    data=("binarized_mnist",),
    expected=expected,
    table=table,
    draw=draw,
)

if __name__ == "__main__":
    raise SystemExit(run_experiment(EXPERIMENT, __doc__ or ""))
