"""The state of a training between two chunks of an epoch, and its conversion to named arrays and back."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax.errors import InvalidInput
from ae_jax.training.data_iterator import Position
from ae_jax.training.mesh import replicate
from ae_jax.training.plan import Plan
from ae_jax.training.population import init_population
from ae_jax.training.run_folder import History, misfits, named_leaves
from ae_jax.training.state import BestState, EpochInfo, State

MetricsBySplit = dict[str, dict[str, Any]]
"""split -> term -> ``[members]``."""


class EpochRow(NamedTuple):
    """A finished epoch: which members trained in it, ``[members]``, and the metrics of each split."""

    running: np.ndarray
    metrics: MetricsBySplit


class Snapshot(NamedTuple):
    """Everything that a training continues from.

    Attributes:
      position: epoch and chunk that come next.
      state, best: of each member.
      running: which members train in the next epoch that is read, ``[members]``.
      rows: the finished epochs.
      chunks: the finished chunks of the epoch under way.
    """

    position: Position
    state: State
    best: BestState
    running: np.ndarray
    rows: list[EpochRow]
    chunks: list[EpochInfo]


def history_of(rows: list[EpochRow]) -> History:
    """Metrics of every epoch, split -> term -> ``[members, epochs]``, NaN after a member stopped."""
    splits = rows[0].metrics if rows else {}
    return {
        split: {
            term: np.stack([np.where(row.running, row.metrics[split][term], np.nan) for row in rows], axis=1)
            for term in sorted(terms)
        }
        for split, terms in splits.items()
    }


copied = jax.jit(lambda tree: replicate(jax.tree.map(jnp.copy, tree)))
"""Copies arrays so that they survive buffer donation; on a mesh, every device gets whole copies."""


def arrays_of(snapshot: Snapshot) -> dict[str, Any]:
    """The arrays of a snapshot by name; its position is not among them."""
    rows = snapshot.rows
    tree = {
        "state": snapshot.state,
        "best": snapshot.best,
        "history": history_of(rows),
        "chunks": [chunk._asdict() for chunk in snapshot.chunks],
        "running": snapshot.running,
    }
    return named_leaves(tree) | ({"ran": np.stack([row.running for row in rows], axis=1)} if rows else {})


def snapshot_of(arrays: dict[str, np.ndarray], position: Position, planned: Plan) -> Snapshot:
    """The inverse of :func:`arrays_of`; raises InvalidInput if the arrays do not fit the population."""
    state, best = init_population.eval_shape(planned.autoencoder, planned.seeds, planned.dataset.shape)
    abstract = {"state": state, "best": best}
    expected = named_leaves(abstract)
    if wrong := misfits({name: array for name, array in arrays.items() if name in expected}, expected):
        raise InvalidInput(
            f"the checkpoint's arrays do not fit the population ({', '.join(wrong[:3])}): it was written by another "
            "version of a library; use that one, or train anew."
        )
    # Copied, since the state is donated; jnp.asarray would compile a program for each shape.
    leaves = jax.device_put([arrays[name] for name in expected], may_alias=False)
    restored = jax.tree.unflatten(jax.tree.structure(abstract), leaves)
    history, ran = _below(arrays, "history"), arrays.get("ran", np.empty((len(planned.seeds), 0), bool))
    rows = [
        EpochRow(ran[:, epoch], jax.tree.map(lambda values, epoch=epoch: values[:, epoch], history))
        for epoch in range(ran.shape[1])
    ]
    chunks = [
        EpochInfo(arrays[f"chunks.{number}.taken"], _below(arrays, f"chunks.{number}.metrics"))  # pyright: ignore[reportArgumentType]
        for number in range(position.chunk)
    ]
    return Snapshot(position, restored["state"], restored["best"], arrays["running"], rows, chunks)


def _below(arrays: dict[str, np.ndarray], prefix: str) -> MetricsBySplit:
    """Split -> term -> array, of the names below a prefix."""
    found: MetricsBySplit = {}
    for name, array in arrays.items():
        if name.startswith(f"{prefix}."):
            split, term = name.removeprefix(f"{prefix}.").split(".", 1)
            found.setdefault(split, {})[term] = array
    return found
