"""The workloads that are timed: networks, loss and data, the same for every trainer."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import numpy as np
from sklearn.datasets import load_digits

import ae_jax
from ae_jax import Autoencoder, InvalidInput, convolutional, variational
from ae_jax.networks import MLP
from ae_jax.objectives import Contractive, KLSparsity, Reconstruction
from ae_jax.optimizers import Optimizer
from ae_jax.training.population import init_population, stack, take

LEARNING_RATE = 1e-3

Layer = tuple[np.ndarray, np.ndarray]
"""Kernel and bias: ``[inputs, outputs]``, or ``[rows, columns, inputs, outputs]`` of a convolution."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A workload at a batch size as arrays and numbers, which is all that a baseline is given.

    Attributes:
      images: bytes, ``[n, *shape]``; ``[n, height, width]`` for convolutional networks.
      scale: divisor of the bytes.
      batch_size: examples in a step.
      encoder: initial kernel and bias of each layer; convolutions first, each of which halves height and width.
      decoder: the same, convolutions last, each followed by two by two sub-pixels.
      activation: activation of all layers but the last: ``"relu"`` or ``"gelu"`` (tanh approximation).
      code_activation: ``"linear"`` or ``"sigmoid"``.
      loss: ``"squared_error"``, summed over pixels; or ``"elbo"``, negative, with a Bernoulli likelihood: the encoder
        then gives mean and log-scale of the latents side by side.
      contractive: weight of the encoder's squared Jacobian norm.
      sparsity: weight of the KL divergence of the code's mean activation from 0.05.
      learning_rate: Adam's learning rate; its other numbers are 0.9, 0.999 and 1e-8.
    """

    images: np.ndarray
    scale: float
    batch_size: int
    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]
    activation: str
    code_activation: str
    loss: Literal["squared_error", "elbo"]
    contractive: float = 0.0
    sparsity: float = 0.0
    learning_rate: float = LEARNING_RATE

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return len(self.images) // self.batch_size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """An autoencoder, or a population of them, with its data, batch sizes and baselines.

    Attributes:
      name: its name in rows.
      about: networks and loss in words.
      autoencoder: builds one from a learning rate.
      shape: shape of an example.
      batches: batch sizes.
      baselines: names of the baselines that train the same.
      learning_rates, seeds: of the members, every combination; baselines train the first member, and their time is
        multiplied by the number of members, which they would train one after the other.
      share: share of the examples that are trained on; long workloads have less than all.
      steps: maximum steps of an epoch.
      epochs: epochs of a round, instead of the number asked for.
      rounds: maximum rounds.
      in_mean: whether its rows enter the geometric means.
      digits: whether it trains on scikit-learn's digits instead of the images.
      sharded: whether its members are divided over all devices; a CPU counts as one device for each core.
    """

    name: str
    about: str
    autoencoder: Callable[..., Autoencoder]
    shape: tuple[int, ...]
    batches: tuple[int, ...]
    baselines: tuple[str, ...]
    learning_rates: tuple[float, ...] = (LEARNING_RATE,)
    seeds: int = 1
    share: float = 1.0
    steps: int | None = None
    epochs: int | None = None
    rounds: int | None = None
    in_mean: bool = True
    digits: bool = False
    sharded: bool = False

    @property
    def members(self) -> int:
        """Number of members that are trained at once."""
        return len(self.learning_rates) * self.seeds

    def autoencoders(self) -> list[Autoencoder]:
        """Returns one autoencoder for each learning rate."""
        return [self.autoencoder(learning_rate=rate) for rate in self.learning_rates]

    def data(self, images: np.ndarray, batch_size: int) -> np.ndarray:
        """Returns the training examples: a whole number of batches, in the workload's shape."""
        count = int(self.share * len(images))
        if self.digits:
            images = digit_images(count)
        count = min(count, len(images), batch_size * (self.steps or count))
        if count < batch_size:
            raise InvalidInput(
                f"the workload {self.name} has {count} examples: expected at least a batch of {batch_size}; ask for "
                "more examples or a smaller batch."
            )
        return images[: count // batch_size * batch_size].reshape(-1, *self.shape)

    def task(self, images: np.ndarray, batch_size: int) -> Task:
        """Returns what baselines are given, with the initial parameters of the first member."""
        data = self.data(images, batch_size)
        return task_of(self.autoencoders()[0], data, batch_size, scale=16.0 if self.digits else 255.0)


def task_of(autoencoder: Autoencoder, images: np.ndarray, batch_size: int, *, scale: float) -> Task:
    """Returns an autoencoder's training as arrays and numbers, with the parameters that ``fit`` starts from."""
    networks: Any = autoencoder.networks
    objective: Any = autoencoder.objective
    weights = {penalty.name: penalty.weight for penalty in objective.penalties}
    encoder, decoder = layers_of(initial_params(autoencoder, images.shape[1:]))
    return Task(
        images=images,
        scale=scale,
        batch_size=batch_size,
        encoder=encoder,
        decoder=decoder,
        activation=networks.activation,
        code_activation=networks.code_activation,
        loss="elbo" if networks.stochastic else "squared_error",
        contractive=weights.get("jacobian", 0.0),
        sparsity=weights.get("kl_sparsity", 0.0),
        learning_rate=autoencoder.optimizer.learning_rate,  # pyright: ignore[reportArgumentType]
    )


def initial_params(autoencoder: Autoencoder, shape: tuple[int, ...]) -> dict[str, Any]:
    """Returns the networks' parameters that ``fit`` starts from with seed 0."""
    state, _ = init_population(stack([autoencoder]), np.zeros(1, np.uint32), shape)
    return jax.device_get(take(state.params, 0))["networks"]


def layers_of(params: dict[str, Any]) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """Returns kernel and bias of each layer of encoder and decoder, dense or convolutional."""

    def pairs(layers: list[Any]) -> tuple[Layer, ...]:
        return tuple((np.asarray(layer["kernel"]), np.asarray(layer["bias"])) for layer in layers)

    def ordered(layers: dict[Any, Any]) -> list[Any]:
        return [layers[name] for name in sorted(layers, key=int)]

    encoder = [*ordered(params["encoder"]), *([params["to_code"]] if "to_code" in params else [])]
    decoder = [*([params["from_code"]] if "from_code" in params else []), *ordered(params["decoder"])]
    return pairs(encoder), pairs(decoder)


def parameter_count(task: Task) -> int:
    """Returns the number of trained numbers."""
    return sum(array.size for layer in (*task.encoder, *task.decoder) for array in layer)


def dense(*, learning_rate: float, code: int, hidden: tuple[int, ...] = (), penalty: Any = None) -> Autoencoder:
    """Builds a ReLU network with squared error; its code is a sigmoid's if it is penalised."""
    return Autoencoder(
        name="dense",
        networks=MLP(hidden=hidden, code=code, code_activation="linear" if penalty is None else "sigmoid"),
        objective=Reconstruction(penalties=() if penalty is None else (penalty,)),
        optimizer=Optimizer(learning_rate=learning_rate),
    )


_ALL = ("pytorch", "pytorch-compiled", "pythae", "jax-scan")
_BY_HAND = ("pytorch", "pytorch-compiled", "jax-scan")
_VAE = partial(variational, activation="relu")
_CONTRACTIVE = partial(dense, code=500, penalty=Contractive(weight=0.1))

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload(
            name="autoencoder",
            about="784-512-16 and back, ReLU, squared error",
            autoencoder=partial(dense, hidden=(512,), code=16),
            shape=(784,),
            batches=(64, 128, 512),
            baselines=_ALL,
        ),
        Workload(
            name="vae",
            about="784-512-16 and back, ReLU, Bernoulli likelihood, one sample",
            autoencoder=partial(_VAE, hidden=(512,), code=16),
            shape=(784,),
            batches=(64, 128, 512),
            baselines=_ALL,
        ),
        Workload(
            name="convolutional",
            about="28 x 28, two stages of 16 and 32 channels, code 16, sub-pixels back, GELU, squared error",
            autoencoder=convolutional,
            shape=(28, 28),
            batches=(128,),
            baselines=("pytorch", "pytorch-compiled", "pythae", "jax-loop"),
            share=0.25,
        ),
        Workload(
            name="convolutional-population",
            about="four of the convolutional ones at once, against four one after the other",
            autoencoder=convolutional,
            shape=(28, 28),
            batches=(128,),
            baselines=("pytorch", "pytorch-compiled"),
            seeds=4,
            share=0.125,
            in_mean=False,
        ),
        Workload(
            name="contractive",
            about="784-500 sigmoid and back, squared error, exact penalty, by hand in closed form",
            autoencoder=_CONTRACTIVE,
            shape=(784,),
            batches=(100,),
            baselines=_BY_HAND,
            in_mean=False,
        ),
        Workload(
            name="contractive-step",
            about="the same, three steps, the penalty by automatic differentiation",
            autoencoder=_CONTRACTIVE,
            shape=(784,),
            batches=(100,),
            baselines=("pytorch-jacrev", "pytorch-jacfwd"),
            steps=3,
            epochs=3,
            rounds=3,
            in_mean=False,
        ),
        Workload(
            name="sparse",
            about="784-1000 sigmoid and back, squared error, KL divergence from a mean activation of 0.05",
            autoencoder=partial(dense, code=1000, penalty=KLSparsity(target=0.05, weight=1.0)),
            shape=(784,),
            batches=(128,),
            baselines=_BY_HAND,
            share=0.5,
        ),
        Workload(
            name="sweep",
            about="32 VAEs 64-128-8 on digits (4 learning rates, 8 seeds), against 32 one after the other",
            autoencoder=partial(_VAE, hidden=(128,), code=8),
            shape=(64,),
            batches=(32,),
            baselines=_ALL,
            learning_rates=(1e-3, 2e-3, 3e-3, 5e-3),
            seeds=8,
            epochs=50,
            in_mean=False,
            digits=True,
            sharded=True,
        ),
    )
}
"""Every workload by its name."""


def blobs(count: int, *, side: int = 28, seed: int = 0) -> np.ndarray:
    """Draws images of four soft strokes on black, mostly zeros as MNIST's; the same bytes on every machine.

    Args:
      count: number of images.
      side: side of the square images in pixels.
      seed: seed of the strokes' places and widths.

    Returns:
      Bytes, ``[count, side, side]``; the first images do not depend on ``count``.
    """
    drawn = np.random.default_rng(seed).uniform(size=(count, 4, 4)).astype(np.float32)
    centres = side * (0.25 + 0.5 * drawn[..., :2])
    widths = side * (0.04 + 0.1 * drawn[..., 2:])
    pixels = np.arange(side, dtype=np.float32)
    profiles = np.exp(-0.5 * np.square((pixels - centres[..., None]) / widths[..., None]))
    images = np.einsum("nsi,nsj->nij", profiles[:, :, 0], profiles[:, :, 1])
    return np.floor(255.0 * np.minimum(images, 1.0)).astype(np.uint8)


def load_images(source: str | None, count: int) -> np.ndarray:
    """Loads the first training images of a data source of 28 by 28 bytes, or draws :func:`blobs` if it is None."""
    if source is None:
        return blobs(count)
    x = ae_jax.data.load(source).train.x
    if x.shape[1:] != (28, 28) or x.dtype != np.uint8 or len(x) < count:
        raise InvalidInput(
            f"{source} has {len(x)} training examples of shape {x.shape[1:]} and type {x.dtype}: the benchmarks "
            f"expected at least {count} images of 28 by 28 bytes; give MNIST's idx files, or fewer examples."
        )
    return x[:count]


def digit_images(count: int) -> np.ndarray:
    """Returns the first of scikit-learn's digits as rows of 64 whole numbers from 0 to 16."""
    return np.asarray(load_digits(return_X_y=True)[0][:count], np.uint8)
