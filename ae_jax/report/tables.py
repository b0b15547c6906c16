"""Tables of results: one value that a console, Markdown and HTML show alike."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

from ae_jax.errors import printable
from ae_jax.evaluation import METRICS, Metric, Row, disqualified, is_baseline
from ae_jax.studies import Comparison, Difference, Interval, Sweep, paired_differences, summarise, undefeated
from ae_jax.studies.results import SOURCES, intervals

Summary = dict[str, dict[str, Interval]]
"""Group -> metric -> interval, as :func:`ae_jax.studies.summarise` returns it."""

BASELINE = "pca"
"""The group that figures draw as a line."""

_MISSING = "—"
_BETTER = {"low": ", lower is better", "high": ", higher is better", None: ""}
_LATEX = {"±": r"$\pm$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "—": "---", "‖": r"$\Vert$", "²": "$^2$"}
_ARROWS = {"low": " ↓", "high": " ↑", None: ""}


class Column(NamedTuple):
    """One metric of a table: heading, unit, and definition, which is empty for a metric that the package lacks."""

    label: str
    unit: str
    meaning: str


class Cell(NamedTuple):
    """The text of one group's metric.

    Attributes:
      mean: in the metric's format; a dash if it was not measured or is not finite.
      half_width: half-width of the confidence interval with its sign, ``"± 0.1"``, or its limits where it is cut to
        the possible values; empty if there is none.
      undefeated: whether no other group is shown to be better; None of groups that no test compared.
    """

    mean: str
    half_width: str = ""
    undefeated: bool | None = None

    def __str__(self) -> str:
        return f"{self.mean} {self.half_width}".rstrip()


@dataclasses.dataclass(frozen=True)
class ResultsTable:
    """Results as text, a row for each group and a column for each metric; ``rich.print`` shows it on a console.

    Attributes:
      heading: heading of the column of groups.
      columns: one for each metric.
      rows: group -> its cells, in the order of the columns.
      title: what all rows share; empty if the table stands alone.
      explained: whether the console and Markdown show the meaning of the columns below the table.
      contents: what the intervals contain, in words; empty if there are none.

    Example:
      >>> table = results_table({"a": {"mse": Interval(0.5, 0.01, 5)}}, explained=False)
      >>> Console(width=40).print(table)
      autoencoder              MSE ↓
      ──────────────────────────────
      a            0.50000 ± 0.01000
    """

    heading: str
    columns: tuple[Column, ...]
    rows: Mapping[str, tuple[Cell, ...]]
    title: str = ""
    explained: bool = True
    contents: str = ""

    def footnote(self, mark: str) -> str:
        """Explains the cells, of which those of undefeated groups carry a mark."""
        cells, parts = [cell for of_group in self.rows.values() for cell in of_group], []
        if self.contents:
            parts.append(f"Mean ± half-width of the 95% confidence interval, which contains {self.contents}")
        if any(cell.undefeated is not None for cell in cells):
            parts.append(
                f"{mark}: not shown to be worse than the best, by paired tests with p < 0.05, corrected by Holm's "
                "method for all tests of the table"
            )
        if any(cell.mean == _MISSING for cell in cells):
            parts.append(f"{_MISSING}: not measured")
        return "; ".join(parts)

    def to_frame(self) -> pd.DataFrame:
        """Returns the cells as text, a row for each group and a column for each metric."""
        columns = [column.label for column in self.columns]
        cells = [[str(cell) for cell in of_group] for of_group in self.rows.values()]
        return pd.DataFrame(cells, index=pd.Index(list(self.rows), name=self.heading), columns=columns)

    def to_latex(self) -> str:
        """Returns a LaTeX table, which needs the package booktabs; marks are bold."""
        frame = self.to_frame()
        bold = [["textbf:--rwrap;" * bool(cell.undefeated) for cell in of_group] for of_group in self.rows.values()]
        marks = pd.DataFrame(bold, index=frame.index, columns=frame.columns)
        style: Any = frame.style.apply(lambda _: marks, axis=None).format(escape="latex")
        style = style.format_index(escape="latex", axis=0).format_index(escape="latex", axis=1)
        text: Any = style.to_latex(hrules=True, column_format="l" + "r" * len(self.columns))
        return text.translate(str.maketrans(_LATEX))

    def to_markdown(self) -> str:
        """Returns a table of GitHub's Markdown, padded so that it also reads as plain text; marks are bold."""
        lines = [[self.heading, *(column.label for column in self.columns)]]
        for group, cells in self.rows.items():
            lines.append([group, *(f"**{cell}**" if cell.undefeated else str(cell) for cell in cells)])
        lines = [[" ".join(text.split()).replace("|", "\\|") for text in line] for line in lines]
        widths = [max(3, *map(len, texts)) for texts in zip(*lines, strict=True)]
        lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
        padded = [
            [line[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))]
            for line in lines
        ]
        text = "\n".join(f"| {' | '.join(line)} |" for line in padded)
        if not self.explained:
            return text
        meanings = "\n".join(f"- {label}: {meaning}" for label, meaning in explanations(self))
        return "\n\n".join([text, *[f"{note}." for note in [self.footnote("bold")] if note], meanings])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table | Text]:
        """Splits the columns over as many tables as the width of the console requires."""
        if not self.columns:
            yield Text("There are no results to show.")
            return
        first = min(max(12, options.max_width // 3), max(map(len, [self.heading, *self.rows])))
        blocks: list[list[tuple[str, list[Text]]]] = []
        room = 0
        for place, column in enumerate(self.columns):
            texts = _aligned(column.label, [cells[place] for cells in self.rows.values()])
            width = len(texts[0]) + 2
            if not blocks or width > room:
                blocks.append([])
                room = options.max_width - first
            blocks[-1].append((column.label, texts))
            room -= width
        for place, block in enumerate(blocks):
            if place:
                yield Text()
            table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
            table.add_column(Text(printable(self.heading)), overflow="fold", width=first)
            for label, texts in block:
                table.add_column(Text(label), justify="right", vertical="bottom", width=len(texts[0]))
            for group, *line in zip(self.rows, *(texts for _, texts in block), strict=True):
                table.add_row(Text(printable(group)), *line)
            yield table
        if self.explained:
            meanings = Table.grid(padding=(0, 2))
            for label, meaning in explanations(self):
                meanings.add_row(Text(label, no_wrap=True), Text(meaning))
            yield from (Text(), meanings, Text(self.footnote("*")))


def _aligned(label: str, cells: Sequence[Cell]) -> list[Text]:
    """Cells of one width, with means below each other; a star marks undefeated ones where there are no colours."""
    room = max(len(cell.half_width) for cell in cells)
    marks = {True: " *", False: "  ", None: ""}
    lines = [f"{cell.mean} {cell.half_width:<{room}}".rstrip(" " if not room else "") for cell in cells]
    lines = [line + marks[cell.undefeated] for line, cell in zip(lines, cells, strict=True)]
    width = max(map(len, [*label.split(" "), *lines]))
    styles = ["bold green" if cell.undefeated else "" for cell in cells]
    return [Text(line.rjust(width), style=style, justify="left") for line, style in zip(lines, styles, strict=True)]


def results_table(
    summary: Summary,
    differences: Sequence[Difference] = (),
    *,
    heading: str = "autoencoder",
    title: str = "",
    columns: Mapping[str, str] | None = None,
    digits: int | Mapping[str, int] | None = None,
    explained: bool = True,
) -> ResultsTable:
    """Returns means with their intervals as a table; baselines come first.

    Args:
      summary: as :func:`ae_jax.studies.summarise` returns it.
      differences: as :func:`ae_jax.studies.paired_differences` returns them; groups that are not shown to be worse than
        the best are marked.
      heading: what the groups are.
      title: what all rows share.
      columns: metrics to show, in that order, each with its heading; by default all, the package's own first.
      digits: decimal places of all metrics or of each; by default those of :data:`ae_jax.evaluation.METRICS`, else 2.
      explained: whether the meaning of the columns is shown below.

    Example:
      >>> results_table({"a": {"mse": Interval(0.5, 0.01, 5)}}).rows
      {'a': (Cell(mean='0.50000', half_width='± 0.01000', undefeated=None),)}
    """
    if columns is None:
        found = dict.fromkeys(metric for metrics in summary.values() for metric in metrics)
        ordered = dict.fromkeys([*(metric for metric in METRICS if metric in found), *found])
        columns = {metric: describe(metric).label for metric in ordered}
    places = digits if isinstance(digits, Mapping) else dict.fromkeys(columns, digits)
    headings = []
    rows: dict[str, tuple[Cell, ...]] = dict.fromkeys(sorted(summary, key=lambda group: not is_baseline(group)), ())
    for metric, label in columns.items():
        known = describe(metric)
        meaning = f"{known.meaning} ({known.unit}{_BETTER[known.better]})" if known.meaning else ""
        headings.append(Column(label + arrow(metric), known.unit, meaning))
        style = known.format if places.get(metric) is None else f".{places[metric]}f"
        leading = undefeated(one for one in differences if one.question["metric"] == metric)
        for group in rows:
            cell = format_interval(summary[group].get(metric), metric, style)
            rows[group] += (cell._replace(undefeated=leading.get(group)),)
    return ResultsTable(heading, tuple(headings), rows, title, explained, _contents(summary, columns))


def _contents(summary: Summary, columns: Mapping[str, str]) -> str:
    """What the intervals of most columns contain, and in brackets those of the others."""
    found: dict[str, list[str]] = {}
    for metric, label in columns.items():
        answers = [of[metric] for of in summary.values() if metric in of]
        parts = [part for part in SOURCES if any(answer.half_width and part in answer.over for answer in answers)]
        if parts:
            found.setdefault(listed(parts) if len(parts) > 1 else f"{parts[0]} alone", []).append(label)
    first, *others = sorted(found, key=lambda parts: -len(found[parts])) or [""]
    bracket = "; ".join(f"{', '.join(found[parts])}: {parts}" for parts in others)
    return f"{first} ({bracket})" if bracket else first


def listed(items: Sequence[str]) -> str:
    """Items as in a sentence."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def study_summary(study: Comparison | Sweep) -> tuple[Summary, list[Difference], str]:
    """Returns the means of a study on the test split, their tests, and the heading of the groups that they are of.

    There are no tests of groups that a fault disqualifies.
    """
    rows, excluded = _by_group(study, study.rows), disqualified_groups(study)
    tests = paired_differences(rows, **study.tested)
    tests = [one for one in tests if not excluded & {one.first, one.second}]
    return summarise(rows, **study.tested), tests, "setting" if isinstance(study, Sweep) else "autoencoder"


def disqualified_groups(study: Comparison | Sweep) -> set[str]:
    """Returns the groups of a study that have a disqualifying fault (:func:`ae_jax.evaluation.disqualified`)."""
    return disqualified(_by_group(study, study.findings))


def _by_group(study: Comparison | Sweep, rows: list[Row]) -> list[Row]:
    """Rows in which the groups of the study's table are the autoencoders."""
    if isinstance(study, Comparison):
        return rows
    keys = study.by
    return [row | {"autoencoder": ", ".join(f"{key}={row[key]}" for key in keys)} for row in rows]


def means_table(
    rows: Sequence[Mapping[str, Any]],
    *,
    by: str = "autoencoder",
    columns: Mapping[str, str] | None = None,
    digits: int | Mapping[str, int] = 2,
) -> str:
    """Returns the means of rows over seeds, with 95% confidence intervals, as a Markdown table.

    Args:
      rows: long-format results with the group, ``metric`` and ``value``.
      by: the key that makes a group.
      columns, digits: as in :func:`results_table`.

    Example:
      >>> rows = [{"autoencoder": "a", "metric": "error", "value": value} for value in (1.0, 1.2)]
      >>> print(means_table(rows, columns={"error": "test error, %"}))
      | autoencoder | test error, % |
      | ----------- | ------------: |
      | a           |   1.10 ± 1.27 |
    """
    summary = intervals(rows, by=(by,))
    return results_table(summary, heading=by, columns=columns, digits=digits, explained=False).to_markdown()


def describe(metric: str) -> Metric:
    """The description of a metric; one that the package does not know is shown by its name."""
    return METRICS.get(metric, Metric(metric, "", None, ".2f", ""))


def arrow(metric: str) -> str:
    """Returns an arrow to put after a metric's label: down if low values are better, up if high ones are."""
    return _ARROWS[describe(metric).better]


def format_interval(answer: Interval | None, metric: str, style: str | None = None) -> Cell:
    """Formats a mean and its interval; a value that is always the same has none."""
    if answer is None or not np.isfinite(answer.mean):
        return Cell(_MISSING)
    style = style or describe(metric).format
    mean = f"{answer.mean:{style}}"
    if answer.half_width is None or answer.half_width <= 1e-9 * abs(answer.mean):
        return Cell(mean)
    (low, high), ends = limits(answer, metric), (answer.mean - answer.half_width, answer.mean + answer.half_width)
    return Cell(mean, f"± {answer.half_width:{style}}" if (low, high) == ends else f"[{low:{style}}, {high:{style}}]")


def limits(answer: Interval, metric: str) -> tuple[float, float]:
    """The interval, cut to the possible values of the metric."""
    (low, high), half_width = describe(metric).limits, answer.half_width or 0.0
    return max(answer.mean - half_width, low), min(answer.mean + half_width, high)


def shared_metrics(summary: Summary) -> list[str]:
    """The metrics of which at least two groups have a finite mean."""
    finite = [metric for of in summary.values() for metric, answer in of.items() if np.isfinite(answer.mean)]
    return [metric for metric in METRICS if finite.count(metric) >= 2]


def explanations(*tables: ResultsTable) -> list[tuple[str, str]]:
    """Label and meaning of each column of the tables, every metric once."""
    return list(dict.fromkeys((c.label, c.meaning) for table in tables for c in table.columns if c.meaning))
