"""Every work against its peers: rows of ratios, and whether both did the same."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from ae_jax.benchmarks.memory import peak_of
from ae_jax.benchmarks.ours import LEAST_EPOCHS, ours
from ae_jax.benchmarks.peers import Train, missing, prepare
from ae_jax.benchmarks.roofline import Machine, fraction_row, least, product
from ae_jax.benchmarks.timing import interleave, ratio
from ae_jax.benchmarks.works import WORKS, Task, Work
from ae_jax.errors import InvalidInput, first_line, unknown

Row = dict[str, Any]

LOSS_TOLERANCE = 0.1
"""How far apart last losses may be, relative to ours: each shuffles and draws noise by itself, in a few epochs."""

_OURS, _PROBE = "ours", "matrix product"


class Contender:
    """Somebody who trains, and what became of it.

    Attributes:
      train: as a peer's.
      start_s: seconds until the first epoch was done, beyond those that a later one takes: compiling, trying out.
      seconds: of a round's median epoch, each round.
      loss: of the last epoch, the first member's.
    """

    def __init__(self, prepared: Callable[[], Train]):
        started = time.perf_counter()
        self.train = prepared()
        self.train(1)
        self._first = time.perf_counter() - started
        self.seconds: list[float] = []
        self.loss = float("nan")

    def run(self, epochs: int) -> float:
        """Trains from the start; seconds of the median epoch."""
        seconds, losses = self.train(epochs)
        self.loss = losses[-1]
        return statistics.median(seconds)

    @property
    def start_s(self) -> float:
        return max(0.0, self._first - statistics.median(self.seconds))


def works_named(names: Sequence[str] | None) -> list[Work]:
    """The works of those names, by default all.

    Raises:
      InvalidInput: nobody bears one of them.
    """
    for name in names or ():
        if name not in WORKS:
            raise unknown("work", name, WORKS)
    return [WORKS[name] for name in names or WORKS]


def require_installed(peers: Sequence[str] | None) -> None:
    """Raises a sentence where a peer that is asked for by name is unknown or not installed.

    Raises:
      InvalidInput: the sentence.
    """
    for name in peers or ():
        if (package := missing(name)) is not None:
            raise InvalidInput(
                f"the peer {name} needs {package}, which is not installed: expected pip install 'ae_jax[bench]' first."
            )


def measure(
    work: Work,
    batch_size: int,
    images: np.ndarray,
    machine: Machine,
    *,
    peers: Sequence[str] | None = None,
    rounds: int = 5,
    epochs: int = 4,
    memory: bool = True,
) -> tuple[list[Row], Row]:
    """Rows of a work at a batch size, one for each peer, and the row of how near the machine's limits we are.

    Args:
      work: what is done.
      batch_size: examples in a step.
      images: of which the work takes its share, ``[n, 28, 28]``.
      machine: its limits.
      peers: those of the work's that are wanted, by default all.
      rounds: in each of which everybody trains.
      epochs: of everybody in a round.
      memory: measures peaks of memory too, each in a process of its own.

    Returns:
      The rows, of which those of peers who could not take part have a ``reason``, and the roofline's.

    Raises:
      InvalidInput: rounds or epochs too few, or fewer examples than a batch.
    """
    rounds, epochs = min(rounds, work.rounds or rounds), work.epochs or epochs
    if rounds < 1 or epochs < LEAST_EPOCHS:
        raise InvalidInput(
            f"the benchmark was given {rounds} rounds of {epochs} epochs: expected at least one of {LEAST_EPOCHS}."
        )
    task = work.task(images, batch_size)
    contenders = {_OURS: Contender(lambda: _ours(work, task))}
    wanted = [peer for peer in work.peers if peers is None or peer in peers]
    reasons = {peer: reason for peer in wanted if (reason := _enter(contenders, peer, task)) is not None}
    runs = {name: lambda one=one: one.run(epochs) for name, one in contenders.items()}
    seconds = interleave(runs | {_PROBE: least(product(machine.shape))}, rounds=rounds, warm_up=0)
    for name, contender in contenders.items():
        contender.seconds = seconds[name]
    about = {
        "work": work.name,
        "batch": batch_size,
        "device": jax.default_backend(),
        "examples": len(task.images),
        "epochs": epochs,
        "rounds": rounds,
        "members": work.members,
    }
    peaks = {name: peak_of(work.name, name, batch_size, images) for name in contenders} if memory else {}
    rows = [about | {"peer": peer, "ratio": None, "reason": reason} for peer, reason in reasons.items()]
    rows += [
        about | _row(work, task, contenders[_OURS], contenders[peer], peer, peaks)
        for peer in wanted
        if peer in contenders
    ]
    return rows, about | fraction_row(work, task, contenders[_OURS].seconds, seconds[_PROBE], machine)


def same_work(rows: Sequence[Row]) -> bool:
    """Whether everybody's losses agree with ours.

    Example:
      >>> same_work([{"same_work": True}, {"reason": "not installed"}]), same_work([{"same_work": False}])
      (True, False)
    """
    return all(row.get("same_work", True) for row in rows)


def _ours(work: Work, task: Task) -> Train:
    devices = jax.local_device_count()
    mesh = {"member": devices} if work.divided and devices > 1 and work.members % devices == 0 else None
    seeds = range(work.seeds)
    return ours(work.autoencoders(), task.images, task.batch_size, scale=task.scale, seeds=seeds, mesh=mesh)


def _enter(contenders: dict[str, Contender], peer: str, task: Task) -> str | None:
    """Adds a peer to the contenders, or says why it cannot take part."""
    if (package := missing(peer)) is not None:
        return f"{package} is not installed"
    try:
        contenders[peer] = Contender(lambda: prepare(peer, task))
    except Exception as error:  # whatever a peer's framework raises is a row that says so
        return f"{type(error).__name__}: {first_line(error)}"
    return None


def _row(work: Work, task: Task, we: Contender, they: Contender, peer: str, peaks: dict[str, float | None]) -> Row:
    """What is known of a peer beside us, its time that of all members one after the other."""
    theirs = [work.members * seconds for seconds in they.seconds]
    compared = ratio(theirs, we.seconds)
    ours_s, peer_s = statistics.median(we.seconds), statistics.median(theirs)
    trained = work.members * len(task.images)
    apart = abs(they.loss - we.loss) / abs(we.loss)
    return {
        "peer": peer,
        "ratio": compared.median,
        "ratio_low": compared.low,
        "ratio_high": compared.high,
        "ours_s": ours_s,
        "peer_s": peer_s,
        "peer_members_timed": 1,
        "compile_s": we.start_s,
        "peer_compile_s": they.start_s,
        "ours_images_per_s": trained / ours_s,
        "peer_images_per_s": trained / peer_s,
        "ours_loss": we.loss,
        "peer_loss": they.loss,
        "same_work": bool(apart <= LOSS_TOLERANCE),
        "peak_mib": peaks.get(_OURS),
        "peer_peak_mib": peaks.get(peer),
    }
