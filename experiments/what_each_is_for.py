"""Which autoencoder suits my data: the named six and baselines in five uses, on three data sets, tested over draws.

COMMAND
    ae-jax data prepare mnist
    ae-jax data prepare fashion_mnist
    python experiments/what_each_is_for.py
EXPECTED
    in each use of each data set, the best autoencoder is shown to be better than the best baseline.
MEASURED
    seeds 0 to 9, 1 of 15 met: on digits, denoisers trained on each noise beat the linear denoiser by 0.47 ± 0.15 dB
    (p = 0.034). Missed: on MNIST and Fashion-MNIST the linear denoiser is better, by 0.52 ± 0.03 and 0.96 ± 0.09 dB; in
    reducing, detecting, searching and generating, no best autoencoder and best baseline are shown to differ. Tables in
    experiments/README.md; 3,094 s on one of two cores of an AMD EPYC, beside other work.

Each of ten seeds draws its own examples from all that there are, the published test split included: a tenth of them,
up to 500, to test on, which no other seed tests on, and from the rest training examples, up to 2,560, and validation
examples. Every autoencoder is as :func:`ae_jax.studies.suited` builds it for the data, with a code of 16 (sparse: 128),
and has 300 steps of 128 examples and the parameters of its best epoch on validation examples. One number is compared
for each use:

- reduce: accuracy of a logistic regression on the codes;
- denoise: decibels gained over the noisy input, mean of Gaussian noise of 0.3, masking of 25% and salt and pepper on
  10% of the pixels, as by :func:`ae_jax.evaluation.denoising_grid`, everything clipped alike. ``denoising`` was trained
  on the first, the others on none; ``denoising, own noise`` on each, with the networks of three (codes of 16, 256 and
  1,024) that denoise validation examples best;
- detect: trained again without one class, area under the ROC curve of ``error_and_knn`` for that class; each of the ten
  seeds holds out another class, so that the mean is over all;
- search: mean average precision of the 100 nearest training examples by the cosine of their codes;
- generate: Fréchet distance of samples to test examples, on the 64 codes of an encoder that was trained to tell the
  classes, mean of five draws of as many samples as test examples; ``variational`` samples from its prior, all others
  from a Gaussian fitted to their training codes (Ghosh et al., *From variational to deterministic autoencoders*, ICLR
  2020).

The baselines, on the same examples: in every use PCA of 16 and of 128 components (``large pca``; of digits all 64) and
the data as they are (``raw``); against noise also PCA of the best size, the linear map fitted to each noise, and
filters; in detection also PCA's error alone and isolation forest. What they choose, they choose on validation examples.

Intervals and tests are over seeds, and so contain split, test examples, classes held out, training, noise and samples;
their variance is corrected for draws that overlap, in tests by the largest share of test examples of all data sets
(Nadeau and Bengio, *Inference for the generalization error*, Machine Learning 2003). Differences are paired by seed and
corrected by Holm's method over all pairs of methods in all uses and data sets. Average ranks are over uses and data
sets, which are not independent: the critical difference is a guide.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split

import ae_jax
from ae_jax import NAMED, Autoencoder, InvalidInput, Run
from ae_jax.cli.session import say
from ae_jax.components import to_config
from ae_jax.corruptions import Gaussian, Masking, SaltAndPepper
from ae_jax.data import Dataset, Split
from ae_jax.errors import require_known
from ae_jax.evaluation import (
    METRICS,
    NOISY,
    Context,
    Metric,
    anomaly_score,
    denoising_grid,
    frechet_distance,
    linear_probe_accuracy,
    retrieval_metrics,
    search,
)
from ae_jax.networks import MLP
from ae_jax.objectives import Reconstruction
from ae_jax.optimizers import Optimizer
from ae_jax.report import annotate, arrow, new_axes
from ae_jax.report.axes import BLUE
from ae_jax.studies import Difference, Interval, average_ranks, interval, paired_differences, suited, undefeated
from ae_jax.training import fine_tune, untrained
from experiment import Experiment, ExperimentLog, run_experiment

Rows = Sequence[dict[str, Any]]
Values = dict[str, float]
Found = tuple[str, str, float | Values]
"""Use, metric, and value, or values of which the mean is compared."""

BATCH, CODE, LARGE, FEATURES, FEATURE_EPOCHS, NEAREST, FOLDS, DRAWS = 128, 16, 128, 64, 20, 100, 10, 5
BASELINES = {"pca": CODE, "large pca": LARGE, "raw": None}
"""Components of the linear maps that stand in every use; None for the data as they are."""
OWN = "denoising, own noise"
NOISES = {
    "gaussian": {0.3: Gaussian(scale=0.3)},
    "masking": {0.25: Masking(probability=0.25)},
    "salt_and_pepper": {0.1: SaltAndPepper(probability=0.1)},
}
DENOISERS = (
    MLP(hidden=(256,), code=CODE, activation="gelu"),
    MLP(hidden=(256,), code=256, activation="gelu"),
    MLP(hidden=(), code=1024, code_activation="gelu"),
)
"""Networks of which the denoiser that is trained on each noise has the best on validation examples."""
RATE = 2e-3
QUESTION = ("data", "use", "metric")


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """What one seed compares autoencoders on.

    Attributes:
      data: examples with labels, drawn by the seed.
      seed: of the draw and of everything that is trained and sampled.
      held_out: the class that is to be detected.
    """

    data: Dataset
    seed: int
    held_out: Any

    @cached_property
    def features(self) -> Run:
        """Returns a classifier's encoder, in whose codes samples are compared with examples."""
        encoder = untrained(ae_jax.undercomplete(code=FEATURES, shortcut=False), self.data, seeds=self.seed)
        return fine_tune(encoder, self.data, epochs=FEATURE_EPOCHS, batch_size=BATCH).run

    @cached_property
    def normal(self) -> Dataset:
        """Returns the data without the held-out class in training and validation; as many batches for every class."""
        kept = {name: getattr(self.data, name).labels != self.held_out for name in ("train", "validation")}
        count = max(1, int(0.875 * len(kept["train"])) // BATCH) * BATCH
        rows = {name: np.flatnonzero(of)[: count if name == "train" else None] for name, of in kept.items()}
        parts = {name: rows_of(getattr(self.data, name), of) for name, of in rows.items()}
        return dataclasses.replace(self.data, **parts, statistics=None)


def rows_of(split: Split, rows: np.ndarray) -> Split:
    assert split.labels is not None
    return Split(split.x[rows], split.labels[rows])


def subject_of(whole: Dataset, seed: int, examples: int, tests: int) -> Subject:
    """Draws training, validation and test examples by a seed; ten seeds test on disjoint examples."""
    splits = [split for split in (whole.train, whole.validation, whole.test) if len(split.x)]
    if any(split.labels is None for split in splits):
        raise InvalidInput(f"{whole.name} has no labels: expected classes, which four of the uses are judged by.")
    pool = Split(np.concatenate([split.x for split in splits]), np.concatenate([split.labels for split in splits]))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed // FOLDS).split(pool.x, pool.labels)
    rest, test = list(folds)[seed % FOLDS]

    def drawn(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws rows, and the others."""
        if count >= len(rows):
            return rows, rows[:0]
        one, other = train_test_split(rows, train_size=count, stratify=pool.labels[rows], random_state=seed)
        return one, other

    validation, rest = drawn(rest, min(tests, len(rest) // FOLDS))
    parts = {"train": drawn(rest, examples)[0], "validation": validation, "test": drawn(test, tests)[0]}
    data = dataclasses.replace(whole, **{name: rows_of(pool, of) for name, of in parts.items()}, statistics=None)
    classes = np.unique(pool.labels)
    return Subject(data, seed, classes[seed % len(classes)])


def used(run: Run, subject: Subject) -> Iterator[Found]:
    """Returns what a run that was trained on all classes has in each use; the run is not single."""
    data = subject.data
    codes, found = (run.encode(split.x)[0] for split in (data.train, data.test))
    yield "reduce", "linear_probe_accuracy", linear_probe_accuracy(codes, data.train.labels, found, data.test.labels)
    yield "denoise", "psnr_gain", gains(run, data)[run.name]
    nearest = search(found, codes, k=NEAREST, metric="cosine").indices
    precision = retrieval_metrics(nearest, data.test.labels, data.train.labels, k=NEAREST)["map_at_k"]
    yield "search", "map_at_k", precision
    low, high = data.train.x.min(), data.train.x.max()
    real = subject.features.encode(data.test.x)
    samples = np.split(np.clip(samples_of(run, subject, codes), low, high), DRAWS)
    distances = [frechet_distance(real, subject.features.encode(of)) for of in samples]
    yield "generate", "frechet_distance", float(np.mean(distances))


def gains(run: Run, data: Dataset, split: str = "test", noises: Any = NOISES, **options: Any) -> dict[str, Values]:
    """Returns decibels gained over noisy inputs: method -> noise -> gain."""
    context = Context(evaluated=run, dataset=data, split=split, seed=int(run.seeds[0]))
    found: dict[str, Values] = {}
    for row in denoising_grid(context, noises, **({"baselines": False} | options)):
        if row["metric"] == "psnr_gain" and row["autoencoder"] != NOISY:
            found.setdefault(row["autoencoder"], {})[row["corruption"]] = row["value"]
    return found


def samples_of(run: Run, subject: Subject, codes: np.ndarray) -> np.ndarray:
    """Samples, from the prior or a Gaussian fitted to codes, several times as many as there are test examples."""
    count = DRAWS * len(subject.data.test.x)
    if "prior" in run.autoencoder.objective.parts:
        return run.sample(count, seed=subject.seed)[0]
    moments = codes.mean(axis=0, dtype=np.float64), np.cov(codes.T.astype(np.float64))
    drawn = np.random.default_rng(subject.seed).multivariate_normal(*moments, size=count, method="eigh")
    return run[0].decode(drawn.astype(np.float32))


def detected(run: Run, subject: Subject, score: str = "error_and_knn") -> float:
    """Returns the ROC AUC for the class that a run was trained without."""
    scores = anomaly_score(run, score, subject.normal.train.x).score(subject.data.test.x)[0]
    return float(roc_auc_score(subject.data.test.labels == subject.held_out, scores))


def linear(name: str, data: Dataset, seed: int) -> Run:
    """Returns PCA, or the data as they are, as a run of linear networks."""
    x = np.asarray(data.scaling(data.train.x.astype(np.float32))).reshape(len(data.train.x), -1)
    components, mean = np.eye(x.shape[1], dtype=np.float32), np.zeros(x.shape[1], np.float32)
    if (size := BASELINES[name]) is not None:
        pca = PCA(min(size, *x.shape), svd_solver="covariance_eigh").fit(x)
        components, mean = pca.components_, pca.mean_
    networks = MLP(hidden=(), code=len(components))
    layers = {
        "encoder": {"kernel": components.T, "bias": -components @ mean},
        "decoder": {"kernel": components, "bias": mean},
    }
    params = {part: {0: {name: jnp.asarray(of)[None] for name, of in layer.items()}} for part, layer in layers.items()}
    run = untrained(Autoencoder(name=name, networks=networks, objective=Reconstruction()), data, seeds=[seed])
    return dataclasses.replace(run, params={"networks": params})


def by_linear_maps(_: Path, subject: Subject) -> Rows:
    """Measures PCA and raw data in every use, and baselines of one use each."""
    rows: list[dict[str, Any]] = []
    for name in BASELINES:
        run, normal = linear(name, subject.data, subject.seed), linear(name, subject.normal, subject.seed)
        rows += as_rows(name, subject, [*used(run, subject), ("detect", "roc_auc", detected(normal, subject))])
        if name == "pca":
            error = detected(normal, subject, "reconstruction_error")
            rows += as_rows("pca error", subject, [("detect", "roc_auc", error)])
            for method, of_noises in gains(run, subject.data, baselines=True).items():
                if method != name:
                    rows += as_rows(method, subject, [("denoise", "psnr_gain", of_noises)])
    train, test = (split.x.reshape(len(split.x), -1) for split in (subject.normal.train, subject.data.test))
    scores = -IsolationForest(random_state=subject.seed).fit(train).score_samples(test)
    area = float(roc_auc_score(subject.data.test.labels == subject.held_out, scores))
    return [*rows, *as_rows("isolation forest", subject, [("detect", "roc_auc", area)])]


def trained(autoencoder: Autoencoder, data: Dataset, seed: int, steps: int) -> Run:
    epochs = math.ceil(steps * BATCH / len(data.train.x))
    return ae_jax.fit(autoencoder, data, seeds=[seed], epochs=epochs, batch_size=BATCH)


def by_training(_: Path, subject: Subject, autoencoder: Autoencoder, steps: int) -> Rows:
    """Measures an autoencoder in every use."""
    whole, normal = (trained(autoencoder, data, subject.seed, steps) for data in (subject.data, subject.normal))
    found = [*used(whole, subject), ("detect", "roc_auc", detected(normal, subject))]
    return as_rows(autoencoder.name, subject, found)


def by_own_noise(_: Path, subject: Subject, steps: int) -> Rows:
    """Measures denoisers that were trained on each noise, with the networks that denoise validation examples best."""

    def trained_on(noise: str, networks: MLP) -> Run:
        (corruption,) = NOISES[noise].values()
        objective, optimizer = Reconstruction(corruption=corruption), Optimizer(learning_rate=RATE)
        own = Autoencoder(name=OWN, networks=networks, objective=objective, optimizer=optimizer)
        return trained(own, subject.data, subject.seed, steps)

    def gain(run: Run, noise: str, split: str) -> float:
        return gains(run, subject.data, split, {noise: NOISES[noise]})[OWN][noise]

    tried = [trained_on("gaussian", networks) for networks in DENOISERS]
    best = int(np.argmax([gain(run, "gaussian", "validation") for run in tried]))
    runs = {noise: tried[best] if noise == "gaussian" else trained_on(noise, DENOISERS[best]) for noise in NOISES}
    found = {noise: gain(run, noise, "test") for noise, run in runs.items()}
    return [row | {"networks": best} for row in as_rows(OWN, subject, [("denoise", "psnr_gain", found)])]


def as_rows(name: str, subject: Subject, found: Sequence[Found]) -> list[dict[str, Any]]:
    about = {"data": subject.data.name, "autoencoder": name, "seed": subject.seed, "split": "test"}
    about |= {"tests_per_example": len(subject.data.test.x) / len(subject.data.train.x)}
    rows = []
    for use, metric, value in found:
        parts = {"parts": value} if isinstance(value, dict) else {}
        value = float(np.mean(list(value.values()))) if isinstance(value, dict) else float(value)
        rows.append(about | {"use": use, "metric": metric, "value": value} | parts)
    return rows


def study(log: ExperimentLog) -> None:
    budget, steps = log.budget, log.budget["steps"]
    for each in budget["autoencoders"]:
        require_known("autoencoder", each, NAMED)
    for source in log.sources:
        data = ae_jax.data.load(source)
        for seed in range(budget["seeds"]):
            subject = subject_of(data, seed, budget["examples"], budget["tests"])
            drawn = {"data": source, "seed": seed} | {key: budget[key] for key in ("examples", "tests")}

            def measured(
                name: str, measure: Callable[..., Rows], subject: Any = subject, drawn: Any = drawn, **settings: Any
            ) -> None:
                rows = log.trial(f"{subject.data.name}, seed {drawn['seed']}, {name}", measure, **drawn, **settings)
                say(", ".join(f"{row['autoencoder']} {row['use']} {row['value']:.3f}" for row in rows))

            measured("linear maps", partial(by_linear_maps, subject=subject))
            for each in budget["autoencoders"]:
                autoencoder, _ = suited(each, subject.data)
                train = partial(by_training, subject=subject, autoencoder=autoencoder, steps=steps)
                measured(each, train, autoencoder=to_config(autoencoder), steps=steps)
            own = {"networks": [to_config(networks) for networks in DENOISERS], "rate": RATE}
            measured(OWN, partial(by_own_noise, subject=subject, steps=steps), steps=steps, **own)


def questions_of(rows: Rows) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Groups rows by use and data set, in the order of the uses."""
    questions: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: ORDER.index(row["use"])):
        questions.setdefault((row["use"], row["data"]), []).append(row)
    return questions


def resampled(rows: Rows) -> float:
    """Returns test examples for each training example, by which variances over draws are corrected."""
    return max(row["tests_per_example"] for row in rows)


def ranked(rows: Rows) -> dict[str, Interval]:
    """Returns each method's mean over seeds for one use and data set, the best first."""
    values: dict[str, list[float]] = {}
    for row in rows:
        values.setdefault(row["autoencoder"], []).append(row["value"])
    found = {name: interval(of_seeds, resampled=resampled(rows)) for name, of_seeds in values.items()}
    high = METRICS[rows[0]["metric"]].better == "high"
    return dict(sorted(found.items(), key=lambda item: item[1].mean, reverse=high))


def tested(rows: Rows) -> dict[tuple[str, str], list[Difference]]:
    """Tests all pairs, corrected over all uses and data sets; returns those of each use and data set."""
    found: dict[tuple[str, str], list[Difference]] = {}
    for one in paired_differences(rows, over=QUESTION, resampled=resampled(rows)):
        found.setdefault((one.question["use"], one.question["data"]), []).append(one)
    return found


def verdicts(rows: Rows) -> dict[tuple[str, str], tuple[str, str, Difference]]:
    """Returns of each use and data set the best autoencoder, the best baseline, and their difference."""
    differences, found = tested(rows), {}
    for question, asked in questions_of(rows).items():
        names = list(ranked(asked))
        ours = next(name for name in names if name not in METHODS)
        theirs = next(name for name in names if name in METHODS)
        (one,) = (one for one in differences[question] if {one.first, one.second} == {ours, theirs})
        found[question] = ours, theirs, one
    return found


def expected(rows: Rows) -> dict[str, bool]:
    """Checks that in each use the best autoencoder is shown to be better than the best baseline."""
    return {
        f"{data}, {use}: {ours} is shown to be better than {theirs}": one.better == ours and one.shown()
        for (use, data), (ours, theirs, one) in verdicts(rows).items()
    }


def table(rows: Rows) -> str:
    """Formats the best autoencoder beside the best baseline, and for each use a table of all methods."""
    differences, questions = tested(rows), questions_of(rows)
    data = list(dict.fromkeys(row["data"] for row in rows))
    lines = [["to ...", "data", "best autoencoder", "best baseline", "difference", "p"], ["---"] * 4 + ["---:"] * 2]
    for (use, each), (ours, theirs, one) in verdicts(rows).items():
        metric, sign = METRICS[one.question["metric"]], 1 if one.first == ours else -1
        difference = _cell(one.difference._replace(mean=sign * one.difference.mean), metric, one.shown())
        lines.append([use, each, ours, theirs, difference, f"{one.corrected:.2g}"])
    tables = [lines]
    for use in dict.fromkeys(use for use, _ in questions):
        cells: dict[str, dict[str, str]] = {}
        for each in data:
            kept = undefeated(differences[use, each])
            metric = METRICS[questions[use, each][0]["metric"]]
            for name, found in ranked(questions[use, each]).items():
                cells.setdefault(name, {})[each] = _cell(found, metric, kept.get(name, False))
        heading = [f"{use}: {metric.label}{arrow(questions[use, data[0]][0]['metric'])}", *data]
        tables.append([heading, ["---"] + ["---:"] * len(data)])
        tables[-1] += [[name, *(of.get(each, "") for each in data)] for name, of in cells.items()]
    return "\n\n".join("\n".join(f"| {' | '.join(line)} |" for line in lines) for lines in tables)


def _cell(answer: Interval, metric: Metric, shown: bool) -> str:
    spread = "" if answer.half_width is None else f" ± {answer.half_width:{metric.format}}"
    text = f"{answer.mean:{metric.format}}{spread}"
    return f"**{text}**" if shown else text


def draw(rows: Rows) -> Figure:
    """Draws average ranks of methods with every use; two differ if their bars do not overlap (Koning et al. 2005)."""
    data = len({row["data"] for row in rows})
    uses = len({row["use"] for row in rows})
    title = f"{uses} uses on {data} data sets" if data > 1 else f"{uses} uses of {rows[0]['data']}"
    everywhere = [row for row in rows if row["autoencoder"] in BASELINES or row["autoencoder"] not in (OWN, *METHODS)]
    ranking = average_ranks(everywhere, over=QUESTION)
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
METHODS = (
    *BASELINES,
    "pca error",
    "isolation forest",
    "tuned pca",
    "linear denoiser",
    "gaussian filter",
    "median filter",
)
"""All that is no autoencoder."""
ALL = ("undercomplete", "sparse", "contractive", "denoising", "convolutional", "variational")

EXPERIMENT = Experiment(
    name="what_each_is_for",
    study=study,
    about={
        "autoencoders": "that are compared, by their names",
        "examples": "to train on, at most (count)",
        "tests": "to judge by, and to choose by, at most (count)",
        "steps": "of each training (count)",
        "seeds": "draws of examples, each with its own trainings and held-out class (count)",
    },
    budgets={
        "default": {"autoencoders": ALL, "examples": 2_560, "tests": 500, "steps": 300, "seeds": 10},
        "smoke": {
            "autoencoders": ("undercomplete", "denoising", "variational"),
            "examples": 512,
            "tests": 100,
            "steps": 16,
            "seeds": 2,
        },
        "full": {"autoencoders": ALL, "examples": 50_000, "tests": 5_000, "steps": 20_000, "seeds": 10},
    },
    data=("digits", "mnist", "fashion_mnist"),
    expected=expected,
    table=table,
    draw=draw,
)

if __name__ == "__main__":
    raise SystemExit(run_experiment(EXPERIMENT, __doc__ or ""))
