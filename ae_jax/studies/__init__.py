"""Whole studies: several autoencoders or settings over several seeds, asked the same questions."""

from ae_jax.studies.compare import Comparison, compare, default_autoencoders
from ae_jax.studies.fan_out import collect, run_job
from ae_jax.studies.jobs import Job, jobs_of, read_jobs, write_jobs
from ae_jax.studies.results import Interval, as_json, best, interval, read_results, summarise, write_results
from ae_jax.studies.significance import Difference, Ranking, average_ranks, holm, nemenyi, paired_differences
from ae_jax.studies.suited import suited
from ae_jax.studies.sweep import Sweep, sweep

__all__ = [
    "Comparison",
    "Difference",
    "Interval",
    "Job",
    "Ranking",
    "Sweep",
    "as_json",
    "average_ranks",
    "best",
    "collect",
    "compare",
    "default_autoencoders",
    "holm",
    "interval",
    "jobs_of",
    "nemenyi",
    "paired_differences",
    "read_jobs",
    "read_results",
    "run_job",
    "suited",
    "summarise",
    "sweep",
    "write_jobs",
    "write_results",
]
