"""Average ranks of a study on a line, joined where they do not differ."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ae_jax.report.canvas import BLUE, GREY, INK, MEDIUM, SMALL, new_axes
from ae_jax.studies import Ranking

_WIDTH = 7.2
_LEVEL, _BAR = 0.26, 0.16
"""Inches between two names, and between two bars."""
_ABOVE, _FIRST, _GAP = 0.75, 0.16, 0.1
"""Inches above the line, from it to the first bar, and from the last bar to the first name."""


def critical_difference(ranking: Ranking, *, title: str = "") -> Figure:
    """The critical-difference diagram: average ranks on a line, the best at the right, bars over what does not differ.

    The distance by which two autoencoders must be apart to differ is drawn above the line; below stands what the
    ranks are averages over, and the p value of Friedman's test, without which none of the distances means anything.

    Args:
      ranking: as :func:`ae_jax.studies.average_ranks` gives it.
      title: what was ranked.

    Returns:
      The figure.

    References:
      Demšar, *Statistical comparisons of classifiers over multiple data sets*, JMLR 2006, figure 1.
    """
    count = len(ranking.ranks)
    bars = _FIRST + _BAR * max(len(ranking.groups) - 1, 0)
    lowest = bars + _GAP + _LEVEL * ((count + 1) // 2)
    figure, (ax,) = new_axes(1, columns=1, width=_WIDTH, height=_ABOVE + lowest + 0.35)
    ax.set_axis_off()
    ax.set_ylim(-lowest, _ABOVE)
    ax.set_xlim(count, 1)
    _ruler(ax, count, ranking.critical_difference, ranking.level)
    for level, group in enumerate(ranking.groups):
        ends = [ranking.ranks[group[0]] - 0.03, ranking.ranks[group[-1]] + 0.03]
        depth = -(_FIRST + _BAR * level)
        ax.plot(ends, [depth, depth], color=BLUE, linewidth=4, solid_capstyle="round", zorder=3)
    placed = sorted(ranking.ranks.items(), key=lambda ranked: ranked[1])
    half = count // 2
    _names(ax, placed[:half], side="right", start=bars + _GAP)
    _names(ax, placed[half:][::-1], side="left", start=bars + _GAP)
    ax.set_title(title, fontsize=MEDIUM, loc="left", color=INK, parse_math=False)
    figure.supxlabel(_said(ranking), fontsize=SMALL, color=INK)
    return figure


def _ruler(ax: Axes, count: int, critical: float, level: float) -> None:
    """The line of ranks, and above it the critical difference from its best end."""
    ax.plot([1, count], [0, 0], color=INK, linewidth=1.2, solid_capstyle="butt", clip_on=False)
    for rank in range(1, count + 1):
        ax.plot([rank, rank], [0, 0.08], color=INK, linewidth=1.2, clip_on=False)
        ax.text(rank, 0.11, str(rank), fontsize=SMALL, color=INK, ha="center", va="bottom")
    end = min(1 + critical, count)
    ax.plot([1, end], [0.47, 0.47], color=INK, linewidth=1.2, clip_on=False)
    for rank in (1, end)[: 1 + (1 + critical <= count)]:
        ax.plot([rank, rank], [0.42, 0.52], color=INK, linewidth=1.2, clip_on=False)
    text = f"critical difference {critical:.2f}, level {level:g}"
    ax.text((1 + end) / 2, 0.55, text, fontsize=SMALL, color=INK, ha="center", va="bottom")


def _names(ax: Axes, ranked: Sequence[tuple[str, float]], *, side: str, start: float) -> None:
    """Names beside the line with their ranks, the outermost highest, so that no two leads cross."""
    end = ax.get_xlim()[side == "right"]
    for place, (name, rank) in enumerate(ranked):
        depth = -(start + _LEVEL * (place + 0.5))
        ax.plot([rank, rank, end], [0, depth, depth], color=GREY, linewidth=1, clip_on=False, zorder=1)
        ax.plot(rank, 0, marker="o", markersize=5, color=INK, clip_on=False, zorder=4)
        text = f" {name} {rank:.2f}" if side == "right" else f"{rank:.2f} {name} "
        ha = "left" if side == "right" else "right"
        ax.text(end, depth, text, fontsize=MEDIUM, color=INK, ha=ha, va="center", parse_math=False)


def _said(ranking: Ranking) -> str:
    chance = "p < 0.001" if ranking.p_value < 0.001 else f"p = {ranking.p_value:.3f}"
    warning = "" if ranking.p_value < ranking.level else ": none is shown to differ"
    return f"average rank over {ranking.questions} questions, 1 is best; Friedman's test {chance}{warning}"
