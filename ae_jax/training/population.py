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
from ae_jax.training.mesh import MEMBER, meshed, over_members, put_members, replicate, use_mesh
from ae_jax.training.state import Order, Selection, State, Trained, initial
from ae_jax.training.step import OnDivergence, advance, order_of
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
    return jax.tree.map(lambda *values: jnp.asarray(np.array(values, jnp.result_type(float))), *autoencoders)


def unstack(autoencoder: Autoencoder, member: int) -> Autoencoder:
    """One member of a stack, its numbers plain floats again.

    Example:
      >>> import ae_jax
      >>> unstack(stack([ae_jax.contractive(weight=w) for w in (0.5, 1.0)]), 0).objective.penalties[0].weight
      0.5
    """
    # By way of text, which is the shortest that gives the same bits: 0.002 and not 0.0020000000949949026.
    return jax.tree.map(lambda leaf: float(str(np.asarray(leaf)[member])), autoencoder)


def take(tree: Any, member: int) -> Any:
    """One member of a tree whose leaves have a leading member axis."""
    return jax.tree.map(lambda leaf: leaf[member], tree)


def add_axis(tree: Any) -> Any:
    """A population of one."""
    return jax.tree.map(lambda leaf: leaf[None], tree)


@partial(jax.jit, static_argnames="shape")
def initial_population(autoencoder: Autoencoder, seeds: Any, shape: Shape) -> tuple[State, Selection]:
    """Every member before its first step."""
    return _divided(*jax.vmap(lambda one, seed: initial(one, shape, seed))(autoencoder, seeds))


@partial(jax.jit, static_argnames=("examples", "batch_size"))
def order_of_population(seeds: Any, which: Any, position: tuple[Any, ...], examples: int, batch_size: int) -> Order:
    """:func:`ae_jax.training.step.order_of` of every member, which members of one seed share.

    Args:
      seeds: each once, ``[seeds]``.
      which: the place among them of each member's, ``[members]``.
      position: of the epoch or chunk.
      examples: in it.
      batch_size: examples in a step.
    """
    orders = jax.vmap(lambda seed: order_of(seed, position, examples, batch_size))(seeds)
    return jax.tree.map(lambda leaf: leaf[which], orders)


_SMALL = 1 << 16
"""Parameters up to which a CPU trains members side by side, which spares overhead: each larger one fills it alone."""

_COPIES = 8
"""How often, about, a training member holds its parameters beside its state: gradients, updates, what layers give."""


def members_at_once(members: int, parameters: int, memory: int | None = None) -> int:
    """How many members are trained side by side; the others wait for their turn in the same program.

    Args:
      members: of the population.
      parameters: of each.
      memory: bytes that they may take beside their state, of an accelerator; None on CPUs, where it is not memory that
        decides.

    Example:
      >>> members_at_once(32, 20_000), members_at_once(32, 800_000), members_at_once(32, 800_000, memory=2**30)
      (32, 1, 32)
    """
    if memory is None:
        return members if parameters <= _SMALL else 1
    return max(1, min(members, memory // (4 * _COPIES * parameters)))


_STATES = 8
"""How often, about, a member's parameters lie on the device between steps: latest, moments, best, copies to save."""


def members_that_fit(parameters: int, memory: int) -> int:
    """How many members' states a memory has room for, at least one.

    Example:
      >>> members_that_fit(821_024, 2**30)
      40
    """
    return max(1, memory // (4 * _STATES * parameters))


def room() -> int | None:
    """Half of an accelerator's memory in bytes, the other half being for data and state; None on CPUs."""
    return None if jax.default_backend() == "cpu" else room_for_states()


def room_for_states() -> int | None:
    """Half of the device's memory in bytes, of this machine's where it is a CPU; None where nobody says how much."""
    stats = jax.local_devices()[0].memory_stats() or {}
    limit = _installed() if jax.default_backend() == "cpu" else stats.get("bytes_limit", 0)
    return limit // 2 or None


def _installed() -> int:
    """Bytes of this machine's memory, or of the part that this process may have; zero where nobody says."""
    try:
        installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
    with contextlib.suppress(OSError, ValueError):  # "max", or no such file
        installed = min(installed, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return installed


@partial(
    jax.jit, static_argnames=("steps", "batch_size", "finish", "on_divergence", "at_once"), donate_argnames="state"
)
def advance_population(
    state: State,
    selection: Selection,
    autoencoder: Autoencoder,
    seeds: Any,
    order: Order,
    first: Any,
    number: Any,
    train: Any,
    validation: Any,
    scaling: Any,
    patience: Any,
    last_step: Any,
    steps: int,
    batch_size: int,
    finish: bool,
    on_divergence: OnDivergence = "stop",
    at_once: int | None = None,
) -> tuple[State, Selection, Trained]:
    """:func:`ae_jax.training.step.advance` of every member, as one program with donated state.

    ``at_once`` members are trained :func:`side_by_side`. ``steps`` of the order are taken, from ``first`` on. On a
    mesh, state and selection are divided over members, and what came of the steps is whole on every device.
    """
    if steps < order.rows.shape[1]:
        order = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, first, steps, axis=1), order)
    one = partial(
        advance,
        number=number,
        train=train,
        validation=validation,
        scaling=scaling,
        patience=patience,
        last_step=last_step,
        batch_size=batch_size,
        finish=finish,
        on_divergence=on_divergence,
    )
    state, selection, trained = side_by_side(one, (state, selection, autoencoder, seeds, order), at_once)
    return *_divided(state, selection), replicate(trained)


def side_by_side(one: Callable[..., Any], members: tuple[Any, ...], at_once: int | None = None) -> Any:
    """A function of one member, for every member of a population.

    Args:
      one: called with a member's own part of each tree.
      members: trees whose leaves have a leading member axis.
      at_once: how many members are computed side by side (:func:`members_at_once`), by default all; one by one, and
        in a population of one, they have no member axis, which costs large matrix products dear.

    Returns:
      What it gives, every leaf with a leading member axis.

    Example:
      >>> side_by_side(jnp.add, (jnp.arange(3), jnp.arange(3)), at_once=1)
      Array([0, 2, 4], dtype=int32)
    """
    count = len(jax.tree.leaves(members)[0])
    if count == 1:
        return add_axis(one(*take(members, 0)))
    if at_once is not None and at_once < count:
        return jax.lax.map(lambda member: one(*member), members, batch_size=None if at_once == 1 else at_once)
    return jax.vmap(lambda *member: one(*member), spmd_axis_name=MEMBER if meshed() else None)(*members)


def put_population(mesh: Mesh | None, state: State, selection: Selection) -> tuple[State, Selection]:
    """A population that every process has alike, divided over the mesh as training leaves it."""
    if mesh is None:
        return state, selection
    with use_mesh(mesh):
        return _redivided(*put_members(mesh, (state, selection)))


def _divided(state: State, selection: Selection) -> tuple[State, Selection]:
    """On a mesh, members divided over it, but for what every process reads of all of them: how each of them fares."""
    return over_members(state), replicate(selection)._replace(params=over_members(selection.params))


_redivided = jax.jit(_divided)
