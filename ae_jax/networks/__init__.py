"""Encoders and decoders as Flax nnx modules, and the components that say how to build them from a data shape."""

from ae_jax.networks import functional
from ae_jax.networks.activations import ACTIVATIONS
from ae_jax.networks.convolutional import Convolutional
from ae_jax.networks.from_nnx import from_nnx
from ae_jax.networks.functional import (
    Code,
    Model,
    ModelSpec,
    Networks,
    NetworksBuilder,
    PartBuilder,
    code_shape,
    deterministic,
)
from ae_jax.networks.mlp import MLP

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Code",
    "Convolutional",
    "Model",
    "ModelSpec",
    "Networks",
    "NetworksBuilder",
    "PartBuilder",
    "code_shape",
    "deterministic",
    "from_nnx",
    "functional",
]
