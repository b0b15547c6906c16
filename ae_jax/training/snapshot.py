"""Where a population's training stands between two chunks of an epoch, and the same as named arrays."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax.errors import InvalidInput
from ae_jax.training.data_iterator import DataIterator, Position
from ae_jax.training.mesh import replicate
from ae_jax.training.plan import Plan
from ae_jax.training.population import init_population
from ae_jax.training.run_folder import History
from ae_jax.training.state import BestState, EpochInfo, State

Metrics = dict[str, dict[str, Any]]
"""split -> term -> ``[members]``."""


class Row(NamedTuple):
    """An epoch that is done: which members trained in it, ``[members]``, and the metrics of each split."""

    running: np.ndarray
    metrics: Metrics


class Snapshot(NamedTuple):
    """Everything that training goes on from.

    Attributes:
      position: in the examples.
      state, best: of each member.
      running: which members will train in the next epoch that is read, ``[members]``.
      rows: of the epochs that are done.
      chunks: of the one that is under way.
    """

    position: Position
    state: State
    best: BestState
    running: np.ndarray
    rows: list[Row]
    chunks: list[EpochInfo]


def history_of(rows: list[Row]) -> History:
    """Metrics of every epoch, split -> term -> ``[members, epochs]``, NaN where a member had stopped before."""
    splits = rows[0].metrics if rows else {}
    return {
        split: {
            term: np.stack([np.where(row.running, row.metrics[split][term], np.nan) for row in rows], axis=1)
            for term in sorted(terms)
        }
        for split, terms in splits.items()
    }


copied = jax.jit(lambda tree: replicate(jax.tree.map(jnp.copy, tree)))
"""The same arrays once more, which nobody donates; on a mesh, whole on every device."""


def arrays_of(snapshot: Snapshot) -> dict[str, Any]:
    """The arrays of a snapshot by name; where in the examples it is not among them."""
    rows, chunks = snapshot.rows, {str(number): chunk._asdict() for number, chunk in enumerate(snapshot.chunks)}
    return (
        _named(snapshot.state, "state")
        | _named(snapshot.best, "best")
        | _named(history_of(rows), "history")
        | _named(chunks, "chunks")
        | {"running": snapshot.running}
        | ({"ran": np.stack([row.running for row in rows], axis=1)} if rows else {})
    )


def snapshot_of(arrays: dict[str, np.ndarray], position: Position, planned: Plan) -> Snapshot:
    """The snapshot whose arrays these are.

    Args:
      arrays: by name.
      position: in the examples.
      planned: the population.

    Raises:
      InvalidInput: the arrays are not those of such a population at that position.
    """
    abstract = init_population.eval_shape(planned.autoencoder, planned.seeds, planned.dataset.shape)
    names = _named(abstract[0], "state") | _named(abstract[1], "best")
    wrong = [
        name
        for name, leaf in names.items()
        if name not in arrays or arrays[name].shape != leaf.shape or arrays[name].dtype != leaf.dtype
    ]
    others = {name: array for name, array in arrays.items() if name not in names}
    if wrong := wrong or _misplaced(others, position, planned):
        raise InvalidInput(
            f"the checkpoint's arrays do not fit the population ({', '.join(wrong[:3])}): it was written by another "
            "version of a library; use that one, or train anew."
        )
    # Copied, since the state is donated; jnp.asarray would compile a program for each shape.
    leaves = jax.device_put([arrays[name] for name in names], may_alias=False)
    state, best = jax.tree.unflatten(jax.tree.structure(abstract), leaves)
    history, ran = _below(arrays, "history"), arrays.get("ran", np.empty((len(planned.seeds), 0), bool))
    rows = [
        Row(ran[:, epoch], jax.tree.map(lambda values, epoch=epoch: values[:, epoch], history))
        for epoch in range(ran.shape[1])
    ]
    chunks = [
        EpochInfo(arrays[f"chunks.{number}.taken"], _below(arrays, f"chunks.{number}.metrics"))  # pyright: ignore[reportArgumentType]
        for number in range(position.chunk)
    ]
    return Snapshot(position, state, best, arrays["running"], rows, chunks)


def _misplaced(arrays: dict[str, np.ndarray], position: Position, planned: Plan) -> list[str]:
    """Names of arrays, beside those of state and best state, that are missing or not of a training at that position."""
    members, epochs = len(planned.seeds), position.epoch - 1
    lengths = DataIterator(planned).lengths
    if position.chunk >= len(lengths):
        return ["chunks"]
    kinds = {"running": ("b", (members,))}
    if epochs:
        kinds |= {"ran": ("b", (members, epochs)), "history.train": ("f", (members, epochs))}
        kinds |= {"history.validation": ("f", (members, epochs))} if len(planned.dataset.validation.x) else {}
    for chunk in range(position.chunk):
        kinds |= {f"chunks.{chunk}.taken": ("i", (members,)), f"chunks.{chunk}.metrics.train": ("f", (members,))}
    found = {name: next((kind for kind in kinds if f"{name}.".startswith(f"{kind}.")), "") for name in arrays}
    wrong = sorted(kinds.keys() - found.values())
    wrong += [name for name, kind in found.items() if (arrays[name].dtype.kind, arrays[name].shape) != kinds.get(kind)]
    for chunk, steps in enumerate([] if wrong else lengths[: position.chunk]):
        skipped = steps - arrays[f"chunks.{chunk}.taken"]
        if (skipped < 0).any() or (skipped.any() and planned.config.on_divergence != "skip"):
            wrong.append(f"chunks.{chunk}.taken")
    return wrong


def _named(tree: Any, prefix: str) -> dict[str, Any]:
    """The leaves of a tree by name, in their order."""
    leaves = jax.tree.leaves_with_path({prefix: tree})
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _below(arrays: dict[str, np.ndarray], prefix: str) -> Metrics:
    """Split -> term -> array, of the names below a prefix."""
    found: Metrics = {}
    for name, array in arrays.items():
        if name.startswith(f"{prefix}."):
            split, term = name.removeprefix(f"{prefix}.").split(".", 1)
            found.setdefault(split, {})[term] = array
    return found
