"""Results of evaluation: rows in the long format, messages and curves."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from ae_jax.evaluation.anomaly import AnomalyScore

Row = dict[str, Any]
"""One long-format result: autoencoder, seed, member, metric, value, split, and any hyper-parameters that were swept."""


class ScoredLabels(NamedTuple):
    """Anomaly scores of examples beside their labels, from which curves are drawn.

    Attributes:
      scores: high means abnormal, ``[n]``.
      abnormal: whether each example is abnormal, ``[n]``.
    """

    scores: np.ndarray
    abnormal: np.ndarray


class TaskResult(NamedTuple):
    """The result of one task.

    Attributes:
      task: its name.
      rows: long-format results; empty where the task could not be evaluated.
      messages: what was left out or cut, why, and what to do about it.
      curves: of the anomaly task, name of a score -> scores and labels, of the first member that stayed finite.
      scorer: of the anomaly task, the score of the run with the highest area under those curves.
      findings: of the summary, faults of members (:func:`ae_jax.evaluation.diagnose`).
      examples: the values of each test example beside each row, ``[n]``, of which the row's is the mean; None beside a
        row that is no mean, and empty where no row is one.
    """

    task: str
    rows: list[Row]
    messages: tuple[str, ...] = ()
    curves: Mapping[str, ScoredLabels] = {}
    scorer: "AnomalyScore | None" = None
    findings: Sequence[Row] = ()
    examples: Sequence[np.ndarray | None] = ()

    @classmethod
    def of(cls, task: str, rows: list[Row], messages: Iterable[str] = (), **further: Any) -> "TaskResult":
        """A result of rows whose values may be those of each example, which give way to their mean."""
        examples = [row["value"] if isinstance(row["value"], np.ndarray) else None for row in rows]
        for row in rows:
            row["value"] = float(np.mean(row["value"]))
        return cls(task, rows, tuple(messages), examples=examples, **further)


class Evaluation(tuple[TaskResult, ...]):
    """Results of several tasks, in the order in which they were evaluated."""

    @property
    def rows(self) -> list[Row]:
        """The rows of all tasks."""
        return [row for result in self for row in result.rows]

    def to_frame(self) -> "pd.DataFrame":
        """The rows of all tasks as a tidy data frame, with a column for each key."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    @property
    def findings(self) -> list[Row]:
        """The findings of all tasks."""
        return [finding for result in self for finding in result.findings]

    @property
    def examples(self) -> list[np.ndarray | None]:
        """The values of test examples beside each row, or None."""
        return [values for result in self for values in result.examples or [None] * len(result.rows)]
