"""The options of several devices and processes, and what each process does of a command."""

import dataclasses
import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from tyro.conf import arg
from tyro.constructors import PrimitiveConstructorSpec

from ae_jax.cli.options import one, read_whole
from ae_jax.errors import InvalidInput

Result = TypeVar("Result")
FOUND = "found"
"""Where processes are joined as a cluster's scheduler tells them."""


def read_distributed(texts: list[str]) -> str | tuple[str, int, int]:
    """Address of the first process, this one's number and the count, or the reason why not; of no text, to be found."""
    if not texts:
        return FOUND
    address, _, place = texts[0].partition(",")
    host, _, port = address.rpartition(":")
    index, _, count = place.partition("/")
    if len(texts) > 1 or not (host and port.isdecimal() and index.isdecimal() and count.isdecimal()):
        raise ValueError(f"was given {' '.join(texts)!r}: expected HOST:PORT,INDEX/COUNT, such as node1:8476,0/2.")
    if not read_whole(index) < read_whole(count):
        raise ValueError(f"was given process {index} of {count}: expected one from 0 to {int(count) - 1}.")
    return address, int(index), int(count)


_DISTRIBUTED = PrimitiveConstructorSpec(
    nargs="*",
    metavar="[HOST:PORT,INDEX/COUNT]",
    instance_from_str=read_distributed,
    is_instance=lambda _: True,
    str_from_instance=lambda value: [] if value in (None, FOUND) else ["{},{}/{}".format(*value)],
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Devices:
    """On how many devices is trained.

    Attributes:
      mesh: devices along two axes, such as data=4 or member=2,data=4: every batch is divided over data, members over
        member; a CPU counts as so many devices. By default a population is divided over as many accelerators as take
        equal shares of it, and everything else is trained on one device.
      distributed: train together with other processes of the same command, on all their devices over data unless
        --mesh says otherwise; under Slurm or Open MPI, with one task for each GPU, nothing more need be said; else the
        address of the first process, the number of this one from 0, and how many there are. The first alone prints
        and writes, where all can read.
    """

    mesh: Annotated[str | None, one(str, "AXIS=N[,AXIS=N]"), arg(help_behavior_hint="(default: as above)")] = None
    distributed: Annotated[Any, _DISTRIBUTED, arg(help_behavior_hint="(default: this process alone)")] = None

    def join(self) -> None:
        """Makes a CPU as many devices as the mesh takes, or joins other processes; before JAX computes anything.

        Raises:
          InvalidInput: no description of a mesh, or processes that cannot be joined.
        """
        if self.distributed is None:
            if self.mesh is not None:
                from ae_jax.training import provide_cpu_devices

                provide_cpu_devices(self.mesh)
            return
        _keep_standard_output()
        from ae_jax.training import initialize
        from ae_jax.training.distributed import signal_of_any

        if self.distributed == FOUND:
            initialize()
        else:
            address, index, count = self.distributed
            initialize(address, count, index)
        signal_of_any(None)  # CPUs meet here: who comes half a minute later is not waited for
        if not leading():
            warnings.simplefilter("ignore")  # the first says them

    def require_none(self, option: str) -> None:
        """Raises where any of these options was given beside one that has no use for them.

        Raises:
          InvalidInput: one was.
        """
        if self != Devices():
            raise InvalidInput(
                f"{option} was given with --mesh or --distributed: expected neither, since nothing is trained here; "
                "each job trains on one device."
            )

    def settings(self) -> dict[str, Any]:
        """The arguments of studies that these options are."""
        return {"mesh": self.mesh}


def _keep_standard_output() -> None:
    """Leaves the standard output to Python: Gloo, which CPUs are joined by, writes there whom it reached."""
    sys.stdout.flush()
    own = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    sys.stdout = os.fdopen(own, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)


def leading() -> bool:
    """Whether this process prints and writes: of joined ones, the first."""
    import jax

    return jax.process_index() == 0


def by_each(work: Callable[[], Result]) -> Result:
    """What a piece of work gives, once each of joined processes has done it; where one refuses, all end.

    Raises:
      InvalidInput: what the work raises, or that it did in another process.
    """
    import jax

    from ae_jax.training.distributed import together

    return together(jax.process_count() > 1, work)


def by_leader(work: Callable[[], Result]) -> Result | None:
    """What a piece of work gives in the leading process, and None in others; where it refuses, all end.

    Raises:
      InvalidInput: what the work raises, or that it did in the leading process.
    """
    return by_each(lambda: work() if leading() else None)
