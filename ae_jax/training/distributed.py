"""Processes that train together, on one machine or on many: how they join, and what they must agree on."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ae_jax.errors import InvalidInput, first_line
from ae_jax.training.mesh import DATA, MEMBER, replicate, use_mesh

Result = TypeVar("Result")


def initialize(coordinator: str | None = None, processes: int | None = None, process: int | None = None) -> None:
    """Joins this process to others, each of which runs the same program; nothing else ever does.

    Afterwards :func:`ae_jax.fit` trains on the devices of all of them unless it is told another mesh; each process
    reads its own share of data that stream, and holds all of those that fit in memory; the first alone reports progress
    and writes checkpoints, in a folder that all of them can read. It comes before anything that JAX computes.

    With no arguments the processes find each other as tasks of Slurm or Open MPI, and each takes one GPU: start one
    task for each. With all three each process takes every device that it sees.

    Args:
      coordinator: address of the first process, ``"host:port"``, the same for all.
      processes: how many there are.
      process: the number of this one, from 0.

    Raises:
      InvalidInput: some of the arguments only, no such cluster, another process that cannot be reached, or JAX has
        begun to compute.
    """
    given = (coordinator, processes, process)
    if any(value is None for value in given) and any(value is not None for value in given):
        raise InvalidInput(f"initialize was given {given}: expected coordinator, processes and process, or none.")
    if jax.distributed.is_initialized():
        raise InvalidInput("this process was joined to others before: expected to be asked once.")
    detection = None if coordinator is None else "deactivate"
    try:
        jax.distributed.initialize(coordinator, processes, process, cluster_detection_method=detection)
    except ValueError as error:
        raise InvalidInput(
            f"the processes could not be joined ({first_line(error)}): expected to run under Slurm or Open MPI, or to "
            "be told the address of the first process, how many there are and which this is "
            "(on the command line --distributed HOST:PORT,INDEX/COUNT)."
        ) from error
    except RuntimeError as error:
        raise InvalidInput(
            f"the processes could not be joined ({first_line(error)}): expected the first at its address before JAX "
            "computes anything."
        ) from error


def is_main_process(mesh: Mesh | None) -> bool:
    """Whether this process is the one that reports and writes, of those that a mesh spans.

    Example:
      >>> is_main_process(None), is_multiprocess(None)
      (True, False)
    """
    return not is_multiprocess(mesh) or jax.process_index() == 0


def is_multiprocess(mesh: Mesh | None) -> bool:
    """Whether a mesh lies on devices of several processes."""
    return mesh is not None and len({device.process_index for device in mesh.devices.flat}) > 1


def together(joined: bool, work: Callable[[], Result]) -> Result:
    """What a piece of work gives in this process, once it is done in each; where one fails, all do.

    Args:
      joined: whether there are others that do theirs.
      work: of this process.

    Raises:
      Exception: this process's own.
      InvalidInput: another one gave up.

    Example:
      >>> together(False, lambda: 3)
      3
    """
    if not joined:
        return work()
    result, refused = None, None
    try:
        result = work()
    except Exception as error:  # whatever it is, the others wait
        refused = error
    gave_up = np.flatnonzero(_of_all([refused is not None]))
    if refused is not None:
        raise refused
    if len(gave_up):
        raise InvalidInput(
            f"process {gave_up[0]} of {jax.process_count()} gave up, which ends this one too: its own message says why."
        )
    return result  # pyright: ignore[reportReturnType]


def require_alike(mesh: Mesh | None, numbers: list[int], what: str) -> None:
    """Raises where processes do not have the same numbers.

    Raises:
      InvalidInput: they differ.
    """
    if is_multiprocess(mesh) and len(np.unique(_of_all(numbers), axis=0)) > 1:
        raise InvalidInput(f"{what} differ between the processes: expected a folder that all of them can read.")


def signal_of_any(number: int | None) -> int | None:
    """The number of a signal that any of the joined processes received, this one's own first; each must ask.

    Example:
      >>> signal_of_any(None), signal_of_any(15)
      (None, 15)
    """
    if jax.process_count() == 1:
        return number
    found = int(_of_all([number or 0]).max())
    return number or found or None


def _of_all(numbers: list[Any]) -> np.ndarray:
    """The numbers of each process, ``[processes, numbers]``."""
    return np.asarray(multihost_utils.process_allgather(np.array(numbers, np.int32)))


class Agreement:
    """What any process of a mesh asks for, told to all of them at the same part of training.

    Where there are several processes it is told one part late: the question travels behind the part that trains, so
    that no device waits for the answer.

    Args:
      mesh: the mesh, or None.
    """

    def __init__(self, mesh: Mesh | None):
        self._mesh, self._asked = mesh, None

    def __call__(self, *, due: bool, signal: int | None) -> tuple[bool, int | None]:
        """Whether a checkpoint is due, and the signal that asks for an end, in any process."""
        if not is_multiprocess(self._mesh):
            return due, signal
        before, self._asked = self._asked, self._ask(due, signal or 0)
        if before is None:
            return False, None
        asked = np.asarray(before).tolist()
        return bool(asked[0]), asked[1] or None

    def _ask(self, *numbers: int) -> jax.Array:
        mesh: Any = self._mesh
        own = np.array([numbers], np.int32)
        sharding = NamedSharding(mesh, PartitionSpec((MEMBER, DATA)))
        asked = jax.make_array_from_callback((mesh.size, len(numbers)), sharding, lambda _: own)
        with use_mesh(mesh):
            return _highest(asked)


@jax.jit
def _highest(asked: jax.Array) -> jax.Array:
    return replicate(asked.max(axis=0))
