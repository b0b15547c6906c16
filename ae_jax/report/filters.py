"""Figures of the kernels of an encoder's first layer."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ae_jax._checks import size
from ae_jax.report.axes import select_member
from ae_jax.report.examples import Panel, draw_examples, in_rows
from ae_jax.training import Run


def first_layer_filters(run: Run, *, count: int = 36, ax: Axes | None = None, title: str = "") -> Figure | None:
    """Draws the kernels of the encoder's first layer, those of the largest norm first.

    Blue is a negative weight and red a positive one; kernels over three channels are coloured about a mid-grey zero.
    User-defined networks are shown if ``encoder`` is a list whose first layer has a ``kernel``.

    Args:
      run: a trained population; its first finite member is shown.
      count: largest number of units.
      ax, title: as of :func:`ae_jax.report.draw_examples`.

    Returns:
      The figure; None if the networks have no such layer.

    Raises:
      InvalidInput: a count below one.
    """
    count = size("first_layer_filters", "count", count)
    kernels = first_layer_kernels(select_member(run))
    if kernels is None or not np.isfinite(kernels).all():
        return None
    order = np.argsort(-np.linalg.norm(kernels.reshape(len(kernels), -1), axis=1), kind="stable")
    rows = in_rows(kernels[order[:count]], 12)
    panel = Panel(rows, ["weights"], signed=True, unit="weight", axis="unit")
    return draw_examples([panel], ax=ax, title=title)


def first_layer_kernels(run: Run) -> np.ndarray | None:
    """Returns the kernel of each unit of a single run's first encoder layer.

    Returns:
      ``[units, *shape]`` of a dense layer, ``[units, rows, columns, channels]`` of a convolution; None of other layers.
    """
    condition = run.condition_of((run.data.classes or (None,))[0])
    found = run.apply(_first_kernel, np.zeros((1, *run.shape), np.float32), condition=condition)
    if found is None:
        return None
    kernel = np.asarray(found)[0]
    if kernel.ndim == 2 and kernel.shape[0] >= math.prod(run.shape):  # a condition has further rows
        return kernel[: math.prod(run.shape)].T.reshape(-1, *run.shape)
    return np.moveaxis(kernel, -1, 0) if kernel.ndim == 4 else None


def _first_kernel(autoencoder: Any, model: Any, scaling: Any, batch: Any) -> Any:
    """The kernel of the encoder's first layer with a leading axis of one; None without such a layer."""
    encoder = getattr(model.networks, "encoder", None)
    try:
        return encoder[0].kernel.get_value()[None]  # pyright: ignore[reportOptionalSubscript]
    except (TypeError, IndexError, AttributeError):
        return None
