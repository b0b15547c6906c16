"""Masci et al., ICANN 2011: convolutional against fully connected autoencoders, and classification by a few labels.

COMMAND
    ae-jax data prepare mnist
    ae-jax data prepare fashion_mnist
    python experiments/masci2011_convolutional.py
EXPECTED
    in the paper, as recalled, test error of MNIST in percent by 1,000, 10,000 and 50,000 labels: a network that begins
    with convolutional autoencoders 7.23, 1.88 and 0.71, the same network without pre-training 7.63, 2.21 and 0.79.
    Here, on both data sets: at equal code size the convolutional error of reconstruction is below the fully connected
    one, and so is the test error after fine-tuning at every number of labels; fine-tuning is below training from fresh
    weights.
MEASURED
    12 of 14 met, seeds 0 to 2. MNIST: mean squared error 0.0060 ± 0.0034 (convolutional) against 0.0109 ± 0.0001; test
    error in percent by 100, 300 and 1,000 labels, convolutional fine-tuned 21.41 ± 3.25, 13.07 ± 1.01, 7.63 ± 0.25,
    from scratch 23.90 ± 3.71, 15.53 ± 2.33, 9.27 ± 1.11, fully connected fine-tuned 24.29 ± 4.68, 14.87 ± 1.28, 9.83 ±
    0.46. Fashion-MNIST: 0.0122 ± 0.0033 against 0.0119 ± 0.0001, missed; fine-tuned 29.17 ± 3.92, 24.47 ± 2.14, 19.05 ±
    1.13 against 29.87 ± 3.25, 24.04 ± 1.20, 19.78 ± 2.16, missed at 300; all these intervals overlap. 1,149 s on one of
    two cores of an AMD EPYC, beside other work.

Both codes have 32 units; everything else are the defaults of ``ae_jax.convolutional`` and ``ae_jax.undercomplete``,
trained without labels on 54,000 images. Labels are drawn for each seed, as many of each class; by them a logistic
regression is fitted to the codes as they are (*probe*), and encoder and softmax layer are trained together from the
pre-trained weights (*fine-tuned*) and from fresh ones (*from scratch*), each for the same number of steps and with its
last parameters, so that no further label is used; steps and rate are first guesses and were not tuned.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import ae_jax
from ae_jax import Autoencoder, Optimizer
from ae_jax.components import to_config
from ae_jax.data import Dataset, Split
from ae_jax.data.splits import balanced_rows
from ae_jax.evaluation import linear_probe_accuracy, mean_squared_error
from ae_jax.report import means_table
from ae_jax.report.axes import BLUE, SMALL, VERMILLION, annotate, new_axes
from ae_jax.studies.results import intervals
from ae_jax.training import fine_tune, untrained
from experiment import Experiment, ExperimentLog, run_experiment

Rows = Sequence[dict[str, Any]]

CODE, BATCH, TUNING_BATCH = 32, 128, 50
KINDS: dict[str, Autoencoder] = {
    "convolutional": ae_jax.convolutional(code=CODE, centred=False),
    "fully connected": dataclasses.replace(
        ae_jax.undercomplete(code=CODE, learning_rate=2e-3, shortcut=False), name="fully connected"
    ),
}
CONVOLUTIONAL, CONNECTED = KINDS
TUNING = Optimizer(learning_rate=1e-3)
MSE, VALIDATION = "mse", "validation"
PROBE, TUNED, SCRATCH = "probe", "fine-tuned", "from scratch"
STYLES = {PROBE: ":", TUNED: "-", SCRATCH: "--"}


def errors(start: Any, data: Dataset, labels: int, steps: int) -> tuple[float, float]:
    """Returns test and validation error in percent of a classifier trained by a few labels."""
    blind = dataclasses.replace(data, validation=Split(data.validation.x[:0]))
    batch = min(TUNING_BATCH, labels)
    epochs = -(-steps // -(-labels // batch))
    tuned = fine_tune(start, blind, labels=labels, epochs=epochs, batch_size=batch, optimizer=TUNING)
    test, validation = (100 * float(tuned.error(split.x, split.labels)) for split in (data.test, data.validation))
    return test, validation


def measured(name: str, data: Dataset, budget: dict[str, Any], seed: int, folder: Path) -> Rows:
    """Returns the reconstruction error and the classification error for each number of labels and method."""
    settings = {"seeds": seed, "epochs": budget["epochs"], "batch_size": BATCH}
    run = ae_jax.fit(KINDS[name], data, **settings, checkpoints=folder, resume=True)
    fresh = untrained(KINDS[name], data, seeds=seed)
    splits = {part: data.split(part) for part in ("train", "validation", "test")}
    codes = {part: run.encode(split.x) for part, split in splits.items()}
    classes: dict[str, Any] = {part: split.labels for part, split in splits.items()}
    about = {"data": data.name, "autoencoder": name, "seed": seed}
    x = np.asarray(data.scaling(data.test.x))
    mse = mean_squared_error(np.asarray(data.scaling(run.reconstruct(data.test.x))), x)
    rows = [about | {"labels": None, "metric": MSE, "value": float(mse)}]
    for labels in budget["labels"]:
        chosen = balanced_rows(classes["train"], labels, seed=seed)
        known = codes["train"][chosen], classes["train"][chosen]
        right = [linear_probe_accuracy(*known, codes[part], classes[part]) for part in ("test", "validation")]
        found = {PROBE: [100 * (1 - each) for each in right]}
        found |= {way: errors(start, data, labels, budget["steps"]) for way, start in ((TUNED, run), (SCRATCH, fresh))}
        for way, (test, validation) in found.items():
            rows += [
                about | {"labels": labels, "metric": way, "value": test},
                about | {"labels": labels, "metric": f"{way}, {VALIDATION}", "value": validation},
            ]
    return rows


def study(log: ExperimentLog) -> None:
    budget = log.budget
    for source, data in log.datasets().items():
        for seed in range(budget["seeds"]):
            for name, autoencoder in KINDS.items():
                log.trial(
                    f"{source}: {name}, seed {seed}",
                    partial(measured, name, data, budget, seed),
                    data=source,
                    seed=seed,
                    autoencoder=to_config(autoencoder),
                    epochs=budget["epochs"],
                    batch=BATCH,
                    labels=list(budget["labels"]),
                    tuning=[to_config(TUNING), budget["steps"], TUNING_BATCH],
                )


def grouped(rows: Rows) -> list[dict[str, Any]]:
    """Returns rows whose name joins data set, autoencoder and number of labels."""
    return [
        row | {"group": f"{row['data']}: {row['autoencoder']}" + (f", {row['labels']} labels" if row["labels"] else "")}
        for row in rows
    ]


def expected(rows: Rows) -> dict[str, bool]:
    """Checks that convolutions reconstruct and classify better, and that pre-training helps with few labels."""
    found = {
        group: {metric: each.mean for metric, each in of.items()}
        for group, of in intervals(grouped(rows), by=("group",)).items()
    }
    met = {}
    for data in dict.fromkeys(row["data"] for row in rows):
        ours, other = (found[f"{data}: {name}"][MSE] for name in KINDS)
        met[f"{data}: MSE of {CONVOLUTIONAL} {ours:.4f}, {CONNECTED} {other:.4f}"] = ours < other
        for labels in dict.fromkeys(row["labels"] for row in rows if row["labels"]):
            of = {name: found[f"{data}: {name}, {labels} labels"] for name in KINDS}
            tuned, connected = of[CONVOLUTIONAL][TUNED], of[CONNECTED][TUNED]
            scratch = of[CONVOLUTIONAL][SCRATCH]
            about = f"{data}, {labels} labels: {CONVOLUTIONAL}, {TUNED} {tuned:.2f}%"
            met[f"{about}, {CONNECTED} {connected:.2f}%"] = tuned < connected
            met[f"{about}, {SCRATCH} {scratch:.2f}%"] = tuned < scratch
    return met


def table(rows: Rows) -> str:
    """Formats reconstruction errors and test errors in percent by number of labels."""
    shown = grouped(rows)
    reconstruction = means_table(
        [row for row in shown if row["metric"] == MSE], by="group", columns={MSE: "MSE"}, digits=4
    )
    ways = {way: f"{way}: test error, %" for way in STYLES}
    return f"{reconstruction}\n\n{means_table([row for row in shown if row['labels']], by='group', columns=ways)}"


def draw(rows: Rows) -> Figure:
    """Plots test error over the number of labels."""
    sets = list(dict.fromkeys(row["data"] for row in rows))
    figure, axes = new_axes(len(sets), columns=2, width=4.6, height=3.6)
    counts = sorted({row["labels"] for row in rows if row["labels"]})
    for ax, data in zip(axes, sets, strict=True):
        for name, colour in zip(KINDS, (BLUE, VERMILLION), strict=True):
            for way, style in STYLES.items():
                own = [row for row in rows if (row["data"], row["autoencoder"], row["metric"]) == (data, name, way)]
                found = intervals(own, by=("labels",))
                values = [found[str(count)][way] for count in counts]
                spread = [value.half_width or 0.0 for value in values]
                line = {"color": colour, "linestyle": style, "marker": "o", "markersize": 3, "capsize": 2}
                ax.errorbar(counts, [value.mean for value in values], yerr=spread, label=f"{name}, {way}", **line)
        ax.set_xscale("log")
        ax.set_ylim(bottom=0)
        ax.set_xticks(counts, [f"{count:,}" for count in counts])
        ax.set_xticks([], minor=True)
        annotate(ax, title=data, x="labels", y="test error, %")
    axes[len(sets) - 1].legend(fontsize=SMALL, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


EXPERIMENT = Experiment(
    name="masci2011_convolutional",
    study=study,
    about={
        "labels": "images whose class is known, each a comparison (counts)",
        "epochs": "of training without labels (count)",
        "steps": "of training with labels (count)",
        "seeds": "trainings from other initial values (count)",
    },
    budgets={
        "default": {"labels": (100, 300, 1000), "epochs": 5, "steps": 1000, "seeds": 3},
        "smoke": {"labels": (20, 100), "epochs": 20, "steps": 200, "seeds": 1},
        "full": {"labels": (100, 1000, 10_000), "epochs": 50, "steps": 10_000, "seeds": 5},
    },
    data=("mnist", "fashion_mnist"),
    expected=expected,
    table=table,
    draw=draw,
)

if __name__ == "__main__":
    raise SystemExit(run_experiment(EXPERIMENT, __doc__ or ""))
