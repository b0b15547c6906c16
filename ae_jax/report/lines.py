"""Panels of examples, and figures that draw them as lines over time."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ae_jax.report.axes import BLUE, GREY, INK, SMALL, VERMILLION, annotate, new_axes

_PAIRED, _LINES = 6, 10
"""Examples of paired rows, and lines of any other row, that are drawn."""


class Panel(NamedTuple):
    """Rows of examples on one scale of values.

    Attributes:
      rows: examples of each row, ``[n, *shape]``.
      names: name of each row; empty for rows without names.
      title: title of the panel.
      columns: label of each example of a row; empty for none.
      axis: what the labels of the examples are.
      limits: lowest and highest value of the scale; None takes those of the rows.
      signed: whether colours diverge from zero: blue is negative, red is positive.
      unit: unit of the values.
      wrong: which examples are crossed out, ``[rows, n]``; None crosses out none.
      paired: whether rows are versions of the same examples, which lines draw over each other.
    """

    rows: Sequence[np.ndarray]
    names: Sequence[str] = ()
    title: str = ""
    columns: Sequence[str] = ()
    axis: str = ""
    limits: tuple[float, float] | None = None
    signed: bool = False
    unit: str = "value"
    wrong: np.ndarray | None = None
    paired: bool = False

    @property
    def scale(self) -> tuple[float, float]:
        if self.limits is not None:
            return self.limits
        low, high = min(float(np.min(row)) for row in self.rows), max(float(np.max(row)) for row in self.rows)
        bound = max(-low, high) or 1.0
        return (-bound, bound) if self.signed else (low, high)


class _Plot(NamedTuple):
    """One axes: its panel, its title, and the label, values and style of each line."""

    panel: Panel
    title: str
    lines: Sequence[tuple[str, np.ndarray, dict[str, Any]]]


def draw_lines(panels: Sequence[Panel], given: Axes | None = None) -> Figure:
    """Draws panels of time series: axes for each example of paired rows, which lie over each other, else for each row.

    Channels of an example have one colour.
    """
    plots = [plot for panel in panels for plot in (_paired(panel) if panel.paired else _in_rows(panel))]
    shared = len({tuple(label for label, *_ in plot.lines) for plot in plots}) == 1 and given is None
    width, height = (3.2, 1.9) if shared else (4.4, 2.4)
    figure, axes = new_axes(len(plots), columns=3 if len(plots) > 4 else 2, width=width, height=height, ax=given)
    for place, (ax, plot) in enumerate(zip(axes, plots, strict=True)):
        handles = [ax.plot(values, linewidth=1.2, **style)[0] for _, values, style in plot.lines]
        low, high = plot.panel.scale
        ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low) if high > low else None)
        annotate(ax, title=plot.title, x="time" if len(plots) - place <= 2 else "", y=plot.panel.unit)
        named = [label for label, *_ in plot.lines if label]
        if named and (not shared or place == 0):
            where: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
            where = {"loc": "outside lower center", "ncols": min(len(named), 5)} if shared else where
            title = plot.panel.axis or None
            legend = (figure if shared else ax).legend(
                handles, named, fontsize=SMALL, frameon=False, title=title, handlelength=1.2, **where
            )
            legend.get_title().set_fontsize(SMALL)
    return figure


def _paired(panel: Panel) -> Iterator[_Plot]:
    """The plots of the first examples, with a line for each row."""
    names = [name.replace("\n", " ") for name in panel.names]
    for place in range(min(_PAIRED, *map(len, panel.rows))):
        colours = zip((INK, BLUE, GREY, VERMILLION), (2, 3, 1, 3), strict=True)
        styles = [{"color": colour, "zorder": order} for colour, order in colours]
        lines = [(name, row[place], style) for name, row, style in zip(names, panel.rows, styles, strict=False)]
        yield _Plot(panel, panel.columns[place] if panel.columns else f"example {place + 1}", lines)


def _in_rows(panel: Panel) -> Iterator[_Plot]:
    """The plots of the rows, with a line for each of the first examples; those that are crossed out are dashed."""
    for place, row in enumerate(panel.rows):
        count = min(_LINES, len(row))
        colours = colormaps["cividis"](np.linspace(0, 0.9, count))
        lines = []
        for number, (values, colour) in enumerate(zip(row[:count], colours, strict=True)):
            wrong = panel.wrong is not None and bool(panel.wrong[place][number])
            label = panel.columns[number] if number < len(panel.columns) else ""
            lines.append((label, values, {"color": colour, "linestyle": ":" if wrong else "-"}))
        name = panel.names[place].replace("\n", " ") if place < len(panel.names) else ""
        yield _Plot(panel, ": ".join(filter(None, (panel.title, name))), lines)
