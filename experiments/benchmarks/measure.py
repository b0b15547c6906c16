"""Training of one workload against its baselines: rows of ratios, and whether all did the same work."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from ae_jax.errors import first_line
from benchmarks.baselines import missing, prepare
from benchmarks.memory import peak_memory
from benchmarks.ours import Train, ours
from benchmarks.roofline import Machine, fastest, product, roofline_row
from benchmarks.timing import interleave, ratio
from benchmarks.workloads import Task, Workload

Row = dict[str, Any]

LOSS_TOLERANCE = 0.1
"""Allowed relative difference of last losses: each trainer shuffles and draws noise by itself, for a few epochs."""

_OURS, _PROBE = "ours", "matrix product"


class Trainer:
    """A prepared trainer and its measurements.

    Attributes:
      seconds: median epoch of each round.
      loss: loss of the last epoch, of the first member.
    """

    def __init__(self, prepared: Callable[[], Train]):
        started = time.perf_counter()
        self._train = prepared()
        self._train(1)
        self._first = time.perf_counter() - started
        self.seconds: list[float] = []
        self.loss = float("nan")

    def run(self, epochs: int) -> float:
        """Trains from the start and returns the seconds of the median epoch."""
        seconds, losses = self._train(epochs)
        self.loss = losses[-1]
        return statistics.median(seconds)

    @property
    def compile_s(self) -> float:
        """Seconds of the first epoch, preparation and compilation included, beyond those of a later epoch."""
        return max(0.0, self._first - statistics.median(self.seconds))


def measure(
    workload: Workload,
    batch_size: int,
    images: np.ndarray,
    machine: Machine,
    *,
    baselines: Sequence[str] | None = None,
    rounds: int = 5,
    epochs: int = 4,
    memory: bool = True,
) -> tuple[list[Row], Row]:
    """Measures a workload at a batch size against its baselines, all trained in every round.

    Args:
      workload: the workload.
      batch_size: examples in a step.
      images: bytes, of which the workload takes its share, ``[n, 28, 28]``.
      machine: the machine's limits.
      baselines: names of those of the workload's that are wanted; None means all.
      rounds: rounds.
      epochs: epochs of each trainer in a round.
      memory: whether peak memory is measured too, each in a process of its own.

    Returns:
      A row for each baseline; one that could not run has a ``reason`` instead of numbers. And the roofline's row.
    """
    rounds, epochs = min(rounds, workload.rounds or rounds), workload.epochs or epochs
    task = workload.task(images, batch_size)
    trainers = {_OURS: Trainer(lambda: _ours(workload, task))}
    wanted = [name for name in workload.baselines if baselines is None or name in baselines]
    reasons = {name: reason for name in wanted if (reason := _add(trainers, name, task)) is not None}
    runs = {name: lambda trainer=trainer: trainer.run(epochs) for name, trainer in trainers.items()}
    seconds = interleave(runs | {_PROBE: fastest(product(machine.shape))}, rounds=rounds, warm_up=0)
    for name, trainer in trainers.items():
        trainer.seconds = seconds[name]
    about = {
        "workload": workload.name,
        "batch": batch_size,
        "device": jax.default_backend(),
        "examples": len(task.images),
        "epochs": epochs,
        "rounds": rounds,
        "members": workload.members,
    }
    peaks = {name: peak_memory(workload.name, name, batch_size, images) for name in trainers} if memory else {}
    rows = [about | {"baseline": name, "ratio": None, "reason": reason} for name, reason in reasons.items()]
    for name in trainers.keys() - {_OURS}:
        peak = {"peak_mib": peaks.get(_OURS), "baseline_peak_mib": peaks.get(name)}
        rows.append(about | {"baseline": name} | _row(trainers[_OURS], trainers[name], about) | peak)
    rows.sort(key=lambda row: wanted.index(row["baseline"]))
    return rows, about | roofline_row(workload, task, trainers[_OURS].seconds, seconds[_PROBE], machine)


def _ours(workload: Workload, task: Task) -> Train:
    devices = jax.local_device_count()
    mesh = {"member": devices} if workload.sharded and devices > 1 and workload.members % devices == 0 else None
    seeds = range(workload.seeds)
    return ours(workload.autoencoders(), task.images, task.batch_size, scale=task.scale, seeds=seeds, mesh=mesh)


def _add(trainers: dict[str, Trainer], baseline: str, task: Task) -> str | None:
    """Adds a baseline to the trainers, or returns why it cannot run."""
    if (package := missing(baseline)) is not None:
        return f"{package} is not installed"
    try:
        trainers[baseline] = Trainer(lambda: prepare(baseline, task))
    except Exception as error:  # a failure of the other framework becomes a row
        return f"{type(error).__name__}: {first_line(error)}"
    return None


def _row(ours: Trainer, baseline: Trainer, about: Row) -> Row:
    """Returns the comparison; the baseline's time is that of all members, one after the other."""
    theirs = [about["members"] * seconds for seconds in baseline.seconds]
    compared = ratio(theirs, ours.seconds)
    ours_s, baseline_s = statistics.median(ours.seconds), statistics.median(theirs)
    return {
        "ratio": compared.median,
        "ratio_low": compared.low,
        "ratio_high": compared.high,
        "ours_s": ours_s,
        "baseline_s": baseline_s,
        "compile_s": ours.compile_s,
        "baseline_compile_s": baseline.compile_s,
        "ours_images_per_s": about["members"] * about["examples"] / ours_s,
        "ours_loss": ours.loss,
        "baseline_loss": baseline.loss,
        "same_work": bool(abs(baseline.loss - ours.loss) <= LOSS_TOLERANCE * abs(ours.loss)),
    }
