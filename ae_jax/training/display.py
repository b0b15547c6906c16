"""The HTML that notebooks show for a run: a small table and its loss curves."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

_WIDTH, _HEIGHT, _MARGIN = 240, 60, 4
_COLOURS = {"train": "#0072B2", "validation": "#D55E00"}

History = Mapping[str, Mapping[str, np.ndarray]]


def run_html(title: str, facts: Mapping[str, Any], history: History) -> str:
    """Shows a title, facts, the last value of every term of every split, and a sparkline of the loss.

    Args:
      title: the run's name.
      facts: name -> value, in order.
      history: split -> term -> ``[members, epochs]``, NaN after a member stopped.

    Returns:
      HTML without scripts, styles or links, in which all texts are escaped.

    Example:
      >>> run_html("<b>", {"seeds": "0, 1"}, {})
      '<div><strong>&lt;b&gt;</strong><table><tr><th>seeds</th><td>0, 1</td></tr></table></div>'
    """
    rows = [(escape(str(name)), escape(str(value))) for name, value in facts.items()]
    terms = dict.fromkeys(term for terms in history.values() for term in terms)
    for term in terms:
        last = {split: last_mean(values[term]) for split, values in history.items() if term in values}
        rows.append((escape(term), ", ".join(f"{escape(split)} {value:.4g}" for split, value in last.items())))
    table = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
    losses = {split: mean_curve(terms["loss"]) for split, terms in history.items() if "loss" in terms}
    return f"<div><strong>{escape(title)}</strong><table>{table}</table>{sparkline(losses)}</div>"


def mean_curve(values: np.ndarray) -> np.ndarray:
    """Mean of the finite values of each epoch; epochs without any are left out.

    Example:
      >>> mean_curve(np.array([[4.0, 2.0, np.nan], [2.0, np.nan, np.nan]])).tolist()
      [3.0, 2.0]
    """
    return np.array([np.mean(column[np.isfinite(column)]) for column in values.T if np.isfinite(column).any()])


def last_mean(values: np.ndarray) -> float:
    """Mean over members of their last finite values; NaN if there are none.

    Example:
      >>> last_mean(np.array([[4.0, 2.0, np.nan], [5.0, 4.0, 3.0]]))
      2.5
    """
    last = [row[np.isfinite(row)][-1] for row in values if np.isfinite(row).any()]
    return float(np.mean(last)) if last else float("nan")


def sparkline(curves: Mapping[str, Sequence[float] | np.ndarray]) -> str:
    """Draws curves over epochs as inline SVG, on a logarithmic scale if all are positive; empty without two points."""
    drawn = {name: np.asarray(curve, np.float64) for name, curve in curves.items() if len(curve) > 1}
    if not drawn:
        return ""
    positive = all((curve > 0).all() for curve in drawn.values())
    heights = {name: np.log(curve) if positive else curve for name, curve in drawn.items()}
    low, high = min(map(np.min, heights.values())), max(map(np.max, heights.values()))
    lines = "".join(
        f'<polyline fill="none" stroke-width="1.5" stroke="{_COLOURS.get(name, "#888888")}" '
        f'points="{_points(curve, low, high)}"><title>{escape(name)}</title></polyline>'
        for name, curve in heights.items()
    )
    label = escape("; ".join(f"{name} loss from {curve[0]:.4g} to {curve[-1]:.4g}" for name, curve in drawn.items()))
    image = f'<svg role="img" aria-label="{label}" width="{_WIDTH}" height="{_HEIGHT}">{lines}</svg>'
    return f"{image}<br><small>{label}</small>"


def _points(curve: np.ndarray, low: float, high: float) -> str:
    x = np.linspace(_MARGIN, _WIDTH - _MARGIN, len(curve))
    share = (curve - low) / (high - low) if high > low else np.full(len(curve), 0.5)
    y = _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
