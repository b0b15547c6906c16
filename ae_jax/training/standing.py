"""Where a population's training stands between two parts of an epoch, and the same as named arrays."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax.errors import InvalidInput
from ae_jax.training.feed import Feed, Place
from ae_jax.training.mesh import everywhere
from ae_jax.training.plan import Plan
from ae_jax.training.population import initial_population
from ae_jax.training.run_folder import History
from ae_jax.training.state import Selection, State, Trained

Metrics = dict[str, dict[str, Any]]
"""split -> term -> ``[members]``."""


class Row(NamedTuple):
    """An epoch that is done: which members trained in it, ``[members]``, and the metrics of each split."""

    running: np.ndarray
    metrics: Metrics


class Standing(NamedTuple):
    """Everything that training goes on from.

    Attributes:
      place: in the examples.
      state, selection: of each member.
      running: which members will train in the next epoch that is read, ``[members]``.
      rows: of the epochs that are done.
      parts: of the one that is under way.
    """

    place: Place
    state: State
    selection: Selection
    running: np.ndarray
    rows: list[Row]
    parts: list[Trained]


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


copied = jax.jit(lambda tree: everywhere(jax.tree.map(jnp.copy, tree)))
"""The same arrays once more, which nobody donates; on a mesh, whole on every device."""


def arrays_of(standing: Standing) -> dict[str, Any]:
    """The arrays of a standing by name; where in the examples it is not among them."""
    rows, parts = standing.rows, {str(number): part._asdict() for number, part in enumerate(standing.parts)}
    return (
        _named(standing.state, "state")
        | _named(standing.selection, "selection")
        | _named(history_of(rows), "history")
        | _named(parts, "parts")
        | {"running": standing.running}
        | ({"ran": np.stack([row.running for row in rows], axis=1)} if rows else {})
    )


def standing_of(arrays: dict[str, np.ndarray], place: Place, planned: Plan) -> Standing:
    """The standing whose arrays these are.

    Args:
      arrays: by name.
      place: in the examples.
      planned: the population.

    Raises:
      InvalidInput: the arrays are not those of such a population at that place.
    """
    abstract = initial_population.eval_shape(planned.autoencoder, planned.seeds, planned.dataset.shape)
    names = _named(abstract[0], "state") | _named(abstract[1], "selection")
    wrong = [
        name
        for name, leaf in names.items()
        if name not in arrays or arrays[name].shape != leaf.shape or arrays[name].dtype != leaf.dtype
    ]
    others = {name: array for name, array in arrays.items() if name not in names}
    if wrong := wrong or _misplaced(others, place, planned):
        raise InvalidInput(
            f"the checkpoint's arrays do not fit the population ({', '.join(wrong[:3])}): it was written by another "
            "version of a library; use that one, or train anew."
        )
    # Copied, since the state is donated; jnp.asarray would compile a program for each shape.
    leaves = jax.device_put([arrays[name] for name in names], may_alias=False)
    state, selection = jax.tree.unflatten(jax.tree.structure(abstract), leaves)
    history, ran = _below(arrays, "history"), arrays.get("ran", np.empty((len(planned.seeds), 0), bool))
    rows = [
        Row(ran[:, epoch], jax.tree.map(lambda values, epoch=epoch: values[:, epoch], history))
        for epoch in range(ran.shape[1])
    ]
    parts = [
        Trained(arrays[f"parts.{number}.taken"], _below(arrays, f"parts.{number}.metrics"))  # pyright: ignore[reportArgumentType]
        for number in range(place.part)
    ]
    return Standing(place, state, selection, arrays["running"], rows, parts)


def _misplaced(arrays: dict[str, np.ndarray], place: Place, planned: Plan) -> list[str]:
    """Names of arrays, beside those of state and selection, that are missing or not of a training at that place."""
    members, epochs = len(planned.seeds), place.epoch - 1
    lengths = Feed(planned.dataset, planned.batch_size).lengths
    if place.part >= len(lengths):
        return ["parts"]
    kinds = {"running": ("b", (members,))}
    if epochs:
        kinds |= {"ran": ("b", (members, epochs)), "history.train": ("f", (members, epochs))}
        kinds |= {"history.validation": ("f", (members, epochs))} if len(planned.dataset.validation.x) else {}
    for part in range(place.part):
        kinds |= {f"parts.{part}.taken": ("i", (members,)), f"parts.{part}.metrics.train": ("f", (members,))}
    found = {name: next((kind for kind in kinds if f"{name}.".startswith(f"{kind}.")), "") for name in arrays}
    wrong = sorted(kinds.keys() - found.values())
    wrong += [name for name, kind in found.items() if (arrays[name].dtype.kind, arrays[name].shape) != kinds.get(kind)]
    for part, steps in enumerate([] if wrong else lengths[: place.part]):
        skipped = steps - arrays[f"parts.{part}.taken"]
        if (skipped < 0).any() or (skipped.any() and planned.on_divergence != "skip"):
            wrong.append(f"parts.{part}.taken")
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
