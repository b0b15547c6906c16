"""Start-up time: importing, the first epoch, and the programs that a whole comparison compiles."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.timing import interleave, ratio, timed

LIBRARIES = "import jax, jax.numpy, flax.nnx, optax"
PACKAGE = "import ae_jax; ae_jax.fit, ae_jax.contractive, ae_jax.data.digits"
EPOCH = (
    "from ae_jax.cli.session import use_cache; use_cache(); "
    "import ae_jax; ae_jax.fit(ae_jax.undercomplete(), ae_jax.data.digits(), epochs=1)"
)
COMPARISON = """
import json, sys
import ae_jax
from ae_jax.studies import compare
six = ["undercomplete", "sparse", "contractive", "denoising", "convolutional", "variational"]
record = compare(ae_jax.data.digits(), six, seeds=range(2), epochs=2).record
json.dump({name: record[name] for name in ("programs", "programs_compiled", "compile_s")}, sys.stdout)
"""


def startup(*, rounds: int = 5) -> dict[str, Any]:
    """Measures what a user waits for before anything is trained; every process is started anew in every round.

    Returns:
      ``import_ratio`` of this package over JAX, Flax and Optax, with ``import_low`` and ``import_high``;
      ``first_epoch_ratio`` of an epoch from the compilation cache over one that compiles; ``seconds`` of all; and
      ``programs``, ``programs_compiled``, ``compile_s`` of a comparison of six autoencoders.
    """
    with tempfile.TemporaryDirectory() as cache:
        processes = {"libraries": (LIBRARIES, ""), "ae_jax": (PACKAGE, "")}
        processes |= {"compiled": (EPOCH, ""), "cached": (EPOCH, cache)}
        runs = {name: timed(lambda process=process: run_python(*process)) for name, process in processes.items()}
        seconds = interleave(runs, rounds=rounds)
    imports, epochs = ratio(seconds["ae_jax"], seconds["libraries"]), ratio(seconds["cached"], seconds["compiled"])
    return {
        "import_ratio": imports.median,
        "import_low": imports.low,
        "import_high": imports.high,
        "first_epoch_ratio": epochs.median,
        "seconds": {name: statistics.median(each) for name, each in seconds.items()},
        **json.loads(run_python(COMPARISON, "")),
    }


def run_python(code: str, cache: str) -> str:
    """Returns the output of a Python process; ``cache`` is its compilation cache folder, empty for none."""
    environment = os.environ | {"AE_JAX_CACHE": cache}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout
