"""What one member of a population carries from step to step and from epoch to epoch."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ae_jax.autoencoders import Autoencoder
from ae_jax.types import Key, Params, Shape

INIT, TRAIN, VALIDATE = 0, 1, 2
"""What a key folded from a member's seed is for."""


class State(NamedTuple):
    """What a step changes.

    Attributes:
      params: the parameters.
      optimizer: the state of the Optax transformation.
      step: how many steps were taken.
    """

    params: Params
    optimizer: Any
    step: Int[Array, "..."]


class Selection(NamedTuple):
    """The best parameters so far and whether training goes on.

    Attributes:
      params: those of the epoch with the lowest validation loss; the latest where there is no validation split.
      loss: that validation loss, infinite before the first epoch.
      epoch: that epoch, counted from 1; 0 before the first.
      waited: epochs since then.
      running: false once patience ran out or a value was not finite.
      finite: false once a value was not finite.
    """

    params: Params
    loss: Float[Array, "..."]
    epoch: Int[Array, "..."]
    waited: Int[Array, "..."]
    running: Bool[Array, "..."]
    finite: Bool[Array, "..."]


def key_for(seed: Any, purpose: int, *position: Any) -> Key:
    """The key of a member's seed for a purpose and a position (epoch, step), whatever else is trained beside it."""
    key = jax.random.fold_in(jax.random.key(seed), purpose)
    for index in position:
        key = jax.random.fold_in(key, index)
    return key


def initial(autoencoder: Autoencoder, shape: Shape, seed: Any) -> tuple[State, Selection]:
    """A member before its first step, its parameters drawn from its seed alone."""
    params = autoencoder.init(shape, key_for(seed, INIT))
    optimizer = autoencoder.optimizer.transformation().init(params)
    # Of the types that an epoch gives: of weak types, the second epoch would compile the program again.
    none = jnp.zeros((), jnp.int32)
    selection = Selection(
        params=params,
        loss=jnp.asarray(jnp.inf, jnp.result_type(float)),
        epoch=none,
        waited=none,
        running=jnp.asarray(True),
        finite=jnp.asarray(True),
    )
    return State(params, optimizer, none), selection
