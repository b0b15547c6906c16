"""Figures of examples: originals beside reconstructions, samples of the prior, filters of the first layer."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ae_jax._checks import size
from ae_jax.corruptions import Corruption
from ae_jax.evaluation.denoising import corrupted
from ae_jax.evaluation.evaluate import NOISE
from ae_jax.report.canvas import SMALL, is_image, new_axes, shown_member
from ae_jax.report.strips import strips, value_bar
from ae_jax.training import Run

_WIDTH, _LARGEST = 7.6, 0.9
_FILTERS = 36
_STRIP = 24


def reconstructions(
    run: Run, x: Any, *, corruption: Corruption | None = NOISE, seed: int = 0, bounds: tuple[float, float] | None = None
) -> Figure:
    """Examples above what the autoencoder makes of them, and of them corrupted; all in one range of values.

    Images are shown as such; other data as strips, a row for each example and a column for each feature.

    Args:
      run: a trained population; its first finite member is shown.
      x: the examples to show, in the units that it was trained on, ``[n, *shape]``.
      corruption: what damages inputs, in model units; None leaves that part out.
      seed: of the damage.
      bounds: lowest and highest value of the pictures; by default those of ``x``.

    Returns:
      The figure.
    """
    member = shown_member(run)
    stored = np.asarray(x, np.float32)
    rows = {"original": stored}
    if corruption is not None:
        damaged = corrupted(corruption, jax.random.key(seed), np.asarray(member.scaling(stored)))
        rows["corrupted"] = np.asarray(member.scaling.invert(damaged))
    made = member.reconstruct(np.concatenate(list(rows.values()))).reshape(len(rows), *stored.shape)
    parts = {"original": stored, "reconstruction": made[0]}
    if corruption is not None:
        parts |= {"corrupted": rows["corrupted"], "reconstruction\nfrom corrupted": made[1]}
    low, high = bounds or (float(stored.min()), float(stored.max()))
    if is_image(run.shape):
        return gallery(list(parts.values()), list(parts), low, high, cmap="gray", unit="value as stored")
    return strips(
        {name.replace("\n", " "): values[:_STRIP] for name, values in parts.items()}, low, high, unit="value as stored"
    )


def prior_samples(
    run: Run, *, count: int = 30, seed: int = 0, bounds: tuple[float, float] | None = None
) -> Figure | None:
    """New data from the prior of an autoencoder that has one, such as a variational autoencoder.

    Args:
      run: a trained population; its first finite member is shown.
      count: of samples.
      seed: of the latents.
      bounds: lowest and highest value of the pictures; by default those of the samples.

    Returns:
      The figure; None where the autoencoder has no prior.
    """
    if not hasattr(run.autoencoder.objective, "sample_prior"):
        return None
    samples = shown_member(run).sample(count, seed=seed)
    low, high = bounds or (float(samples.min()), float(samples.max()))
    if is_image(run.shape):
        rows = _in_rows(samples, min(count, 10))
        return gallery(rows, ["samples"] + [""] * (len(rows) - 1), low, high, cmap="gray", unit="value as stored")
    return strips({"samples": samples[:_STRIP]}, low, high, unit="value as stored")


def filters(run: Run, *, count: int = _FILTERS) -> Figure | None:
    """What the units of the first layer look for: its kernels, those of the largest norm first.

    Blue is a negative weight and red a positive one, white is zero; kernels over three channels are coloured about
    a mid-grey zero. Networks of one's own are shown where their parameters are laid out as those of the package:
    ``encoder`` is a list whose first layer has a ``kernel``.

    Args:
      run: a trained population; its first finite member is shown.
      count: of units, at most.

    Returns:
      The figure; None where the networks have no such layer.

    Raises:
      InvalidInput: a count below one.
    """
    count = size("filters", "count", count)
    kernels = first_kernels(shown_member(run))
    if kernels is None or not np.isfinite(kernels).all():
        return None
    order = np.argsort(-np.linalg.norm(kernels.reshape(len(kernels), -1), axis=1), kind="stable")
    shown = kernels[order[:count]]
    bound = float(np.abs(shown).max()) or 1.0
    if not is_image(shown.shape[1:]):
        return strips({"first-layer weights": shown}, -bound, bound, cmap="RdBu_r", rows="unit", unit="weight")
    rows = _in_rows(shown, min(len(shown), 12))
    return gallery(rows, ["weights"] + [""] * (len(rows) - 1), -bound, bound, cmap="RdBu_r", unit="weight")


def first_kernels(run: Run) -> np.ndarray | None:
    """The kernel of each unit of the encoder's first layer, in the shape of an example or of a convolution's window.

    Args:
      run: a single run.

    Returns:
      ``[units, *shape]`` of a dense layer, ``[units, rows, columns, channels]`` of a convolution, None of neither.
    """
    encoder = run.params.get("encoder") if isinstance(run.params, dict) else None
    layer = encoder.get(0) if isinstance(encoder, dict) else None
    if not isinstance(layer, dict) or not hasattr(layer.get("kernel"), "shape"):
        return None
    kernel = np.asarray(layer["kernel"])[0]
    if kernel.ndim == 2 and kernel.shape[0] == math.prod(run.shape):
        return kernel.T.reshape(-1, *run.shape)
    return np.moveaxis(kernel, -1, 0) if kernel.ndim == 4 else None


def mosaic(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of images as one picture ``[height, width, channels]``, with NaN between them and where a row ends early.

    Example:
      >>> mosaic([np.zeros((3, 8, 8)), np.zeros((2, 8, 8))]).shape
      (17, 26, 1)
    """
    shape = (*rows[0].shape[1:3], math.prod(rows[0].shape[3:]))
    down, across = steps_of(rows[0])
    gap = down - shape[0]
    picture = np.full((len(rows) * down - gap, max(map(len, rows)) * across - gap, shape[2]), np.nan)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * down, j * across
            picture[top : top + shape[0], left : left + shape[1]] = np.asarray(image).reshape(shape)
    return picture


def steps_of(row: np.ndarray) -> tuple[int, int]:
    """How many pixels images of a mosaic stand apart, from top to top and from left to left.

    Example:
      >>> steps_of(np.zeros((3, 8, 8)))
      (9, 9)
    """
    height, width = row.shape[1:3]
    gap = max(1, round(0.08 * min(height, width)))
    return height + gap, width + gap


def draw_mosaic(
    ax: Axes, rows: Sequence[np.ndarray], names: Sequence[str], low: float, high: float, *, cmap: str = "gray"
) -> AxesImage | None:
    """Rows of images with their names at the left, on one scale of values.

    Args:
      ax: what is drawn on.
      rows, names, low, high, cmap: as in :func:`gallery`.

    Returns:
      What a bar of values is of; None of images in colour.
    """
    picture = mosaic(rows)
    places = [row * steps_of(rows[0])[0] + (rows[0].shape[1] - 1) / 2 for row in range(len(rows))]
    ax.set_yticks(places, names, parse_math=False)
    if picture.shape[2] == 1:
        return ax.imshow(picture[..., 0], cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
    scaled = np.clip((picture - low) / ((high - low) or 1.0), 0, 1)
    ax.imshow(np.where(np.isnan(scaled), 1.0, scaled), interpolation="nearest")
    return None


def gallery(
    rows: Sequence[np.ndarray], names: Sequence[str], low: float, high: float, *, unit: str, cmap: str = "gray"
) -> Figure:
    """Rows of images with their names at the left, on one scale of values.

    Args:
      rows: ``[n, height, width]`` or ``[n, height, width, channels]`` each.
      names: of the rows.
      low, high: values that are the darkest and the brightest.
      unit: of the values.
      cmap: colours of values, of images with one channel.

    Returns:
      The figure.

    Example:
      >>> figure = gallery([np.zeros((3, 8, 8)), np.ones((3, 8, 8))], ["dark", "bright"], 0.0, 1.0, unit="shade")
      >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
      ['dark', 'bright']
    """
    picture = mosaic(rows)
    colour = picture.shape[2] == 3
    margin = 1.8 if colour else 2.3
    width = min(_WIDTH, margin + _LARGEST * max(map(len, rows)))
    height = 0.25 + (width - margin) * picture.shape[0] / picture.shape[1]
    figure, (ax,) = new_axes(1, columns=1, width=width, height=min(max(height, 0.9), _WIDTH))
    shown = draw_mosaic(ax, rows, names, low, high, cmap=cmap)
    if shown is not None:
        value_bar(figure, [ax], shown, unit)
    ax.set_xticks([])
    ax.tick_params(length=0, labelsize=SMALL)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return figure


def _in_rows(images: np.ndarray, columns: int) -> list[np.ndarray]:
    return [images[start : start + columns] for start in range(0, len(images), columns)]
