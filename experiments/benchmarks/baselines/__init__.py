"""Baselines: the same training, written as an expert in each framework would write it.

A baseline is a function of a :class:`benchmarks.workloads.Task`. It builds what it needs and returns
``train(epochs)``, which starts from the task's initial parameters and returns the seconds and the mean loss of each
epoch. Compilation and tuning happen in the first call, or before.
"""

import importlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

BASELINES: dict[str, tuple[str, str, str]] = {
    "pytorch": ("pytorch", "eager", "torch"),
    "pytorch-compiled": ("pytorch", "compiled", "torch"),
    "pytorch-jacrev": ("pytorch", "by_jacrev", "torch"),
    "pytorch-jacfwd": ("pytorch", "by_jacfwd", "torch"),
    "pythae": ("pythae_trainer", "trainer", "pythae"),
    "jax-scan": ("jax_by_hand", "scan", "jax"),
    "jax-loop": ("jax_by_hand", "loop", "jax"),
}
"""Baseline -> module, function, and the package that it needs."""


def missing(name: str) -> str | None:
    """Returns the package that a baseline needs if it is not installed, else None."""
    package = BASELINES[name][2]
    return None if find_spec(package) else package


def prepare(name: str, task: Any) -> Callable[[int], tuple[list[float], list[float]]]:
    """Builds a baseline for a task and returns its ``train`` function."""
    module, function, _ = BASELINES[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), function)(task)
