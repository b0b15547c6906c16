"""Figures of numbers: losses, codes in two dimensions, and comparisons of groups, settings and scores."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from sklearn.metrics import precision_recall_curve, roc_curve

from ae_jax.evaluation import METRICS, NOISY, Row, ScoredLabels, anomaly_metrics, is_baseline
from ae_jax.report.axes import (
    BLUE,
    CLASSES,
    GREY,
    MARKERS,
    SMALL,
    VERMILLION,
    annotate,
    entitle,
    new_axes,
    select_member,
    shorten,
    to_words,
)
from ae_jax.report.tables import BASELINE, Summary, arrow, limits, shared_metrics
from ae_jax.studies import interval
from ae_jax.training import Run
from ae_jax.training.population import members_by_setting

_NATS = ("kl", "iwae_gap", "kl_sparsity")
"""Terms in nats beside negative log-likelihoods."""

_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1, 1.5)))
_CLASSES, _IN_A_COLUMN, _POINTS = 20, 12, 2000


def loss_curves(run: Run, *, ax: Axes | None = None, title: str = "") -> Figure | None:
    """Draws every term of the objective by epoch, on the training and the validation split, a panel for each term.

    Lines are means over the members that were training; bands reach from the lowest to the highest of them. Members
    that differ in numbers have a line and a band for each setting, up to ten. Where the
    first twentieth of the epochs would take more than half of an axis, the axis ends at the later ones, and a mark says
    how far the first go.

    Args:
      run: a trained population.
      ax: where to draw the loss alone.
      title: of the figure.

    Returns:
      The figure; None if no epoch was finished.
    """
    if not run.history.get("train"):
        return None
    terms = sorted(run.history["train"], key=lambda term: term != "loss")
    terms = terms if len(terms) > 2 and ax is None else ["loss"]
    figure, axes = new_axes(len(terms), columns=3, width=3.6, height=2.7, ax=ax)
    settings: dict[str, Any] = members_by_setting(run.autoencoder, len(run))
    if not 1 < len(settings) <= len(CLASSES):
        settings = {"": slice(None)}
    likelihood = run.autoencoder.objective.likelihood.name
    for ax, term in zip(axes, terms, strict=True):
        drawn = [
            _band(ax, np.asarray(run.history[split][term], np.float64)[members], name, colour, style)
            for split, own, style in (("train", BLUE, "-"), ("validation", VERMILLION, (0, (4, 1.5))))
            if term in run.history.get(split, {})
            for (setting, members), of_setting in zip(settings.items(), CLASSES, strict=False)
            for name, colour in [(f"{setting}, {split}" if setting else split, of_setting if setting else own)]
        ]
        beyond = _scale_losses(ax, drawn)
        heading = f"loss = {to_words(likelihood)}" if len(terms) == 1 else to_words(term)
        name = likelihood if term == "loss" else term
        annotate(ax, title=heading, x=f"epoch{beyond}", y="nats" if name in _NATS or name.endswith("_nll") else "")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    axes[0].legend(fontsize=SMALL, frameon=False)
    entitle(axes, title)
    return figure


def code_map(run: Run, x: Any, labels: Any = None, *, ax: Axes | None = None, title: str = "") -> Figure:
    """Draws codes in two dimensions, coloured by label; larger codes by their first two principal components.

    Args:
      run: a trained population; its first finite member is shown.
      x: examples in the units of the training data, ``[n, *shape]``; the first 2,000 are shown.
      labels: of the examples, the condition of a conditional autoencoder; more than 20 numbers have a colour scale.
      ax: where to draw.
      title: of the figure.
    """
    labels = None if labels is None else np.asarray(labels)[:_POINTS]
    codes = np.asarray(select_member(run).encode(x[:_POINTS], run.condition_of(labels)), np.float64)
    codes = codes.reshape(len(codes), -1)
    places, names = project(codes)
    figure, (ax,) = new_axes(1, columns=1, width=4.8, height=3.7, ax=ax)
    if labels is None:
        ax.scatter(*places.T, s=12, c=BLUE, alpha=0.6, linewidths=0)
    else:
        _scatter_labels(figure, ax, places, labels)
    annotate(ax, title=title or f"codes of {len(codes):,} examples", x=names[0], y=names[1])
    if codes.shape[1] == 1:
        ax.set_yticks([])
    return figure


def project(codes: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Returns the coordinates of codes in the plane and the names of both axes; codes of one unit are spread evenly."""
    if codes.shape[1] == 1:
        return np.column_stack([codes[:, 0], np.linspace(0, 1, len(codes))]), ("code unit 1", "examples in their order")
    if codes.shape[1] == 2:
        return codes, ("code unit 1", "code unit 2")
    centred = codes - codes.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    directions = np.vstack([directions, np.zeros((1, codes.shape[1]))])[:2]
    shares = np.append(sizes**2 / max(float(np.sum(sizes**2)), np.finfo(float).tiny), 0.0)[:2]
    return centred @ directions.T, (
        f"principal component 1 of {codes.shape[1]} code units ({shares[0]:.0%} of variance)",
        f"principal component 2 ({shares[1]:.0%} of variance)",
    )


def comparison_summary(summary: Summary, *, title: str = "") -> Figure | None:
    """Draws every metric that at least two groups have: a dot with its 95% confidence interval for each group.

    Takes a result of :func:`ae_jax.studies.summarise`; a group named ``pca`` is a dotted line through every panel.

    Returns:
      The figure; None if no metric has two groups.
    """
    metrics = shared_metrics(summary)
    if not metrics:
        return None
    groups = list(summary)
    figure, axes = new_axes(len(metrics), columns=4, width=2.9, height=1.1 + 0.24 * len(groups))
    for ax, metric in zip(axes, metrics, strict=True):
        for row, group in enumerate(groups):
            answer = summary[group].get(metric)
            if answer is not None and np.isfinite(answer.mean):
                marker, colour = ("D", GREY) if is_baseline(group) else ("o", BLUE)
                style: dict[str, Any] = {"markersize": 5, "capsize": 3, "linewidth": 1.5, "clip_on": False}
                reach = None
                if answer.half_width is not None:
                    low, high = limits(answer, metric)
                    reach = [[answer.mean - low], [high - answer.mean]]
                ax.errorbar(answer.mean, row, xerr=reach, fmt=marker, color=colour, **style)
        if metric in summary.get(BASELINE, {}):
            ax.axvline(summary[BASELINE][metric].mean, color=GREY, linewidth=1, linestyle=":", zorder=0)
        spec = ax.get_subplotspec()
        first = spec is not None and spec.is_first_col()
        ax.set_yticks(range(len(groups)), [shorten(group) if first else "" for group in groups], parse_math=False)
        ax.set_ylim(len(groups) - 0.5, -0.5)
        ax.margins(x=0.12)
        (left, right), (least, most) = ax.get_xlim(), METRICS[metric].limits
        ax.set_xlim(max(left, least), min(right, most))
        ax.locator_params(axis="x", nbins=4)
        annotate(ax, title=f"{METRICS[metric].label}{arrow(metric)}", x=METRICS[metric].unit)
    longest = min(max(map(len, groups)), 40)
    figure.set_size_inches(figure.get_figwidth() + 0.05 * longest, figure.get_figheight())
    entitle(axes, title)
    return figure


def denoising_gains(
    rows: Sequence[Row], metric: str = "psnr_gain", *, ax: Axes | None = None, title: str = ""
) -> Figure:
    """Draws the gain of each method over the noisy input by noise level, a panel for each family of corruptions.

    Args:
      rows: results of :func:`ae_jax.evaluation.denoising_grid`.
      metric: one of their metrics.
      ax: where to draw the rows of one family.
      title: of the figure.

    Returns:
      The figure; dots are means over members, bars their 95% confidence intervals.
    """
    found: dict[str, dict[str, dict[float, list[float]]]] = {}
    for row in rows:
        method = str(row.get("method", row.get("autoencoder")))
        if row["metric"] == metric and method != NOISY and row.get("finite", True):
            levels = found.setdefault(row["corruption"], {}).setdefault(method, {})
            levels.setdefault(row["level"], []).append(row["value"])
    methods = list(dict.fromkeys(method for family in found.values() for method in family))
    figure, axes = new_axes(len(found), columns=3, width=3.2, height=2.7 + 0.2 * len(methods), ax=ax)
    for place, (ax, (family, of_family)) in enumerate(zip(axes, found.items(), strict=True)):
        ax.axhline(0, color=GREY, linestyle=":", linewidth=1)
        for method, values in of_family.items():
            answers = {level: interval(values[level]) for level in sorted(values)}
            ax.errorbar(
                list(answers),
                [answer.mean for answer in answers.values()],
                yerr=[answer.half_width or 0.0 for answer in answers.values()],
                **_style(methods.index(method)),
                marker=MARKERS[methods.index(method) % len(MARKERS)],
                capsize=3,
                label=method,
            )
        levels = sorted({level for values in of_family.values() for level in values})
        ax.set_xticks(levels, [f"{level:g}" for level in levels])
        annotate(ax, title=to_words(family), x="level", y="PSNR gain (dB)" if place == 0 else "")
    _legend_below(axes[0], "")
    entitle(axes, title)
    return figure


def roc_and_pr(curves: Mapping[str, ScoredLabels | tuple[np.ndarray, np.ndarray]], *, title: str = "") -> Figure:
    """Draws the ROC curve and the precision-recall curve of every score, with areas; dotted lines are chance.

    Args:
      curves: name -> scores, high meaning abnormal, and whether each example is abnormal, each ``[n]``.

    Raises:
      InvalidInput: as :func:`ae_jax.evaluation.anomaly_metrics`.
    """
    figure, (roc, pr) = new_axes(2, columns=2, width=4.6, height=3.4 + 0.2 * len(curves))
    roc.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    for place, (name, (scores, abnormal)) in enumerate(curves.items()):
        areas = anomaly_metrics(scores, abnormal)
        labels = [f"{areas[area]:.3f}  {to_words(name)}" for area in ("roc_auc", "average_precision")]
        false_positives, true_positives, _ = roc_curve(abnormal, scores)
        precision, recall, _ = precision_recall_curve(abnormal, scores)
        roc.plot(false_positives, true_positives, label=labels[0], **_style(place))
        pr.plot(recall, precision, label=labels[1], drawstyle="steps-post", **_style(place))
    for share in sorted({float(np.mean(abnormal)) for _, abnormal in curves.values()}):
        pr.axhline(share, color=GREY, linestyle=":", linewidth=1)
    annotate(roc, title="ROC curve", x="false positive rate", y="true positive rate")
    annotate(pr, title="precision and recall", x="recall", y="precision")
    for ax, area in ((roc, "area"), (pr, "average precision")):
        ax.set_xlim(-0.01, 1.01)
        ax.set_ylim(-0.01, 1.03)
        _legend_below(ax, area)
    entitle([roc, pr], title)
    return figure


def _band(ax: Axes, values: np.ndarray, name: str, colour: str, style: Any) -> np.ndarray:
    """Draws the mean and the range over members; returns the values, NaN where they are not finite."""
    values = np.where(np.isfinite(values), values, np.nan)
    drawn = np.flatnonzero(~np.all(np.isnan(values), axis=0))
    finite = values[:, drawn]
    label = name if len(values) == 1 else f"{name}, mean of {len(values)}"
    marker = "o" if len(drawn) == 1 else None
    ax.plot(drawn + 1, np.nanmean(finite, axis=0), color=colour, linestyle=style, label=label, marker=marker)
    if len(values) > 1:
        ax.fill_between(drawn + 1, np.nanmin(finite, axis=0), np.nanmax(finite, axis=0), color=colour, alpha=0.2, lw=0)
    return values


def _scale_losses(ax: Axes, drawn: Sequence[np.ndarray]) -> str:
    """Scales the axis to the values ``[members, epochs]`` of each split; returns what goes beyond it in words.

    It is logarithmic if all values are positive and those of later epochs range over more than a factor of eight.
    """
    epochs = max(values.shape[1] for values in drawn)
    first = math.ceil(epochs / 20) if epochs >= 5 else 0
    everything = _finite(*drawn)
    later = _finite(*(values[:, first:] for values in drawn))
    if not len(later):
        return ""
    if everything.min() > 0 and later.max() > 8 * later.min():
        ax.set_yscale("log")
        decades = np.log10(later.max() / later.min())
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 3 else (1.0,)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    forward, back = (np.log, np.exp) if ax.get_yscale() == "log" else (np.asarray, np.asarray)
    low, high = forward(later.min()), forward(later.max())
    if forward(everything.max()) - low > 2 * (high - low) > 0:
        ax.set_ylim(float(back(low - 0.06 * (high - low))), float(back(high + 0.2 * (high - low))))
        return f" (\u2191 {'epoch 1' if first == 1 else f'epochs 1 to {first}'}: up to {everything.max():.3g})"
    return ""


def _finite(*values: np.ndarray) -> np.ndarray:
    joined = np.concatenate([each.ravel() for each in values])
    return joined[np.isfinite(joined)]


def _scatter_labels(figure: Figure, ax: Axes, places: np.ndarray, labels: np.ndarray) -> None:
    """Draws places by label: each class in a colour with a marker, many numbers by a colour scale."""
    classes = np.unique(labels)
    if len(classes) > _CLASSES and np.issubdtype(labels.dtype, np.number):
        drawn = ax.scatter(*places.T, s=12, c=labels, cmap="cividis", linewidths=0)
        figure.colorbar(drawn, ax=ax).set_label("label", fontsize=SMALL)
        return
    named: dict[str, Any] = {}
    for index, label in enumerate(classes[:_CLASSES]):
        colour, marker, of_class = CLASSES[index % len(CLASSES)], MARKERS[index % len(MARKERS)], places[labels == label]
        named[shorten(label)] = ax.scatter(*of_class.T, s=18, c=colour, marker=marker, alpha=0.75, linewidths=0)
    rest = places[~np.isin(labels, classes[:_CLASSES])]
    if len(rest):
        named["others"] = ax.scatter(*rest.T, s=8, c=GREY, alpha=0.4, linewidths=0)
    legend = ax.legend(
        list(named.values()),
        list(map(str, range(len(named)))),  # matplotlib hides labels that begin with "_"
        fontsize=SMALL,
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        title="label",
        title_fontsize=SMALL,
        markerscale=1.4,
        ncols=1 + (len(classes) > _IN_A_COLUMN),
    )
    for text, name in zip(legend.get_texts(), named, strict=True):
        text.set_text(name)
        text.set_parse_math(False)


def _style(place: int) -> dict[str, Any]:
    colour, dashes = CLASSES[place % len(CLASSES)], _DASHES[place % len(_DASHES)]
    return {"color": colour, "linestyle": dashes, "linewidth": 1.5}


def _legend_below(ax: Axes, title: str) -> None:
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.0, -0.2), "alignment": "left"}
    ax.legend(fontsize=SMALL, frameon=False, title=title, title_fontsize=SMALL, **place)
