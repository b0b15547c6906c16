"""What one member of a population carries from step to step and from epoch to epoch."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ae_jax.models import Autoencoder
from ae_jax.optimizers import Optimizer
from ae_jax.types import Key, Params, Shape

INIT, TRAIN, VALIDATE = 0, 1, 2
"""What a key folded from a member's seed is for."""


class State(NamedTuple):
    """What a step changes.

    Attributes:
      params: the parameters.
      optimizer: the state of the Optax transformation.
      step: how many steps were taken.
      skipped: how many of them changed nothing, as their loss or gradient was not finite.
      scale: what updates are multiplied by: one, and half of it after each rollback.
    """

    params: Params
    optimizer: Any
    step: Int[Array, "..."]
    skipped: Int[Array, "..."]
    scale: Float[Array, "..."]


class Selection(NamedTuple):
    """The best parameters so far and whether training goes on.

    Attributes:
      params: those of the epoch with the lowest validation loss; the latest where there is no validation split.
      loss: that validation loss, infinite before the first epoch.
      epoch: that epoch, counted from 1; 0 before the first.
      waited: epochs since then.
      running: false once patience ran out or a value was not finite.
      finite: false once a value was not finite and nothing was to be done about it.
      undone: how many epochs, or chunks of them, were rolled back.
      skipped: how many steps were skipped until the end of the latest epoch that counts.
    """

    params: Params
    loss: Float[Array, "..."]
    epoch: Int[Array, "..."]
    waited: Int[Array, "..."]
    running: Bool[Array, "..."]
    finite: Bool[Array, "..."]
    undone: Int[Array, "..."]
    skipped: Int[Array, "..."]


class Trained(NamedTuple):
    """What came of an epoch, or of a part of one.

    Attributes:
      taken: how many of its steps were not skipped.
      metrics: split -> term -> its mean, that of training over the steps that were not skipped.
    """

    taken: Int[Array, "..."]
    metrics: dict[str, dict[str, Any]]


class Order(NamedTuple):
    """In which order an epoch, or a chunk of it, takes its examples.

    Attributes:
      rows: of the examples of each step, ``[steps, batch]``.
      keys: of each step, ``[steps]``.
    """

    rows: Int[Array, "... steps batch"]
    keys: Key


def key_for(seed: Any, purpose: int, *position: Any) -> Key:
    """The key of a member's seed for a purpose and a position (epoch, step), whatever else is trained beside it."""
    key = jax.random.fold_in(jax.random.key(seed), purpose)
    for index in position:
        key = jax.random.fold_in(key, index)
    return key


def initial(autoencoder: Autoencoder, shape: Shape, seed: Any) -> tuple[State, Selection]:
    """A member before its first step, its parameters drawn from its seed alone."""
    return begun(autoencoder.init(shape, key_for(seed, INIT)), autoencoder.optimizer)


def begun(params: Params, optimizer: Optimizer) -> tuple[State, Selection]:
    """What a member carries that begins with these parameters."""
    # Of the types that an epoch gives: of weak types, the second epoch would compile the program again.
    none = jnp.zeros((), jnp.int32)
    selection = Selection(
        params=params,
        loss=jnp.asarray(jnp.inf, jnp.result_type(float)),
        epoch=none,
        waited=none,
        running=jnp.asarray(True),
        finite=jnp.asarray(True),
        undone=none,
        skipped=none,
    )
    moments = optimizer.transformation().init(params)
    return State(params, moments, none, none, jnp.ones((), jnp.result_type(float))), selection
