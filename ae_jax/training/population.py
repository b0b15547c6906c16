"""Populations: members of one tree structure, stacked on a leading axis and trained by one compiled program."""

import contextlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ae_jax.errors import InvalidInput
from ae_jax.models import Autoencoder
from ae_jax.training.compilation import compiled_fast
from ae_jax.training.epoch import EpochData, EpochSettings, Member, advance, batch_indices
from ae_jax.training.mesh import MEMBER, meshed, over_members, put_members, replicate, use_mesh
from ae_jax.training.state import INIT, BatchIndices, BestState, EpochInfo, State, init_best, init_state, key_for
from ae_jax.training.step import algorithm
from ae_jax.types import Shape


def stack(autoencoders: Sequence[Autoencoder]) -> Autoencoder:
    """Autoencoders of one structure as a single value whose numbers have a leading member axis.

    Raises:
      InvalidInput: none given, or structures that differ (other networks, other terms): those are other programs.

    Example:
      >>> import ae_jax
      >>> stack([ae_jax.contractive(weight=w) for w in (0.1, 1.0)]).objective.penalties[0].weight
      Array([0.1, 1. ], dtype=float32)
    """
    if not autoencoders:
        raise InvalidInput("a population was given no autoencoder: expected at least one.")
    first = jax.tree.structure(autoencoders[0])
    for position, autoencoder in enumerate(autoencoders):
        if jax.tree.structure(autoencoder) != first:
            raise InvalidInput(
                f"autoencoder {position} ({autoencoder.name}) differs from the first ({autoencoders[0].name}) in more "
                "than numbers: expected one structure in a population; fit the others apart."
            )
    for path, leaf in (entry for one in autoencoders for entry in jax.tree.leaves_with_path(one)):
        if jnp.ndim(leaf) != 0:
            raise InvalidInput(
                f"{autoencoders[0].name} was given an array of shape {jnp.shape(leaf)} as "
                f"{jax.tree_util.keystr(path)}: expected one number; give one autoencoder for each."
            )
    return jax.tree.map(lambda *values: jax.device_put(np.array(values, np.float32)), *autoencoders)


def unstack(autoencoder: Autoencoder, member: int) -> Autoencoder:
    """One member of a stack, its numbers plain floats again.

    Example:
      >>> import ae_jax
      >>> unstack(stack([ae_jax.contractive(weight=w) for w in (0.5, 1.0)]), 0).objective.penalties[0].weight
      0.5
    """
    # By way of text, which is the shortest that gives the same bits: 0.002 and not 0.0020000000949949026.
    return jax.tree.map(lambda leaf: float(str(np.asarray(leaf)[member])), autoencoder)


def swept_values(autoencoder: Autoencoder) -> dict[str, list[float]]:
    """Values of each member, of the numbers in which members of a stack differ, by the shortest names that differ.

    Example:
      >>> import ae_jax
      >>> swept_values(stack([ae_jax.contractive(weight=w) for w in (0.1, 1.0)]))
      {'weight': [0.1, 1.0]}
    """
    found = {}
    for path, leaf in jax.tree.leaves_with_path(autoencoder):
        values = [float(str(value)) for value in np.atleast_1d(np.asarray(leaf))]
        if len(set(values)) > 1:
            found[tuple(jax.tree_util.keystr(path, simple=True, separator=".").split("."))] = values

    def shortest(path: tuple[str, ...]) -> str:
        ends = (path[-count:] for count in range(1, len(path) + 1))
        return ".".join(next(end for end in ends if sum(other[-len(end) :] == end for other in found) == 1))

    return {shortest(path): values for path, values in found.items()}


def members_by_setting(autoencoder: Autoencoder, members: int) -> dict[str, list[int]]:
    """The members of a stack by their setting, such as ``"weight=0.1"``; empty where they differ in seeds alone.

    Example:
      >>> import ae_jax
      >>> members_by_setting(stack([ae_jax.contractive(weight=w) for w in (0.1, 0.1, 1.0)]), 3)
      {'weight=0.1': [0, 1], 'weight=1': [2]}
    """
    swept, found = swept_values(autoencoder), {}
    for member in range(members):
        name = ", ".join(f"{key}={values[member]:.6g}" for key, values in swept.items())
        found.setdefault(name, []).append(member)
    return found


def take(tree: Any, member: int) -> Any:
    """One member of a tree whose leaves have a leading member axis."""
    return jax.tree.map(lambda leaf: leaf[member], tree)


@partial(compiled_fast, static_argnames="shape")
def init_population(
    autoencoder: Autoencoder, seeds: Any, shape: Shape, start: Any = None, starts: Any = True
) -> tuple[State, BestState]:
    """Every member before its first step, with its ``(params, state)`` to start from or drawn from its seed alone.

    Where ``starts`` is false, what they could start from only gives the program its form, and they are drawn.
    """

    def of_one(one: Autoencoder, seed: Any, own: Any) -> tuple[State, BestState]:
        state = algorithm(one, shape).init(key_for(seed, INIT))
        if own is not None:
            drawn = state.params, state.model_state
            params, model_state = jax.tree.map(partial(jnp.where, starts), tuple(own), drawn)
            state = init_state(params, model_state, one.optimizer)
        return state, init_best(state)

    return _divided(*jax.vmap(of_one)(autoencoder, seeds, start))


@partial(compiled_fast, level=1, static_argnames=("examples", "batch_size"))
def population_indices(
    seeds: Any, which: Any, position: tuple[Any, ...], examples: int, batch_size: int, subsets: Any = None
) -> BatchIndices:
    """:func:`ae_jax.training.epoch.batch_indices` of every member; members of one seed share them.

    ``which`` is the position of each member's seed among the different seeds; ``subsets`` are the rows that each member
    trains on, ``[members, examples]``, or None for all.
    """
    indices = jax.vmap(lambda seed: batch_indices(seed, position, examples, batch_size))(seeds)
    indices = jax.tree.map(lambda leaf: leaf[which], indices)
    if subsets is None:
        return indices
    return indices._replace(rows=jax.vmap(lambda own, rows: own[rows])(subsets, indices.rows))


_SMALL = 1 << 16
"""Number of parameters up to which a CPU trains members side by side; a larger member keeps it busy alone."""

_COPIES = 8
"""Copies of its parameters, about, that a member in training needs beside its state: gradients, updates, others."""


def vmap_size(members: int, parameters: int, memory: int | None = None) -> int:
    """Number of members that are trained side by side; the others wait for their turn in the same program.

    ``parameters`` is the number of each member's; ``memory`` the bytes of an accelerator that they may take beside
    their state, None on CPUs.

    Example:
      >>> vmap_size(32, 20_000), vmap_size(32, 800_000), vmap_size(32, 800_000, memory=2**30)
      (32, 1, 32)
    """
    if memory is None:
        return members if parameters <= _SMALL else 1
    return max(1, min(members, memory // (4 * _COPIES * parameters)))


_STATES = 8
"""Copies of a member's parameters, about, on the device between steps: latest, moments, best, copies to save."""


def members_that_fit(parameters: int, memory: int) -> int:
    """Number of members whose states fit into a memory, at least one.

    Example:
      >>> members_that_fit(821_024, 2**30)
      40
    """
    return max(1, memory // (4 * _STATES * parameters))


def memory_budget() -> int | None:
    """Half of an accelerator's memory in bytes; the other half is for data and state. None on CPUs."""
    return None if jax.default_backend() == "cpu" else state_budget()


def state_budget() -> int | None:
    """Half of the device's memory in bytes, on a CPU of this process's share; None where it is not known."""
    if jax.default_backend() != "cpu":
        return (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit", 0) // 2 or None
    try:
        installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
    with contextlib.suppress(OSError, ValueError):  # "max", or no such file
        installed = min(installed, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return installed // 2


@partial(jax.jit, static_argnames="settings", donate_argnames="state")
def advance_population(
    state: State,
    others: tuple[BestState, Autoencoder, Any, Any],
    indices: BatchIndices,
    first: Any,
    number: Any,
    data: EpochData,
    settings: EpochSettings,
) -> tuple[State, BestState, EpochInfo]:
    """:func:`ae_jax.training.epoch.advance` of every member, as one program with donated state.

    ``others`` are the best states, autoencoders and seeds of the members, and ``first`` the first of the steps that are
    taken. On a mesh, the states are divided over members and the metrics replicated.
    """
    if settings.steps < indices.rows.shape[1]:
        cut = partial(jax.lax.dynamic_slice_in_dim, start_index=first, slice_size=settings.steps, axis=1)
        indices = jax.tree.map(cut, indices)

    def one(member: Member, own: BatchIndices) -> tuple[State, BestState, EpochInfo]:
        return advance(member, own, number, data, settings)

    state, best, info = map_members(one, (Member(state, *others), indices), settings.vmap_size)
    return *_divided(state, best), replicate(info)


def map_members(one: Callable[..., Any], members: tuple[Any, ...], size: int | None = None) -> Any:
    """A function of one member's part of each tree, for every member of a population.

    ``size`` members are computed side by side (:func:`vmap_size`), by default all. One by one, and in a population of
    one, they have no member axis, which would slow down large matrix products.

    Example:
      >>> map_members(jnp.add, (jnp.arange(3), jnp.arange(3)), size=1)
      Array([0, 2, 4], dtype=int32)
    """
    count = len(jax.tree.leaves(members)[0])
    if count == 1:
        return jax.tree.map(lambda leaf: leaf[None], one(*take(members, 0)))
    if size is not None and size < count:
        return jax.lax.map(lambda member: one(*member), members, batch_size=None if size == 1 else size)
    return jax.vmap(lambda *member: one(*member), spmd_axis_name=MEMBER if meshed() else None)(*members)


def put_population(mesh: Mesh | None, state: State, best: BestState) -> tuple[State, BestState]:
    """A population that every process has alike, divided over the mesh as training leaves it."""
    if mesh is None:
        return state, best
    with use_mesh(mesh):
        return jax.jit(_divided)(*put_members(mesh, (state, best)))


def _divided(state: State, best: BestState) -> tuple[State, BestState]:
    """On a mesh, divides members over it, except the small values of each member that every process reads."""
    return over_members(state), replicate(best)._replace(
        params=over_members(best.params), model_state=over_members(best.model_state)
    )
