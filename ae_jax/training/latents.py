"""Latents of trained members: posteriors, and codes in which single units move."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ae_jax._checks import require_positive, size
from ae_jax.errors import InvalidInput


class PosteriorMoments(NamedTuple):
    """The Gaussian posterior of each example.

    Attributes:
      mean, scale: mean and standard deviation of each latent, ``[n, *code]``, with a leading member axis unless the run
        is single.
    """

    mean: np.ndarray
    scale: np.ndarray


class Traversal(NamedTuple):
    """Decoded codes in which one unit moves; with a leading member axis unless the run is single.

    Attributes:
      examples: in the units of the data, ``[units, steps, *shape]``.
      units: positions of the units in the flattened code, ``[units]``.
      values: of the unit that moves, ``[units, steps]``.
    """

    examples: np.ndarray
    units: np.ndarray
    values: np.ndarray


def move_units(
    codes: np.ndarray, units: int | Sequence[int], span: float, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes in which one unit moves about its mean while the others stay at theirs.

    Args:
      codes: of each member, ``[members, n, code]``.
      units, span, steps: as of :meth:`ae_jax.Run.traverse`, which raises the same.

    Returns:
      The codes ``[members, units, steps, code]``, the units ``[members, units]`` and their values
      ``[members, units, steps]``.

    Example:
      >>> move_units(np.array([[[0.0, 5.0], [2.0, 5.0]]]), [0], span=1.0, steps=2)[0].tolist()
      [[[[0.0, 5.0], [2.0, 5.0]]]]
    """
    require_positive("traverse", span=span)
    steps, (members, examples, width) = size("traverse", "steps", steps), codes.shape
    codes = codes.astype(np.float64)
    mean, spread = codes.mean(axis=1), codes.std(axis=1) if examples > 1 else np.ones((members, width))
    if isinstance(units, int):
        chosen = np.argsort(-spread, axis=1, kind="stable")[:, : size("traverse", "units", units)]
    else:
        if not all(-width <= unit < width for unit in units):
            raise InvalidInput(f"traverse was given units={list(units)}: expected some of 0 to {width - 1}.")
        chosen = np.tile(np.asarray(units, int) % width, (members, 1))
    offsets = np.linspace(-span, span, steps) * np.take_along_axis(spread, chosen, 1)[..., None]
    values = np.take_along_axis(mean, chosen, 1)[..., None] + offsets
    moved = np.tile(mean[:, None, None], (1, chosen.shape[1], steps, 1))
    np.put_along_axis(moved, chosen[:, :, None, None], values[..., None], axis=3)
    return moved.astype(np.float32), chosen, values
