"""The works that are compared: networks, loss and data, the same for everybody who does them."""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import numpy as np

from ae_jax.benchmarks.images import digit_images
from ae_jax.errors import InvalidInput
from ae_jax.models import Autoencoder, convolutional, variational
from ae_jax.networks import MLP
from ae_jax.objectives import Contractive, KLSparsity, Reconstruction
from ae_jax.optimizers import Optimizer
from ae_jax.training.population import initial_population, stack, take
from ae_jax.types import Params, Shape

LEARNING_RATE = 1e-3
WHOLE_BATCHES = 512
"""Examples are as many as this divides, as all batch sizes divide it: nobody has a last batch that is smaller."""

Layer = tuple[np.ndarray, np.ndarray]
"""Kernel and bias: ``[inputs, outputs]``, or ``[rows, columns, inputs, outputs]`` of a convolution."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A work at a batch size as arrays and numbers, which is all that a peer is told.

    Attributes:
      images: bytes, ``[n, *shape]``, ``[n, height, width]`` where networks are convolutional.
      scale: what bytes are divided by.
      batch_size: examples in a step.
      encoder: initial kernel and bias of each layer; convolutions first, each of which halves height and width.
      decoder: the same, convolutions last, each followed by two by two sub-pixels.
      activation: after each layer but the last of encoder and decoder: ``"relu"`` or ``"gelu"``, by its tanh form.
      code_activation: ``"linear"`` or ``"sigmoid"``.
      loss: ``"squared_error"``, summed over pixels; or ``"elbo"``, negative, of a Bernoulli likelihood: the encoder
        then gives mean and log-scale of the latents side by side.
      contractive: weight of the encoder's squared Jacobian norm.
      sparsity: weight of the divergence of the code's mean activation from 0.05.
      learning_rate: of Adam, whose other numbers are 0.9, 0.999 and 1e-8.
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
        """Of an epoch."""
        return len(self.images) // self.batch_size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """What is timed: an autoencoder, or a population of them, and against whom.

    Attributes:
      name: what rows call it.
      about: networks and loss, for people.
      autoencoder: makes one from a learning rate.
      shape: of an example.
      batches: sizes of a batch.
      peers: names of those who do the same, :mod:`ae_jax.benchmarks.peers`.
      learning_rates, seeds: of the members, every combination; peers train the first of them, and their time is
        multiplied by the number of members, which they would train one after the other.
      share: of the examples that are trained on; works that take long have less than all.
      steps: of an epoch, at most.
      epochs: of a round, in place of those that are asked for.
      rounds: at most.
      in_mean: whether its rows enter the geometric means.
      digits: trained on the digits in place of the images.
      divided: its members are divided over all devices of this process; a CPU counts as one for each core.
    """

    name: str
    about: str
    autoencoder: Callable[..., Autoencoder]
    shape: tuple[int, ...]
    batches: tuple[int, ...]
    peers: tuple[str, ...]
    learning_rates: tuple[float, ...] = (LEARNING_RATE,)
    seeds: int = 1
    share: float = 1.0
    steps: int | None = None
    epochs: int | None = None
    rounds: int | None = None
    in_mean: bool = True
    digits: bool = False
    divided: bool = False

    @property
    def members(self) -> int:
        """How many are trained at once."""
        return len(self.learning_rates) * self.seeds

    def autoencoders(self) -> list[Autoencoder]:
        """Those that differ in learning rate."""
        return [self.autoencoder(learning_rate=rate) for rate in self.learning_rates]

    def data(self, images: np.ndarray, batch_size: int) -> np.ndarray:
        """The examples that are trained on: a whole number of batches, in the work's shape.

        Raises:
          InvalidInput: they are fewer than a batch.
        """
        count = int(self.share * len(images))
        if self.digits:
            images = digit_images(count)
        count = min(count, len(images), batch_size * (self.steps or count))
        if count < batch_size:
            raise InvalidInput(
                f"the work {self.name} has {count} examples of {len(images)}: expected at least a batch of "
                f"{batch_size}; ask for more examples or a smaller batch."
            )
        return images[: count // batch_size * batch_size].reshape(-1, *self.shape)

    def task(self, images: np.ndarray, batch_size: int) -> Task:
        """What peers are told, with the initial parameters of the first member."""
        first = self.autoencoders()[0]
        return task_of(first, self.data(images, batch_size), batch_size, scale=16.0 if self.digits else 255.0)


def task_of(autoencoder: Autoencoder, images: np.ndarray, batch_size: int, *, scale: float) -> Task:
    """An autoencoder's training on images as arrays and numbers."""
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


def initial_params(autoencoder: Autoencoder, shape: Shape) -> Params:
    """What ``fit`` begins with, with seed 0."""
    state, _ = initial_population(stack([autoencoder]), np.zeros(1, np.uint32), shape)
    return jax.device_get(take(state.params, 0))


def layers_of(params: Params) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """Kernel and bias of each layer of encoder and decoder, dense or convolutional."""
    encoder = [*_in_order(params["encoder"]), *([params["to_code"]] if "to_code" in params else [])]
    decoder = [*([params["from_code"]] if "from_code" in params else []), *_in_order(params["decoder"])]

    def pairs(layers: list[Any]) -> tuple[Layer, ...]:
        return tuple((np.asarray(layer["kernel"]), np.asarray(layer["bias"])) for layer in layers)

    return pairs(encoder), pairs(decoder)


def _in_order(layers: dict[Any, Any]) -> list[Any]:
    return [layers[name] for name in sorted(layers, key=int)]


def dense(*, learning_rate: float, code: int, hidden: tuple[int, ...] = (), penalty: Any = None) -> Autoencoder:
    """A rectifier network with squared error, its code a sigmoid's where there is a penalty on it."""
    return Autoencoder(
        name="dense",
        networks=MLP(hidden=hidden, code=code, code_activation="linear" if penalty is None else "sigmoid"),
        objective=Reconstruction(penalties=() if penalty is None else (penalty,)),
        optimizer=Optimizer(learning_rate=learning_rate),
    )


_EVERYBODY = ("pytorch", "pytorch-compiled", "pythae", "jax-scan")
_BY_HAND = ("pytorch", "pytorch-compiled", "jax-scan")
_VAE = partial(variational, activation="relu")

_WORKS = (
    Work(
        name="autoencoder",
        about="784-512-16 and back, rectifiers, squared error",
        autoencoder=partial(dense, hidden=(512,), code=16),
        shape=(784,),
        batches=(64, 128, 512),
        peers=_EVERYBODY,
    ),
    Work(
        name="vae",
        about="784-512-16 and back, rectifiers, Bernoulli likelihood, one sample",
        autoencoder=partial(_VAE, hidden=(512,), code=16),
        shape=(784,),
        batches=(64, 128, 512),
        peers=_EVERYBODY,
    ),
    Work(
        name="convolutional",
        about="28 x 28, two stages of 16 and 32 channels, code 16, sub-pixels back, GELU, squared error",
        autoencoder=convolutional,
        shape=(28, 28),
        batches=(128,),
        peers=("pytorch", "pytorch-compiled", "pythae", "jax-loop"),
        share=0.25,
    ),
    Work(
        name="convolutional-population",
        about="four of the convolutional ones at once, against as many one after the other",
        autoencoder=convolutional,
        shape=(28, 28),
        batches=(128,),
        peers=("pytorch", "pytorch-compiled"),
        seeds=4,
        share=0.125,
        in_mean=False,
    ),
    Work(
        name="contractive",
        about="784-500 sigmoid and back, squared error, exact penalty, by hand in closed form",
        autoencoder=partial(dense, code=500, penalty=Contractive(weight=0.1)),
        shape=(784,),
        batches=(100,),
        peers=_BY_HAND,
        in_mean=False,
    ),
    Work(
        name="contractive-step",
        about="the same, three steps, the penalty by automatic differentiation",
        autoencoder=partial(dense, code=500, penalty=Contractive(weight=0.1)),
        shape=(784,),
        batches=(100,),
        peers=("pytorch-jacrev", "pytorch-jacfwd"),
        steps=3,
        epochs=3,
        rounds=3,
        in_mean=False,
    ),
    Work(
        name="sparse",
        about="784-1000 sigmoid and back, squared error, divergence from a mean activation of 0.05",
        autoencoder=partial(dense, code=1000, penalty=KLSparsity(target=0.05, weight=1.0)),
        shape=(784,),
        batches=(128,),
        peers=_BY_HAND,
        share=0.5,
    ),
    Work(
        name="sweep",
        about="32 VAEs 64-128-8 on digits (4 learning rates, 8 seeds), against as many one after the other",
        autoencoder=partial(_VAE, hidden=(128,), code=8),
        shape=(64,),
        batches=(32,),
        peers=_EVERYBODY,
        learning_rates=(1e-3, 2e-3, 3e-3, 5e-3),
        seeds=8,
        epochs=50,
        in_mean=False,
        digits=True,
        divided=True,
    ),
)

WORKS: dict[str, Work] = {work.name: work for work in _WORKS}
"""Every work by its name."""


def whole(examples: int) -> int:
    """The examples that are used of so many.

    Example:
      >>> whole(20_000), whole(300)
      (19968, 300)
    """
    return max(min(examples, WHOLE_BATCHES), examples // WHOLE_BATCHES * WHOLE_BATCHES)


def parameters(task: Task) -> int:
    """How many numbers are trained.

    Example:
      >>> from ae_jax.benchmarks.images import blobs
      >>> parameters(WORKS["autoencoder"].task(blobs(64), 64))
      821024
    """
    return sum(math.prod(array.shape) for layer in (*task.encoder, *task.decoder) for array in layer)
