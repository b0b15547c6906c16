"""Whole studies: several autoencoders or settings over several seeds, asked the same questions."""

from ae_jax.studies.compare import Comparison, compare, default_autoencoders
from ae_jax.studies.results import Interval, as_json, best, interval, read_results, summarise, write_results
from ae_jax.studies.suited import suited
from ae_jax.studies.sweep import Sweep, sweep

__all__ = [
    "Comparison",
    "Interval",
    "Sweep",
    "as_json",
    "best",
    "compare",
    "default_autoencoders",
    "interval",
    "read_results",
    "suited",
    "summarise",
    "sweep",
    "write_results",
]
