"""Shapes that losses accept: equal ones, since a loss never broadcasts."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from ae_jax.errors import InvalidInput
from ae_jax.types import Number


def require_equal_shapes(name: str, array: Any, other_name: str, other: Any) -> None:
    if jnp.shape(array) != jnp.shape(other):
        raise InvalidInput(
            f"{name} has shape {jnp.shape(array)} and {other_name} {jnp.shape(other)}: "
            "expected equal shapes, since a loss never broadcasts."
        )


def require_scalar_or_shape(name: str, value: Array | Number, target: Array) -> None:
    if jnp.shape(value) not in ((), jnp.shape(target)):
        raise InvalidInput(
            f"{name} has shape {jnp.shape(value)} and target {jnp.shape(target)}: "
            "expected one number or an array of the target's shape."
        )
