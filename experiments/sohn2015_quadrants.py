"""Sohn, Lee and Yan, NeurIPS 2015: the rest of an image, given one, two or three of its quadrants.

COMMAND
    ae-jax data prepare mnist
    python experiments/sohn2015_quadrants.py
EXPECTED
    MNIST, negative conditional log-likelihood of the missing pixels, given one, two or three quadrants, of Pyro's
    tutorial: neural network 100.4, 61.9 and 25.4 nats, conditional variational autoencoder 71.8, 51.0 and 24.2 (its
    bound). Here at most 2% above the tutorial's, and the bound of the conditional autoencoder below that of the
    network and below the likelihood of a variational autoencoder of whole images, intervals apart.
MEASURED
    all met, seeds 0 to 2: CVAE 67.98 ± 0.55, 47.94 ± 0.83 and 22.13 ± 1.05 nats; NN 97.97, 61.42 and 25.53; VAE 73.58,
    53.81 and 26.49. More in experiments/README.md.

Given is the quadrant at the bottom left, then the left half, then all but the quadrant at the bottom right; grey
images, whose pixels are judged as if they were probabilities. All networks have two hidden layers of 500 rectified
units, 200 latents, Adam at 1e-3 and batches of 128; they stop after three epochs without a lower loss on the validation
split, of which the best epoch is measured. The tutorial stops by the images that it reports, its prior sees the neural
network's guess beside the given pixels, and its decoder the latents alone.

*NN*: the given pixels predict the missing ones, each for itself. *CVAE*: an encoder of the whole image, a prior that is
a network of the given pixels, and a decoder of latents and given pixels, trained by the bound of log p(missing |
given). *VAE*: one variational autoencoder whose encoder is trained on whole images and on the given parts, by the bound
of what it sees; log p(missing | given) is the difference of two likelihoods, importance-sampled, so that its bound is
not known.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float
from matplotlib.figure import Figure

import ae_jax
from ae_jax import Autoencoder, Optimizer, Run, component, static
from ae_jax.data import Dataset, Scaling, from_splits
from ae_jax.distributions import DiagonalGaussian, log_scale_of
from ae_jax.evaluation import log_likelihood
from ae_jax.networks import MLP, PartBuilder, from_nnx
from ae_jax.objectives import BernoulliLikelihood, ImportanceWeighted, Likelihood, Objective
from ae_jax.report import means_table, mosaic
from ae_jax.report.axes import annotate, new_axes
from ae_jax.studies.results import intervals
from ae_jax.types import Batch, Key, Metrics, Shape
from experiment import Experiment, ExperimentLog, run_experiment

Rows = Sequence[dict[str, Any]]

HIDDEN, CODE, BATCH, PATIENCE = 500, 200, 128, 3
NN, CVAE, VAE = "NN", "CVAE", "VAE"
PUBLISHED = {NN: {1: 100.4, 2: 61.9, 3: 25.4}, CVAE: {1: 71.8, 2: 51.0, 3: 24.2}}
BOUND, NLL, EPOCH, PICTURES = "bound", "nll", "epoch", "completions"
SHOWN, DRAWS = 10, 3


def given(shape: Shape, quadrants: int) -> np.ndarray:
    """Which pixels of an image are given."""
    rows, columns = np.indices(shape[:2])
    low, left = rows >= shape[0] // 2, columns < shape[1] // 2
    mask = {1: low & left, 2: left, 3: ~low | left}[quadrants]
    return np.broadcast_to(mask.reshape(*mask.shape, *[1] * (len(shape) - 2)), shape)


def perceptron(inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Sequential:
    """Two hidden layers of rectified units."""
    sizes, start = (inputs, HIDDEN, HIDDEN, outputs), nnx.initializers.he_normal()
    first, second, last = (nnx.Linear(a, b, kernel_init=start, rngs=rngs) for a, b in pairwise(sizes))
    return nnx.Sequential(first, nnx.relu, second, nnx.relu, last)


@component
class Completion(Objective):
    """Negative log-likelihood of the missing pixels, predicted from the given ones, in nats.

    Attributes:
      quadrants: how many of an image are given.
    """

    likelihood: Likelihood = BernoulliLikelihood()
    quadrants: int = static(default=1)

    def given_of(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch *shape"]:
        """Images with zero in place of missing pixels."""
        return jnp.where(given(x.shape[1:], self.quadrants), x, 0.0)

    def nll(self, outputs: Array, x: Float[Array, "batch *shape"]) -> Float[Array, " batch"]:
        """Negative log-likelihood of the missing pixels of each image."""
        missing = ~given(x.shape[1:], self.quadrants).ravel()
        outputs, x = (values.reshape(len(values), -1)[:, missing] for values in (outputs, x))
        return self.likelihood(outputs, x)

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        loss = jnp.mean(self.nll(model.decode(model.encode(self.given_of(batch.x))), batch.x))
        return loss, {BOUND: loss}


class Predictor(nnx.Module):
    """A network from images to images, whose code is the image."""

    def __init__(self, shape: Shape, rngs: nnx.Rngs):
        self.shape, self.network = shape, perceptron(int(np.prod(shape)), int(np.prod(shape)), rngs)

    def encode(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch *shape"]:
        return x

    def decode(self, z: Float[Array, "batch *shape"]) -> Float[Array, "batch *shape"]:
        return self.network(z.reshape(len(z), -1)).reshape(z.shape)


class Completer(nnx.Module):
    """An encoder of images, and a decoder of latents with the given pixels beside them."""

    def __init__(self, shape: Shape, rngs: nnx.Rngs):
        pixels, self.shape = int(np.prod(shape)), shape
        self.encoder, self.decoder = perceptron(pixels, 2 * CODE, rngs), perceptron(CODE + pixels, pixels, rngs)

    def encode(self, x: Float[Array, "batch *shape"]) -> DiagonalGaussian:
        return gaussian(self.encoder, x)

    def decode(self, z: Float[Array, "batch inputs"]) -> Float[Array, "batch *shape"]:
        return self.decoder(z).reshape(len(z), *self.shape)


def gaussian(network: nnx.Sequential, x: Float[Array, "batch *shape"]) -> DiagonalGaussian:
    """The diagonal Gaussian that a network makes of each image."""
    mean, scale = jnp.split(network(x.reshape(len(x), -1)), 2, axis=1)
    return DiagonalGaussian(mean, log_scale_of(scale))


@component
class ConditionalPrior:
    """A diagonal Gaussian prior of latents that a network makes of an image."""

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "ConditionalPriorPart":
        return ConditionalPriorPart(perceptron(int(np.prod(shape)), 2 * code[0], rngs))


class ConditionalPriorPart(nnx.Module):
    """The part that :class:`ConditionalPrior` describes."""

    def __init__(self, network: nnx.Sequential):
        self.network = network

    def __call__(self, x: Float[Array, "batch *shape"]) -> DiagonalGaussian:
        return gaussian(self.network, x)


@component
class ConditionalELBO(Completion):
    r"""Negative bound of the log-likelihood of the missing pixels y, given the others x, in nats.

    .. math:: -\log p(y | x, z) + \mathrm{KL}(q(z | x, y) \| p(z | x)), \quad z \sim q(z | x, y)
    """

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        return {"guess": ConditionalPrior()}

    def decode(self, model: Any, z: Float[Array, "batch latents"], x: Float[Array, "batch *shape"]) -> Array:
        """Outputs for latents and the given pixels."""
        return model.decode(jnp.concatenate([z, self.given_of(x).reshape(len(x), -1)], axis=1))

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        posterior = model.encode(batch.x)
        nll = self.nll(self.decode(model, posterior.sample(key), batch.x), batch.x)
        loss = jnp.mean(nll + posterior.kl(model.guess(self.given_of(batch.x))))
        return loss, {BOUND: loss}


def train(autoencoder: Autoencoder, data: Dataset, budget: Mapping[str, Any], folder: Path) -> Run:
    """Trains one autoencoder for each seed, until its validation loss does not fall any more."""
    return ae_jax.fit(
        autoencoder,
        data,
        seeds=list(range(budget["seeds"])),
        epochs=budget["epochs"],
        batch_size=min(BATCH, len(data.train.x)),
        patience=PATIENCE,
        checkpoints=folder,
        resume=True,
    )


def recipe(name: str, objective: Objective, shape: Shape) -> Autoencoder:
    """The networks of one method."""
    networks = {
        NN: from_nnx(Predictor, code=shape),
        CVAE: from_nnx(Completer, code=(CODE,)),
        VAE: MLP(hidden=(HIDDEN, HIDDEN), code=CODE, activation="relu", stochastic=True),
    }[name]
    return Autoencoder(name=name, networks=networks, objective=objective, optimizer=Optimizer(learning_rate=1e-3))


def predicted(autoencoder: Any, model: Any, scaling: Scaling, stored: Any) -> Any:
    """Loss of the neural network at each image, and its prediction, for :meth:`ae_jax.Run.apply`."""
    x, objective = scaling(stored), autoencoder.objective
    outputs = model.decode(model.encode(objective.given_of(x)))
    return objective.nll(outputs, x), jax.nn.sigmoid(outputs)


class Weights:
    """Log-weights of latents of each image, and completions by draws of the prior, for :meth:`ae_jax.Run.apply`."""

    def __init__(self, samples: int):
        self.samples = samples

    def __call__(self, autoencoder: Any, model: Any, scaling: Scaling, stored: Any, keys: Any) -> Any:
        x, objective = scaling(stored), autoencoder.objective
        posterior, prior = model.encode(x), model.guess(objective.given_of(x))

        def noise(place: Any) -> Any:
            return jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, place), (CODE,)))(keys)

        def weight(place: Any) -> Any:
            z = posterior.mean + jnp.exp(posterior.log_scale) * noise(place)
            return prior.log_prob(z) - posterior.log_prob(z) - objective.nll(objective.decode(model, z, x), x)

        def drawn(place: Any) -> Any:
            return jax.nn.sigmoid(objective.decode(model, prior.mean + jnp.exp(prior.log_scale) * noise(place), x))

        weights = jax.lax.map(weight, jnp.arange(self.samples))
        made = jax.lax.map(drawn, self.samples + jnp.arange(DRAWS))
        return weights.T, jnp.moveaxis(made, 0, 1)


def measured(name: str, quadrants: int, data: Dataset, budget: Mapping[str, Any], folder: Path) -> Rows:
    """Trains a population and returns its losses on test images, and completions by its first member."""
    objective = (Completion if name == NN else ConditionalELBO)(quadrants=quadrants)
    run = train(recipe(name, objective, data.shape), data, budget, folder)
    x = data.test.x[:: max(1, len(data.test.x) // budget["images"])]
    if name == NN:
        loss, made = run.apply(predicted, run.raw(x))
        values, made = {BOUND: loss.mean(axis=1, dtype=float)}, made[0][:SHOWN, None]
    else:
        keys = jax.random.split(jax.random.key(0), len(x))
        weights, made = run.apply(Weights(budget["samples"]), run.raw(x), keys)
        means = np.logaddexp.reduce(weights.astype(float), axis=2) - np.log(weights.shape[2])
        values = {BOUND: -weights.mean(axis=(1, 2), dtype=float), NLL: -means.mean(axis=1)}
        made = made[0][:SHOWN]
    real = np.asarray(run.scaling(x[:SHOWN].astype(np.float32)))
    known, values = given(data.shape, quadrants), values | {EPOCH: run.best_epoch}
    pictures = [np.where(known, real, 0.5)[None], real[None], np.where(known, real[None], np.moveaxis(made, 1, 0))]
    shades = np.rint(255 * np.clip(np.concatenate(pictures), 0, 1)).astype(int).tolist()
    picture = {"autoencoder": f"{name}, {quadrants}", "quadrants": quadrants, "seed": 0, "metric": PICTURES}
    return [*rows_of(name, quadrants, values), picture | {"value": None, "pixels": shades}]


def rows_of(name: str, quadrants: int, values: Mapping[str, np.ndarray]) -> Rows:
    """Values of each metric and seed as rows."""
    about = {"autoencoder": f"{name}, {quadrants}", "quadrants": quadrants}
    return [
        about | {"seed": seed, "metric": metric, "value": float(value)}
        for metric, of in values.items()
        for seed, value in enumerate(of)
    ]


def with_parts(x: np.ndarray) -> np.ndarray:
    """Images, whole and with one to three quadrants alone; NaN elsewhere."""
    x = x.astype(np.float32)
    return np.concatenate([x, *(np.where(given(x.shape[1:], count), x, np.float32(np.nan)) for count in (1, 2, 3))])


def measured_whole(data: Dataset, budget: Mapping[str, Any], folder: Path) -> Rows:
    """Trains variational autoencoders of whole images; returns what they say of missing pixels given the others."""
    parts = from_splits(
        with_parts(data.train.x),
        validation=with_parts(data.validation.x),
        name=f"{data.name} and parts",
        scaling=data.scaling,
        missing=True,
    )
    objective = ImportanceWeighted(likelihood=BernoulliLikelihood(), samples=1, missing=True)
    run = train(recipe(VAE, objective, data.shape), parts, budget, folder)
    x = with_parts(data.test.x[:: max(1, len(data.test.x) // budget["images"])])
    found = log_likelihood(run, x, samples=budget["samples"]).log_likelihood.astype(float)
    whole, *of_parts = np.split(found, 4, axis=1)
    nll = [(part - whole).mean(axis=1) for part in of_parts]
    return [
        row for count, of in enumerate(nll, start=1) for row in rows_of(VAE, count, {NLL: of, EPOCH: run.best_epoch})
    ]


def study(log: ExperimentLog) -> None:
    data, budget = ae_jax.data.load(log.source), log.budget
    settings = {key: value for key, value in budget.items() if key != "quadrants"} | {"data": log.source}
    for quadrants in budget["quadrants"]:
        for name in (NN, CVAE):
            measure = partial(measured, name, quadrants, data, budget)
            log.trial(f"{name}, {quadrants}", measure, quadrants=quadrants, **settings)
    log.trial(VAE, partial(measured_whole, data, budget), **settings)


def expected(rows: Rows) -> dict[str, bool]:
    """Compares with the tutorial, and the conditional autoencoder with the others."""
    found, met = intervals([row for row in rows if row["value"] is not None]), {}
    for quadrants in dict.fromkeys(row["quadrants"] for row in rows if row["autoencoder"].startswith(CVAE)):
        ours, network, whole = (
            found[f"{name}, {quadrants}"][metric] for name, metric in ((CVAE, BOUND), (NN, BOUND), (VAE, NLL))
        )
        for name, of in ((NN, network), (CVAE, ours)):
            figure = PUBLISHED[name][quadrants]
            met[f"{quadrants} given: {name} {of.shown()} nats, at most 2% above {figure}"] = of.mean <= 1.02 * figure
        for name, of in ((NN, network), (VAE, whole)):
            apart = ours.mean + (ours.half_width or 0.0) < of.mean - (of.half_width or 0.0)
            met[f"{quadrants} given: {CVAE} {ours.shown()} nats, below {name}'s {of.shown()}, intervals apart"] = apart
    return met


def table(rows: Rows) -> str:
    """Formats all losses."""
    columns = {BOUND: "bound of -log p(missing | given), nats", NLL: "importance-sampled", EPOCH: "best epoch"}
    return means_table([row for row in rows if row["metric"] in columns], columns=columns)


def draw(rows: Rows) -> Figure:
    """Draws given pixels, whole images, and completions by network and conditional autoencoder."""
    found = {row["autoencoder"]: np.array(row["pixels"], float) for row in rows if row["metric"] == PICTURES}
    counts = [name.removeprefix(f"{NN}, ") for name in found if name.startswith(NN)]
    figure, axes = new_axes(len(counts), columns=1, width=7.0, height=4.2)
    for ax, count in zip(np.ravel(axes), counts, strict=True):
        pictures = np.concatenate([found[f"{NN}, {count}"], found[f"{CVAE}, {count}"][2:]])
        picture = mosaic(list(pictures.reshape(*pictures.shape[:2], *pictures.shape[2:4], -1)))[..., 0]
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        height = (len(picture) + 1) / len(pictures)
        names = ["given", "image", NN, *[f"{CVAE}, draw {draw + 1}" for draw in range(DRAWS)]]
        ax.set_yticks([height * (place + 0.5) - 1 for place in range(len(names))], names)
        ax.set_xticks([])
        ax.spines[:].set_visible(False)
        annotate(ax, title=f"quadrants given: {count}")
    return figure


EXPERIMENT = Experiment(
    name="sohn2015_quadrants",
    study=study,
    about={
        "quadrants": "how many are given (count)",
        "epochs": "at most (count)",
        "seeds": "trainings from other initial values (count)",
        "images": "test images that are measured (count)",
        "samples": "latents of each image (count)",
    },
    budgets={
        "default": {"quadrants": (1, 2, 3), "epochs": 50, "seeds": 3, "images": 10_000, "samples": 100},
        "smoke": {"quadrants": (1, 3), "epochs": 1, "seeds": 2, "images": 50, "samples": 10},
        "full": {"quadrants": (1, 2, 3), "epochs": 50, "seeds": 10, "images": 10_000, "samples": 1000},
    },
    data=("mnist",),
    expected=expected,
    table=table,
    draw=draw,
)

if __name__ == "__main__":
    raise SystemExit(run_experiment(EXPERIMENT, __doc__ or ""))
