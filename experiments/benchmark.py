"""Training side by side with PyTorch, pythae and hand-written JAX, and how near it comes to the machine's limits.

COMMAND
    python experiments/benchmark.py --json benchmark.json
    (the command ``ae-jax bench`` under another name; needs ``pip install 'ae_jax[bench]'`` for PyTorch and pythae)
EXPECTED
    the bars of ``ae_jax.benchmarks.BARS``, on two CPU cores: among them at least 3, 2.5 and 2 times as fast as pythae's
    trainer at batch 64, 128 and 512; 1.8, 1.5 and 1 times as a loop by hand in PyTorch; at most 1.05 times as slow as
    a scan by hand in JAX; three quarters of the matrix-product peak at batch 512.
MEASURED
    see experiments/README.md; medians over the rounds' ratios, everybody trained in every round of one process.
"""

import sys

from ae_jax.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["bench", *sys.argv[1:]]))
