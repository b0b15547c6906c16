"""The family on MNIST and Fashion-MNIST: likelihoods, reconstructions, codes and samples, each name beside the others.

COMMAND
    ae-jax data prepare binarized_mnist (and mnist, and fashion_mnist)
    python experiments/family_mnist.py
    python experiments/family_mnist.py --autoencoders vamp iaf --data mnist
EXPECTED
    on MNIST, three seeds: negative log-likelihood of ``vamp``, ``iaf`` and ``importance_weighted`` below
    ``variational``'s, by the interval of the difference seed by seed, as seeds share initial values and batches. On
    both sets: ``fsq`` uses at least 95% of its codes and its squared error is not shown to be larger than ``vq``'s; a
    mixture of ten Gaussians for the codes of ``rae`` at least halves the Fréchet distance of samples beside one
    Gaussian. (``categorical`` by its source's protocol: jang2017_categorical.py.)
MEASURED
    all met, seeds 0 to 2, with --epochs 3 --images 500, see experiments/README.md.

784-400-40 and back for likelihoods (``categorical``: 784-512-256 and 30 variables of 10 values), on binary images:
Larochelle's static MNIST, or images binarised once by a fixed key. 784-400-16 for ``rae``, and for discrete codes
784-400-24, eight places of 240 codes: levels 8, 6, 5 of ``fsq``, or a codebook of as many, or the nearest numbers (256
of ``lfq``, two books of 16 of ``residual_vq``); grey images in [0, 1]. All else are the defaults of each name, batches
of 100, the seeds as one population, and of all epochs the one with the lowest validation loss. ``--full``: ReLU, Adam
at 1e-4 and 500 epochs, as VAEs of static MNIST are trained.

Negative log-likelihoods are importance-sampled at evenly spaced test images; squared errors are sums over pixels, all
test images. Code use is that of the test images; for continuous codes, the active latents. Fréchet distances are of
10,000 samples from the test images' grey originals, both by the features of a classifier of the grey training images;
``rae`` is sampled by its mixture, or by one Gaussian.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

import ae_jax
from ae_jax import Autoencoder, Run
from ae_jax.corruptions import Binarisation
from ae_jax.data import Dataset, from_splits
from ae_jax.evaluation import active_fraction, code_use, frechet_distance, log_likelihood, negative_elbo
from ae_jax.report import means_table
from ae_jax.studies import interval
from ae_jax.studies.results import intervals
from experiment import Experiment, ExperimentLog, run_experiment
from features import features_of

Rows = Sequence[dict[str, Any]]

BATCH = 100
LIKELIHOODS = ("variational", "importance_weighted", "vamp", "iaf", "full_covariance", "categorical")
MODELS: dict[str, dict[str, Any]] = {
    **{name: {"code": 40} for name in LIKELIHOODS[:-1]},
    "categorical": {"hidden": (512, 256), "learning_rate": 1e-3},
    "vq": {"code": 24, "codes": 240, "size": 3},
    "fsq": {"code": 24, "levels": (8, 6, 5)},
    "lfq": {"code": 64, "size": 8},
    "residual_vq": {"code": 24, "books": 2, "codes": 16, "size": 3},
    "sim_vq": {"code": 24, "codes": 240, "size": 3},
    "rae": {"code": 16},
}
"""Name -> what differs from its defaults, beside a hidden layer of 400."""
NLL, BOUND, ERROR, USED, PERPLEXITY, FRECHET = "nll", "negative_elbo", "squared_error", "used", "perplexity", "frechet"
NORMAL = "frechet_of_normal"
COLUMNS = {
    NLL: "-log p(x), nats",
    BOUND: "-ELBO, nats",
    ERROR: "squared error",
    USED: "codes used, %",
    PERPLEXITY: "perplexity",
    FRECHET: "Fréchet distance",
    NORMAL: "of one Gaussian",
}


def recipe(name: str, budget: Mapping[str, Any]) -> Autoencoder:
    """The autoencoder of that name; a rate of zero is its default."""
    further = {} if not budget["rate"] else {"learning_rate": budget["rate"], "activation": "relu"}
    return ae_jax.named(name)(**({"hidden": (400,)} | MODELS[name] | further))


def binary(source: str, grey: Dataset) -> Dataset:
    """Static MNIST for MNIST, and other data with every split binarised by one key; labels are left out."""
    if source == "mnist":
        return ae_jax.data.load("binarized_mnist")

    def drawn(x: np.ndarray, seed: int) -> np.ndarray:
        return np.asarray(Binarisation()(jax.random.key(seed), grey.scaling(x.astype(np.float32)))).astype(np.uint8)

    splits = [drawn(split.x, seed) for seed, split in enumerate((grey.train, grey.validation, grey.test))]
    return from_splits(splits[0], validation=splits[1], test=splits[2], name=f"binary {grey.name}", scaling="none")


def of_indices(autoencoder: Autoencoder, model: Any, scaling: Any, stored: Any) -> Any:
    """Numbers of the discrete codes of a batch, for :meth:`ae_jax.Run.apply`."""
    return model.bottleneck.indices(model.networks.encode(scaling(stored)))


def measured(
    name: str,
    data: Dataset,
    grey: Dataset,
    features: Any,
    budget: Mapping[str, Any],
    source: str,
    folder: Path,
) -> Rows:
    """Trains a population and returns its metrics on test images, a row for each seed and metric."""
    seeds = range(budget["seeds"])
    run = ae_jax.fit(
        recipe(name, budget),
        data,
        seeds=list(seeds),
        epochs=budget["epochs"],
        batch_size=BATCH,
        checkpoints=folder,
        resume=True,
    )
    values = {ERROR: errors(run, data.test.x), **use(run, data.test.x), **distances(run, data, grey, features)}
    if name in LIKELIHOODS:
        few = data.test.x[np.linspace(0, len(data.test.x) - 1, min(budget["images"], len(data.test.x))).astype(int)]
        values[NLL] = -log_likelihood(run, few, samples=budget["samples"]).log_likelihood.mean(axis=1, dtype=float)
        values[BOUND] = negative_elbo(run, few)[BOUND].mean(axis=1, dtype=float)
    about = {"autoencoder": name, "data": source, "training_s": run.record["wall_s"]}
    return [
        about | {"seed": seed, "metric": metric, "value": float(value[seed]), "best_epoch": int(run.best_epoch[seed])}
        for metric, value in values.items()
        for seed in seeds
    ]


def errors(run: Run, x: np.ndarray) -> np.ndarray:
    """Squared error of each member in model units, summed over pixels, the mean over images."""
    made, target = np.asarray(run.scaling(run.reconstruct(x))), np.asarray(run.scaling(x))
    return np.square(made - target).reshape(len(run), len(x), -1).sum(axis=2).mean(axis=1)


def use(run: Run, x: np.ndarray) -> dict[str, Any]:
    """Share of codes in use and their perplexity, of discrete codes; of others, the share of active units."""
    if (codes := run.autoencoder.objective.codes) is None:
        return {USED: [100 * active_fraction(of, scale=1.0) for of in run.encode(x)]}
    found = [code_use(of, codes) for of in run.apply(of_indices, run.raw(x))]
    return {USED: [100 * of["codes_used"] for of in found], PERPLEXITY: [of["perplexity"] for of in found]}


def distances(run: Run, data: Dataset, grey: Dataset, features: Any) -> dict[str, Any]:
    """Fréchet distance of samples of each member from the grey test images."""
    real, white = features(grey.test.x), float(grey.train.x.max())

    def of(sampler: str) -> list[float]:
        drawn = np.asarray(run.scaling(run.sample(min(10_000, len(grey.train.x)), sampler=sampler)))
        return [frechet_distance(real, features(white * np.clip(one, 0.0, 1.0))) for one in drawn]

    if run.name != "rae":
        return {FRECHET: of("prior")}
    for sampler in ("gmm", "normal"):
        run.sampler(sampler, data)
    return {FRECHET: of("gmm"), NORMAL: of("normal")}


def study(log: ExperimentLog) -> None:
    budget = log.budget
    settings = {key: value for key, value in budget.items() if key != "autoencoders"}
    for source, grey in log.datasets().items():
        features = features_of(grey, Path("runs/features"))
        for name in budget["autoencoders"]:
            data = binary(source, grey) if name in LIKELIHOODS else grey
            log.trial(
                f"{name}, {source}",
                partial(measured, name, data, grey, features, budget, source),
                data=source,
                model=MODELS[name],
                **settings,
            )


def expected(rows: Rows) -> dict[str, bool]:
    """Checks each set; of likelihoods MNIST alone."""
    met: dict[str, bool] = {}
    for source in dict.fromkeys(row["data"] for row in rows):
        own = [row for row in rows if row["data"] == source]
        found = intervals(own)

        def ends(name: str, metric: str, found: Any = found) -> tuple[float, float]:
            of = found[name][metric]
            return of.mean - (of.half_width or 0.0), of.mean + (of.half_width or 0.0)

        def shown(name: str, metric: str, found: Any = found) -> str:
            return found[name][metric].shown()

        nll = {(row["autoencoder"], row["seed"]): row["value"] for row in own if row["metric"] == NLL}
        for name in ("vamp", "iaf", "importance_weighted"):
            if source == "mnist" and {name, "variational"} <= found.keys():
                seeds = sorted({seed for of, seed in nll if of == name})
                less = interval([nll["variational", seed] - nll[name, seed] for seed in seeds])
                sentence = f"{name} {shown(name, NLL)} nats, below variational's {shown('variational', NLL)}"
                met[f"{source}: {sentence}, by {less.shown()} seed by seed"] = less.mean > (less.half_width or 0.0)
        if "fsq" in found:
            met[f"{source}: fsq uses {shown('fsq', USED)}% of its codes, at least 95"] = found["fsq"][USED].mean >= 95
        if {"fsq", "vq"} <= found.keys():
            sentence = f"fsq's squared error {shown('fsq', ERROR)} not shown to be above vq's {shown('vq', ERROR)}"
            met[f"{source}: {sentence}"] = ends("fsq", ERROR)[0] <= ends("vq", ERROR)[1]
        if "rae" in found:
            sentence = (
                f"rae by a mixture {shown('rae', FRECHET)}, at most half of {shown('rae', NORMAL)} by one Gaussian"
            )
            met[f"{source}: {sentence}"] = found["rae"][FRECHET].mean <= 0.5 * found["rae"][NORMAL].mean
    return met


def table(rows: Rows) -> str:
    """Formats all metrics, a table for each set."""
    sets: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        sets.setdefault(row["data"], []).append(row)
    return "\n\n".join(f"{source}:\n\n{means_table(of, columns=COLUMNS)}" for source, of in sets.items())


EXPERIMENT = Experiment(
    name="family_mnist",
    study=study,
    about={
        "autoencoders": "names, each a training on each set",
        "epochs": "how often every image is seen (count)",
        "rate": "Adam's learning rate, with ReLU; 0 for the defaults of each name",
        "seeds": "trainings from other initial values (count)",
        "images": "test images whose likelihood is measured (count)",
        "samples": "latents for each likelihood (count)",
    },
    from_zero=("rate",),
    budgets={
        name: {"autoencoders": ("variational", "vamp", "fsq", "rae") if name == "smoke" else tuple(MODELS)} | numbers
        for name, numbers in {
            "default": {"epochs": 5, "rate": 0.0, "seeds": 3, "images": 1000, "samples": 200},
            "smoke": {"epochs": 1, "rate": 0.0, "seeds": 2, "images": 20, "samples": 10},
            "full": {"epochs": 500, "rate": 1e-4, "seeds": 3, "images": 10_000, "samples": 5000},
        }.items()
    },
    data=("mnist", "fashion_mnist"),
    expected=expected,
    table=table,
)

if __name__ == "__main__":
    raise SystemExit(run_experiment(EXPERIMENT, __doc__ or ""))
