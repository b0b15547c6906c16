"""One table for terminals, web pages and text files: the mean and 95% confidence interval of every group and metric."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from rich import box
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

from ae_jax.evaluation import METRICS
from ae_jax.report.charts import Summary, arrow, shared_metrics
from ae_jax.studies import best

_MISSING = "—"
_BASELINE = "pca"
_GAP = 2
FOOTNOTE = (
    f"mean ± half-width of the 95% confidence interval over seeds; * best mean of the column; {_MISSING} not measured"
)


class Cell(NamedTuple):
    """One answer as text.

    Attributes:
      mean: in the metric's format, or a dash for what was not measured or is not finite.
      half_width: of the confidence interval with its sign, ``"± 0.1"``; empty where there is none.
    """

    mean: str
    half_width: str = ""

    def __str__(self) -> str:
        return f"{self.mean} {self.half_width}".rstrip()


@dataclasses.dataclass(frozen=True)
class Cells:
    """A summary as text.

    Attributes:
      heading: of the column of groups.
      groups: the rows, PCA's first.
      metrics: the columns.
      answers: ``[groups][metrics]``.
      best: of each metric that at least two groups have and of which one way is better, the best group.
    """

    heading: str
    groups: tuple[str, ...]
    metrics: tuple[str, ...]
    answers: tuple[tuple[Cell, ...], ...]
    best: dict[str, str]


def cells(summary: Summary, *, heading: str = "autoencoder") -> Cells:
    """What every form of the table shows.

    Args:
      summary: as :func:`ae_jax.studies.summarise` gives it.
      heading: what the groups are.

    Returns:
      The rows, columns and texts.

    Example:
      >>> from ae_jax.studies import Interval
      >>> cells({"a": {"mse": Interval(0.5, 0.01, 5)}, "pca": {}}).answers
      ((Cell(mean='—', half_width=''),), (Cell(mean='0.50000', half_width='± 0.01000'),))
    """
    groups = sorted(summary, key=lambda group: group != _BASELINE)
    metrics = [metric for metric in METRICS if any(metric in summary[group] for group in groups)]
    ordered = {group: dict(summary[group]) for group in groups}
    winners = {metric: best(ordered, metric) for metric in shared_metrics(summary)}
    return Cells(
        heading=heading,
        groups=tuple(groups),
        metrics=tuple(metrics),
        answers=tuple(tuple(cell(summary, group, metric) for metric in metrics) for group in groups),
        best={metric: winner for metric, winner in winners.items() if winner is not None},
    )


def cell(summary: Summary, group: str, metric: str) -> Cell:
    """What a group answered; a count that is the same for every seed has no interval."""
    answer = summary[group].get(metric)
    if answer is None or not np.isfinite(answer.mean):
        return Cell(_MISSING)
    style = METRICS[metric].format
    mean = f"{answer.mean:{style}}"
    exact = answer.half_width is None or (answer.half_width == 0 and METRICS[metric].unit == "count")
    return Cell(mean) if exact else Cell(mean, f"± {answer.half_width:{style}}")


def legend(metrics: Iterable[str]) -> list[tuple[str, str]]:
    """Label and meaning, with the unit and which way is better, of each metric.

    Example:
      >>> legend(["parameters"])
      [('parameters', 'trained numbers (count)')]
    """
    words = {"low": ", lower is better", "high": ", higher is better", None: ""}
    shown = [(METRICS[name].label + arrow(name), METRICS[name]) for name in metrics]
    return [(label, f"{metric.meaning} ({metric.unit}{words[metric.better]})") for label, metric in shown]


@dataclasses.dataclass(frozen=True)
class ConsoleTable:
    """A summary for a terminal: printed by rich, as many tables below each other as its width asks for.

    Attributes:
      cells: what it shows.
      explained: whether the meaning of the columns is printed below.

    Example:
      >>> from ae_jax.studies import Interval
      >>> table = console_table({"a": {"mse": Interval(0.5, 0.01, 5)}}, explained=False)
      >>> Console(width=40).print(table)
      autoencoder              MSE ↓
      ──────────────────────────────
      a            0.50000 ± 0.01000
    """

    cells: Cells
    explained: bool = True

    def blocks(self, width: int) -> list[list[int]]:
        """Which columns stand in which table, so that each table is no wider than the terminal where that can be."""
        taken = self._name_width(width)
        blocks: list[list[int]] = [[]]
        room = width - taken
        for column in range(len(self.cells.metrics)):
            needed = self._width(column) + _GAP
            if needed > room and blocks[-1]:
                blocks.append([])
                room = width - taken
            blocks[-1].append(column)
            room -= needed
        return blocks

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table | Text]:
        if not self.cells.metrics:
            yield Text("There are no results to show.")
            return
        for place, block in enumerate(self.blocks(options.max_width)):
            if place:
                yield Text()
            yield self._table(block, self._name_width(options.max_width))
        if self.explained:
            yield Text()
            yield from self._explanation()

    def _table(self, columns: Sequence[int], name_width: int) -> Table:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, _GAP - 1, 0, 0), pad_edge=False)
        table.add_column(Text(self.cells.heading), overflow="fold", width=name_width)
        for column in columns:
            metric = self.cells.metrics[column]
            table.add_column(
                Text(METRICS[metric].label + arrow(metric)),
                justify="right",
                vertical="bottom",
                width=self._width(column),
            )
        for group, answers in zip(self.cells.groups, self.cells.answers, strict=True):
            table.add_row(Text(group), *[self._cell(group, column, answers[column]) for column in columns])
        return table

    def _cell(self, group: str, column: int, answer: Cell) -> Text:
        """The best of a column is bold and green, and has a star where the terminal shows neither; means align."""
        winner = self.cells.best.get(self.cells.metrics[column])
        mark = "" if winner is None else " *" if group == winner else "  "
        room = self._half_width(column)
        half_width = f" {answer.half_width:<{room}}" if room else ""
        text = f"{answer.mean}{half_width}{mark}".rjust(self._width(column))
        return Text(text, style="bold green" if group == winner else "", justify="left")

    def _width(self, column: int) -> int:
        metric = self.cells.metrics[column]
        mark = 2 if metric in self.cells.best else 0
        words = (METRICS[metric].label + arrow(metric)).split(" ")
        longest = max(len(answers[column].mean) for answers in self.cells.answers)
        longest += self._half_width(column) + 1 if self._half_width(column) else 0
        return max(longest + mark, *map(len, words))

    def _half_width(self, column: int) -> int:
        return max(len(answers[column].half_width) for answers in self.cells.answers)

    def _name_width(self, width: int) -> int:
        return min(max(map(len, (self.cells.heading, *self.cells.groups))), max(12, width // 3))

    def _explanation(self) -> Iterator[Table | Text]:
        meanings = Table.grid(padding=(0, 2))
        meanings.add_column(no_wrap=True)
        meanings.add_column()
        for label, meaning in legend(self.cells.metrics):
            meanings.add_row(Text(label), Text(meaning))
        yield meanings
        yield Text(FOOTNOTE)


def console_table(summary: Summary, *, heading: str = "autoencoder", explained: bool = True) -> ConsoleTable:
    """A summary for ``rich.print``; see :class:`ConsoleTable`."""
    return ConsoleTable(cells(summary, heading=heading), explained)


def markdown_table(summary: Summary, *, heading: str = "autoencoder", explained: bool = True) -> str:
    """A summary as a table of GitHub's Markdown, aligned so that it reads as plain text too; the best are bold.

    Example:
      >>> from ae_jax.studies import Interval
      >>> print(markdown_table({"a": {"kl": Interval(0.5, 0.01, 5)}}, explained=False))
      | autoencoder |          KL |
      | ----------- | ----------: |
      | a           | 0.50 ± 0.01 |
    """
    shown = cells(summary, heading=heading)
    rows = [[_plain(heading), *[_plain(METRICS[name].label + arrow(name)) for name in shown.metrics]]]
    for group, answers in zip(shown.groups, shown.answers, strict=True):
        marked = [
            f"**{answer}**" if shown.best.get(metric) == group else str(answer)
            for metric, answer in zip(shown.metrics, answers, strict=True)
        ]
        rows.append([_plain(group), *marked])
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * widths[0], *["-" * (width - 1) + ":" for width in widths[1:]]]
    lines = [f"| {' | '.join(_padded(row, widths))} |" for row in [rows[0], rule, *rows[1:]]]
    if explained:
        footnote = FOOTNOTE.replace("* best mean of the column", "bold: best mean of the column")
        lines += ["", f"{footnote}.", "", *[f"- {label}: {meaning}" for label, meaning in legend(shown.metrics)]]
    return "\n".join(lines)


def html_table(summary: Summary, *, heading: str = "autoencoder") -> str:
    """A summary as an HTML table whose best cells have the class ``best``; everything given is escaped.

    Example:
      >>> from ae_jax.studies import Interval
      >>> "&lt;b&gt;" in html_table({"<b>": {"kl": Interval(0.5, 0.01, 5)}})
      True
    """
    shown = cells(summary, heading=heading)
    head = "".join(
        f'<th scope="col" title="{escape(METRICS[name].meaning)}">{escape(_unbroken(name))}'
        f"<small>{escape(METRICS[name].unit)}</small></th>"
        for name in shown.metrics
    )
    body = "".join(
        f'<tr{_class(group == _BASELINE, "baseline")}><th scope="row">{escape(group)}</th>'
        + "".join(
            f"<td{_class(shown.best.get(metric) == group, 'best')}>{escape(answer.mean)}"
            f"{f' <small>{escape(answer.half_width)}</small>' if answer.half_width else ''}</td>"
            for metric, answer in zip(shown.metrics, answers, strict=True)
        )
        + "</tr>\n"
        for group, answers in zip(shown.groups, shown.answers, strict=True)
    )
    return (
        f'<table class="results"><thead><tr><th scope="col">{escape(heading)}</th>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table>"
    )


def _class(applies: bool, name: str) -> str:
    return f' class="{name}"' if applies else ""


def _unbroken(metric: str) -> str:
    """The heading of a column, broken only between words; the arrow stays with the last one."""
    return METRICS[metric].label.replace("-", "\u2011") + arrow(metric).replace(" ", "\u00a0")


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *[text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]]


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
