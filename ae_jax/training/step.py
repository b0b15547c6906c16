"""One step and one epoch of one member, as pure functions."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from ae_jax.autoencoders import Autoencoder
from ae_jax.data.scaling import Scaling
from ae_jax.training.state import TRAIN, VALIDATE, Selection, State, key_for
from ae_jax.types import Key, Metrics

_ONE_BATCH = 512


def step(state: State, autoencoder: Autoencoder, key: Key, x: Float[Array, "batch *shape"]) -> tuple[State, Metrics]:
    """One gradient step on a batch in model units; metrics are those of the parameters before it, with the loss."""

    def loss_of(params: Any) -> tuple[Array, Metrics]:
        return autoencoder.objective(autoencoder.bind(x.shape[1:], params), key, x, state.step)

    (loss, metrics), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    updates, optimizer = autoencoder.optimizer.transformation().update(gradient, state.optimizer, state.params)
    params = optax.apply_updates(state.params, updates)
    return State(params, optimizer, state.step + 1), metrics | {"loss": loss}  # pyright: ignore[reportArgumentType]


def epoch(
    state: State, autoencoder: Autoencoder, key: Key, stored: Array, scaling: Scaling, batch_size: int
) -> tuple[State, Metrics]:
    """A scan of steps over shuffled minibatches that sees every example.

    The last batch is completed from the start of the epoch's own permutation.

    Args:
      state: the member's.
      autoencoder: the member's.
      key: of the epoch, or of its chunk; shuffling and each step fold their own from it.
      stored: all training examples, or a chunk of them, ``[n, *shape]``, in their storage type.
      scaling: brings a batch of them to model units.
      batch_size: examples in a step, at most n.

    Returns:
      The state after the epoch, and the mean over steps of every term and of the loss.
    """
    order = batches(jax.random.fold_in(key, 0), len(stored), batch_size)
    step_keys = jax.random.split(jax.random.fold_in(key, 1), len(order))

    def body(state: State, inputs: tuple[Array, Key]) -> tuple[State, Metrics]:
        rows, step_key = inputs
        x = scaling(stored.at[rows].get(mode="promise_in_bounds"))
        return step(state, autoencoder, step_key, x)

    state, metrics = jax.lax.scan(body, state, (order, step_keys))
    return state, jax.tree.map(jnp.mean, metrics)


def batches(key: Key, examples: int, batch_size: int) -> Array:
    """Shuffled rows ``[steps, batch_size]``, each example at least once.

    Example:
      >>> rows = batches(jax.random.key(0), examples=5, batch_size=2)
      >>> rows.shape, sorted(set(rows.ravel().tolist()))
      ((3, 2), [0, 1, 2, 3, 4])
    """
    order = jax.random.permutation(key, examples)
    missing = -examples % batch_size
    return jnp.concatenate([order, order[:missing]]).reshape(-1, batch_size)


def evaluate(
    state: State,
    autoencoder: Autoencoder,
    key: Key,
    stored: Array,
    scaling: Scaling,
    batch_size: int,
    last_step: Any,
) -> Metrics:
    """Every term and the loss over a held-out split, each example once.

    Weights that a schedule changes are those of the last step of training, so that losses of different epochs measure
    the same thing. The split is one batch where it is small, else batches of nearly one size, at most the training's:
    a remainder of one or two examples would mean little to terms that are functions of a batch.
    """
    networks = autoencoder.bind(stored.shape[1:], state.params)
    count = 1 if len(stored) <= _ONE_BATCH else -(-len(stored) // batch_size)
    size, longer = divmod(len(stored), count)

    def of_batches(purpose: int, rows: Array, batch: int) -> tuple[float, Metrics]:
        def of_one(inputs: tuple[Key, Array]) -> Metrics:
            loss, metrics = autoencoder.objective(networks, inputs[0], scaling(inputs[1]), last_step)
            return metrics | {"loss": loss}

        keys = jax.random.split(jax.random.fold_in(key, purpose), len(rows) // batch)
        means = jax.lax.map(of_one, (keys, rows.reshape(-1, batch, *stored.shape[1:])))
        return len(rows) / len(stored), jax.tree.map(jnp.mean, means)

    split = longer * (size + 1)
    parts = [of_batches(0, stored[split:], size)]
    if longer:
        parts.append(of_batches(1, stored[:split], size + 1))
    weighted = [jax.tree.map(lambda mean, share=share: share * mean, means) for share, means in parts]
    return jax.tree.map(lambda *values: sum(values), *weighted)


def advance(
    state: State,
    selection: Selection,
    autoencoder: Autoencoder,
    seed: Any,
    position: tuple[Any, ...],
    train: Array,
    validation: Array | None,
    scaling: Scaling,
    patience: Any,
    last_step: Any,
    batch_size: int,
    finish: bool,
) -> tuple[State, Selection, dict[str, Metrics]]:
    """One epoch of one member, or a chunk of one; at the end of the epoch it is validated and the best is kept.

    A member that is stopped, or where a value was not finite, keeps the state it had, and stops.

    Args:
      state, selection: the member's.
      autoencoder, seed: who the member is.
      position: of the training examples: the epoch's number, from 1, and a chunk's, where there are several.
      train, validation: stored examples; without validation the latest parameters are the best.
      scaling: brings them to model units.
      patience: epochs without a lower validation loss after which the member stops.
      last_step: of training, at which validation takes the value of schedules.
      batch_size: examples in a step.
      finish: whether the epoch ends here.

    Returns:
      State and selection afterwards, and the metrics of each split, those of training as means over the steps.
    """
    trained, metrics = epoch(state, autoencoder, key_for(seed, TRAIN, *position), train, scaling, batch_size)
    history = {"train": metrics}
    if finish and validation is not None:
        key = key_for(seed, VALIDATE)
        values = evaluate(trained, autoencoder, key, validation, scaling, batch_size, last_step)
        # Of a member that stopped in an earlier chunk these would be values of parameters that nobody keeps.
        history["validation"] = jax.tree.map(lambda value: jnp.where(selection.running, value, jnp.nan), values)
    finite = all_finite((history, trained.params))
    keeps = selection.running & finite
    state = _choose(keeps, trained, state)
    selection = selection._replace(running=keeps, finite=selection.finite & (finite | ~selection.running))
    if finish:
        loss = history["validation"]["loss"] if validation is not None else None
        selection = _select(selection, trained.params, loss, position[0], patience)
    return state, selection, history


def _select(selection: Selection, params: Any, loss: Any, number: Any, patience: Any) -> Selection:
    """The selection after an epoch of that number: better where its validation loss is lower, or where it has none."""
    keeps = selection.running
    better = keeps if loss is None else keeps & (loss < selection.loss)
    waited = jnp.where(better, 0, selection.waited + keeps)
    return selection._replace(
        params=_choose(better, params, selection.params),
        loss=selection.loss if loss is None else jnp.where(better, loss, selection.loss),
        epoch=jnp.where(better, number, selection.epoch),
        waited=waited,
        running=keeps & (waited < patience),
    )


def all_finite(tree: Any) -> Array:
    """Whether every number of a tree is finite."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def _choose(condition: Array, chosen: Any, otherwise: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), chosen, otherwise)
