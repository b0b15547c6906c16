"""Names of types used throughout the package."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

Key: TypeAlias = PRNGKeyArray
"""One typed PRNG key, as ``jax.random.key(0)`` makes it."""

Params: TypeAlias = dict[Any, Any]
"""The parameters of a model, part -> nested dicts of arrays; every leaf is trained."""

ModelState: TypeAlias = dict[Any, Any]
"""The variables of a model that are not trained (running statistics, counters), part -> nested dicts of arrays."""

Metrics: TypeAlias = dict[str, Float[jax.Array, "..."]]
"""Every term of an objective under its own name, unweighted."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of one example, without the batch: ``(64,)``, ``(28, 28)``, ``(32, 32, 3)``."""

Number: TypeAlias = float | int | np.ndarray | np.number | jax.Array
"""A hyper-parameter: a leaf of its component's pytree, so that it can be swept and traced."""

Weight: TypeAlias = Number | Callable[[Any], Any]
"""A number, or a schedule called with the number of steps taken."""


class Batch(NamedTuple):
    """What an objective is given of a batch of examples.

    Attributes:
      x: the examples in model units, ``[batch, *shape]``.
      condition: class numbers ``[batch]`` or covariates ``[batch, covariates]`` that encoder and decoder may see, or
        that a classifier predicts.
      observed: true where x is known, ``[batch, *shape]``; None where all of it is.
    """

    x: Float[Array, "batch *shape"]
    condition: Array | None = None
    observed: Bool[Array, "batch *shape"] | None = None
