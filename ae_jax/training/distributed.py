"""Several processes that train together, on one machine or on many."""

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
    """Joins this process to others that run the same program; call it before JAX computes anything.

    Afterwards :func:`ae_jax.fit` trains on the devices of all processes, unless it is given another mesh. Each process
    reads its own share of streamed data and holds all data that fit in memory. The first process alone reports
    progress and writes checkpoints, in a folder that every process can read.

    Without arguments, the processes find each other as tasks of Slurm or Open MPI, and each takes one GPU: start one
    task for each. With all three arguments, each process takes every device that it sees.

    Args:
      coordinator: address of the first process, ``"host:port"``, the same for all.
      processes: number of processes.
      process: number of this one, from 0.

    Raises:
      InvalidInput: only some of the arguments were given, there is no such cluster, another process cannot be reached,
        or JAX has begun to compute.
    """
    given = (coordinator, processes, process)
    if any(value is None for value in given) and any(value is not None for value in given):
        raise InvalidInput(f"initialize was given {given}: expected coordinator, processes and process, or none.")
    if jax.distributed.is_initialized():
        raise InvalidInput("this process is joined to others already: expected one call of initialize.")
    detection = None if coordinator is None else "deactivate"
    try:
        jax.distributed.initialize(coordinator, processes, process, cluster_detection_method=detection)
    except ValueError as error:
        raise InvalidInput(
            f"the processes could not be joined ({first_line(error)}): expected tasks of Slurm or Open MPI, or the "
            "address of the first process, the number of processes and the number of this one "
            "(on the command line --distributed HOST:PORT,INDEX/COUNT)."
        ) from error
    except RuntimeError as error:
        raise InvalidInput(
            f"the processes could not be joined ({first_line(error)}): expected the first process at its address, "
            "and initialize before JAX computes anything."
        ) from error


def is_main_process(mesh: Mesh | None) -> bool:
    """Whether this process is the one that reports and writes."""
    return not is_multiprocess(mesh) or jax.process_index() == 0


def is_multiprocess(mesh: Mesh | None) -> bool:
    """Whether a mesh lies on devices of several processes."""
    return mesh is not None and len({device.process_index for device in mesh.devices.flat}) > 1


def sync_errors(joined: bool, work: Callable[[], Result]) -> Result:
    """Does this process's work and returns its result; if the work fails in one joined process, all raise an error.

    Raises:
      Exception: the error of this process.
      InvalidInput: the work failed in another process.
    """
    if not joined:
        return work()
    result, refused = None, None
    try:
        result = work()
    except Exception as error:  # of any kind, since the other processes wait
        refused = error
    gave_up = np.flatnonzero(_of_all([refused is not None]))
    if refused is not None:
        raise refused
    if len(gave_up):
        raise InvalidInput(
            f"process {gave_up[0]} of {jax.process_count()} failed, which ends this one too: see its own message."
        )
    return result  # pyright: ignore[reportReturnType]


def require_alike(mesh: Mesh | None, numbers: list[int], what: str) -> None:
    """Raises InvalidInput if the processes do not have the same numbers."""
    if is_multiprocess(mesh) and len(np.unique(_of_all(numbers), axis=0)) > 1:
        raise InvalidInput(f"{what} differ between the processes: expected a folder that all of them can read.")


def signal_of_any(number: int | None) -> int | None:
    """The signal that any of the joined processes received, preferably this one; every process must call this."""
    if jax.process_count() == 1:
        return number
    found = int(_of_all([number or 0]).max())
    return number or found or None


def _of_all(numbers: list[Any]) -> np.ndarray:
    """The numbers of each process, ``[processes, numbers]``."""
    return np.asarray(multihost_utils.process_allgather(np.array(numbers, np.int32)))


class Agreement:
    """Tells every process of a mesh, at the same chunk of training, what any of them asks for.

    With several processes the answer is one chunk late: the exchange is queued behind the chunk that trains, so that
    no device waits for it.
    """

    def __init__(self, mesh: Mesh | None):
        self._mesh, self._asked = mesh, None

    def __call__(self, *, due: bool, signal: int | None) -> tuple[bool, int | None]:
        """Whether a checkpoint is due in any process, and a signal that any process received."""
        if not is_multiprocess(self._mesh):
            return due, signal
        mesh: Any = self._mesh
        own = np.array([[due, signal or 0]], np.int32)
        sharding = NamedSharding(mesh, PartitionSpec((MEMBER, DATA)))
        asked = jax.make_array_from_callback((mesh.size, 2), sharding, lambda _: own)
        with use_mesh(mesh):
            before, self._asked = self._asked, _highest(asked)
        if before is None:
            return False, None
        due_before, signal_before = np.asarray(before).tolist()
        return bool(due_before), signal_before or None


_highest = jax.jit(lambda asked: replicate(asked.max(axis=0)))
