"""Conditions: class numbers or covariates that networks are given beside their input."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax.errors import InvalidInput


def with_condition(config: Any, x: Float[Array, "batch *features"], condition: Array | None) -> Array:
    """Rows with their condition appended: class numbers one-hot encoded, covariates as they are.

    Args:
      config: the builder of the networks, whose ``condition`` is the number of classes or covariates, or None.
      x: rows, ``[batch, features]``.
      condition: class numbers ``[batch]`` or covariates ``[batch, covariates]``.

    Returns:
      ``[batch, features + condition]``; x itself where the networks take no condition.

    Raises:
      InvalidInput: a condition that is missing, that the networks do not take, or of another size.

    Example:
      >>> from ae_jax.networks import MLP
      >>> with_condition(MLP(condition=3), jnp.ones((1, 2)), jnp.array([1]))
      Array([[1., 1., 0., 1., 0.]], dtype=float32)
    """
    if config.condition is None:
        if condition is not None:
            raise InvalidInput(f"{type(config).__name__} was given a condition: expected none, or condition=10.")
        return x
    if condition is None:
        raise InvalidInput(
            f"{type(config).__name__} with condition={config.condition} was given no condition: expected one for each "
            "example, such as its label."
        )
    if jnp.issubdtype(condition.dtype, jnp.integer):
        condition = jax.nn.one_hot(condition, config.condition, dtype=x.dtype)
    if condition.shape != (len(x), config.condition):
        raise InvalidInput(
            f"{type(config).__name__} was given a condition of shape {condition.shape}: expected class numbers "
            f"({len(x)},) or covariates ({len(x)}, {config.condition})."
        )
    return jnp.concatenate([x, condition.astype(x.dtype)], axis=-1)
