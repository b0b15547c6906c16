"""Elementwise activations by name, and the initialisers that go with them."""

from collections.abc import Callable

import jax
from flax import nnx
from jax import Array

from ae_jax.errors import require_known

ACTIVATIONS: dict[str, Callable[[Array], Array] | None] = {
    "linear": None,
    "elu": jax.nn.elu,
    "gelu": jax.nn.gelu,
    "leaky_relu": jax.nn.leaky_relu,
    "relu": jax.nn.relu,
    "selu": jax.nn.selu,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "tanh": jax.nn.tanh,
}


def activation_named(name: str) -> Callable[[Array], Array] | None:
    """The activation of that name; None is the identity, ``"linear"``.

    Raises:
      InvalidInput: an unknown name; the sentence has the nearest one.
    """
    require_known("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]


def apply(name: str, x: Array) -> Array:
    """Applies the named activation to an array."""
    activation = activation_named(name)
    return x if activation is None else activation(x)


def kernel_initializer(name: str) -> nnx.Initializer:
    """He's initialiser before rectifiers (He et al. 2015), Glorot's elsewhere (Glorot and Bengio 2010)."""
    rectifiers = ("elu", "gelu", "leaky_relu", "relu", "silu", "softplus")
    return nnx.initializers.he_normal() if name in rectifiers else nnx.initializers.glorot_normal()
