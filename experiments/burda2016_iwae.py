"""Burda, Grosse and Salakhutdinov, ICLR 2016, Table 1: the importance-weighted bound against the ELBO on MNIST.

COMMAND
    ae-jax data prepare mnist
    python experiments/burda2016_iwae.py
EXPECTED
    one stochastic layer, 5,000 samples, all 10,000 test images: VAE with k = 1, 5, 50 latents 86.76, 86.47, 86.35 nats;
    IWAE with k = 5, 50 85.54, 84.78, beside which the figure draws ours. The order is judged, over the seeds that both
    sides have: IWAE with 50 latents below IWAE with 5, and that below the VAE, of as many latents as of one; at the
    default after 24 epochs instead of 3,280, on 500 test images, evenly spaced.
MEASURED
    all met, in nats, seeds 0 to 2: VAE with 1 latent 98.72 ± 2.81, with 5 97.31 ± 2.64; IWAE with 5 95.43 ± 0.57, with
    50 93.88 (seed 0, where 5 have 95.18). Intervals of the VAE and the IWAE with 5 overlap; all are far from the
    paper's figures, of 137 times as many epochs. 2,553 s on one of two cores of an AMD EPYC, beside other work.

784-200-200-50 and back, tanh. Grey images are binarised afresh at every use, encoder's input and target alike, those
that are validated and tested once and for all by one key; of data that are binary already (--data binarized_mnist, the
static version: IWAE 87.6 and 87.1) this changes nothing. Adam has beta2 0.999 and epsilon 1e-4 as in the official code,
and beta1 0.9, where that has 0.99; its rate falls in eight stages to a tenth: of 1, 3, 9, ... 2,187 epochs with batches
of 20 in the paper, of equal length and with larger batches at the default, so that two cores can train k = 50. Biases
of the decoder start at zero, where the official code takes log-odds of the training mean: initial parameters here know
the data's shape alone. Trained on are 54,000 images, and of all epochs the one with the lowest bound on the other 6,000
is measured.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

import ae_jax
from ae_jax import Autoencoder, Optimizer, Run, component, static
from ae_jax.corruptions import Binarisation
from ae_jax.data import Dataset
from ae_jax.evaluation import active_fraction, log_likelihood, negative_elbo
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, ImportanceWeighted
from ae_jax.report import means_table
from ae_jax.report.axes import BLUE, GREY, SMALL, VERMILLION, annotate, new_axes
from ae_jax.studies.results import intervals
from ae_jax.types import Number
from experiment import Experiment, ExperimentLog, run_experiment

Rows = Sequence[dict[str, Any]]

HIDDEN, CODE, STAGES, DEAR = (200, 200), 50, 8, 50
ADAM: dict[str, Number] = {"b2": 0.999, "eps": 1e-4}
OBJECTIVES = {"VAE": ELBO, "IWAE": ImportanceWeighted}
PUBLISHED = {"VAE": {1: 86.76, 5: 86.47, 50: 86.35}, "IWAE": {5: 85.54, 50: 84.78}}
NLL, BOUND, GAP, ACTIVE, VARIANCES = "nll", "negative_elbo", "gap", "active_units", "variances"
COLUMNS = {NLL: "-log p(x), nats", BOUND: "-ELBO, nats", GAP: "between, nats", ACTIVE: f"active of {CODE} latents"}


@component
class Stages:
    r"""A learning rate that falls in eight stages to a tenth, each ``growth`` times as long as the one before.

    .. math:: r \cdot \mathrm{round}(10^{1 - i/7}, 1) / 10, \quad i = 0, \dots, 7

    Attributes:
      rate: r, the rate of the first stage.
      steps: steps of all stages together.
      growth: ratio of the lengths of neighbouring stages.

    Example:
      >>> schedule = Stages(rate=1e-3, steps=3280.0, growth=3.0)
      >>> [round(1e4 * float(schedule(step)), 1) for step in (0, 1, 4, 1093, 9999)]
      [10.0, 7.2, 5.2, 1.0, 1.0]
    """

    rate: float = 1e-3
    steps: float = static(default=3280.0)
    growth: float = static(default=3.0)

    def __call__(self, step: Any) -> Float[Array, ""]:
        lengths = self.growth ** np.arange(STAGES)
        ends = np.round(self.steps * np.cumsum(lengths)[:-1] / lengths.sum())
        fractions = np.round(10.0 ** (1 - np.arange(STAGES) / (STAGES - 1)), 1) / 10
        return jnp.asarray(self.rate) * jnp.asarray(fractions)[jnp.sum(step >= ends)]


def train(name: str, latents: int, data: Dataset, seeds: list[int], budget: dict[str, Any], folder: Path) -> Run:
    """Trains both networks by one of the bounds, with a number of latents for each image and step."""
    epochs, batch = budget["epochs"], min(budget["batch"], len(data.train.x))
    steps = epochs * -(-len(data.train.x) // batch)
    autoencoder = Autoencoder(
        name=f"{name}, k = {latents}",
        networks=MLP(hidden=HIDDEN, code=CODE, activation="tanh", stochastic=True),
        objective=OBJECTIVES[name](samples=latents, augmentation=Binarisation()),
        optimizer=Optimizer(
            learning_rate=Stages(rate=budget["rate"], steps=float(steps), growth=budget["growth"]), settings=ADAM
        ),
    )
    return ae_jax.fit(autoencoder, data, seeds=seeds, epochs=epochs, batch_size=batch, checkpoints=folder, resume=True)


def measured(
    name: str, latents: int, data: Dataset, seeds: list[int], budget: dict[str, Any], x: np.ndarray, folder: Path
) -> Rows:
    """Returns mean negative log-likelihood and ELBO, and how much each latent varies with the images."""
    run = train(name, latents, data, seeds, budget, folder)
    nll = -log_likelihood(run, x, samples=budget["samples"]).log_likelihood.mean(axis=1, dtype=np.float64)
    bound = negative_elbo(run, x)[BOUND].mean(axis=1, dtype=np.float64)
    rows: list[dict[str, Any]] = []
    for member, codes in enumerate(run.encode(x)):
        about = {"autoencoder": run.name, "bound": name, "latents": latents, "seed": seeds[member]}
        active = CODE * active_fraction(codes, scale=1.0)
        values = {NLL: nll[member], BOUND: bound[member], GAP: bound[member] - nll[member], ACTIVE: active}
        rows += [about | {"metric": metric, "value": float(value)} for metric, value in values.items()]
        variances = np.var(codes, axis=0, dtype=np.float64)
        rows.append(about | {"metric": VARIANCES, "value": None, "variances": np.sort(variances)[::-1].tolist()})
    return rows


def binarised(data: Dataset, x: np.ndarray) -> np.ndarray:
    """Returns images binarised by one fixed key, in the units of the data."""
    return np.asarray(data.scaling.invert(Binarisation()(jax.random.key(0), data.scaling(x.astype(np.float32)))))


def study(log: ExperimentLog) -> None:
    source, budget = log.source, log.budget
    data = ae_jax.data.load(source)
    count = min(budget["images"], len(data.test.x))
    x = binarised(data, data.test.x)[np.linspace(0, len(data.test.x) - 1, count).astype(int)]
    for name, numbers in (("VAE", budget["vae"]), ("IWAE", budget["iwae"])):
        for latents in numbers:
            seeds = list(range(budget["dear_seeds" if latents >= DEAR else "seeds"]))
            log.trial(
                f"{name}, k = {latents}",
                partial(measured, name, latents, data, seeds, budget, x),
                data=source,
                seeds=seeds,
                hidden=HIDDEN,
                code=CODE,
                adam=ADAM,
                **{key: budget[key] for key in ("epochs", "batch", "rate", "growth", "images", "samples")},
            )


def expected(rows: Rows) -> dict[str, bool]:
    """Checks that more importance weights are better, and better than as many latents in the ELBO."""
    found: dict[tuple[str, int], dict[int, float]] = {}
    for row in rows:
        if row["metric"] == NLL:
            found.setdefault((row["bound"], row["latents"]), {})[row["seed"]] = row["value"]
    latents = {bound: sorted(k for name, k in found if name == bound) for bound in OBJECTIVES}
    ladder = [("VAE", latents["VAE"][0]), *(("IWAE", k) for k in latents["IWAE"])]
    pairs = [
        *zip(ladder[1:], ladder, strict=False),
        *((("IWAE", k), ("VAE", k)) for k in latents["IWAE"] if k in latents["VAE"]),
    ]
    met = {}
    for one, other in dict.fromkeys(pairs):
        shared = found[one].keys() & found[other].keys()
        ours, theirs = (float(np.mean([found[of][seed] for seed in shared])) for of in (one, other))
        (a, k), (b, m) = one, other
        met[f"{a} of {k} latents {ours:.2f} nats, below {b} of {m} {theirs:.2f}, {len(shared)} seeds of both"] = (
            ours < theirs
        )
    return met


def table(rows: Rows) -> str:
    """Formats Table 1 of the paper, with the ELBO beside the likelihood."""
    return means_table([row for row in rows if row["metric"] in COLUMNS], columns=COLUMNS, digits={ACTIVE: 1})


def draw(rows: Rows) -> Figure:
    """Plots the likelihood by number of latents, ours and published, and how much each latent varies."""
    figure, (ax, right) = new_axes(2, columns=2, width=4.6, height=3.4)
    found, latents_of = intervals(rows), {row["autoencoder"]: row["latents"] for row in rows}
    for bound, colour, marker in (("VAE", VERMILLION, "s"), ("IWAE", BLUE, "o")):
        names = [name for name in found if name.startswith(f"{bound},")]
        numbers = [latents_of[name] for name in names]
        answers = [found[name][NLL] for name in names]
        spread = [answer.half_width or 0.0 for answer in answers]
        ax.errorbar(
            numbers,
            [answer.mean for answer in answers],
            yerr=spread,
            color=colour,
            marker=marker,
            capsize=3,
            label=bound,
        )
        published = PUBLISHED[bound]
        ax.plot(
            list(published),
            list(published.values()),
            color=colour,
            marker=marker,
            mfc="white",
            ls=":",
            label=f"{bound}, published",
        )
        for name, style in zip(names, ("-", "--", ":"), strict=False):
            each = [row["variances"] for row in rows if row["autoencoder"] == name and row["metric"] == VARIANCES]
            right.plot(range(1, CODE + 1), np.median(each, axis=0), style, color=colour, label=name)
    ax.set_xscale("log")
    ax.set_xticks([1, 5, 50], ["1", "5", "50"])
    ax.set_xticks([], minor=True)
    right.set_yscale("log")
    right.axhline(0.01, color=GREY, linewidth=0.8)
    for axes in (ax, right):
        axes.legend(fontsize=SMALL, frameon=False)
    annotate(ax, title="test images", x="latents for each image and step", y="-log p(x), nats")
    annotate(right, title="active latents, above the line", x="latent, by variance", y="variance of the posterior mean")
    return figure


EXPERIMENT = Experiment(
    name="burda2016_iwae",
    study=study,
    about={
        "vae": "latents for each image and step of the ELBO, each a training (counts)",
        "iwae": "the same of the importance-weighted bound (counts)",
        "epochs": "how often every image is seen (count)",
        "batch": "images of a step (count)",
        "rate": "learning rate of the first stage",
        "growth": "of a stage's length over the one before (ratio)",
        "seeds": "trainings from other initial values (count)",
        "dear_seeds": "seeds where 50 latents or more are drawn (count)",
        "images": "test images that are measured, evenly spaced (count)",
        "samples": "latents for each likelihood (count)",
    },
    budgets={
        "default": {
            "vae": (1, 5),
            "iwae": (5, 50),
            "epochs": 24,
            "batch": 100,
            "rate": 2e-3,
            "growth": 1.0,
            "seeds": 3,
            "dear_seeds": 1,
            "images": 500,
            "samples": 5000,
        },
        "smoke": {
            "vae": (1,),
            "iwae": (5,),
            "epochs": 8,
            "batch": 100,
            "rate": 2e-3,
            "growth": 1.0,
            "seeds": 2,
            "dear_seeds": 1,
            "images": 64,
            "samples": 50,
        },
        "full": {
            "vae": (1, 5, 50),
            "iwae": (5, 50),
            "epochs": 3280,
            "batch": 20,
            "rate": 1e-3,
            "growth": 3.0,
            "seeds": 3,
            "dear_seeds": 3,
            "images": 10_000,
            "samples": 5000,
        },
    },
    data=("mnist",),
    expected=expected,
    table=table,
    draw=draw,
)

if __name__ == "__main__":
    raise SystemExit(run_experiment(EXPERIMENT, __doc__ or ""))
