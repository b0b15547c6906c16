"""The order of the axes of images: channels last, as networks take them."""

from typing import Literal, TypeAlias

import numpy as np

from ae_jax.errors import InvalidInput
from ae_jax.types import Shape

Channels: TypeAlias = Literal["first", "last"]


def channels_last(x: np.ndarray, channels: Channels | None, name: str) -> tuple[np.ndarray, list[str]]:
    """Returns images with their channels on the last axis, and a note where the layout was guessed.

    Without ``channels``, examples are taken for images with channels first where their first axis has length 1 or 3,
    their last axis is none of 1, 3 and 4, and the other two have similar lengths of at least 8.

    Args:
      x: ``[n, *shape]``.
      channels: of images with three axes, ``"first"`` or ``"last"``; None to guess.
      name: of the examples, for the note.

    Example:
      >>> images, notes = channels_last(np.zeros((2, 3, 32, 48)), None, "mine")
      >>> images.shape, notes
      ((2, 32, 48, 3), ['mine: the first of the axes 3 x 32 x 48 is taken for channels (channels="first").'])
    """
    if channels not in (None, "first", "last"):
        raise InvalidInput(f"{name} was given channels={channels!r}: expected 'first' or 'last'.")
    if channels == "last" or (channels is None and not _starts_with_channels(x.shape[1:])):
        return x, []
    if x.ndim != 4:
        raise InvalidInput(f"{name} was given channels='first' for examples of shape {x.shape[1:]}: expected 3 axes.")
    shape = " x ".join(map(str, x.shape[1:]))
    note = f'{name}: the first of the axes {shape} is taken for channels (channels="first").'
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)), [] if channels else [note]


def as_trained(x: np.ndarray, shape: Shape) -> np.ndarray:
    """Returns images with channels first as images of the shape trained on, if that has channels last."""
    moved = (*x.shape[2:], x.shape[1]) if x.ndim == 4 else ()
    return np.moveaxis(x, 1, -1) if moved == tuple(shape) != x.shape[1:] else x


def _starts_with_channels(shape: Shape) -> bool:
    if len(shape) != 3 or shape[0] not in (1, 3) or shape[2] in (1, 3, 4):
        return False
    short, long = sorted(shape[1:])
    return short >= 8 and long <= 2 * short
