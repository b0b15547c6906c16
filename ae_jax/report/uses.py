"""Figures of the uses: what was detected, found, denoised and generated, and what the units of the code stand for."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ae_jax.evaluation import FAMILIES, Row
from ae_jax.evaluation.context import ScoredLabels
from ae_jax.evaluation.denoising import NOISY, corrupted
from ae_jax.evaluation.detection import average_precision, precision_recall_curve, roc_auc, roc_curve
from ae_jax.networks import deterministic
from ae_jax.report.canvas import (
    BLUE,
    CLASSES,
    GREY,
    INK,
    SMALL,
    VERMILLION,
    annotate,
    is_image,
    new_axes,
    shown_member,
)
from ae_jax.report.pictures import draw_mosaic, mosaic, steps_of
from ae_jax.report.strips import strip, strips, value_bar
from ae_jax.studies import interval
from ae_jax.training import Run

_WIDTH, _LARGEST = 7.6, 0.9
_MARGIN, _ROOM = 2.3, 0.45
"""Inches beside a row of pictures for names and colours, and above it for a title."""
_STRIP = 24
_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1, 1.5)))
_MARKERS = "os^DvPX<>p"


def roc_and_pr(curves: Mapping[str, ScoredLabels | tuple[np.ndarray, np.ndarray]]) -> Figure:
    """The ROC curve of every score beside its precision-recall curve, with areas, and chance as a dotted line.

    Args:
      curves: name -> scores, high meaning abnormal, and the truth, each ``[n]``; at most ten are told apart by colour.

    Returns:
      The figure.

    Raises:
      InvalidInput: as :func:`ae_jax.evaluation.roc_auc`.
    """
    figure, (roc, pr) = new_axes(2, columns=2, width=4.6, height=3.4 + 0.2 * len(curves))
    roc.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    for place, (name, (scores, abnormal)) in enumerate(curves.items()):
        style = {"color": CLASSES[place % len(CLASSES)], "linestyle": _DASHES[place % len(_DASHES)], "linewidth": 1.5}
        found, ranked = roc_curve(scores, abnormal), precision_recall_curve(scores, abnormal)
        area = f"{roc_auc(scores, abnormal):.3f}  {_words(name)}"
        roc.plot(found.false_positive_rate, found.true_positive_rate, label=area, **style)
        area = f"{average_precision(scores, abnormal):.3f}  {_words(name)}"
        pr.plot(ranked.recall, ranked.precision, label=area, drawstyle="steps-post", **style)
    pr.set_prop_cycle(None)
    for share in sorted({float(np.mean(abnormal)) for _, abnormal in curves.values()}):
        pr.axhline(share, color=GREY, linestyle=":", linewidth=1)
    annotate(roc, title="ROC curve", x="false positive rate", y="true positive rate")
    annotate(pr, title="precision and recall", x="recall", y="precision")
    for ax, area in ((roc, "area"), (pr, "average precision")):
        ax.set_xlim(-0.01, 1.01)
        ax.set_ylim(-0.01, 1.03)
        _legend_below(ax, area)
    return figure


def denoising_gains(rows: Sequence[Row], metric: str = "psnr_gain") -> Figure:
    """What each method adds to the noisy input by the level of damage, a panel for each family of corruptions.

    Args:
      rows: as :func:`ae_jax.evaluation.evaluate_denoising` gives them, or :func:`ae_jax.evaluation.denoising_grid`.
      metric: which of theirs.

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
    figure, axes = new_axes(len(found), columns=3, width=3.2, height=2.7 + 0.2 * len(methods))
    for place, (ax, (family, of_family)) in enumerate(zip(axes, found.items(), strict=True)):
        ax.axhline(0, color=GREY, linestyle=":", linewidth=1)
        for index, method in enumerate(methods):
            _gain_line(ax, of_family.get(method, {}), method, index)
        annotate(ax, title=_words(family), x="level", y="PSNR gain (dB)" if place == 0 else "")
    _legend_below(axes[0], "")
    return figure


def denoising_grid_figure(run: Run, x: Any, *, seed: int = 0) -> Figure:
    """Damaged examples above what the autoencoder makes of them, for every corruption and level.

    Args:
      run: a trained population; its first finite member is shown.
      x: examples to damage, in the units that it was trained on, ``[n, *shape]``; of images the first two, else the
        first six.
      seed: of the damage.

    Returns:
      The figure: a panel for each family; of images, levels stand beside each other, else below each other.
    """
    member = shown_member(run)
    picture = is_image(run.shape)
    clean = np.asarray(member.scaling(np.asarray(x[: 2 if picture else 6], np.float32)))
    low, high = float(clean.min()), float(clean.max())
    panels: dict[str, list[np.ndarray]] = {}
    for family, levels in FAMILIES.items():
        noisy = [corrupted(corruption, jax.random.key(seed), clean) for corruption in levels.values()]
        made = [np.asarray(member.scaling(_reconstructed(member, one))) for one in noisy]
        panels[family] = [np.concatenate(noisy), np.concatenate(made)]
    if not picture:
        return _strips_of_levels(panels, low, high)
    figure, axes = _picture_axes([list(rows) for rows in panels.values()])
    for ax, (family, rows) in zip(axes, panels.items(), strict=True):
        shown = draw_mosaic(ax, rows, ["damaged", "denoised"], low, high)
        levels = [f"{level:g}" for level in FAMILIES[family]]
        _columns(
            ax, rows[0], [level if place % len(clean) == 0 else "" for level in levels for place in range(len(clean))]
        )
        annotate(ax, title=f"{_words(family)}, by level")
    value_bar(figure, axes, shown, "model units")  # pyright: ignore[reportPossiblyUnboundVariable]
    return figure


def denoising_strip(clean: Any, noisy: Any, denoised: Any) -> Figure:
    """Noisy examples above what was made of them, and above both the clean ones where they are known.

    Args:
      clean: ``[n, *shape]``, or None.
      noisy, denoised: of the same shape; the first ten images, or the first 24 examples that are none.

    Returns:
      The figure, all on one scale, which reaches from the lowest to the highest clean value, else denoised one.
    """
    known = denoised if clean is None else clean
    low, high = float(np.min(known)), float(np.max(known))
    parts = ({} if clean is None else {"clean": clean}) | {"noisy": noisy, "denoised": denoised}
    return _rows_or_strips({name: np.asarray(part) for name, part in parts.items()}, low, high)


def image_grid(x: Any, *, count: int = 60) -> Figure:
    """Examples as a grid of images, or as a strip where they are none.

    Args:
      x: ``[n, *shape]``.
      count: how many are shown, at most.

    Returns:
      The figure.
    """
    x = np.asarray(x)[:count]
    low, high = float(x.min()), float(x.max())
    if not is_image(x.shape[1:]):
        return strips({"examples": x[:_STRIP]}, low, high)
    rows = [x[start : start + 10] for start in range(0, len(x), 10)]
    figure, (ax,) = _picture_axes([rows])
    shown = draw_mosaic(ax, rows, [""] * len(rows), low, high)
    value_bar(figure, [ax], shown, "value")
    return figure


def retrieval_strips(
    queries: Any, results: Any, query_labels: Any = None, result_labels: Any = None, *, count: int = 6
) -> Figure:
    """Queries, each beside its nearest results; a result of another label than the query's is crossed out.

    Args:
      queries: ``[q, *shape]``.
      results: nearest first, ``[q, k, *shape]``; the first ten are shown.
      query_labels: ``[q]``, or None.
      result_labels: ``[q, k]``, or None.
      count: how many queries are shown, at most.

    Returns:
      The figure.
    """
    queries, results = np.asarray(queries)[:count], np.asarray(results)[:count, :10]
    wrong = np.zeros(results.shape[:2], bool)
    if query_labels is not None and result_labels is not None:
        wrong = np.asarray(result_labels)[:count, :10] != np.asarray(query_labels)[:count, None]
    names = [f"query {q}" if query_labels is None else _shortened(query_labels[q]) for q in range(len(queries))]
    low, high = float(min(queries.min(), results.min())), float(max(queries.max(), results.max()))
    rows = [np.concatenate([query[None], found]) for query, found in zip(queries, results, strict=True)]
    if not is_image(queries.shape[1:]):
        return _strips_of_results(rows, wrong, names, low, high)
    figure, (ax,) = _picture_axes([rows])
    shown = draw_mosaic(ax, rows, names, low, high)
    _columns(ax, rows[0], ["query", *(str(rank + 1) for rank in range(results.shape[1]))])
    for q in range(len(rows)):
        _frame(ax, rows[0], q, 0, BLUE)
        for rank in np.flatnonzero(wrong[q]):
            _frame(ax, rows[0], q, int(rank) + 1, VERMILLION, crossed=True)
    value_bar(figure, [ax], shown, "value")
    return figure


def anomaly_strip(x: Any, scores: np.ndarray, explanation: Any = None, *, count: int = 8) -> Figure:
    """The examples that score highest and lowest, each with its score and, where known, what each feature contributes.

    Args:
      x: examples, ``[n, *shape]``.
      scores: high means abnormal, ``[n]``.
      explanation: contributions of the features to the scores, ``[n, *shape]``, or None.
      count: how many of both kinds are shown, at most.

    Returns:
      The figure: contributions that raise the score are red, those that lower it blue.
    """
    x, order = np.asarray(x), np.argsort(-np.asarray(scores), kind="stable")
    count = min(count, max(1, len(order) // 2))
    kinds = {"most abnormal": order[:count], "most normal": order[::-1][:count]}
    low, high = float(x.min()), float(x.max())
    panels: list[tuple[str, np.ndarray, np.ndarray, bool]] = []
    for kind, places in kinds.items():
        panels.append((kind, x[places], np.asarray(scores)[places], False))
        if explanation is not None:
            panels.append((f"{kind}: contributions", np.asarray(explanation)[places], np.asarray(scores)[places], True))
    bound = max((float(np.abs(part).max()) for _, part, _, signed in panels if signed), default=1.0) or 1.0
    if not is_image(x.shape[1:]):
        return _strips_of_scores(panels, low, high, bound)
    figure, axes = _picture_axes([[part] for _, part, _, _ in panels])
    for ax, (kind, part, found, signed) in zip(axes, panels, strict=True):
        part = part.sum(axis=-1) if signed and part.ndim == 4 else part
        ends = (-bound, bound) if signed else (low, high)
        shown = draw_mosaic(ax, [part], [""], *ends, cmap="RdBu_r" if signed else "gray")
        annotate(ax, title=kind)
        if not signed:
            _columns(ax, part, [f"{score:.3g}" for score in found])
        value_bar(figure, [ax], shown, "" if signed else "value")
    return figure


def latent_traversals(run: Run, x: Any, *, units: int = 10, steps: int = 9) -> Figure:
    """What each unit of the code stands for: decoded from two standard deviations below its mean to two above.

    The other units stay at their means over the examples.

    Args:
      run: a trained population; its first finite member is shown.
      x: examples in the units that it was trained on, ``[n, *shape]``.
      units: how many, those that vary most first.
      steps: of each.

    Returns:
      The figure: a row for each unit, or a strip where examples are no images.
    """
    member = shown_member(run)
    codes = np.asarray(member.encode(x), np.float64)
    mean, spread = codes.mean(axis=0), codes.std(axis=0)
    chosen = np.argsort(-spread, kind="stable")[:units]
    deviations = np.linspace(-2.0, 2.0, steps)
    walked = np.tile(mean, (len(chosen), steps, 1))
    for row, unit in enumerate(chosen):
        walked[row, :, unit] += deviations * spread[unit]
    made = member.decode(walked.reshape(-1, codes.shape[1]).astype(np.float32))
    made = made.reshape(len(chosen), steps, *run.shape)
    names = [f"unit {unit} (sd {spread[unit]:.2g})" for unit in chosen]
    low, high = float(made.min()), float(made.max())
    if not is_image(run.shape):
        ticks = [f"{deviation:+.2g} sd" if deviation else "mean" for deviation in deviations]
        return strips(dict(zip(names, made, strict=True)), low, high, rows="", ticks=ticks)
    figure, (ax,) = _picture_axes([list(made)])
    shown = draw_mosaic(ax, list(made), names, low, high)
    _columns(ax, made[0], [f"{deviation:+.2g}" if deviation else "0" for deviation in deviations])
    ax.set_xlabel("standard deviations from the mean code", fontsize=SMALL, color=INK)
    value_bar(figure, [ax], shown, "value")
    return figure


def _gain_line(ax: Axes, levels: Mapping[float, Sequence[float]], method: str, index: int) -> None:
    answers = {level: interval(levels[level]) for level in sorted(levels)}
    answers = {level: answer for level, answer in answers.items() if answer.count}
    if answers:
        ax.errorbar(
            list(answers),
            [answer.mean for answer in answers.values()],
            yerr=[answer.half_width or 0.0 for answer in answers.values()],
            color=CLASSES[index % len(CLASSES)],
            marker=_MARKERS[index % len(_MARKERS)],
            linestyle=_DASHES[index % len(_DASHES)],
            markersize=5,
            capsize=3,
            linewidth=1.4,
            label=method,
        )
        ax.set_xticks(list(answers), [f"{level:g}" for level in answers])


def _reconstructed(member: Run, damaged: np.ndarray) -> np.ndarray:
    """Of damaged examples in model units, in the units of the data; damage may leave the range trained on."""
    return member.decode(member.apply(_code, damaged))


def _code(autoencoder: Any, networks: Any, scaling: Any, damaged: Any) -> Any:
    return deterministic(networks.encode(damaged))


def _picture_axes(panels: Sequence[Sequence[np.ndarray]]) -> tuple[Figure, list[Axes]]:
    """A figure with a panel below the other for each mosaic, as large as the widest allows."""
    shapes = [mosaic(rows).shape for rows in panels]
    widest = max(shape[1] for shape in shapes)
    across = min(_WIDTH - _MARGIN, _LARGEST * max(len(row) for rows in panels for row in rows))
    heights = [max(0.4, across * shape[0] / widest) + _ROOM for shape in shapes]
    figure, axes = new_axes(len(panels), columns=1, width=across + _MARGIN, height=sum(heights) / len(panels))
    for ax in axes:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.tick_params(length=0, labelsize=SMALL)
        for spine in ax.spines.values():
            spine.set_visible(False)
    return figure, axes


def _columns(ax: Axes, row: np.ndarray, names: Sequence[str]) -> None:
    """Names above the images of a mosaic."""
    across = steps_of(row)[1]
    ax.set_xticks([place * across + (row.shape[2] - 1) / 2 for place in range(len(names))], names)
    ax.tick_params(top=False, labeltop=True, bottom=False, labelbottom=False, labelsize=SMALL)


def _frame(ax: Axes, row: np.ndarray, down: int, across: int, colour: str, *, crossed: bool = False) -> None:
    """A frame about one image of a mosaic, and a stroke through it where it is wrong."""
    height, width = row.shape[1:3]
    steps = steps_of(row)
    top, left = down * steps[0] - 0.5, across * steps[1] - 0.5
    ax.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=colour, linewidth=2.0, clip_on=False))
    if crossed:
        ax.plot([left, left + width], [top + height, top], color=colour, linewidth=1.5)


def _rows_or_strips(parts: dict[str, np.ndarray], low: float, high: float) -> Figure:
    """The parts below each other, as rows of images or as strips."""
    first = next(iter(parts.values()))
    if not is_image(first.shape[1:]):
        return strips({name: part[:_STRIP] for name, part in parts.items()}, low, high)
    rows = [part[:10] for part in parts.values()]
    figure, (ax,) = _picture_axes([rows])
    value_bar(figure, [ax], draw_mosaic(ax, rows, list(parts), low, high), "value")
    return figure


def _strips_of_results(
    rows: Sequence[np.ndarray], wrong: np.ndarray, names: Sequence[str], low: float, high: float
) -> Figure:
    """A strip for each query, itself the first row; ranks of wrong results are coloured and marked."""
    figure, axes = new_axes(len(rows), columns=2, width=_WIDTH / 2, height=0.7 + 0.17 * len(rows[0]))
    for ax, values, crossed, name in zip(axes, rows, wrong, names, strict=True):
        shown = strip(ax, values, low, high)
        ax.axhline(0.5, color="white", linewidth=2)
        ranks = [f"\u2717 {rank + 1}" if crossed[rank] else str(rank + 1) for rank in range(len(crossed))]
        ax.set_yticks(range(len(values)), ["query", *ranks])
        for label, bad in zip(ax.get_yticklabels(), [False, *crossed], strict=True):
            label.set_color(VERMILLION if bad else INK)
        annotate(ax, title=name if name.startswith("query") else f"label {name}", x="feature")
    value_bar(figure, axes, shown, "value")  # pyright: ignore[reportPossiblyUnboundVariable]
    return figure


def _strips_of_scores(
    panels: Sequence[tuple[str, np.ndarray, np.ndarray, bool]], low: float, high: float, bound: float
) -> Figure:
    """A strip for each panel, a row named by its score; contributions beside the examples."""
    columns = 2 if any(signed for *_, signed in panels) else 1
    count = max(len(part) for _, part, _, _ in panels)
    figure, axes = new_axes(len(panels), columns=columns, width=_WIDTH / columns, height=0.8 + 0.17 * count)
    for signed, unit in ((False, "value"), (True, "contribution")):
        drawn = [(ax, panel) for ax, panel in zip(axes, panels, strict=True) if panel[3] == signed]
        for ax, (kind, part, scores, _) in drawn:
            ends = (-bound, bound) if signed else (low, high)
            shown = strip(ax, part, *ends, cmap="RdBu_r" if signed else "viridis")
            ax.set_yticks(range(len(part)), [f"{score:.3g}" for score in scores])
            annotate(ax, title=kind, x="feature", y="" if signed else "score")
        if drawn:
            value_bar(figure, [ax for ax, _ in drawn], shown, unit)  # pyright: ignore[reportPossiblyUnboundVariable]
    return figure


def _strips_of_levels(panels: Mapping[str, Sequence[np.ndarray]], low: float, high: float) -> Figure:
    """Damaged and denoised strips beside each other, the levels of each family below each other."""
    figure, axes = new_axes(2 * len(panels), columns=2, width=_WIDTH / 2, height=2.3)
    for place, (family, parts) in enumerate(panels.items()):
        levels = [f"{level:g}" for level in FAMILIES[family]]
        for ax, name, values in zip(axes[2 * place :], ("damaged", "denoised"), parts, strict=False):
            shown = strip(ax, values, low, high)
            count = len(values) // len(levels)
            ax.set_yticks([count * (level + 0.5) - 0.5 for level in range(len(levels))], levels)
            for level in range(1, len(levels)):
                ax.axhline(count * level - 0.5, color="white", linewidth=2)
            annotate(ax, title=f"{_words(family)}: {name}", x="feature", y="level" if name == "damaged" else "")
    value_bar(figure, axes, shown, "model units")  # pyright: ignore[reportPossiblyUnboundVariable]
    return figure


def _legend_below(ax: Axes, title: str) -> None:
    ax.legend(
        fontsize=SMALL,
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(0.0, -0.2),
        title=title,
        title_fontsize=SMALL,
        alignment="left",
    )


def _words(name: str) -> str:
    return _shortened(name.replace("_", " "))


def _shortened(text: Any, limit: int = 40) -> str:
    text = str(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
