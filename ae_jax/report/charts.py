"""Figures of numbers: loss curves, codes in two dimensions, and how the groups of a study compare."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ae_jax.evaluation import METRICS, Row
from ae_jax.report.canvas import BLUE, CLASSES, GREY, SMALL, VERMILLION, annotate, new_axes, shown_member
from ae_jax.studies import Interval, interval
from ae_jax.training import Run

Summary = Mapping[str, Mapping[str, Interval]]
"""Group -> metric -> interval, as :func:`ae_jax.studies.summarise` gives it."""

UNITS = {
    "squared_error": "squared model units",
    "bernoulli_nll": "nats",
    "gaussian_nll": "nats",
    "laplace_nll": "nats",
    "kl": "nats",
    "importance_gain": "nats",
    "kl_sparsity": "nats",
    "l1": "code units",
    "jacobian": "squared code / model units",
}
"""Of the terms of the objectives that come with the package, summed over features."""

_MARKERS = "os^DvPX<>p"
_CLASSES, _IN_A_COLUMN, _POINTS = 20, 12, 2000


def loss_curves(run: Run, *, columns: int = 3) -> Figure | None:
    """Every term of the objective by epoch, on the training and the validation split, a panel for each term.

    Lines are means over the members that were training, bands reach from the lowest to the highest of them.

    Args:
      run: a trained population.
      columns: of panels, at most.

    Returns:
      The figure; None where no epoch was finished.
    """
    terms = curve_terms(run)
    if not terms:
        return None
    figure, axes = new_axes(len(terms), columns=columns, width=3.6, height=2.7)
    for ax, term in zip(axes, terms, strict=True):
        shown = []
        for split, colour, style in (("train", BLUE, "-"), ("validation", VERMILLION, (0, (4, 1.5)))):
            values = run.history.get(split, {}).get(term)
            if values is not None:
                shown.append(_band(ax, np.asarray(values, np.float64), split, colour, style))
        _scale(ax, np.concatenate([values.ravel() for values in shown]))
        likelihood = run.autoencoder.objective.likelihood.name
        title = f"loss = {_words(likelihood)}" if len(terms) == 1 else _words(term)
        annotate(ax, title=title, x="epoch", y=UNITS.get(likelihood if term == "loss" else term, ""))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    axes[0].legend(fontsize=SMALL, frameon=False)
    return figure


def curve_terms(run: Run) -> list[str]:
    """The loss and its terms, the loss alone where it has only one."""
    terms = [term for term in run.history.get("train", {}) if term != "loss"]
    return ["loss"] + (terms if len(terms) > 1 else []) if run.history.get("train") else []


def code_map(run: Run, x: Any, labels: Any = None) -> Figure:
    """Codes of data in two dimensions, by label: the first two principal components of larger codes.

    Args:
      run: a trained population; its first finite member is shown.
      x: examples in the units that it was trained on, ``[n, *shape]``; the first 2,000 are shown.
      labels: one for each example, or None. More than 20 different numbers are a colour scale.

    Returns:
      The figure.
    """
    member = shown_member(run)
    codes = np.asarray(member.encode(x[:_POINTS]), np.float64)
    places, names = plane(codes)
    figure, (ax,) = new_axes(1, columns=1, width=4.8, height=3.7)
    if labels is None:
        ax.scatter(*places.T, s=12, c=BLUE, alpha=0.6, linewidths=0)
    else:
        _coloured(figure, ax, places, np.asarray(labels)[:_POINTS])
    annotate(ax, title=f"codes of {len(codes):,} examples", x=names[0], y=names[1])
    if codes.shape[1] == 1:
        ax.set_yticks([])
    return figure


def plane(codes: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Places of codes in the plane, and what its axes are.

    Codes of one unit are spread evenly over the second axis, in the order of the examples.

    Example:
      >>> plane(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 3.0]]))[1][0]
      'principal component 1 of 3 code units (100% of variance)'
    """
    if codes.shape[1] == 1:
        return np.column_stack([codes[:, 0], np.linspace(0, 1, len(codes))]), ("code unit 1", "examples in their order")
    if codes.shape[1] == 2:
        return codes, ("code unit 1", "code unit 2")
    centred = codes - codes.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    directions = np.vstack([directions, np.zeros((1, codes.shape[1]))])[:2]
    total = max(float(np.sum(sizes**2)), np.finfo(float).tiny)
    shares = np.append(sizes**2 / total, 0.0)[:2]
    first, second = (f"principal component {k + 1}" for k in range(2))
    return centred @ directions.T, (
        f"{first} of {codes.shape[1]} code units ({shares[0]:.0%} of variance)",
        f"{second} ({shares[1]:.0%} of variance)",
    )


def comparison_summary(summary: Summary, *, columns: int = 4) -> Figure | None:
    """Every metric that at least two groups have: a dot with its 95% confidence interval for each group.

    The first group named ``pca`` is the baseline, a dotted line through every panel.

    Args:
      summary: as :func:`ae_jax.studies.summarise` gives it.
      columns: of panels, at most.

    Returns:
      The figure; None where no metric has two groups.
    """
    metrics = shared_metrics(summary)
    if not metrics:
        return None
    groups = list(summary)
    longest = max(map(len, groups))
    figure, axes = new_axes(len(metrics), columns=columns, width=2.9, height=1.1 + 0.24 * len(groups))
    for place, (ax, metric) in enumerate(zip(axes, metrics, strict=True)):
        for row, group in enumerate(groups):
            _dot(ax, summary[group].get(metric), row, GREY if group == "pca" else BLUE)
        if "pca" in summary and metric in summary["pca"]:
            ax.axvline(summary["pca"][metric].mean, color=GREY, linewidth=1, linestyle=":", zorder=0)
        first = place % columns == 0
        ax.set_yticks(range(len(groups)), [_shortened(group) if first else "" for group in groups])
        ax.set_ylim(len(groups) - 0.5, -0.5)
        ax.margins(x=0.12)
        ax.locator_params(axis="x", nbins=4)
        annotate(ax, title=f"{METRICS[metric].label}{arrow(metric)}", x=METRICS[metric].unit)
    figure.set_size_inches(figure.get_figwidth() + 0.05 * min(longest, 40), figure.get_figheight())
    return figure


def sweep_summary(rows: Sequence[Row], keys: Sequence[str], *, columns: int = 3) -> Figure | None:
    """Every metric against the swept number that took most values, a line for each setting of the other keys.

    Args:
      rows: of a sweep, each with the swept hyper-parameters as keys.
      keys: the swept hyper-parameters.
      columns: of panels, at most.

    Returns:
      The figure; None where no key has three numbers or more than ten lines were needed.
    """
    numeric = {key: {row[key] for row in rows} for key in keys if all(_is_number(row[key]) for row in rows)}
    axis = max(numeric, key=lambda key: len(numeric[key]), default=None)
    if axis is None or len(numeric[axis]) < 3:
        return None
    lines: dict[str, dict[str, dict[float, list[float]]]] = {}
    for row in rows:
        line = ", ".join(f"{key}={row[key]}" for key in keys if key != axis)
        lines.setdefault(line, {}).setdefault(row["metric"], {}).setdefault(row[axis], []).append(row["value"])
    if len(lines) > len(CLASSES):
        return None
    metrics = [metric for metric in METRICS if any(metric in values for values in lines.values())]
    figure, axes = new_axes(len(metrics), columns=columns, width=3.4, height=2.5)
    for ax, metric in zip(axes, metrics, strict=True):
        for (line, values), colour, marker in zip(lines.items(), CLASSES, _MARKERS + _MARKERS, strict=False):
            _line(ax, values.get(metric, {}), line, colour, marker)
        _scale_axis(ax, sorted(numeric[axis]))
        annotate(ax, title=f"{METRICS[metric].label}{arrow(metric)}", x=axis, y=METRICS[metric].unit)
    if len(lines) > 1:
        axes[0].legend(fontsize=SMALL, frameon=False)
    return figure


def shared_metrics(summary: Summary) -> list[str]:
    """The metrics that at least two groups have finite means of, in the order of the table."""
    counts = {
        metric: sum(metric in metrics and bool(np.isfinite(metrics[metric].mean)) for metrics in summary.values())
        for metric in METRICS
    }
    return [metric for metric, count in counts.items() if count >= 2]


def arrow(metric: str) -> str:
    """Which way is better, after a label.

    Example:
      >>> arrow("mse"), arrow("knn_accuracy"), arrow("parameters")
      (' ↓', ' ↑', '')
    """
    return {"low": " ↓", "high": " ↑", None: ""}[METRICS[metric].better]


def _band(ax: Axes, values: np.ndarray, split: str, colour: str, style: Any) -> np.ndarray:
    """Draws the mean of the members and the band from lowest to highest; gives what it drew, finite values only."""
    finite = np.where(np.isfinite(values), values, np.nan)
    drawn = np.flatnonzero(~np.all(np.isnan(finite), axis=0))
    finite = finite[:, drawn]
    label = split if len(values) == 1 else f"{split}, mean of {len(values)} members"
    marker = "o" if len(drawn) == 1 else None
    ax.plot(drawn + 1, np.nanmean(finite, axis=0), color=colour, linestyle=style, label=label, marker=marker)
    if len(values) > 1:
        ax.fill_between(drawn + 1, np.nanmin(finite, axis=0), np.nanmax(finite, axis=0), color=colour, alpha=0.2, lw=0)
    return finite


def _scale(ax: Axes, values: np.ndarray) -> None:
    """A logarithmic axis where values are positive and range over more than a factor of eight."""
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 8 * values.min():
        ax.set_yscale("log")
        decades = np.log10(values.max() / values.min())
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 3 else (1.0,)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())


def _coloured(figure: Figure, ax: Axes, places: np.ndarray, labels: np.ndarray) -> None:
    classes = np.unique(labels)
    if len(classes) > _CLASSES and np.issubdtype(labels.dtype, np.number):
        drawn = ax.scatter(*places.T, s=12, c=labels, cmap="cividis", linewidths=0)
        figure.colorbar(drawn, ax=ax).set_label("label", fontsize=SMALL)
        return
    for index, label in enumerate(classes[:_CLASSES]):
        colour, marker = CLASSES[index % len(CLASSES)], _MARKERS[index % len(_MARKERS)]
        of_class = places[labels == label]
        ax.scatter(*of_class.T, s=18, c=colour, marker=marker, alpha=0.75, linewidths=0, label=_shortened(str(label)))
        x, y = np.median(of_class, axis=0)
        text = ax.text(
            x,
            y,
            _shortened(str(label)),
            fontsize=12.0,
            color=colour,
            ha="center",
            va="center",
            weight="bold",
            parse_math=False,
        )
        text.set_path_effects([withStroke(linewidth=3, foreground="white")])
    rest = places[~np.isin(labels, classes[:_CLASSES])]
    if len(rest):
        ax.scatter(*rest.T, s=8, c=GREY, alpha=0.4, linewidths=0, label="others")
    _legend_of_labels(ax, columns=1 + (len(classes) > _IN_A_COLUMN))


def _legend_of_labels(ax: Axes, *, columns: int) -> None:
    """A legend beside the axes that shows every label as it is: matplotlib hides those that begin with "_"."""
    groups = list(ax.collections)
    legend = ax.legend(
        groups,
        list(map(str, range(len(groups)))),
        fontsize=SMALL,
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        title="label",
        title_fontsize=SMALL,
        markerscale=1.4,
        ncols=columns,
    )
    for text, group in zip(legend.get_texts(), groups, strict=True):
        text.set_text(str(group.get_label()))
        text.set_parse_math(False)


def _dot(ax: Axes, answer: Interval | None, row: int, colour: str) -> None:
    if answer is not None and np.isfinite(answer.mean):
        ax.errorbar(
            answer.mean,
            row,
            xerr=answer.half_width,
            fmt="D" if colour == GREY else "o",
            color=colour,
            markersize=5,
            capsize=3,
            linewidth=1.5,
        )


def _line(ax: Axes, values: Mapping[float, Sequence[float]], label: str, colour: str, marker: str) -> None:
    answers = [(x, interval(values[x])) for x in sorted(values)]
    answers = [(x, answer) for x, answer in answers if answer.count]
    if answers:
        ax.errorbar(
            [x for x, _ in answers],
            [answer.mean for _, answer in answers],
            yerr=[answer.half_width or 0.0 for _, answer in answers],
            color=colour,
            marker=marker,
            markersize=4,
            capsize=3,
            linewidth=1.3,
            label=label,
        )


def _scale_axis(ax: Axes, values: Sequence[float]) -> None:
    """Ticks where the sweep was; a logarithmic axis where it spans more than a factor of eight."""
    if values[0] > 0 and values[-1] > 8 * values[0]:
        ax.set_xscale("log")
    if len(values) <= 6:
        ax.set_xticks(values, [f"{value:g}" for value in values])
        ax.set_xticks([], minor=True)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _words(term: str) -> str:
    return term.replace("_", " ")


def _shortened(text: str, limit: int = 40) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
