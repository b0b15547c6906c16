"""The names that types go by throughout the package."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

Key: TypeAlias = PRNGKeyArray
"""One typed PRNG key, as ``jax.random.key(0)`` makes it."""

Params: TypeAlias = dict[Any, Any]
"""The parameters of networks: plain nested dicts of arrays."""

Metrics: TypeAlias = dict[str, Float[jax.Array, "..."]]
"""Every term of an objective under its own name, unweighted."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of one example, without the batch: ``(64,)``, ``(28, 28)``, ``(32, 32, 3)``."""

Number: TypeAlias = float | int | np.ndarray | np.number | jax.Array
"""A hyper-parameter: a leaf of the pytree it stands in, so that it can be swept and traced."""

Weight: TypeAlias = Number | Callable[[Any], Any]
"""A number, or a schedule: a component called with the number of steps taken."""
