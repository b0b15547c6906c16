"""Peak memory of training, measured in a process of its own, imports and compilation included."""

import multiprocessing
import re
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import jax
import numpy as np

from benchmarks.baselines import prepare
from benchmarks.ours import ours
from benchmarks.workloads import WORKLOADS


def peak_memory(workload: str, trainer: str, batch_size: int, images: np.ndarray) -> float | None:
    """Returns the peak MiB of a process that trains one epoch, or None if that process crashed.

    Device memory on a GPU, resident memory on a CPU.

    Args:
      workload: its name.
      trainer: name of a baseline, or ``"ours"``.
      batch_size: examples in a step.
      images: bytes, of which the workload takes its share.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        try:
            return process.submit(_train_once, workload, trainer, batch_size, images).result()
        except BrokenProcessPool:
            return None


def _train_once(workload: str, trainer: str, batch_size: int, images: np.ndarray) -> float:
    chosen = WORKLOADS[workload]
    task = chosen.task(images, batch_size)
    if trainer == "ours":
        train = ours(chosen.autoencoders(), task.images, batch_size, scale=task.scale, seeds=range(chosen.seeds))
    else:
        train = prepare(trainer, task)
    train(1)
    return (resident_peak() if jax.default_backend() == "cpu" else device_peak()) / 2**20


def resident_peak() -> int:
    """Returns this process's peak resident memory in bytes."""
    status = Path("/proc/self/status")  # on Linux, getrusage also counts the parent before exec
    if status.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", status.read_text())):
        return 1024 * int(found[1])
    return (1 if sys.platform == "darwin" else 1024) * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def device_peak() -> int:
    """Returns the peak bytes that JAX and, if it is in use, PyTorch allocated on the first device."""
    peak = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)
    torch = sys.modules.get("torch")
    return peak + (torch.cuda.max_memory_allocated() if torch is not None and torch.cuda.is_available() else 0)
