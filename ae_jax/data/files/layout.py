"""From how a file lays an array out to examples along its first axis."""

import math
from collections.abc import Sequence

import numpy as np

from ae_jax.data.arrays import require_examples
from ae_jax.errors import InvalidInput


def examples_first(array: np.ndarray, *, transpose: bool = False) -> np.ndarray:
    """The array with its examples along the first axis; transposed, they are along its last, as a matrix's columns.

    Example:
      >>> [examples_first(np.zeros(shape), transpose=True).shape for shape in [(4, 3), (8, 9, 3)]]
      [(3, 4), (3, 8, 9)]
    """
    return np.moveaxis(array, -1, 0) if transpose and array.ndim > 1 else array


def shaped(array: np.ndarray, shape: Sequence[int], what: str, *, first_axis_fastest: bool = False) -> np.ndarray:
    """Examples of another shape, of the same numbers each.

    Args:
      array: ``[n, *features]``, most often rows ``[n, features]``.
      shape: of an example, such as height and width of a picture.
      what: what sentences call the array.
      first_axis_fastest: the first axis of an example varies fastest in its row, as in MATLAB, rather than the last.

    Returns:
      ``[n, *shape]``.

    Raises:
      InvalidInput: no examples, or examples of another number of values.

    Example:
      >>> [shaped(np.arange(4)[None], (2, 2), "x", first_axis_fastest=fastest).tolist() for fastest in (False, True)]
      [[[[0, 1], [2, 3]]], [[[0, 2], [1, 3]]]]
    """
    require_examples(array, what)
    width, wanted = math.prod(array.shape[1:]), math.prod(shape)
    if width != wanted:
        raise InvalidInput(
            f"{what} has {width} values an example, and the shape {' x '.join(map(str, shape))} has {wanted}: expected "
            "as many; give another --shape, or --transpose where the examples are the columns of a matrix."
        )
    return array.reshape((len(array), *shape), order="F" if first_axis_fastest else "C")
