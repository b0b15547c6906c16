"""How fast it is, measured side by side: against peers on the same work, and against the machine's own limits."""

from ae_jax.benchmarks.bars import BARS, Bar, Verdict, geometric_means, judge
from ae_jax.benchmarks.ours import ours
from ae_jax.benchmarks.peers import PEERS, prepare
from ae_jax.benchmarks.study import MEASURES, Study
from ae_jax.benchmarks.timing import Ratio, interleave, ratio, timed
from ae_jax.benchmarks.works import WORKS, Task, Work, task_of

__all__ = [
    "BARS",
    "MEASURES",
    "PEERS",
    "WORKS",
    "Bar",
    "Ratio",
    "Study",
    "Task",
    "Verdict",
    "Work",
    "geometric_means",
    "interleave",
    "judge",
    "ours",
    "prepare",
    "ratio",
    "task_of",
    "timed",
]
