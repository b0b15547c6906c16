"""Meshes of devices with the axes "member" and "data", and the placement of arrays on them."""

import contextlib
import math
import os
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from ae_jax.errors import InvalidInput

MEMBER, DATA = "member", "data"

Devices = Mesh | Mapping[str, int] | str
"""A mesh: ``"data=4"``, ``{"member": 2, "data": 4}``, or one of JAX's own with these axes."""


def mesh_of(asked: Any, *, members: int, batch_size: int) -> Mesh | None:
    """The mesh of a training, or None for one device; an axis that is not named has one device.

    Args:
      asked: see :data:`Devices`; None for this process's first device or, if processes were joined, for all their
        devices over ``"data"``.
      members: number of members, which "member" divides.
      batch_size: examples in a step, which "data" divides.

    Raises:
      InvalidInput: the description is malformed, there are too few devices, members or batches do not divide, or a
        joined process would have no device in the mesh.
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
    """Makes this process's CPU count as as many devices as a mesh takes; call it before JAX computes anything.

    It changes nothing on accelerators, or if ``XLA_FLAGS`` sets the number of devices.

    Example:
      >>> provide_cpu_devices("data=2")  # no effect here, since JAX has computed
    """
    if isinstance(asked, Mesh) or "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    count = asked if isinstance(asked, int) else math.prod(_sizes(asked).values())
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", count)


def accelerators_for(members: int) -> int:
    """The largest number of devices that take equal shares of a population; one on CPUs and with joined processes."""
    there = 1 if jax.default_backend() == "cpu" or jax.process_count() > 1 else jax.device_count()
    return max(count for count in range(1, there + 1) if members % count == 0)


def shares_of(asked: Devices | None) -> int:
    """Number of devices that a mesh divides members over.

    Example:
      >>> shares_of(None), shares_of("member=2,data=4")
      (1, 2)
    """
    if asked is None:
        return 1
    return asked.shape[MEMBER] if isinstance(asked, Mesh) else _sizes(asked)[MEMBER]


def _sizes(asked: Any) -> dict[str, int]:
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
    count, there, processes = math.prod(sizes.values()), jax.device_count(), jax.process_count()
    asked = ",".join(f"{axis}={size}" for axis, size in sizes.items())
    if count > there:
        raise InvalidInput(
            f"the mesh {asked} takes {count} devices and there are {there}: expected at most that many (on a CPU, call "
            "ae_jax.training.provide_cpu_devices before JAX computes anything)."
        )
    if count < there and processes > 1:
        raise InvalidInput(
            f"the mesh {asked} takes {count} of the {there} devices of {processes} joined processes: expected all."
        )
    types = (AxisType.Auto, AxisType.Auto)
    return jax.make_mesh(tuple(sizes.values()), tuple(sizes), axis_types=types, devices=jax.devices()[:count])


def _given(mesh: Mesh) -> Mesh:
    """Checks a mesh that the user made."""
    if not _is_ours(mesh):
        raise InvalidInput(
            f"the mesh has the axes {mesh.axis_names} of the types {tuple(kind.name for kind in mesh.axis_types)}: "
            'expected "member" and "data", both of AxisType.Auto.'
        )
    processes = {device.process_index for device in mesh.devices.flat}
    if jax.process_index() not in processes or 1 < len(processes) < jax.process_count():
        raise InvalidInput(
            f"the mesh lies on devices of {len(processes)} of {jax.process_count()} joined processes: expected the "
            "devices of this process, or of all."
        )
    return mesh


def _is_ours(mesh: Any) -> bool:
    return sorted(mesh.axis_names) == sorted((MEMBER, DATA)) and all(kind == AxisType.Auto for kind in mesh.axis_types)


def use_mesh(mesh: Mesh | None) -> contextlib.AbstractContextManager[Any]:
    """Places programs on a mesh inside the block; does nothing without one."""
    return contextlib.nullcontext() if mesh is None else jax.set_mesh(mesh)


def meshed() -> bool:
    """Whether the program being traced is placed on a mesh of this module."""
    return _is_ours(jax.sharding.get_abstract_mesh())


def over_data(tree: Any) -> Any:
    """Divides the first axis of each array, the batch, over the devices of "data"."""
    return _constrained(tree, PartitionSpec(DATA))


def over_members(tree: Any) -> Any:
    """Divides the leading member axis of each array over the devices of "member"."""
    return _constrained(tree, PartitionSpec(MEMBER))


def replicate(tree: Any) -> Any:
    """Puts each array whole on every device."""
    return _constrained(tree, PartitionSpec())


def _constrained(tree: Any, spec: PartitionSpec) -> Any:
    """Constrains the placement of arrays in a program; changes nothing without a mesh."""
    if not meshed():
        return tree
    return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, spec), tree)


def put_members(mesh: Mesh | None, tree: Any) -> Any:
    """Divides the member axis of arrays, which every process holds, over "member"."""
    if mesh is None:
        return tree
    sharding = NamedSharding(mesh, PartitionSpec(MEMBER))

    def put(leaf: Any) -> jax.Array:
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(put, tree)


def share_of(mesh: Mesh | None, count: int) -> tuple[int, int]:
    """The range of rows that this process reads, out of a number that is divided over "data"."""
    if mesh is None:
        return 0, count
    ours = np.array([device.process_index == jax.process_index() for device in mesh.devices.flat])
    along = np.moveaxis(ours.reshape(mesh.devices.shape), mesh.axis_names.index(DATA), 0)
    places = np.flatnonzero(along.reshape(mesh.shape[DATA], -1).any(axis=1))
    each = -(-count // mesh.shape[DATA])
    return min(count, each * int(places[0])), min(count, each * (int(places[-1]) + 1))


def put_examples(mesh: Mesh | None, rows: np.ndarray, count: int) -> jax.Array:
    """Puts all examples on the device, or on each device of a mesh, ``[count, *shape]``.

    Each process passes its own share (:func:`share_of`), and the devices exchange the rest once. Any step may take any
    example, so that an exchange batch by batch would move as much, in many small pieces.
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


_exchanged = jax.jit(lambda divided, count: replicate(divided[:count]), static_argnums=1)


def gathered(mesh: Mesh | None, tree: Any) -> Any:
    """Copies arrays whole to every device of a mesh."""
    if mesh is None:
        return tree
    with use_mesh(mesh):
        return _gathered(tree)


_gathered = jax.jit(replicate)


def to_local(mesh: Mesh | None, tree: Any) -> Any:
    """Copies arrays to the first device of this process, where a training without a mesh has them."""
    return tree if mesh is None else jax.tree.map(jax.numpy.asarray, jax.device_get(gathered(mesh, tree)))
