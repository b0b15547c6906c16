"""One step and one epoch of one member, as pure functions."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from ae_jax.data.scaling import Scaling
from ae_jax.models import Autoencoder
from ae_jax.training.mesh import over_data
from ae_jax.training.state import TRAIN, VALIDATE, Order, Selection, State, Trained, key_for
from ae_jax.types import Key, Metrics

OnDivergence = Literal["stop", "skip", "rollback"]
"""What is done about a loss, a gradient or a moment of the optimiser that is not finite."""

ROLLBACKS = 10
"""How often a member goes back and halves its rate before it stops."""

_ONE_BATCH = 512


def step(
    state: State,
    autoencoder: Autoencoder,
    key: Key,
    x: Float[Array, "batch *shape"],
    on_divergence: OnDivergence = "stop",
) -> tuple[State, Metrics]:
    """One gradient step on a batch in model units; metrics are those of the parameters before it, with the loss.

    Under ``"skip"`` a step whose loss or gradient is not finite, or what the optimiser makes of it (the square of 1e20
    is infinite), changes nothing but the counts of steps, and its metrics are NaN.
    """

    def loss_of(params: Any) -> tuple[Array, Metrics]:
        return autoencoder.objective(autoencoder.bind(x.shape[1:], params), key, x, state.step)

    (loss, metrics), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    updates, optimizer = autoencoder.optimizer.transformation().update(gradient, state.optimizer, state.params)
    if on_divergence == "rollback":
        updates = jax.tree.map(lambda update: state.scale * update, updates)
    params = optax.apply_updates(state.params, updates)
    after = state._replace(params=params, optimizer=optimizer, step=state.step + 1)  # pyright: ignore[reportArgumentType]
    metrics = metrics | {"loss": loss}
    if on_divergence == "skip":
        good = all_finite((loss, gradient, optimizer))
        after = _choose(good, after, state._replace(step=state.step + 1, skipped=state.skipped + 1))
        metrics = jax.tree.map(lambda value: jnp.where(good, value, jnp.nan), metrics)
    return after, metrics


def epoch(
    state: State,
    autoencoder: Autoencoder,
    order: Order,
    stored: Array,
    scaling: Scaling,
    on_divergence: OnDivergence = "stop",
) -> tuple[State, Metrics]:
    """A scan of steps over shuffled minibatches.

    Args:
      state: the member's.
      autoencoder: the member's.
      order: which examples each step takes, and its key.
      stored: training examples, ``[n, *shape]``, in their storage type.
      scaling: brings a batch of them to model units.
      on_divergence: as in :func:`step`.

    Returns:
      The state afterwards, and the mean over steps of every term and of the loss; over those not skipped.
    """

    def body(state: State, inputs: Order) -> tuple[State, Metrics]:
        x = over_data(scaling(stored.at[inputs.rows].get(mode="promise_in_bounds")))
        return step(state, autoencoder, inputs.keys, x, on_divergence)

    state, metrics = jax.lax.scan(body, state, order)
    return state, jax.tree.map(jnp.nanmean if on_divergence == "skip" else jnp.mean, metrics)


def order_of(seed: Any, position: tuple[Any, ...], examples: int, batch_size: int) -> Order:
    """The order of an epoch, or of a chunk of it, by a member's seed and the position alone."""
    key = key_for(seed, TRAIN, *position)
    rows = batches(jax.random.fold_in(key, 0), examples, batch_size)
    return Order(rows, jax.random.split(jax.random.fold_in(key, 1), len(rows)))


def batches(key: Key, examples: int, batch_size: int) -> Array:
    """Shuffled rows ``[steps, batch_size]``, each example at least once.

    The last batch is completed from the start of the same order.

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
            loss, metrics = autoencoder.objective(networks, inputs[0], over_data(scaling(inputs[1])), last_step)
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
    order: Order,
    number: Any,
    train: Array,
    validation: Array | None,
    scaling: Scaling,
    patience: Any,
    last_step: Any,
    batch_size: int,
    finish: bool,
    on_divergence: OnDivergence,
) -> tuple[State, Selection, Trained]:
    """One epoch of one member, or a part of one; at the end of the epoch it is validated and the best is kept.

    A member that is stopped, or where a value was not finite, keeps the state it had, and stops. Under ``"skip"`` it
    does so once every step of a whole epoch, be it a single one, was skipped. Under ``"rollback"`` it goes on from the
    state it had at half the rate, :data:`ROLLBACKS` times at most.

    Args:
      state, selection: the member's.
      autoencoder, seed: who the member is.
      order: of the examples.
      number: of the epoch, from 1.
      train, validation: stored examples; without validation the latest parameters are the best.
      scaling: brings them to model units.
      patience: epochs without a lower validation loss after which the member stops.
      last_step: of training, at which validation takes the value of schedules.
      batch_size: examples in a step.
      finish: whether the epoch ends here.
      on_divergence: what is done about a value that is not finite.

    Returns:
      State and selection afterwards, and what the steps gave.
    """
    trained, metrics = epoch(state, autoencoder, order, train, scaling, on_divergence)
    taken = trained.step - state.step - (trained.skipped - state.skipped)
    history = {"train": metrics}
    if finish and validation is not None:
        key = key_for(seed, VALIDATE)
        values = evaluate(trained, autoencoder, key, validation, scaling, batch_size, last_step)
        # Of a member that stopped in an earlier part these would be values of parameters that nobody keeps.
        history["validation"] = jax.tree.map(lambda value: jnp.where(selection.running, value, jnp.nan), values)
    known = history
    if on_divergence == "skip":  # of steps that were all skipped there is no mean
        known = history | {"train": jax.tree.map(lambda mean: jnp.where(taken > 0, mean, 0.0), metrics)}
    finite = all_finite((known, trained.params, trained.optimizer))
    if on_divergence == "skip" and finish:  # some step of the epoch, which are as many in each, was not skipped
        finite &= trained.skipped - selection.skipped < trained.step // number
    keeps = selection.running & finite
    again = jnp.zeros_like(keeps)
    if on_divergence == "rollback":
        again = selection.running & ~finite & (selection.undone < ROLLBACKS)
        state = state._replace(scale=jnp.where(again, 0.5 * state.scale, state.scale))
        selection = selection._replace(undone=selection.undone + again)
    state = _choose(keeps, trained, state)
    selection = selection._replace(
        running=keeps | again, finite=selection.finite & (finite | again | ~selection.running)
    )
    if finish:
        loss = history["validation"]["loss"] if validation is not None else None
        selection = select(selection, keeps, trained, loss, number, patience)
    return state, selection, Trained(taken, history)


def select(selection: Selection, counts: Any, state: State, loss: Any, number: Any, patience: Any) -> Selection:
    """The selection after an epoch of that number, where it counts: better by a lower validation loss, or by none.

    Args:
      selection: before it.
      counts: whether the epoch does.
      state: after it.
      loss: what it is judged by, on the validation split; None takes the latest epoch for the best.
      number: of the epoch, from 1.
      patience: epochs without a lower loss after which the member stops.
    """
    better = counts if loss is None else counts & (loss < selection.loss)
    waited = jnp.where(better, 0, selection.waited + selection.running)
    return selection._replace(
        params=_choose(better, state.params, selection.params),
        loss=selection.loss if loss is None else jnp.where(better, loss, selection.loss),
        epoch=jnp.where(better, number, selection.epoch),
        waited=waited,
        running=selection.running & (waited < patience),
        skipped=jnp.where(counts, state.skipped, selection.skipped),
    )


def all_finite(tree: Any) -> Array:
    """Whether every number of a tree is finite."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def _choose(condition: Array, chosen: Any, otherwise: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), chosen, otherwise)
