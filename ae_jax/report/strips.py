"""Examples that are no images as strips: a row for each example and a column for each feature."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ae_jax.report.canvas import INK, SMALL, annotate, new_axes

_WIDTH = 7.6


def strips(
    parts: Mapping[str, np.ndarray],
    low: float,
    high: float,
    *,
    cmap: str = "viridis",
    rows: str = "example",
    ticks: Sequence[str] = (),
    unit: str = "value",
) -> Figure:
    """Every part as a strip, one above the other, on one scale of values.

    Args:
      parts: title -> examples, ``[n, *features]``.
      low, high: ends of the scale.
      cmap: its colours.
      rows: what a row is.
      ticks: names of the rows, of which the first, the middle and the last are shown; by default their numbers.
      unit: of the values.
    """
    count = max(map(len, parts.values()))
    figure, axes = new_axes(len(parts), columns=1, width=_WIDTH, height=0.65 + 0.06 * max(count, 10))
    for place, (ax, (name, values)) in enumerate(zip(axes, parts.items(), strict=True)):
        shown = strip(ax, values, low, high, cmap=cmap)
        last = place == len(parts) - 1
        annotate(ax, title=name, x="feature" if last else "", y=rows)
        ax.tick_params(labelbottom=last)
        ax.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        if ticks:
            ends = sorted({0, len(ticks) // 2, len(ticks) - 1})
            ax.set_yticks(ends, [ticks[end] for end in ends])
    value_bar(figure, axes, shown, unit)  # pyright: ignore[reportPossiblyUnboundVariable]
    return figure


def strip(ax: Axes, values: np.ndarray, low: float, high: float, *, cmap: str = "viridis") -> Any:
    """Examples by features, on one scale of values."""
    rows = np.asarray(values, np.float64).reshape(len(values), -1)
    shown = ax.imshow(rows, cmap=cmap, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    return shown


def value_bar(figure: Figure, axes: Sequence[Axes], shown: Any, unit: str) -> None:
    """The scale of values beside pictures; none beside coloured ones."""
    if shown is None:
        return
    bar = figure.colorbar(shown, ax=list(axes), fraction=0.05, pad=0.02, aspect=14)
    bar.set_label(unit, fontsize=SMALL, color=INK)
    bar.locator = MaxNLocator(nbins=4)
    bar.ax.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
