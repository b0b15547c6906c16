"""Several devices: a mesh of the axes "member" and "data", and how arrays lie on it; the programs stay the same."""

import contextlib
import math
import os
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from ae_jax.errors import InvalidInput

MEMBER, DATA = "member", "data"

Devices = Mesh | Mapping[str, int] | str
"""What a mesh is asked for by: ``"data=4"``, ``{"member": 2, "data": 4}``, or one of JAX's own with these axes."""


def mesh_of(asked: Any, *, members: int, batch_size: int) -> Mesh | None:
    """The mesh that a training is asked to lie on.

    Batches are divided over ``"data"`` and members over ``"member"``; an axis that is not named has one device.

    Args:
      asked: see :data:`Devices`; None for this process's first device or, where processes were joined by
        :func:`ae_jax.training.distributed.initialize`, for all their devices over ``"data"``.
      members: of the population.
      batch_size: examples in a step.

    Returns:
      The mesh, or None for one device.

    Raises:
      InvalidInput: it cannot be read, there are too few devices, members or batches do not divide, or joined processes
        would be left without a part in it.

    Example:
      >>> mesh_of("data=1", members=1, batch_size=64).axis_names
      ('member', 'data')
    """
    if asked is None:
        if jax.process_count() == 1:
            return None
        asked = {DATA: jax.device_count()}
    mesh = _given(asked) if isinstance(asked, Mesh) else _made(_sizes(asked))
    for axis, count, what in ((MEMBER, members, "members"), (DATA, batch_size, "examples of a batch")):
        if count % mesh.shape[axis]:
            raise InvalidInput(
                f"the {count} {what} do not divide into {axis}={mesh.shape[axis]}: expected a multiple of it."
            )
    return mesh


def provide_cpu_devices(asked: Devices | int) -> None:
    """Has this process's CPU count as so many devices, as many as a mesh takes; nothing once JAX has computed.

    On accelerators, and where ``XLA_FLAGS`` says how many there are, it changes nothing.

    Raises:
      InvalidInput: it is no description of a mesh.

    Example:
      >>> provide_cpu_devices("data=2")  # too late here
    """
    if isinstance(asked, Mesh) or "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    count = asked if isinstance(asked, int) else math.prod(_sizes(asked).values())
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", count)


def accelerators_for(members: int) -> int:
    """How many devices of this process take equal shares of a population: the most that do.

    One on CPUs, where a small population is slower when divided, and where processes are joined, which divide data.

    Example:
      >>> accelerators_for(12)
      1
    """
    there = 1 if jax.default_backend() == "cpu" or jax.process_count() > 1 else jax.device_count()
    return max(count for count in range(1, there + 1) if members % count == 0)


def shares_of(asked: Devices | None) -> int:
    """Over how many devices a mesh divides members.

    Raises:
      InvalidInput: it is no description of a mesh.

    Example:
      >>> shares_of(None), shares_of("member=2,data=4")
      (1, 2)
    """
    if asked is None:
        return 1
    return asked.shape[MEMBER] if isinstance(asked, Mesh) else _sizes(asked)[MEMBER]


def name_of(mesh: Mesh) -> str:
    """The sizes of a mesh, as they are asked for.

    Example:
      >>> name_of(mesh_of({"data": 1}, members=1, batch_size=64))
      'member=1,data=1'
    """
    return ",".join(f"{axis}={mesh.shape[axis]}" for axis in (MEMBER, DATA))


def _sizes(asked: Any) -> dict[str, int]:
    """The number of devices along each axis."""
    if isinstance(asked, str):
        read = [re.fullmatch(r"\s*(\w+)\s*=\s*(\d+)\s*", part) for part in asked.split(",")]
        pairs = [(match[1], int(match[2])) for match in read if match is not None]
        found = dict(pairs) if len(pairs) == len(read) and len(dict(pairs)) == len(pairs) else {}
    else:
        found = dict(asked) if isinstance(asked, Mapping) else {}
    whole = all(isinstance(size, (int, np.integer)) and size > 0 for size in found.values())
    if not found or not whole or set(found) - {MEMBER, DATA}:
        raise InvalidInput(
            f'the mesh was given as {asked!r}: expected numbers of devices for "member", "data" or both, such as '
            "data=4 or member=2,data=4."
        )
    return {MEMBER: int(found.get(MEMBER, 1)), DATA: int(found.get(DATA, 1))}


def _made(sizes: dict[str, int]) -> Mesh:
    count, there = math.prod(sizes.values()), jax.device_count()
    asked = ",".join(f"{axis}={size}" for axis, size in sizes.items())
    if count > there:
        raise InvalidInput(
            f"the mesh {asked} takes {count} devices and there are {there}: expected at most so many (on a CPU, "
            "ae_jax.training.provide_cpu_devices makes them before JAX computes anything)."
        )
    if count < there and jax.process_count() > 1:
        raise InvalidInput(
            f"the mesh {asked} takes {count} of the {there} devices of {jax.process_count()} joined processes: "
            "expected all of them."
        )
    return jax.make_mesh(
        tuple(sizes.values()), tuple(sizes), axis_types=(AxisType.Auto, AxisType.Auto), devices=jax.devices()[:count]
    )


def _given(mesh: Mesh) -> Mesh:
    """A mesh of the user's, if it can be used."""
    auto = all(kind == AxisType.Auto for kind in mesh.axis_types)
    if sorted(mesh.axis_names) != sorted((MEMBER, DATA)) or not auto:
        raise InvalidInput(
            f"the mesh has the axes {mesh.axis_names} of the types {tuple(kind.name for kind in mesh.axis_types)}: "
            'expected "member" and "data", both of AxisType.Auto.'
        )
    processes = {device.process_index for device in mesh.devices.flat}
    if jax.process_index() not in processes or 1 < len(processes) < jax.process_count():
        raise InvalidInput(
            f"the mesh lies on devices of {len(processes)} of {jax.process_count()} joined processes: expected those "
            "of this one, or of all."
        )
    return mesh


def use_mesh(mesh: Mesh | None) -> contextlib.AbstractContextManager[Any]:
    """Inside the block, programs lie on the mesh; as always where there is none."""
    return contextlib.nullcontext() if mesh is None else jax.set_mesh(mesh)


def meshed() -> bool:
    """Whether the program that is traced lies on a mesh of ours."""
    mesh = jax.sharding.get_abstract_mesh()
    return sorted(mesh.axis_names) == sorted((MEMBER, DATA)) and all(kind == AxisType.Auto for kind in mesh.axis_types)


def over_data(tree: Any) -> Any:
    """Divides a batch, the first axis of each array, over the devices of "data"."""
    return _constrained(tree, PartitionSpec(DATA))


def over_members(tree: Any) -> Any:
    """Divides the leading member axis of each array over the devices of "member"."""
    return _constrained(tree, PartitionSpec(MEMBER))


def replicate(tree: Any) -> Any:
    """Has each array whole on every device."""
    return _constrained(tree, PartitionSpec())


def _constrained(tree: Any, spec: PartitionSpec) -> Any:
    """Where the arrays of a program lie; nothing is changed in one without a mesh."""
    if not meshed():
        return tree
    return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, spec), tree)


def put_members(mesh: Mesh | None, tree: Any) -> Any:
    """Arrays of this process, which every process has alike, with their leading member axis over "member"."""
    if mesh is None:
        return tree
    sharding = NamedSharding(mesh, PartitionSpec(MEMBER))

    def put(leaf: Any) -> jax.Array:
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(put, tree)


def share_of(mesh: Mesh | None, count: int) -> tuple[int, int]:
    """The first and the last of so many rows that the devices of this process are given, those of "data" in turn."""
    if mesh is None:
        return 0, count
    ours = np.array([device.process_index == jax.process_index() for device in mesh.devices.flat])
    along = np.moveaxis(ours.reshape(mesh.devices.shape), mesh.axis_names.index(DATA), 0)
    places = np.flatnonzero(along.reshape(mesh.shape[DATA], -1).any(axis=1))
    each = -(-count // mesh.shape[DATA])
    return min(count, each * int(places[0])), min(count, each * (int(places[-1]) + 1))


def put_examples(mesh: Mesh | None, rows: np.ndarray, count: int) -> jax.Array:
    """Examples on the device; of a mesh, all of them on each of its devices.

    Each process hands over its own share only; the devices exchange the rest once. Any step may take any example, so
    that to exchange them batch by batch would move as much, in many small pieces.

    Args:
      mesh: the mesh, or None.
      rows: the share of this process (:func:`share_of`), ``[share, *shape]``.
      count: how many there are in all.

    Returns:
      ``[count, *shape]``.
    """
    if mesh is None:
        return jax.device_put(rows)
    first, each = share_of(mesh, count)[0], -(-count // mesh.shape[DATA])

    def block(index: Any) -> np.ndarray:
        start = (index[0].start or 0) - first
        found = rows[start : start + each]
        return np.concatenate([found, np.zeros((each - len(found), *rows.shape[1:]), rows.dtype)])

    shape = (each * mesh.shape[DATA], *rows.shape[1:])
    divided = jax.make_array_from_callback(shape, NamedSharding(mesh, PartitionSpec(DATA)), block)
    with use_mesh(mesh):
        return _exchanged(divided, count)


@partial(jax.jit, static_argnames="count")
def _exchanged(divided: jax.Array, count: int) -> jax.Array:
    return replicate(divided[:count])


def gathered(mesh: Mesh | None, tree: Any) -> Any:
    """The same arrays, whole on every device."""
    if mesh is None:
        return tree
    with use_mesh(mesh):
        return _gathered(tree)


_gathered = jax.jit(replicate)


def to_local(mesh: Mesh | None, tree: Any) -> Any:
    """The same arrays on the first device of this process alone, as those of a training without a mesh are."""
    return tree if mesh is None else jax.tree.map(jax.numpy.asarray, jax.device_get(gathered(mesh, tree)))
