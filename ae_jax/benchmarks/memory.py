"""How much memory a contender takes, each in a process of its own: the peak of it, imports and compiling included."""

import multiprocessing
import re
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import jax
import numpy as np

from ae_jax.benchmarks.ours import ours
from ae_jax.benchmarks.peers import prepare
from ae_jax.benchmarks.works import WORKS

_STATUS = Path("/proc/self/status")


def peak_of(work: str, contender: str, batch_size: int, images: np.ndarray) -> float | None:
    """Peak in MiB of a process that trains one epoch, or None where that process broke.

    Of the device's memory on a GPU, else of resident memory.

    Args:
      work: its name.
      contender: a peer's name, or ``"ours"``.
      batch_size: examples in a step.
      images: of which the work takes its share.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        try:
            return process.submit(_train_and_look, work, contender, batch_size, images).result()
        except BrokenProcessPool:
            return None


def _train_and_look(work: str, contender: str, batch_size: int, images: np.ndarray) -> float:
    chosen = WORKS[work]
    task = chosen.task(images, batch_size)
    if contender == "ours":
        seeds = range(chosen.seeds)
        train = ours(chosen.autoencoders(), task.images, batch_size, scale=task.scale, seeds=seeds)
    else:
        train = prepare(contender, task)
    train(1)
    return (resident_peak() if jax.default_backend() == "cpu" else device_peak()) / 2**20


def resident_peak() -> int:
    """The peak of this process's resident memory in bytes.

    Of Linux's own books where they are: what ``getrusage`` says there includes the parent before it became this one.

    Example:
      >>> resident_peak() > 2**20
      True
    """
    if _STATUS.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())):
        return 1024 * int(found[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def device_peak() -> int:
    """The peak of what JAX and, where it is in use, PyTorch allocated on the first device, in bytes."""
    peak = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)
    torch = sys.modules.get("torch")
    return peak + (torch.cuda.max_memory_allocated() if torch is not None and torch.cuda.is_available() else 0)
