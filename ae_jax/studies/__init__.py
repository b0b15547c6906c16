"""Whole studies: several autoencoders or settings over several seeds, evaluated alike."""

from ae_jax.studies.compare import DEFAULT_AUTOENCODERS, Comparison, compare, default_autoencoders
from ae_jax.studies.results import Interval, as_json, best, interval, intervals, split_ratio, summarise, write_results
from ae_jax.studies.statistics import Difference, Ranking, average_ranks, holm, nemenyi, paired_differences, undefeated
from ae_jax.studies.study_results import StudyResults
from ae_jax.studies.study_state import path_component
from ae_jax.studies.submit import EXECUTORS, SweepSpec, submit_sweep
from ae_jax.studies.suited import suited
from ae_jax.studies.sweep import Sweep, populations_of, sweep
from ae_jax.studies.tune import Tuning, tune

__all__ = [
    "DEFAULT_AUTOENCODERS",
    "EXECUTORS",
    "Comparison",
    "Difference",
    "Interval",
    "Ranking",
    "StudyResults",
    "Sweep",
    "SweepSpec",
    "Tuning",
    "as_json",
    "average_ranks",
    "best",
    "compare",
    "default_autoencoders",
    "holm",
    "interval",
    "intervals",
    "nemenyi",
    "paired_differences",
    "path_component",
    "populations_of",
    "split_ratio",
    "submit_sweep",
    "suited",
    "summarise",
    "sweep",
    "tune",
    "undefeated",
    "write_results",
]
