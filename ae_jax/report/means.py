"""Rows of any metrics as one table: means over seeds with their intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

from ae_jax.studies.results import Interval, intervals


def means_table(
    rows: Sequence[Mapping[str, Any]],
    *,
    by: str = "autoencoder",
    columns: Mapping[str, str] | None = None,
    digits: int | Mapping[str, int] = 2,
) -> str:
    """Means over seeds as a Markdown table: a line for each group, a column for each metric.

    Args:
      rows: with the group, ``metric`` and ``value``, as in :func:`ae_jax.studies.results.intervals`.
      by: the key that makes a group.
      columns: metrics that are shown, in that order, each with its heading; by default all.
      digits: behind the point, of all metrics or of each.

    Returns:
      The table; an interval stands where there are two values or more.

    Example:
      >>> rows = [{"autoencoder": "a", "metric": "error", "value": value} for value in (1.0, 1.2)]
      >>> print(means_table(rows, columns={"error": "test error, %"}))
      | autoencoder | test error, % |
      | --- | ---: |
      | a | 1.10 ± 1.27 |
    """
    found = intervals(rows, by=(by,))
    if columns is None:
        columns = {name: name for metrics in found.values() for name in metrics}
    lines = [[by, *columns.values()], ["---", *("---:" for _ in columns)]]
    for group, metrics in found.items():
        lines.append([group, *(_cell(metrics.get(name), _digits(digits, name)) for name in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _digits(digits: int | Mapping[str, int], name: str) -> int:
    return digits if isinstance(digits, int) else digits.get(name, 2)


def _cell(answer: Interval | None, digits: int) -> str:
    if answer is None or not answer.count:
        return "—"
    spread = "" if answer.half_width is None else f" ± {answer.half_width:.{digits}f}"
    return f"{answer.mean:.{digits}f}{spread}"
