"""Which autoencoder suits my data: the named six and PCA in five uses, on three data sets, tested over seeds.

COMMAND
    ae-jax data prepare mnist
    ae-jax data prepare fashion_mnist
    python experiments/what_each_is_for.py
EXPECTED
    on every data set: denoising has the best mean in PSNR gained over noisy
    inputs, the variational one in what it generates, and in each use some autoencoder is better than PCA.
MEASURED
    seeds 0 to 4, 13 of 21 met, table in experiments/README.md. Met: denoising denoises best on digits and MNIST; in
    each use of MNIST, and in reducing and denoising everywhere, some autoencoder is better than PCA. Missed: on
    Fashion-MNIST the variational one denoises by 4.14 dB and denoising by 4.08, which do not differ significantly; the
    variational one generates best nowhere; on digits nothing is better than PCA in searching and generating, on
    Fashion-MNIST in detecting and generating. No average ranks differ significantly (Friedman p = 0.466). 1,990 s on
    one of two cores of an AMD EPYC, beside other work.

Every autoencoder has its defaults, with a code of 16 (sparse: 128), and sees the same number of batches of 128. One
number is compared for each use:

- reduce: accuracy of a logistic regression on the codes;
- denoise: decibels gained over the noisy input, mean of Gaussian noise of 0.3, masking of 25% and salt and pepper on
  10% of the pixels; ``denoising`` was trained on the first, the others on none;
- detect: trained again without one class, area under the ROC curve of ``error_and_knn`` for that class, mean over the
  classes that were held out;
- search: mean average precision of the 100 nearest training examples by the cosine of their codes;
- generate: Fréchet distance of samples to test examples, on the 64 codes of an encoder that was trained to tell the
  classes; ``variational`` samples from its prior, the others and PCA from a Gaussian fitted to their training codes
  (Ghosh et al., *From variational to deterministic autoencoders*, ICLR 2020).

Members of one seed share initialisation, batches and noise, so that differences are tested in pairs, by Student's t
over seeds, corrected by Holm's method over the pairs of a use and data set. PCA has no seed and stands as it is. Ranks
are averaged over uses and data sets, which are not independent of each other: the critical difference is a guide.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

import ae_jax
from ae_jax import NAMED, Autoencoder, InvalidInput, Run, evaluation
from ae_jax.components import to_config
from ae_jax.corruptions import Gaussian, Masking, SaltAndPepper
from ae_jax.data import Dataset, Split
from ae_jax.errors import require_known
from ae_jax.evaluation import (
    METRICS,
    Context,
    Metric,
    anomaly_score,
    denoising_grid,
    frechet_distance,
    linear_probe_accuracy,
    retrieval_metrics,
    search,
    subsample,
)
from ae_jax.networks import MLP
from ae_jax.objectives import Reconstruction
from ae_jax.report import annotate, arrow, new_axes
from ae_jax.report.axes import BLUE
from ae_jax.studies import Interval, average_ranks, interval, paired_differences
from ae_jax.training import fine_tune, untrained
from experiment import Experiment, ExperimentLog, run_experiment

Rows = Sequence[dict[str, Any]]

BATCH, CODE, FEATURES, FEATURE_EPOCHS, NEAREST = 128, 16, 64, 20, 100
PCA, LEVEL = "pca", 0.05
NOISES = {
    "gaussian": {0.3: Gaussian(scale=0.3)},
    "masking": {0.25: Masking(probability=0.25)},
    "salt_and_pepper": {0.1: SaltAndPepper(probability=0.1)},
}
QUESTION = ("data", "use", "metric")


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """A data set on which autoencoders are compared.

    Attributes:
      data: examples with labels, no validation split, so that all train to the end.
    """

    data: Dataset

    @cached_property
    def features(self) -> Run:
        """Returns a classifier's encoder, in whose codes samples are compared with examples."""
        encoder = untrained(ae_jax.undercomplete(code=FEATURES), self.data)
        return fine_tune(encoder, self.data, epochs=FEATURE_EPOCHS, batch_size=BATCH).run

    def without(self, label: int) -> Dataset:
        """Returns the data without the training examples of one class."""
        train = self.data.train
        kept = train.labels != label
        if kept.all() or not kept.any():
            raise InvalidInput(f"{self.data.name} was to hold out the class {label}: expected one of several.")
        return dataclasses.replace(self.data, train=Split(train.x[kept], train.labels[kept]), statistics=None)


def subject_of(source: str, examples: int, tests: int) -> Subject:
    """Loads a data set with at most that many training and test examples, evenly spaced."""
    whole = ae_jax.data.load(source).with_validation()
    if whole.train.labels is None or whole.test.labels is None:
        raise InvalidInput(f"{source} has no labels: expected classes, which four of the uses are judged by.")
    parts = {}
    for name, limit in (("train", examples), ("test", tests)):
        split = whole.split(name)
        rows = subsample(len(split.x), limit)
        parts[name] = Split(split.x[rows], split.labels[rows])
    return Subject(dataclasses.replace(whole, **parts, statistics=None))


def reduced(run: Run, subject: Subject) -> list[float]:
    train, test = subject.data.train, subject.data.test
    return [
        linear_probe_accuracy(of_train, train.labels, of_test, test.labels)
        for of_train, of_test in zip(run.encode(train.x), run.encode(test.x), strict=True)
    ]


def denoised(run: Run, subject: Subject) -> list[float]:
    gains: dict[int, list[float]] = {}
    for row in denoising_grid(Context(evaluated=run, dataset=subject.data), NOISES):
        if row["metric"] == "psnr_gain" and row["seed"] is not None:
            gains.setdefault(row["member"], []).append(row["value"])
    return [float(np.mean(of_member)) for of_member in gains.values()]


def searched(run: Run, subject: Subject) -> list[float]:
    train, test = subject.data.train, subject.data.test
    found = []
    for among, sought in zip(run.encode(train.x), run.encode(test.x), strict=True):
        nearest = search(sought, among, k=NEAREST, metric="cosine").indices
        found.append(retrieval_metrics(nearest, test.labels, train.labels, k=NEAREST)["map_at_k"])
    return found


def generated(run: Run, subject: Subject) -> list[float]:
    real = subject.features.encode(subject.data.test.x)
    low, high = subject.data.train.x.min(), subject.data.train.x.max()
    return [
        frechet_distance(real, subject.features.encode(np.clip(samples, low, high)))
        for samples in samples_of(run, subject.data)
    ]


def samples_of(run: Run, data: Dataset) -> list[np.ndarray]:
    """Samples as many examples as there are in the test split, from the prior or a Gaussian fitted to codes."""
    count = len(data.test.x)
    if "prior" in run.autoencoder.objective.parts:
        return list(run.sample(count))
    normal = [(codes.mean(axis=0), np.cov(codes.T)) for codes in run.encode(data.train.x).astype(np.float64)]
    drawn = [np.random.default_rng(0).multivariate_normal(*of, size=count, method="eigh") for of in normal]
    return [run[member].decode(codes.astype(np.float32)) for member, codes in enumerate(drawn)]


def detected(run: Run, normal: Dataset, label: int) -> list[float]:
    """Returns the ROC AUC for a class that a run was trained without."""
    scores = anomaly_score(run, "error_and_knn", normal.train.x).score(normal.test.x)
    return [roc_auc_score(normal.test.labels == label, of_member) for of_member in scores]


USES: dict[str, tuple[str, Callable[[Run, Subject], list[float]]]] = {
    "reduce": ("linear_probe_accuracy", reduced),
    "denoise": ("psnr_gain", denoised),
    "search": ("map_at_k", searched),
    "generate": ("frechet_distance", generated),
}
"""What a run of all classes is put to, by which metric; what detects was trained without one."""


def principal(data: Dataset) -> Run:
    """Returns PCA as a run of linear networks with the components as weights."""
    pca = evaluation.PCA.fit(data, CODE).fitted
    linear = Autoencoder(name=PCA, networks=MLP(hidden=(), code=CODE), objective=Reconstruction())
    layers = {
        "encoder": {"kernel": pca.components_.T, "bias": -pca.components_ @ pca.mean_},
        "decoder": {"kernel": pca.components_, "bias": pca.mean_},
    }
    params = {part: {0: {name: jnp.asarray(of)[None] for name, of in layer.items()}} for part, layer in layers.items()}
    return dataclasses.replace(untrained(linear, data), params={"networks": params}, single=False)


def measured(
    fitted: Callable[[Dataset, str], Run], subject: Subject, held_out: Sequence[int], seeds: Sequence[int | None]
) -> Rows:
    """Returns one number for each use and seed; ``fitted`` trains on data under a name."""
    whole = fitted(subject.data, "all")
    values = {use: (metric, ask(whole, subject)) for use, (metric, ask) in USES.items()}
    areas = []
    for label in held_out:
        normal = subject.without(label)
        areas.append(detected(fitted(normal, f"without-{label}"), normal, label))
    values["detect"] = ("roc_auc", np.mean(areas, axis=0).tolist())
    about = {"data": subject.data.name, "autoencoder": whole.name, "split": "test"}
    return [
        about | {"use": use, "seed": seed, "metric": metric, "value": float(value)}
        for use, (metric, of_seeds) in values.items()
        for seed, value in zip(seeds, of_seeds, strict=True)
    ]


def study(log: ExperimentLog) -> None:
    budget, seeds = log.budget, list(range(log.budget["seeds"]))
    held_out = budget["held_out"]

    def by_pca(_: Path, subject: Subject) -> Rows:
        return measured(lambda data, _: principal(data), subject, held_out, [None])

    def by_training(folder: Path, subject: Subject, autoencoder: Autoencoder) -> Rows:
        def fitted(data: Dataset, training: str) -> Run:
            epochs = math.ceil(budget["steps"] * BATCH / len(data.train.x))
            kept = {"checkpoints": folder / training, "resume": True}
            return ae_jax.fit(autoencoder, data, seeds=seeds, epochs=epochs, batch_size=BATCH, **kept)

        return measured(fitted, subject, held_out, seeds)

    for each in budget["autoencoders"]:
        require_known("autoencoder", each, ALL)
    subjects = {source: subject_of(source, budget["examples"], budget["tests"]) for source in log.sources}
    for source, subject in subjects.items():
        name = subject.data.name
        asked = {"data": source} | {key: budget[key] for key in ("examples", "tests", "held_out")}
        log.trial(f"{name}, {PCA}", partial(by_pca, subject=subject), **asked)
        for each in budget["autoencoders"]:
            autoencoder = NAMED[each]()
            log.trial(
                f"{name}, {each}",
                partial(by_training, subject=subject, autoencoder=autoencoder),
                **asked,
                autoencoder=to_config(autoencoder),
                steps=budget["steps"],
                seeds=seeds,
            )


def questions_of(rows: Rows) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Groups rows by use and data set, in the order of the uses."""
    questions: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: ORDER.index(row["use"])):
        questions.setdefault((row["use"], row["data"]), []).append(row)
    return questions


def means_of(rows: Rows) -> dict[str, Interval]:
    """Returns each autoencoder's mean over seeds for one use and data set."""
    names = dict.fromkeys(row["autoencoder"] for row in rows)
    return {name: interval([row["value"] for row in rows if row["autoencoder"] == name]) for name in names}


def winners(rows: Rows) -> list[str]:
    """Returns the best autoencoder and those not significantly worse, for one use and data set."""
    found, metric = means_of(rows), METRICS[rows[0]["metric"]]
    ranked = sorted(found, key=lambda name: found[name].mean, reverse=metric.better == "high")
    worse = {
        ({one.first, one.second} - {ranked[0]}).pop()
        for one in paired_differences(rows, over=QUESTION)
        if one.better == ranked[0] and one.corrected < LEVEL
    }
    return [name for name in ranked if name not in worse]


def expected(rows: Rows) -> dict[str, bool]:
    """Checks that denoising and variational are best at their use, and that some autoencoder beats PCA in each."""
    met = {}
    for (use, data), asked in questions_of(rows).items():
        found, best = means_of(asked), winners(asked)[0]
        name = PURPOSES.get(use)
        if name in found:
            met[f"{data}, {use}: {name} is best (it is {best})"] = best == name
        better = [
            one.better
            for one in paired_differences(asked, over=QUESTION)
            if PCA in (one.first, one.second) and one.better not in (None, PCA) and one.corrected < LEVEL
        ]
        met[f"{data}, {use}: better than PCA ({', '.join(map(str, better)) or 'none'})"] = bool(better)
    return met


def table(rows: Rows) -> str:
    """Formats the best autoencoders for each use and data set, and the numbers."""
    questions = questions_of(rows)
    names = list(dict.fromkeys(row["autoencoder"] for row in rows))
    data = list(dict.fromkeys(row["data"] for row in rows))
    best = {question: winners(asked) for question, asked in questions.items()}
    answers = [["to ...", *data], ["---"] * (1 + len(data))]
    answers += [[use, *(", ".join(best[use, each]) for each in data)] for use in dict.fromkeys(u for u, _ in questions)]
    numbers = [["use", "data", "measured", *names], ["---"] * 3 + ["---:"] * len(names)]
    for (use, each), asked in questions.items():
        metric, found = METRICS[asked[0]["metric"]], means_of(asked)
        measure = f"{metric.label}{arrow(asked[0]['metric'])}"
        numbers.append([use, each, measure, *(_cell(found[name], metric, name in best[use, each]) for name in names)])
    ranks = average_ranks(rows, over=QUESTION).ranks
    numbers.append(["average rank", "", "", *(f"{ranks[name]:.2f}" for name in names)])
    return "\n\n".join("\n".join(f"| {' | '.join(line)} |" for line in lines) for lines in (answers, numbers))


def _cell(answer: Interval, metric: Metric, shown: bool) -> str:
    spread = "" if answer.half_width is None else f" ± {answer.half_width:{metric.format}}"
    text = f"{answer.mean:{metric.format}}{spread}"
    return f"**{text}**" if shown else text


def draw(rows: Rows) -> Figure:
    """Draws average ranks, the best first; two groups differ if their bars do not overlap (Koning et al. 2005)."""
    data = len({row["data"] for row in rows})
    uses = len({row["use"] for row in rows})
    title = f"{uses} uses on {data} data sets" if data > 1 else f"{uses} uses of {rows[0]['data']}"
    ranking = average_ranks(rows, over=QUESTION, level=LEVEL)
    names, ranks = zip(*sorted(ranking.ranks.items(), key=lambda item: item[1]), strict=True)
    figure, (ax,) = new_axes(1, columns=1, width=7.2, height=1.3 + 0.26 * len(names))
    half = ranking.critical_difference / 2
    ax.axvspan(ranks[0] - half, ranks[0] + half, color=BLUE, alpha=0.1, linewidth=0)
    ax.errorbar(ranks, range(len(names)), xerr=half, fmt="o", color=BLUE, markersize=5, capsize=3, linewidth=1.5)
    ax.set_yticks(range(len(names)), [f"{name}  {rank:.2f}" for name, rank in zip(names, ranks, strict=True)])
    ax.invert_yaxis()
    chance = "p < 0.001" if ranking.p_value < 0.001 else f"p = {ranking.p_value:.3f}"
    warning = "" if ranking.p_value < ranking.level else ": no difference is shown"
    annotate(
        ax,
        title=title,
        x=f"average rank over {ranking.questions} questions, 1 is best\ncritical difference "
        f"{ranking.critical_difference:.2f} at level {ranking.level:g}; Friedman's test {chance}{warning}",
    )
    return figure


ORDER = ("reduce", "denoise", "detect", "search", "generate")
PURPOSES = {"denoise": "denoising", "generate": "variational"}
ALL = tuple(NAMED)

EXPERIMENT = Experiment(
    name="what_each_is_for",
    study=study,
    about={
        "autoencoders": "that are compared with PCA, by their names",
        "examples": "to train on, at most (count)",
        "tests": "to judge by, at most (count)",
        "steps": "of each training (count)",
        "held_out": "classes without which is trained to detect them",
        "seeds": "trainings from other initial values (count)",
    },
    from_zero=("held_out",),
    budgets={
        "default": {
            "autoencoders": ALL,
            "examples": 10_000,
            "tests": 2_000,
            "steps": 1_000,
            "held_out": (4,),
            "seeds": 5,
        },
        "smoke": {
            "autoencoders": ("undercomplete", "denoising", "variational"),
            "examples": 1_000,
            "tests": 300,
            "steps": 16,
            "held_out": (4,),
            "seeds": 2,
        },
        "full": {
            "autoencoders": ALL,
            "examples": 60_000,
            "tests": 10_000,
            "steps": 50_000,
            "held_out": tuple(range(10)),
            "seeds": 10,
        },
    },
    data=("digits", "mnist", "fashion_mnist"),
    expected=expected,
    table=table,
    draw=draw,
)

if __name__ == "__main__":
    raise SystemExit(run_experiment(EXPERIMENT, __doc__ or ""))
