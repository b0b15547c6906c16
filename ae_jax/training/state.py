"""The state that one member of a population carries from step to step and from epoch to epoch."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ae_jax.optimizers import averages_of, transformation_of
from ae_jax.types import Key, ModelState, Params

INIT, TRAIN, VALIDATE = 0, 1, 2
"""The purposes of keys that are folded from a member's seed."""


class State(NamedTuple):
    """Everything that a step changes.

    Attributes:
      params: the parameters of the model.
      model_state: its variables that are not trained.
      optimizer: the state of the Optax transformation.
      step: number of steps taken.
      skipped: number of steps that changed nothing, since their loss or gradient was not finite.
      scale: factor of the updates: one, halved at each rollback.
      average: moving average of the parameters of each part whose optimiser has one.
    """

    params: Params
    model_state: ModelState
    optimizer: Any
    step: Int[Array, "..."]
    skipped: Int[Array, "..."]
    scale: Float[Array, "..."]
    average: dict[str, Any]

    @property
    def evaluated(self) -> Params:
        """The parameters that are validated and kept: averages, and of other parts the latest."""
        return self.params | self.average


class BestState(NamedTuple):
    """The best parameters so far, and whether training goes on.

    Attributes:
      params, model_state: those of the epoch with the lowest validation metric; of the latest epoch where there is no
        validation split or the objective selects by no metric.
      loss: that validation metric, infinite before the first epoch.
      epoch: that epoch, counted from 1; 0 before the first.
      waited: epochs since then.
      running: false once patience ran out or a value was not finite.
      finite: false once a value was not finite and the policy offered no way on.
      undone: number of epochs, or chunks of them, that were rolled back.
      skipped: number of steps skipped until the end of the latest epoch that was kept.
    """

    params: Params
    model_state: ModelState
    loss: Float[Array, "..."]
    epoch: Int[Array, "..."]
    waited: Int[Array, "..."]
    running: Bool[Array, "..."]
    finite: Bool[Array, "..."]
    undone: Int[Array, "..."]
    skipped: Int[Array, "..."]


class EpochInfo(NamedTuple):
    """The result of an epoch, or of a chunk of one.

    Attributes:
      taken: number of its steps that were not skipped.
      metrics: split -> term -> its mean, that of training over the steps that were not skipped.
    """

    taken: Int[Array, "..."]
    metrics: dict[str, dict[str, Any]]


class BatchIndices(NamedTuple):
    """The rows of the examples, ``[steps, batch]``, and the key of each step of an epoch or of a chunk of it."""

    rows: Int[Array, "... steps batch"]
    keys: Key


def key_for(seed: Any, purpose: int, *position: Any) -> Key:
    """The key of a member's seed for a purpose and a position (epoch, chunk), independent of other members."""
    key = jax.random.fold_in(jax.random.key(seed), purpose)
    for index in position:
        key = jax.random.fold_in(key, index)
    return key


def init_state(params: Params, model_state: ModelState, optimizer: Any) -> State:
    """The state before the first step, of an optimiser or one of each part."""
    # Of the types that an epoch returns: weak types would make the second epoch compile the program again.
    none = jnp.zeros((), jnp.int32)
    one, average = jnp.ones((), jnp.result_type(float)), {part: params[part] for part in averages_of(optimizer, params)}
    return State(params, model_state, transformation_of(optimizer).init(params), none, none, one, average)


def init_best(state: State) -> BestState:
    """The best state before the first epoch: the initial one."""
    none, true = jnp.zeros((), jnp.int32), jnp.asarray(True)
    loss = jnp.asarray(jnp.inf, jnp.result_type(float))
    return BestState(state.params, state.model_state, loss, none, none, true, true, undone=none, skipped=none)
