"""Figures of examples: reconstructions, samples, neighbours and anomalies, as images, lines or strips of features."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ae_jax.corruptions import Corruption
from ae_jax.evaluation import NOISE, AnomalyScore, corrupted
from ae_jax.report.axes import (
    INK,
    SMALL,
    VERMILLION,
    annotate,
    entitle,
    is_image,
    is_series,
    new_axes,
    select_member,
    shorten,
)
from ae_jax.report.lines import Panel, draw_lines
from ae_jax.training import Run

_WIDTH, _LARGEST = 7.6, 0.9
"""Inches across a figure, and across one image at most."""
_MARGIN, _ROOM = 2.3, 0.45
"""Inches beside a mosaic for names and the scale of values, and above it for a title."""
_STRIP, _EXTREMES = 24, 8
_AS_STORED = "value as stored"


def draw_examples(panels: Sequence[Panel], *, ax: Axes | None = None, title: str = "") -> Figure:
    """Draws panels of examples: images as mosaics, time series as lines, other data as a strip for each row.

    A strip has the first 24 examples one below the other, features from left to right.

    Args:
      panels: of one kind of examples.
      ax: where to draw what needs one axes: a panel of images, one row of other data.
      title: of the figure.

    Example:
      >>> figure = draw_examples([Panel([np.zeros((3, 8, 8)), np.ones((3, 8, 8))], ["dark", "bright"])])
      >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
      ['dark', 'bright']
    """
    first = panels[0].rows[0]
    draw = draw_lines if is_series(first) else _draw_mosaics if is_image(first.shape[1:]) else _draw_strips
    figure = draw(panels, ax)
    entitle(figure.axes if ax is None else [ax], title)
    return figure


def reconstructions(
    run: Run,
    x: Any,
    condition: Any = None,
    *,
    corruption: Corruption | None = NOISE,
    seed: int = 0,
    ax: Axes | None = None,
    title: str = "",
) -> Figure:
    """Draws examples above their reconstructions, clean and corrupted, all on one scale of values.

    Args:
      run: a trained population; its first finite member is shown.
      x: examples in the units of the training data, ``[n, *shape]``.
      condition: for conditional autoencoders, the label of each example.
      corruption: applied in model units; None shows clean examples only.
      seed: seed of the corruption.
      ax, title: as of :func:`draw_examples`.
    """
    member = select_member(run)
    stored = np.asarray(x, np.float32)
    rows = {"original": stored, "reconstruction": member.reconstruct(stored, condition)}
    if corruption is not None:
        damaged = corrupted(corruption, jax.random.key(seed), np.asarray(member.scaling(stored)))
        rows["corrupted"] = np.asarray(member.scaling.invert(damaged))
        rows["reconstruction\nfrom corrupted"] = member.reconstruct(rows["corrupted"], condition)
    limits = float(stored.min()), float(stored.max())
    return draw_examples(
        [Panel(list(rows.values()), list(rows), limits=limits, unit=_AS_STORED, paired=True)], ax=ax, title=title
    )


def prior_samples(
    run: Run,
    condition: Any = None,
    *,
    count: int = 30,
    seed: int = 0,
    bounds: tuple[float, float] | None = None,
    ax: Axes | None = None,
    title: str = "",
) -> Figure | None:
    """Draws samples of an autoencoder that has a prior, such as a variational autoencoder.

    Args:
      run: a trained population; its first finite member is shown.
      condition: for conditional autoencoders, the label of each sample, or one for all.
      count: number of samples.
      seed: seed of the latents.
      bounds: lowest and highest value of the scale; by default those of the samples.
      ax, title: as of :func:`draw_examples`.

    Returns:
      The figure; None if the autoencoder has no prior.
    """
    if "prior" not in run.autoencoder.objective.parts:
        return None
    samples = select_member(run).sample(count, seed=seed, condition=condition)
    panel = Panel(in_rows(samples, 10), ["samples"], limits=bounds, unit=_AS_STORED)
    return draw_examples([panel], ax=ax, title=title)


def example_grid(x: Any, *, count: int = 60, ax: Axes | None = None, title: str = "") -> Figure:
    """Draws the first examples, ``[n, *shape]``, as a grid of images, or as a strip if they are no images."""
    return draw_examples([Panel(in_rows(np.asarray(x)[:count], 10))], ax=ax, title=title)


def latent_traversals(
    run: Run,
    x: Any,
    condition: Any = None,
    *,
    units: int | Sequence[int] = 10,
    steps: int = 9,
    ax: Axes | None = None,
    title: str = "",
) -> Figure:
    """Draws decoded codes in which one unit moves by up to two standard deviations, the others staying at their means.

    Args:
      run: a trained population; its first finite member is shown.
      x: examples in the units of the training data, ``[n, *shape]``.
      condition: for conditional autoencoders, the label of each example; the first one is decoded with.
      units: positions of units, or how many, those that vary most first.
      steps: number of values of each unit.
      ax, title: as of :func:`draw_examples`.
    """
    found = select_member(run).traverse(x, units, steps=steps, condition=condition)
    deviations = np.linspace(-2.0, 2.0, steps)
    spread = (found.values[:, -1] - found.values[:, 0]) / 4.0
    names = [f"unit {unit} (sd {sd:.2g})" for unit, sd in zip(found.units, spread, strict=True)]
    columns = [f"{deviation:+.2g}" if deviation else "0" for deviation in deviations]
    panel = Panel(list(found.examples), names, columns=columns, axis="sd from the mean")
    return draw_examples([panel], ax=ax, title=title)


def denoised_examples(clean: Any, noisy: Any, denoised: Any, *, ax: Axes | None = None, title: str = "") -> Figure:
    """Draws noisy examples above the denoised ones, and the clean ones first if they are known.

    Each is ``[n, *shape]``; the first ten images, or the first 24 of other data, are shown.
    """
    known = denoised if clean is None else clean
    limits = float(np.min(known)), float(np.max(known))
    parts = ({} if clean is None else {"clean": clean}) | {"noisy": noisy, "denoised": denoised}
    count = 10 if is_image(np.shape(noisy)[1:]) else _STRIP
    rows = [np.asarray(part)[:count] for part in parts.values()]
    return draw_examples([Panel(rows, list(parts), limits=limits, paired=True)], ax=ax, title=title)


def retrieved_examples(
    queries: Any,
    results: Any,
    query_labels: Any = None,
    result_labels: Any = None,
    *,
    count: int = 6,
    ax: Axes | None = None,
    title: str = "",
) -> Figure:
    """Draws queries, each beside its nearest results; results of another label than the query's are crossed out.

    Args:
      queries, query_labels: ``[q, *shape]`` and ``[q]``, or None.
      results, result_labels: nearest first, ``[q, k, *shape]`` and ``[q, k]``, or None; the first ten are shown.
      count: largest number of queries.
      ax, title: as of :func:`draw_examples`.
    """
    queries, results = np.asarray(queries)[:count], np.asarray(results)[:count, :10]
    wrong = np.zeros((len(queries), 1 + results.shape[1]), bool)
    if query_labels is not None and result_labels is not None:
        wrong[:, 1:] = np.asarray(result_labels)[:count, :10] != np.asarray(query_labels)[:count, None]
    names = [f"query {q}" if query_labels is None else f"label {query_labels[q]}" for q in range(len(queries))]
    rows = [np.concatenate([query[None], found]) for query, found in zip(queries, results, strict=True)]
    columns = ["query", *map(str, range(1, 1 + results.shape[1]))]
    panel = Panel(rows, list(map(shorten, names)), columns=columns, wrong=wrong)
    return draw_examples([panel], ax=ax, title=title)


def anomalous_examples(
    x: Any, scores: np.ndarray, explanation: Any = None, *, count: int = 8, title: str = ""
) -> Figure:
    """Draws the examples with the highest and the lowest scores, and the contribution of each feature if it is known.

    Args:
      x: examples, ``[n, *shape]``.
      scores: high means abnormal, ``[n]``.
      explanation: contributions of the features to the scores, ``[n, *shape]``, or None; those that raise the score
        are red, those that lower it are blue.
      count: largest number of examples of either kind.
      title: of the figure.
    """
    x, scores = np.asarray(x), np.asarray(scores)
    order = np.argsort(-scores, kind="stable")
    count = min(count, max(1, len(order) // 2))
    bound = 1.0
    if explanation is not None:
        explanation = np.asarray(explanation)
        if is_image(x.shape[1:]) and explanation.ndim == 4:
            explanation = explanation.sum(axis=-1)
        bound = float(np.abs(explanation[np.r_[order[:count], order[-count:]]]).max()) or 1.0
    panels = []
    for kind, places in (("most abnormal", order[:count]), ("most normal", order[::-1][:count])):
        columns = [f"{score:.3g}" for score in scores[places]]
        limits = float(x.min()), float(x.max())
        panels.append(Panel([x[places]], title=kind, columns=columns, axis="score", limits=limits))
        if explanation is not None:
            heading, scale = f"{kind}: contributions", (-bound, bound)
            panels.append(Panel([explanation[places]], (), heading, columns, "score", scale, True, "contribution"))
    return draw_examples(panels, title=title)


def scored_examples(scorer: AnomalyScore, x: Any, scores: np.ndarray, condition: Any = None) -> Figure:
    """Draws the most and the least abnormal examples with contributions to their scores where they are known.

    Args:
      scorer: of a run, of whose members the first that stayed finite is shown.
      x: examples in the units of the training data, ``[n, *shape]``.
      scores: of this member, ``[n]``.
      condition: for conditional autoencoders, the label of each example.
    """
    order = np.argsort(-scores, kind="stable")
    ends = order if len(order) <= 2 * _EXTREMES else np.r_[order[:_EXTREMES], order[-_EXTREMES:]]
    explained = None
    if scorer.explains:
        explained = scorer.explain(np.asarray(x)[ends], condition=None if condition is None else condition[ends])
        explained = explained if scorer.run.single else explained[int(np.argmax(scorer.run.finite))]
    return anomalous_examples(np.asarray(x)[ends], scores[ends], explained, count=_EXTREMES)


def mosaic(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Returns rows of images as one picture ``[height, width, channels]``; gaps and missing images are NaN."""
    height, width = rows[0].shape[1:3]
    down, across = _steps(rows[0])
    gap = down - height
    size_of = len(rows) * down - gap, max(map(len, rows)) * across - gap, math.prod(rows[0].shape[3:])
    picture = np.full(size_of, np.nan)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * down, j * across
            picture[top : top + height, left : left + width] = np.asarray(image).reshape(height, width, -1)
    return picture


def _steps(row: np.ndarray) -> tuple[int, int]:
    """Pixels from the top of an image of a mosaic to the next one's, and from left to left."""
    height, width = row.shape[1:3]
    gap = max(1, round(0.08 * min(height, width)))
    return height + gap, width + gap


def _draw_mosaics(panels: Sequence[Panel], given: Axes | None) -> Figure:
    pictures = [mosaic(panel.rows) for panel in panels]
    widest = max(picture.shape[1] for picture in pictures)
    across = min(_WIDTH - _MARGIN, _LARGEST * max(len(row) for panel in panels for row in panel.rows))
    heights = [max(0.4, across * picture.shape[0] / widest) for picture in pictures]
    room = sum(0.25 + _ROOM * bool(panel.title or panel.columns) for panel in panels)
    height = (sum(heights) + room) / len(panels)
    figure, axes = new_axes(len(panels), columns=1, width=across + _MARGIN, height=height, ax=given)
    for ax, panel, picture in zip(axes, panels, pictures, strict=True):
        _draw_mosaic(ax, panel, picture)
    if pictures[0].shape[2] == 1:
        _draw_scales(figure, axes, panels)
    return figure


def _draw_mosaic(ax: Axes, panel: Panel, picture: np.ndarray) -> None:
    """Draws rows of images with their names at the left and the labels of examples above."""
    low, high = panel.scale
    if picture.shape[2] == 1:
        colours = "RdBu_r" if panel.signed else "gray"
        ax.imshow(picture[..., 0], cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    else:
        scaled = np.clip((picture - low) / ((high - low) or 1.0), 0, 1)
        ax.imshow(np.where(np.isnan(scaled), 1.0, scaled), interpolation="nearest")
    (down, across), (height, width) = _steps(panel.rows[0]), panel.rows[0].shape[1:3]
    ax.set_yticks(
        [row * down + (height - 1) / 2 for row in range(len(panel.names))], list(panel.names), parse_math=False
    )
    ax.set_xticks([j * across + (width - 1) / 2 for j in range(len(panel.columns))], list(panel.columns))
    ax.tick_params(top=False, labeltop=True, bottom=False, labelbottom=False, length=0, labelsize=SMALL)
    ax.spines[:].set_visible(False)
    ax.xaxis.set_label_position("top")
    annotate(ax, title=panel.title, x=panel.axis if panel.columns else "")
    for i, j in np.argwhere(panel.wrong) if panel.wrong is not None else ():
        left, top = j * across - 0.5, i * down - 0.5
        frame: dict[str, Any] = {"edgecolor": VERMILLION, "linewidth": 2.0, "clip_on": False}
        ax.add_patch(Rectangle((left, top), width, height, fill=False, **frame))
        ax.plot([left, left + width], [top + height, top], color=VERMILLION, linewidth=1.5)


def _draw_strips(panels: Sequence[Panel], given: Axes | None) -> Figure:
    count = min(_STRIP, max(len(row) for panel in panels for row in panel.rows))
    step = 0.17 if all(panel.columns and all(panel.columns) for panel in panels) else 0.07
    total = sum(len(panel.rows) for panel in panels)
    columns = min(2, total)
    figure, axes = new_axes(
        total, columns=columns, width=_WIDTH / columns, height=0.75 + step * max(count, 6), ax=given
    )
    strips = [(panel, place) for panel in panels for place in range(len(panel.rows))]
    for ax, (panel, place) in zip(axes, strips, strict=True):
        _draw_strip(ax, panel, place)
    _draw_scales(figure, axes, [panel for panel, _ in strips])
    return figure


def _draw_strip(ax: Axes, panel: Panel, place: int) -> None:
    """Draws one row of a panel, examples below each other and features from left to right."""
    values = np.asarray(panel.rows[place][:_STRIP], np.float64)
    low, high = panel.scale
    colours = "RdBu_r" if panel.signed else "viridis"
    rows = values.reshape(len(values), -1)
    ax.imshow(rows, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    name = panel.names[place].replace("\n", " ") if place < len(panel.names) else ""
    annotate(ax, title=": ".join(filter(None, (panel.title, name))), x="feature", y=panel.axis or "example")
    ticks = [(row, label) for row, label in enumerate(panel.columns[: len(rows)]) if label]
    if ticks:
        wrong = np.zeros(len(rows), bool) if panel.wrong is None else panel.wrong[place]
        marked = [f"\u2717 {label}" if wrong[row] else label for row, label in ticks]
        ax.set_yticks([row for row, _ in ticks], marked, parse_math=False)
        for (row, _), text in zip(ticks, ax.get_yticklabels(), strict=True):
            text.set_color(VERMILLION if wrong[row] else INK)


def _draw_scales(figure: Figure, axes: Sequence[Axes], panels: Sequence[Panel]) -> None:
    """Draws each scale of values beside the axes that share it."""
    for scale in dict.fromkeys(panel.scale for panel in panels):
        shared = [ax for ax, panel in zip(axes, panels, strict=True) if panel.scale == scale]
        bar = figure.colorbar(shared[0].images[0], ax=shared, fraction=0.05, pad=0.02, aspect=14)
        bar.set_label(next(panel.unit for panel in panels if panel.scale == scale), fontsize=SMALL, color=INK)
        bar.locator = MaxNLocator(nbins=4)
        bar.ax.tick_params(labelsize=SMALL)
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]


def in_rows(examples: np.ndarray, columns: int) -> list[np.ndarray]:
    """Splits images into rows; other data stay one row."""
    if not is_image(examples.shape[1:]):
        return [examples]
    return [examples[start : start + columns] for start in range(0, len(examples), columns)]
