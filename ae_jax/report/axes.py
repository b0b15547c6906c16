"""What figures share: colours that colour-blind readers can tell apart, sizes, axes, SVG and PNG."""

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ae_jax.errors import InvalidInput
from ae_jax.training import Run

BLUE, VERMILLION, GREY, INK = "#0072B2", "#D55E00", "#8a8a8a", "#222222"
CLASSES = ("#332288", "#E69F00", "#117733", "#CC6677", "#56B4E9", "#882255", "#44AA99", "#999933", "#AA4499", "#222222")
"""Okabe and Ito (2008) for lines; ten hues after Tol (2021), *Colour schemes*, for classes."""
MARKERS = "os^DvPX<>p"

SMALL, MEDIUM = 9.0, 10.5
_DPI = 110


def new_axes(
    count: int, *, columns: int, width: float, height: float, ax: Axes | None = None
) -> tuple[Figure, list[Axes]]:
    """Returns a figure with plain axes, which belongs to no global state; or given axes, and their figure.

    Rows have the same number of axes, or one more, and fill the width.

    Args:
      count: number of axes.
      columns: largest number of columns of the grid.
      width, height: size of one axes with its labels, in inches.
      ax: where to draw instead, a figure of one panel.

    Raises:
      InvalidInput: axes were given for several panels.

    Example:
      >>> figure, axes = new_axes(3, columns=2, width=3.0, height=2.0)
      >>> figure.get_size_inches().tolist(), len(axes)
      ([6.0, 4.0], 3)
    """
    if ax is not None:
        if count > 1:
            raise InvalidInput(f"a figure of {count} panels was given ax: expected none, as it has axes for each.")
        figure: Any = ax.figure
        return figure, [ax]
    rows = np.array_split(np.arange(count), math.ceil(count / columns))
    columns, fewer = len(rows[0]), len(rows[-1])
    size = width * columns, height * len(rows)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.07, h_pad=0.07))
    grid = figure.add_gridspec(len(rows), columns * fewer)
    axes = []
    for row, places in enumerate(rows):
        span = columns * fewer // len(places)
        axes += [figure.add_subplot(grid[row, place * span : (place + 1) * span]) for place in range(len(places))]
    for one in axes:
        one.tick_params(labelsize=SMALL, color=GREY, labelcolor=INK)
        one.spines[["top", "right"]].set_visible(False)
        one.spines[["left", "bottom"]].set_color(GREY)
    return figure, axes


def entitle(axes: Sequence[Axes], title: str) -> None:
    """Sets the title of the only axes, or of the figure of several; an empty one leaves them as they are."""
    if title and len(axes) == 1:
        axes[0].set_title(title, fontsize=MEDIUM, loc="left", color=INK, parse_math=False)
    elif title:
        axes[0].figure.suptitle(title, fontsize=MEDIUM, color=INK, parse_math=False)


def annotate(ax: Axes, *, title: str = "", x: str = "", y: str = "") -> None:
    """Sets the title and the axis labels, in the sizes that every figure has; dollar signs are text."""
    ax.set_title(title, fontsize=MEDIUM, loc="left", color=INK, parse_math=False)
    ax.set_xlabel(x, fontsize=SMALL, color=INK, parse_math=False)
    ax.set_ylabel(y, fontsize=SMALL, color=INK, parse_math=False)


def to_png(figure: Figure) -> bytes:
    """Returns the figure as a PNG file, with the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def to_svg(figure: Figure) -> bytes:
    """Returns the figure as an SVG file, with the same bytes for the same figure."""
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "ae_jax"}):
        figure.savefig(
            buffer, format="svg", facecolor="white", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    return buffer.getvalue()


def select_member(run: Run) -> Run:
    """Returns the member that figures show: the first that stayed finite, else the first."""
    return run if run.single else run[int(np.argmax(run.finite))]


def select_examples(labels: np.ndarray | None, total: int, count: int) -> list[int]:
    """Returns the indices of the examples to show: of every class in turn if there are labels, else the first ones.

    Example:
      >>> select_examples(np.array([1, 1, 0, 1, 0]), 5, 4)
      [2, 0, 4, 1]
    """
    if labels is None:
        return list(range(min(count, total)))
    ranks = np.empty(total, int)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        ranks[rows] = np.arange(len(rows))
    return [int(place) for place in np.lexsort((labels, ranks))[:count]]


def is_image(shape: Sequence[int]) -> bool:
    """Whether examples of this shape are shown as images: grey, or of one or three channels."""
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))


def is_series(examples: np.ndarray) -> bool:
    """Whether examples ``[n, *shape]`` are drawn as lines: vectors, or up to eight channels, that are smooth in time.

    They are where the squared steps from value to value are below half the variance along the axis, in the median; of
    features in no order they are twice the variance (von Neumann 1941).

    Example:
      >>> time = np.linspace(0, 6, 50)
      >>> is_series(np.sin(time)[None]), is_series(np.random.default_rng(0).normal(size=(9, 50)))
      (True, False)
    """
    shape = examples.shape[1:]
    if len(shape) not in (1, 2) or shape[0] < 16 or (len(shape) == 2 and (shape[1] > 8 or shape[0] < 4 * shape[1])):
        return False
    values = np.asarray(examples[:100], np.float64)
    steps, variance = np.square(np.diff(values, axis=1)).mean(axis=1), values.var(axis=1)
    return bool(np.median(steps[variance > 0] / variance[variance > 0]) < 0.5) if (variance > 0).any() else False


def to_words(name: Any, limit: int = 40) -> str:
    """Returns a name with spaces for underscores, shortened to a limit."""
    return shorten(str(name).replace("_", " "), limit)


def shorten(text: Any, limit: int = 40) -> str:
    """Returns a text with an ellipsis in place of what goes beyond a limit."""
    return str(text) if len(str(text)) <= limit else str(text)[: limit - 1] + "…"
