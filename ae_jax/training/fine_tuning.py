"""Supervised fine-tuning: a softmax layer on an encoder's code, and every weight of both trained to name classes."""

import dataclasses
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from ae_jax._checks import positive_whole, require_part, size
from ae_jax.data import Dataset
from ae_jax.data.scaling import Scaling
from ae_jax.data.splits import balanced_rows
from ae_jax.errors import InvalidInput, TrainingDiverged
from ae_jax.losses import categorical_nll
from ae_jax.networks import NetworksBuilder, deterministic
from ae_jax.networks.functional import bind
from ae_jax.optimizers import Optimizer
from ae_jax.training.classifier import Classifier, logits_of
from ae_jax.training.loop import Progress
from ae_jax.training.population import members_at_once, order_of_population, room, side_by_side
from ae_jax.training.run import Run
from ae_jax.training.snapshot import Row, copied, history_of
from ae_jax.training.state import Selection, State, begun
from ae_jax.training.step import all_finite, select
from ae_jax.types import Metrics, Params

GRADIENT_DESCENT = Optimizer(rule="sgd", learning_rate=0.1)
"""What the papers fine-tune by: plain stochastic gradient descent."""

_BATCH = 512
"""Held-out examples that are looked at together."""


class _Labelled(NamedTuple):
    """Examples in their storage type, ``[n, *shape]``, and the number of the class of each, ``[n]``."""

    x: Any
    y: Any


def fine_tune(
    run: Run,
    data: Dataset,
    *,
    epochs: int = 50,
    batch_size: int = 64,
    optimizer: Optimizer = GRADIENT_DESCENT,
    patience: int | None = None,
    labels: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Classifier:
    r"""Trains classifiers that begin with a run's encoders, which pre-training is judged by.

    .. math:: \min_{\theta, W, b} \; -\frac{1}{B} \sum_b \log \mathrm{softmax}(W^\top h_\theta(x_b) + b)_{y_b}

    Each member begins with its encoder and a softmax layer of zeros, sees the batches of its seed, and keeps the
    parameters of the epoch with the lowest validation error, the first of several; without a validation split, the
    latest. Of a run that nobody trained (:func:`ae_jax.training.untrained`), this is supervised training alone.

    Args:
      run: whose encoders are trained on; of a stochastic encoder, the posterior mean.
      data: with labels, in the units that the run was trained on; validation labels, where there are any, choose the
        epoch.
      epochs: how often every example is seen, at most.
      batch_size: examples in a step, at most all.
      optimizer: of encoder and softmax layer alike; what the encoder does not use of a run's parameters is left as it
        is. A leaf of which the encoder uses a part is trained as a whole, which a weight decay shrinks.
      patience: epochs without a lower validation error after which a member stops; None trains all epochs.
      labels: how many training examples are used, by each member those that
        :func:`ae_jax.data.splits.balanced_rows` draws by its seed; None uses all.
      progress: called after each epoch.

    Returns:
      The classifiers, one for each member.

    Raises:
      InvalidInput: no labels, or of one class; streamed data; examples that the run was not trained for; a validation
        label that no training example has; a patience without a validation split; fewer labels than classes, or more
        than examples.
      TrainingDiverged: a loss turned NaN or infinite in every member; in some only, it is a warning, and they keep
        their best parameters. The error's ``run`` is the classifier.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> run = ae_jax.fit(ae_jax.undercomplete(code=8, hidden=()), data, epochs=1)
      >>> classifier = fine_tune(run, data, epochs=10)
      >>> bool(classifier.error(data.test.x, data.test.labels) < 0.25), classifier.predict(data.test.x).shape
      (True, (359,))

    References:
      Hinton and Salakhutdinov, *Reducing the dimensionality of data with neural networks*, Science 2006;
      Rifai et al., *Contractive auto-encoders: explicit invariance during feature extraction*, ICML 2011, section 5.
    """
    epochs, batch_size = size("fine_tune", "epochs", epochs), positive_whole("fine_tune", "batch_size", batch_size)
    classes, train, validation = _labelled(run, data)
    require_part("fine_tune", Optimizer, "one, such as Optimizer(learning_rate=1e-3)", optimizer=optimizer)
    if patience is not None:
        patience = size("fine_tune", "patience", patience)
        if validation is None:
            raise InvalidInput(
                f"fine_tune was given patience={patience} and no labelled validation split: expected one to judge by."
            )
    chosen = _chosen(train.y, None if labels is None else size("fine_tune", "labels", labels), run.seeds)
    examples = chosen.shape[1]
    batch_size = min(batch_size, examples)
    encoder, frozen, width = _divided(run)
    head = {"kernel": jnp.zeros((len(run), width, len(classes))), "bias": jnp.zeros((len(run), len(classes)))}
    # Copied, as a program hands on what it leaves as it was: training gives its state away, and the run keeps its own.
    state, selection = copied(_first({"encoder": encoder, "head": head}, optimizer))
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params)) // len(run)
    seeds, which = np.unique(run.seeds, return_inverse=True)
    advance = partial(
        _advance_population,
        optimizer=optimizer,
        train=jax.device_put(train),
        validation=jax.device_put(validation),
        scaling=run.scaling,
        patience=np.float32(np.inf if patience is None else patience),
        networks=run.autoencoder.networks,
        outputs=run.autoencoder.objective.likelihood.outputs,
        at_once=members_at_once(len(run), parameters, room()),
    )
    rows: list[Row] = []
    running = np.ones(len(run), bool)
    while len(rows) < epochs and running.any():
        number = np.int32(len(rows) + 1)
        order = order_of_population(seeds, which, (number,), examples=examples, batch_size=batch_size).rows
        state, selection, metrics = advance(state, selection, (frozen, chosen, order), number)
        metrics, still = jax.device_get((metrics, selection.running))
        rows.append(Row(running, metrics))
        if progress is not None:
            means = jax.tree.map(lambda values, ran=running: float(np.mean(values[ran])), metrics)
            progress(Progress(run.name, len(rows), epochs, means, int(still.sum())))
        running = still
    classifier = Classifier(
        run=dataclasses.replace(run, params=_whole(selection.params["encoder"], frozen)),
        head=selection.params["head"],
        classes=classes,
        history=history_of(rows),
        best_epoch=np.asarray(selection.epoch),
        finite=np.asarray(selection.finite),
    )
    _report(classifier)
    return classifier


def _labelled(run: Run, data: Dataset) -> tuple[np.ndarray, _Labelled, _Labelled | None]:
    """The classes, the training examples and, where they have labels, those of validation.

    Raises:
      InvalidInput: the data cannot be used.
    """
    if data.stream is not None:
        raise InvalidInput(
            f"{data.name} is streamed: expected data in memory to fine-tune on; raise the device budget."
        )
    if data.train.labels is None:
        raise InvalidInput(f"{data.name} has no labels: expected the class of each example to fine-tune on.")
    classes, y = np.unique(data.train.labels, return_inverse=True)
    if len(classes) < 2:
        raise InvalidInput(f"{data.name} has labels of one class, {classes[0]}: expected at least two classes.")
    train = _Labelled(run.data.raw(data.train.x, f"the train split of {data.name}"), y.astype(np.int32))
    if data.validation.labels is None or not len(data.validation.x):
        return classes, train, None
    unknown = ~np.isin(data.validation.labels, classes)
    if unknown.any():
        raise InvalidInput(
            f"the validation split of {data.name} has the label {data.validation.labels[unknown][0]}, which no "
            "training example has: expected the classes that are trained on."
        )
    x = run.data.raw(data.validation.x, f"the validation split of {data.name}")
    return classes, train, _Labelled(x, np.searchsorted(classes, data.validation.labels).astype(np.int32))


def _chosen(y: np.ndarray, labels: int | None, seeds: np.ndarray) -> np.ndarray:
    """The rows that each member learns from, ``[members, examples]``."""
    if labels is None:
        return np.broadcast_to(np.arange(len(y), dtype=np.int32), (len(seeds), len(y)))
    return np.stack([balanced_rows(y, labels, seed=int(seed)) for seed in seeds]).astype(np.int32)


def _divided(run: Run) -> tuple[Params, Params, int]:
    """What the encoder uses of the run's parameters, what only the decoder does, None in its place, and its width."""

    def encode(params: Params, x: Array) -> Array:
        return deterministic(run.autoencoder.bind(run.shape, params).encode(x))

    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), run.params)
    jaxpr, code = jax.make_jaxpr(encode, return_shape=True)(one, jax.ShapeDtypeStruct((1, *run.shape), jnp.float32))
    read = {id(variable) for equation in jaxpr.jaxpr.eqns for variable in equation.invars}
    leaves, structure = jax.tree.flatten(run.params)
    used = [id(variable) in read for variable in jaxpr.jaxpr.invars[: len(leaves)]]
    encoder = [leaf if reads else None for leaf, reads in zip(leaves, used, strict=True)]
    frozen = [None if reads else leaf for leaf, reads in zip(leaves, used, strict=True)]
    return jax.tree.unflatten(structure, encoder), jax.tree.unflatten(structure, frozen), code.shape[1]


@jax.jit
def _first(params: Params, optimizer: Optimizer) -> tuple[State, Selection]:
    """Every member before its first step."""
    return jax.vmap(lambda own: begun(own, optimizer))(params)


def _whole(encoder: Params, frozen: Params) -> Params:
    """The parameters of networks, of which those trained are None in the one tree and the others in the other."""
    return jax.tree.map(
        lambda mine, other: other if mine is None else mine, encoder, frozen, is_leaf=lambda leaf: leaf is None
    )


# Of networks alone, so that autoencoders that differ in what they were trained by share a program.
@partial(jax.jit, static_argnames=("networks", "outputs", "at_once"), donate_argnames="state")
def _advance_population(
    state: State,
    selection: Selection,
    members: tuple[Any, ...],
    number: Any,
    *,
    optimizer: Optimizer,
    train: _Labelled,
    validation: _Labelled | None,
    scaling: Scaling,
    patience: Any,
    networks: NetworksBuilder,
    outputs: int,
    at_once: int,
) -> tuple[State, Selection, dict[str, Metrics]]:
    """One epoch of every member."""
    one = partial(
        _advance,
        number=number,
        optimizer=optimizer,
        train=train,
        validation=validation,
        scaling=scaling,
        patience=patience,
        bind=partial(bind, networks, train.x.shape[1:], outputs=outputs),
    )
    return side_by_side(one, (state, selection, *members), at_once)


def _advance(
    state: State,
    selection: Selection,
    frozen: Params,
    chosen: Array,
    order: Array,
    *,
    number: Any,
    optimizer: Optimizer,
    train: _Labelled,
    validation: _Labelled | None,
    scaling: Scaling,
    patience: Any,
    bind: Callable[[Params], Any],
) -> tuple[State, Selection, dict[str, Metrics]]:
    """One epoch of one member, validated; one that is stopped, or where a value was not finite, keeps what it had."""

    def judged(params: Params, stored: Array, y: Array) -> tuple[Array, Array]:
        """Negative log-likelihood and error of each example."""
        networks = bind(_whole(params["encoder"], frozen))
        logits = logits_of(networks, params["head"], scaling(stored))
        return categorical_nll(logits, y), jnp.argmax(logits, axis=-1) != y

    def loss_of(params: Params, rows: Array) -> tuple[Array, Metrics]:
        nll, wrong = judged(params, train.x[rows], train.y[rows])
        return jnp.mean(nll), {"categorical_nll": jnp.mean(nll), "error": jnp.mean(wrong)}

    def step(state: State, rows: Array) -> tuple[State, Metrics]:
        gradient, metrics = jax.grad(loss_of, has_aux=True)(state.params, rows)
        updates, moments = optimizer.transformation().update(gradient, state.optimizer, state.params)
        params: Any = optax.apply_updates(state.params, updates)
        return state._replace(params=params, optimizer=moments, step=state.step + 1), metrics

    trained, metrics = jax.lax.scan(step, state, chosen[order])
    history = {"train": jax.tree.map(jnp.mean, metrics)}
    if validation is not None:
        nll, wrong = jax.lax.map(
            lambda one: jax.tree.map(lambda leaf: leaf[0], judged(trained.params, one.x[None], one.y[None])),
            validation,
            batch_size=_BATCH,
        )
        history["validation"] = {"categorical_nll": jnp.mean(nll), "error": jnp.mean(wrong)}
    finite = all_finite((history, trained.params, trained.optimizer))
    keeps = selection.running & finite
    selection = selection._replace(running=keeps, finite=selection.finite & (finite | ~selection.running))
    loss = history["validation"]["error"] if validation is not None else None
    selection = select(selection, keeps, trained, loss, number, patience)
    return jax.tree.map(lambda new, old: jnp.where(keeps, new, old), trained, state), selection, history


def _report(classifier: Classifier) -> None:
    """A warning where some members met a value that was not finite, an error where all did."""
    bad = np.flatnonzero(~classifier.finite)
    if not len(bad):
        return
    message = (
        f"fine-tuning {classifier.run.name} diverged in {len(bad)} of {len(classifier.finite)} members, first with "
        f"seed {classifier.run.seeds[bad[0]]}: the parameters of epoch {classifier.best_epoch[bad[0]]} are kept; lower "
        "the learning rate."
    )
    if len(bad) == len(classifier.finite):
        raise TrainingDiverged(message, classifier)
    warnings.warn(message, RuntimeWarning, stacklevel=3)
