"""How long it takes to begin: importing, the first epoch, and the programs of a whole comparison."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from ae_jax.benchmarks.timing import interleave, ratio

IMPORTS = {
    "jax, flax and optax": "import jax, jax.numpy, flax.nnx, optax",
    "ae_jax": "import ae_jax; ae_jax.fit, ae_jax.contractive, ae_jax.data.digits",
}
"""What is imported in a process of its own, ours down to what trains, as nothing is imported before it is used."""

EPOCH = "import ae_jax; ae_jax.fit(ae_jax.undercomplete(), ae_jax.data.digits(), epochs=1)"
_CACHED = "from ae_jax.cli.session import use_cache; use_cache(); "

_COMPARISON = """
import json, sys
import ae_jax
from ae_jax.studies import compare
record = compare(ae_jax.data.digits(), seeds=range(2), epochs=2).record
json.dump({name: record[name] for name in ("programs", "programs_compiled", "compile_s")}, sys.stdout)
"""


def startup(*, rounds: int = 5) -> dict[str, Any]:
    """What a user waits for before anything is trained.

    Args:
      rounds: in each of which every process is started anew; the compilation cache is filled before them.

    Returns:
      ``import_ratio`` of ours over the libraries' with ``import_low`` and ``import_high``; ``first_epoch_ratio``, of a
      process that trains one epoch on the digits from the compilation cache over one that compiles; seconds of all; and
      the programs that a comparison of the six asks for, ``programs``, in ``compile_s`` seconds.
    """
    with tempfile.TemporaryDirectory() as cache:
        runs = {name: _process(code, "") for name, code in IMPORTS.items()}
        runs |= {"compiled": _process(_CACHED + EPOCH, ""), "cached": _process(_CACHED + EPOCH, cache)}
        seconds = interleave(runs, rounds=rounds)
    libraries, ours = seconds["jax, flax and optax"], seconds["ae_jax"]
    imports, epochs = ratio(ours, libraries), ratio(seconds["cached"], seconds["compiled"])
    return {
        "import_ratio": imports.median,
        "import_low": imports.low,
        "import_high": imports.high,
        "first_epoch_ratio": epochs.median,
        "seconds": {name: statistics.median(each) for name, each in seconds.items()},
        **json.loads(_run(_COMPARISON, "")),
    }


def _process(code: str, cache: str) -> Callable[[], float]:
    """Seconds of a Python process that does this."""

    def run() -> float:
        started = time.perf_counter()
        _run(code, cache)
        return time.perf_counter() - started

    return run


def _run(code: str, cache: str) -> str:
    """What a Python process prints, whose compilation cache is that folder, or none."""
    environment = os.environ | {"AE_JAX_CACHE": cache}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout
