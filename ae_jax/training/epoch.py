"""One epoch of one member: a scan of steps, validation, and selection of the best parameters."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ae_jax.data import Scaling
from ae_jax.models import Autoencoder
from ae_jax.networks import functional
from ae_jax.objectives import mark_missing
from ae_jax.training.config import OnDivergence, Precision
from ae_jax.training.mesh import over_data
from ae_jax.training.state import TRAIN, VALIDATE, BatchIndices, BestState, EpochInfo, State, key_for
from ae_jax.training.step import algorithm, all_finite, select_tree
from ae_jax.types import Batch, Key, Metrics, ModelState, Params

ROLLBACKS = 10
"""Number of times that a member goes back and halves its learning rate before it stops."""

_ONE_BATCH = 512
"""Validation splits up to this size are one batch."""


class Member(NamedTuple):
    """One member of a population; of a whole population, every leaf has a leading member axis.

    ``validation`` are the rows of the training data that the member is validated on, ``[n]``; None for the validation
    split that all members share.
    """

    state: State
    best: BestState
    autoencoder: Autoencoder
    seed: Any
    validation: Any = None


class EpochData(NamedTuple):
    """The arrays that the epochs of all members share.

    Attributes:
      train: training examples before scaling, in their storage type, and their conditions.
      validation: the same of the validation split; None where there is none, or each member has its own rows.
      scaling: maps stored values to model units.
      patience: epochs without a lower validation metric after which a member stops; infinite for none.
      last_step: the last step of training, at which validation takes the value of schedules.
    """

    train: Any
    validation: Batch | None
    scaling: Scaling
    patience: Any
    last_step: Any


class EpochSettings(NamedTuple):
    """The static settings of an epoch's program: ``steps`` of one dispatch, and whether it finishes the epoch."""

    batch_size: int
    steps: int
    finish: bool = True
    on_divergence: OnDivergence = "stop"
    vmap_size: int | None = None
    precision: Precision = "float32"


def batch_indices(seed: Any, position: tuple[Any, ...], examples: int, batch_size: int) -> BatchIndices:
    """The batches of an epoch, or of a chunk of it, derived from a member's seed and the position alone."""
    key = key_for(seed, TRAIN, *position)
    rows = shuffled_batches(jax.random.fold_in(key, 0), examples, batch_size)
    return BatchIndices(rows, jax.random.split(jax.random.fold_in(key, 1), len(rows)))


def shuffled_batches(key: Key, examples: int, batch_size: int) -> Array:
    """Shuffled rows ``[steps, batch_size]``, each example at least once; the first ones complete the last batch.

    Example:
      >>> rows = shuffled_batches(jax.random.key(0), examples=5, batch_size=2)
      >>> rows.shape, sorted(set(rows.ravel().tolist()))
      ((3, 2), [0, 1, 2, 3, 4])
    """
    order = jax.random.permutation(key, examples)
    missing = -examples % batch_size
    return jnp.concatenate([order, order[:missing]]).reshape(-1, batch_size)


def train_epoch(
    member: Member,
    indices: BatchIndices,
    data: EpochData,
    on_divergence: OnDivergence = "stop",
    precision: Precision = "float32",
) -> tuple[State, Metrics]:
    """Trains a member on minibatches; returns its state and each metric's mean over the steps that were not skipped."""
    one_step = algorithm(member.autoencoder, data.train.x.shape[1:], on_divergence, precision).step

    def body(state: State, inputs: BatchIndices) -> tuple[State, Metrics]:
        batch = _scaled(_rows_of(data.train, inputs.rows), data, member.autoencoder)
        return one_step(state, inputs.keys, over_data(batch))

    state, metrics = jax.lax.scan(body, member.state, indices)
    return state, jax.tree.map(jnp.nanmean if on_divergence == "skip" else jnp.mean, metrics)


def _rows_of(examples: Batch, rows: Array) -> Batch:
    return jax.tree.map(lambda values: values.at[rows].get(mode="promise_in_bounds"), examples)


def _scaled(batch: Batch, data: EpochData, autoencoder: Autoencoder) -> Batch:
    batch = batch._replace(x=data.scaling(batch.x))
    return mark_missing(batch) if autoencoder.objective.uses_observed else batch


def validate(
    state: State, autoencoder: Autoencoder, key: Key, data: EpochData, batch_size: int, own: Array | None = None
) -> Metrics:
    """The mean of every term and of the loss over the validation split, each example once, in evaluation mode.

    The split is that of the data, or the member's ``own`` rows of the training data.

    Weights that a schedule changes are those of the last step of training, so that losses of different epochs measure
    the same quantity. The split is one batch where it is small, else batches of nearly one size, at most that of
    training: a remainder of one or two examples would distort terms that are functions of a batch.
    """
    source: Any = data.validation if own is None else data.train
    split = source if own is None else own
    examples, spec = len(jax.tree.leaves(split)[0]), autoencoder.spec(source.x.shape[1:])
    count = 1 if examples <= _ONE_BATCH else -(-examples // batch_size)
    size, longer = divmod(examples, count)

    def of_one(inputs: tuple[Key, Any]) -> Metrics:
        model = functional.bind(spec, state.evaluated, state.model_state)
        raw = inputs[1] if own is None else _rows_of(source, inputs[1])
        batch = over_data(_scaled(raw, data, autoencoder))
        loss, metrics = autoencoder.objective(model, inputs[0], batch, data.last_step)
        return metrics | {"loss": loss}

    def of_batches(purpose: int, part: Any, batch: int) -> Metrics:
        """The share of a part of the split, examples or rows, in each mean."""
        count = len(jax.tree.leaves(part)[0])
        keys = jax.random.split(jax.random.fold_in(key, purpose), count // batch)
        batches = jax.tree.map(lambda values: values.reshape(-1, batch, *values.shape[1:]), part)
        share = count / examples
        return jax.tree.map(lambda values: share * jnp.mean(values), jax.lax.map(of_one, (keys, batches)))

    cut = longer * (size + 1)
    means = of_batches(0, jax.tree.map(lambda values: values[cut:], split), size)
    if longer:
        longer_means = of_batches(1, jax.tree.map(lambda values: values[:cut], split), size + 1)
        means = jax.tree.map(jnp.add, means, longer_means)
    return means


def advance(
    member: Member, indices: BatchIndices, number: Any, data: EpochData, settings: EpochSettings
) -> tuple[State, BestState, EpochInfo]:
    """One epoch of one member, by its number from 1, or a chunk of one; the end of the epoch validates it.

    A member that has stopped, or whose values are not finite, keeps the state it had, and stops. Under ``"skip"`` it
    stops once every step of a whole epoch was skipped. Under ``"rollback"`` it goes on from the state it had at half
    the learning rate, :data:`ROLLBACKS` times at most.
    """
    state, best, autoencoder, _, own = member
    policy = settings.on_divergence
    trained, metrics = train_epoch(member, indices, data, policy, settings.precision)
    taken = trained.step - state.step - (trained.skipped - state.skipped)
    history = {"train": metrics}
    loss_of_start = best.loss
    validated = settings.finish and (data.validation is not None or own is not None)
    if validated:
        values, loss_of_start = _validate_both(member, trained, number, data, settings.batch_size)
        # Of a member that stopped in an earlier chunk these would be values of parameters that are not kept.
        history["validation"] = jax.tree.map(lambda value: jnp.where(best.running, value, jnp.nan), values)
    known = history
    if policy == "skip":  # steps that were all skipped have no mean
        known = history | {"train": jax.tree.map(lambda mean: jnp.where(taken > 0, mean, 0.0), metrics)}
    finite = all_finite((known, trained.params, trained.model_state, trained.optimizer))
    if policy == "skip" and settings.finish:  # at least one step of the epoch was not skipped
        finite &= trained.skipped - best.skipped < trained.step // number
    keeps = best.running & finite
    again = jnp.zeros_like(keeps)
    if policy == "rollback":
        again = best.running & ~finite & (best.undone < ROLLBACKS)
        state = state._replace(scale=jnp.where(again, 0.5 * state.scale, state.scale))
        best = best._replace(undone=best.undone + again)

    state = select_tree(keeps, trained, state)
    best = best._replace(running=keeps | again, finite=best.finite & (finite | again | ~best.running))
    if settings.finish:
        metric = autoencoder.objective.selection
        loss = None if metric is None or not validated else history["validation"][metric]
        if loss is not None:
            best = best._replace(loss=loss_of_start)
        best = select(best, keeps, trained, loss, number, data.patience)
    return state, best, EpochInfo(taken, history)


def _validate_both(
    member: Member, trained: State, number: Any, data: EpochData, batch_size: int
) -> tuple[Metrics, Array]:
    """The validation metrics after an epoch, and the lowest before it.

    In the first epoch of networks that start from data that is the metric of their start, which one loop measures, so
    that validation is compiled once.
    """
    _, best, autoencoder, seed, own = member
    metric = autoencoder.objective.selection

    def values_of(params: Params, model_state: ModelState) -> Metrics:
        state = trained._replace(params=params, model_state=model_state, average={})
        return validate(state, autoencoder, key_for(seed, VALIDATE), data, batch_size, own)

    if metric is None or not functional.starts_from_data(autoencoder.spec(data.train.x.shape[1:])):
        return values_of(trained.evaluated, trained.model_state), best.loss

    def body(turn: Any, found: tuple[Metrics, Array]) -> tuple[Metrics, Array]:
        start, after = (best.params, best.model_state), (trained.evaluated, trained.model_state)
        params, model_state = select_tree(turn == 0, start, after)
        values = values_of(params, model_state)
        return values, jnp.where(turn == 0, values[metric], found[1])

    none = jax.tree.map(
        lambda value: jnp.zeros(value.shape, value.dtype), jax.eval_shape(values_of, best.params, best.model_state)
    )
    return jax.lax.fori_loop(jnp.where(number == 1, 0, 1), 2, body, (none, best.loss))


def select(best: BestState, counts: Any, state: State, loss: Any, number: Any, patience: Any) -> BestState:
    """The best state after an epoch: the epoch's own where it counts and its validation metric is lower or None."""
    better = counts if loss is None else counts & (loss < best.loss)
    waited = jnp.where(better, 0, best.waited + best.running)
    return best._replace(
        params=select_tree(better, state.evaluated, best.params),
        model_state=select_tree(better, state.model_state, best.model_state),
        loss=best.loss if loss is None else jnp.where(better, loss, best.loss),
        epoch=jnp.where(better, number, best.epoch),
        waited=waited,
        running=best.running & (waited < patience),
        skipped=jnp.where(counts, state.skipped, best.skipped),
    )
