"""One training step of one member, as a pure function of its state, a key and a batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from ae_jax.models import Autoencoder
from ae_jax.networks import functional
from ae_jax.optimizers import averages_of
from ae_jax.training.config import OnDivergence, Precision
from ae_jax.training.state import State, init_state
from ae_jax.types import Batch, Key, Metrics, Shape

_STREAMS = 0x5EED
"""Folded into a step's key for the random streams inside modules, such as dropout's."""


class Algorithm(NamedTuple):
    """The training of one autoencoder on examples of one shape, as two pure functions.

    Attributes:
      init: ``(key) -> state``, before the first step.
      step: ``(state, key, batch) -> (state, metrics)``, one gradient step on a batch in model units. The metrics are
        those of the parameters before it, with ``loss``.
    """

    init: Callable[[Key], State]
    step: Callable[[State, Key, Batch], tuple[State, Metrics]]


def algorithm(
    autoencoder: Autoencoder, shape: Shape, on_divergence: OnDivergence = "stop", precision: Precision = "float32"
) -> Algorithm:
    """The training of an autoencoder, for loops of your own; :func:`ae_jax.fit` uses the same step.

    Args:
      autoencoder: its numbers may be traced.
      shape: of one example.
      on_divergence: under ``"skip"`` a step whose loss, gradient or optimiser state is not finite changes nothing but
        the counts of steps, and its metrics are NaN; under ``"rollback"`` updates are scaled by ``state.scale``.
      precision: of the networks' computations; parameters and losses stay in 32 bits.

    Example:
      >>> import ae_jax
      >>> init, step = algorithm(ae_jax.undercomplete(code=2, hidden=()), (8, 8))
      >>> state, metrics = jax.jit(step)(init(jax.random.key(0)), jax.random.key(1), Batch(jnp.ones((4, 8, 8))))
      >>> int(state.step), sorted(metrics)
      (1, ['loss', 'squared_error'])
    """
    spec, transformation = autoencoder.spec(shape), autoencoder.transformation()
    dtype = None if precision == "float32" else jnp.dtype(precision)

    def init(key: Key) -> State:
        return init_state(*functional.init(spec, key), autoencoder.optimizer)

    def step(state: State, key: Key, batch: Batch) -> tuple[State, Metrics]:
        def loss_of(params: Any) -> tuple[Array, tuple[Metrics, Any]]:
            model = functional.bind(spec, params, state.model_state, jax.random.fold_in(key, _STREAMS), dtype)
            loss, metrics = autoencoder.objective(model, key, batch, state.step)
            after = functional.state_of(spec, model)
            return loss, (metrics, jax.tree.map(lambda new, old: new.astype(old.dtype), after, state.model_state))

        (loss, (metrics, model_state)), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        updates, optimizer = transformation.update(gradient, state.optimizer, state.params)
        if on_divergence == "rollback":
            updates = jax.tree.map(lambda update: state.scale * update, updates)
        params: Any = optax.apply_updates(state.params, updates)
        average = {
            part: _moved(state.average[part], params[part], decay, state.step)
            for part, decay in averages_of(autoencoder.optimizer, params).items()
        }
        after = State(params, model_state, optimizer, state.step + 1, state.skipped, state.scale, average)
        metrics = metrics | {"loss": loss}
        if on_divergence == "skip":
            good = all_finite((loss, gradient, optimizer, model_state))
            after = select_tree(good, after, state._replace(step=state.step + 1, skipped=state.skipped + 1))
            metrics = jax.tree.map(lambda value: jnp.where(good, value, jnp.nan), metrics)
        return after, metrics

    return Algorithm(init, step)


def _moved(average: Any, params: Any, decay: Any, step: Any) -> Any:
    """A moving average after one more step; the first steps count more, so that the start is soon forgotten."""
    share = 1.0 - jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda before, latest: before + share * (latest - before), average, params)


def all_finite(tree: Any) -> Array:
    """Whether every number of a tree, and the sum of each leaf, is finite; one reduction of each compiles fast."""
    sums = [jnp.sum(leaf, dtype=jnp.result_type(float)) for leaf in jax.tree.leaves(tree)]
    return jnp.isfinite(sum(0.0 * each for each in sums))


def select_tree(condition: Array, chosen: Any, otherwise: Any) -> Any:
    """One of two trees, by a traced condition."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), chosen, otherwise)
