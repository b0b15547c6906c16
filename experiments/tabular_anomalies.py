"""Anomaly detection in tables: 22 of ADBench's sets, half of them for choosing, the other half for reporting.

COMMAND
    python experiments/tabular_anomalies.py --data FOLDER --half development --seeds 1   # what the choices were made on
    python experiments/tabular_anomalies.py --data FOLDER                                # what is reported
EXPECTED
    on the report sets, in each protocol: the denoising autoencoder's likelihood above kNN and above isolation forest in
    AUROC, by a paired test over sets (Wilcoxon, level 0.05, Holm's correction).
MEASURED
    missed, seeds 0 to 4. Distinct rows: 85.70 ± 2.48 (kNN 85.61: ahead on 3 of 11 sets, +0.09 on average, -1.11 in the
    median, p 0.32; isolation forest 82.45 ± 1.11: ahead on 7, p 0.21). Semi-supervised: 89.25 ± 0.48 (kNN 90.39 ± 0.03:
    ahead on 2, p 0.04; isolation forest 87.90 ± 0.32: ahead on 7, p 0.24). 1,948 s on one of two cores of an AMD EPYC,
    beside much other work; tables in experiments/README.md. The unsupervised protocol was not measured.

Half of the sets are for *development*, the others are *reported*; adbench.py states them and the protocols. Baselines
in :data:`CHOSEN` have the best mean AUROC of their grid in :data:`GRIDS` on distinct rows of the development sets. The
autoencoder was searched for there more widely, in steps of which its grid is the last: Gaussian noise of one level and
of many, masked and swapped features with the error of those alone, plain, standardised and learned scales, means over
corrupted copies of a row, smallest scales, activations, ensembles, and sums of two scores. The unsupervised settings
are from a coarser search.
"""

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

import ae_jax
from adbench import MOST, PROTOCOLS, Fold, Table, read_tables
from ae_jax.cli.session import say
from ae_jax.components import component
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import anomaly_score
from ae_jax.networks import MLP
from ae_jax.objectives import LearnedGaussianLikelihood, Reconstruction
from ae_jax.optimizers import Optimizer
from ae_jax.schedules import Cosine
from ae_jax.studies import holm, interval
from experiment import Experiment, ExperimentLog, run_experiment

Rows = Sequence[dict[str, Any]]
Scores = dict[tuple[Any, ...], list[np.ndarray]]
"""Setting -> for each seed, the score of each test row."""

WIDTH, BATCH, RATE = 128, 128, 2e-3
LEVEL = 0.05

AUTOENCODER, KNN, FOREST = "denoising autoencoder", "kNN", "isolation forest"
GRIDS: dict[str, dict[str, tuple[Any, ...]]] = {
    AUTOENCODER: {
        "noise": ((0.1, 0.1), (0.02, 1.0), (1.0, 1.0)),
        "score": ("reconstruction_error", "reconstruction_nll", "error_and_knn 5", "knn_code 128"),
    },
    KNN: {"aggregator": ("mean", "max"), "k": (1, 2, 5, 20, 50, 128)},
    FOREST: {"trees": (100, 300), "features": (0.5, 1.0), "rows": (256, 1024, MOST)},
    "local outlier factor": {"k": (5, 10, 20, 50, 100)},
    "PCA": {"variance": (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)},
}
"""The settings that each method was chosen from, by their names; all combinations."""

CHOSEN: dict[str, dict[str, tuple[Any, ...]]] = {
    "duplicate-free": {
        AUTOENCODER: ((0.02, 1.0), "reconstruction_nll"),
        KNN: ("mean", 2),
        FOREST: (100, 1.0, MOST),
        "local outlier factor": (100,),
        "PCA": (0.5,),
    },
    "unsupervised": {
        AUTOENCODER: ((0.1, 0.1), "knn_code 128"),
        KNN: ("max", 50),
        FOREST: (100, 1.0, MOST),
        "local outlier factor": (100,),
        "PCA": (0.3,),
    },
}
CHOSEN["semi-supervised"] = CHOSEN["duplicate-free"]


@component
class GaussianRange:
    """Adds Gaussian noise whose standard deviation is drawn for each example, uniformly in its logarithm."""

    lowest: float
    highest: float

    def __call__(self, key: jax.Array, x: jax.Array) -> jax.Array:
        levels, noise = jax.random.split(key)
        share = jax.random.uniform(levels, (len(x),) + (1,) * (x.ndim - 1), x.dtype)
        return x + self.lowest * (self.highest / self.lowest) ** share * jax.random.normal(noise, x.shape, x.dtype)


def recipe(noise: tuple[float, float], steps: int) -> ae_jax.Autoencoder:
    """Returns an overcomplete denoising autoencoder with a learned scale for each feature."""
    return ae_jax.Autoencoder(
        name="denoising",
        networks=MLP(hidden=(WIDTH,), code=WIDTH, activation="gelu"),
        objective=Reconstruction(
            likelihood=LearnedGaussianLikelihood(smallest_log_scale=-2.0),
            corruption=GaussianRange(lowest=noise[0], highest=noise[1]),
        ),
        optimizer=Optimizer(learning_rate=Cosine(start=RATE, end=0.0, steps=steps)),
    )


def by_autoencoder(fold: Fold, seeds: Sequence[int], settings: Sequence[tuple[Any, ...]], steps: int) -> Scores:
    """Returns scores of autoencoders; the seeds are one population."""
    train, test = fold.train.astype(np.float32), fold.test.astype(np.float32)
    data = ae_jax.data.from_arrays(train, validation=0.0, test=0.0, scaling="none")
    batch = min(BATCH, len(train))
    a_epoch = -(-len(train) // batch)
    epochs = max(1, round(steps / a_epoch))
    found: Scores = {}
    for noise in dict.fromkeys(setting[0] for setting in settings):
        run = ae_jax.fit(recipe(noise, epochs * a_epoch), data, seeds=list(seeds), epochs=epochs, batch_size=batch)
        for score in (setting[1] for setting in settings if setting[0] == noise):
            name, _, k = score.partition(" ")
            options = {"neighbors": min(int(k), len(train))} if k else {}
            found[noise, score] = list(anomaly_score(run, name, train, **options).score(test))
    return found


def by_knn(fold: Fold, seeds: Sequence[int], settings: Sequence[tuple[Any, ...]]) -> Scores:
    """Returns the mean of the distances to the nearest k training rows, or the largest of them."""
    most = min(max(k for _, k in settings), len(fold.train))
    distances = NearestNeighbors(n_neighbors=most).fit(fold.train).kneighbors(fold.test)[0]
    return {(how, k): [getattr(distances[:, :k], how)(axis=1)] * len(seeds) for how, k in settings}


def by_forest(fold: Fold, seeds: Sequence[int], settings: Sequence[tuple[Any, ...]]) -> Scores:
    def scores(trees: int, features: float, rows: int, seed: int) -> np.ndarray:
        most: Any = min(rows, len(fold.train))
        forest = IsolationForest(n_estimators=trees, max_features=features, max_samples=most, random_state=seed)
        return -forest.fit(fold.train).score_samples(fold.test)

    return {setting: [scores(*setting, seed=seed) for seed in seeds] for setting in settings}


def by_lof(fold: Fold, seeds: Sequence[int], settings: Sequence[tuple[Any, ...]]) -> Scores:
    def scores(k: int) -> np.ndarray:
        factor = LocalOutlierFactor(n_neighbors=min(k, len(fold.train) - 1), novelty=True)
        return -factor.fit(fold.train).score_samples(fold.test)

    return {setting: [scores(*setting)] * len(seeds) for setting in settings}


def by_pca(fold: Fold, seeds: Sequence[int], settings: Sequence[tuple[Any, ...]]) -> Scores:
    def error(variance: float) -> np.ndarray:
        pca = PCA(variance, svd_solver="full").fit(fold.train)
        return np.square(fold.test - pca.inverse_transform(pca.transform(fold.test))).sum(axis=1)

    return {setting: [error(*setting)] * len(seeds) for setting in settings}


BASELINES = {KNN: by_knn, FOREST: by_forest, "local outlier factor": by_lof, "PCA": by_pca}


def settings_of(protocol: str, half: str) -> dict[str, list[tuple[Any, ...]]]:
    """Returns every method's settings: all of its grid on the development sets, else the chosen one."""
    if half == "development":
        return {method: list(product(*grid.values())) for method, grid in GRIDS.items()}
    return {method: [setting] for method, setting in CHOSEN[protocol].items()}


def folds(table: Table, protocol: str, seeds: Sequence[int]) -> list[tuple[Fold, list[int]]]:
    """Returns each fold with the seeds that draw it."""
    groups: list[tuple[Fold, list[int]]] = []
    for seed in seeds:
        fold = PROTOCOLS[protocol](table, seed)
        if groups and all(map(np.array_equal, groups[-1][0], fold)):
            groups[-1][1].append(seed)
        else:
            groups.append((fold, [seed]))
    return groups


def measured(table: Table, protocol: str, half: str, seeds: Sequence[int], steps: int) -> list[dict[str, Any]]:
    """Returns AUROC and average precision on one set, each times 100: of all settings, or of the chosen ones."""
    settings = settings_of(protocol, half)
    rows = []
    for fold, members in folds(table, protocol, seeds):
        found = {AUTOENCODER: by_autoencoder(fold, members, settings[AUTOENCODER], steps)}
        found |= {method: by(fold, members, settings[method]) for method, by in BASELINES.items()}
        for method, by_setting in found.items():
            for setting, values in by_setting.items():
                for seed, scores in zip(members, values, strict=True):
                    truth = (fold.abnormal, np.asarray(scores, np.float64))
                    row = {"set": table.name, "half": half, "protocol": protocol, "method": method}
                    row |= {"setting": str(setting), "seed": seed, "auroc": 100 * roc_auc_score(*truth)}
                    rows.append(row | {"ap": 100 * average_precision_score(*truth)})
    return rows


def study(log: ExperimentLog) -> None:
    half, seeds, steps = log.budget["half"], range(log.budget["seeds"]), log.budget["steps"]
    if unknown := set(log.budget["protocols"]) - set(PROTOCOLS):
        raise InvalidInput(f"--protocols was given {unknown.pop()}: expected some of {', '.join(PROTOCOLS)}.")
    for table in read_tables(Path(log.source), half):
        for protocol in log.budget["protocols"]:
            rows = log.trial(
                f"{table.name}, {protocol}",
                lambda _, table=table, protocol=protocol: measured(table, protocol, half, seeds, steps),
                settings=str(settings_of(protocol, half)),
                seeds=len(seeds),
                steps=steps,
            )
            best = {method: max(of.values()) for method, of in means(rows, protocol, "method", "setting").items()}
            say(", ".join(f"{method} {value:.1f}" for method, value in best.items()))


def means(rows: Rows, protocol: str, *by: str, value: str = "auroc") -> dict[Any, dict[Any, float]]:
    """Returns first key -> second key -> mean of a value over everything else."""
    found: dict[Any, dict[Any, list[float]]] = {}
    for row in rows:
        if row["protocol"] == protocol:
            found.setdefault(row[by[0]], {}).setdefault(row[by[1]], []).append(row[value])
    return {one: {key: float(np.mean(values)) for key, values in of.items()} for one, of in found.items()}


def table_of(rows: Rows) -> str:
    """Returns a table of each protocol: of the report sets every method, of the development sets every setting."""
    tables = []
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        named = [row | {"method": row["method"] + row["setting"] * (row["half"] == "development")} for row in rows]
        found, precision = (means(named, protocol, "method", "set", value=value) for value in ("auroc", "ap"))
        of_seeds = means(named, protocol, "method", "seed")
        sets = list(next(iter(found.values())))
        lines = [f"{protocol}, {len(sets)} sets: AUROC x 100, mean average precision x 100\n"]
        lines += ["| method | mean | precision | " + " | ".join(sets) + " |", "| --- |" + " ---: |" * (len(sets) + 2)]
        for method, of in sorted(found.items(), key=lambda item: -np.mean(list(item[1].values()))):
            spread = interval(list(of_seeds[method].values())).half_width
            mean = f"{np.mean(list(of.values())):.2f}" + (f" ± {spread:.2f}" if spread else "")
            values = " | ".join(f"{of[name]:.1f}" for name in sets)
            lines.append(f"| {method} | {mean} | {np.mean(list(precision[method].values())):.2f} | {values} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def expected(rows: Rows) -> dict[str, bool]:
    """Returns each expectation and whether it is met; none of the development sets."""
    if not rows or rows[0]["half"] == "development":
        return {}
    leads = {}
    for protocol, method in product(dict.fromkeys(row["protocol"] for row in rows), (KNN, FOREST)):
        of = means(rows, protocol, "method", "set")
        leads[protocol, method] = np.array([of[AUTOENCODER][name] - of[method][name] for name in of[method]])
    p_values = [float(stats.wilcoxon(lead).pvalue) for lead in leads.values()]  # pyright: ignore[reportAttributeAccessIssue]
    met = {}
    for ((protocol, method), lead), p, corrected in zip(leads.items(), p_values, holm(p_values), strict=True):
        sentence = (
            f"{protocol}: above {method}: {lead.mean():+.2f} on average, {np.median(lead):+.2f} in the median, "
            f"{(lead > 0).sum()} of {len(lead)} sets, Wilcoxon p {p:.3f}, by Holm over {len(leads)} {corrected:.3f}"
        )
        met[sentence] = bool(corrected < LEVEL and lead.mean() > 0)
    return met


EXPERIMENT = Experiment(
    name="tabular_anomalies",
    study=study,
    budgets={
        name: {"half": "report", "protocols": ("duplicate-free", "semi-supervised"), "seeds": seeds, "steps": steps}
        for name, seeds, steps in (("default", 5, 800), ("smoke", 2, 20), ("full", 10, 800))
    },
    data=("adbench",),
    smoke_data=("adbench",),
    about={
        "half": "the sets that are measured: report, or development with every setting of the grids",
        "protocols": f"some of {', '.join(PROTOCOLS)}",
        "seeds": "number of seeds",
        "steps": "of the optimiser, of one autoencoder",
    },
    expected=expected,
    table=table_of,
)

if __name__ == "__main__":
    sys.exit(run_experiment(EXPERIMENT, __doc__ or ""))
