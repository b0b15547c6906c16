"""Networks as pure functions of their parameters: the only file that splits and merges nnx modules."""

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import jax
from flax import nnx
from jaxtyping import Array, Float

from ae_jax.distributions import DiagonalGaussian
from ae_jax.errors import InvalidInput
from ae_jax.types import Key, Params, Shape

Code = Float[Array, "batch code"] | DiagonalGaussian
"""What an encoder returns: an array, or a distribution with a mean, a sample and a divergence."""


@runtime_checkable
class Networks(Protocol):
    """An encoder and a decoder; an nnx module that holds parameters only.

    ``encode`` maps ``[batch, *shape]`` to a code ``[batch, code]`` or, where the encoder is stochastic, to a
    distribution over it; ``decode`` maps codes back to ``[batch, *shape]``, or ``[batch, *shape, outputs]`` where the
    likelihood wants several numbers for each feature. Networks whose encoder is a chain of dense layers with
    elementwise activations may have ``dense_layers()``, which opens the closed form of the contractive penalty; it
    gives None where their configuration makes the encoder another map.
    """

    def encode(self, x: Any) -> Any: ...

    def decode(self, z: Any) -> Any: ...


@runtime_checkable
class NetworksBuilder(Hashable, Protocol):
    """A component, all of its fields static, that builds networks from the shape of one example.

    ``outputs`` is how many numbers the decoder gives for each feature (a likelihood with a learned scale wants two).
    ``code`` is the size of the code.
    """

    @property
    def code(self) -> int: ...

    def __call__(self, shape: Shape, outputs: int, rngs: nnx.Rngs) -> nnx.Module: ...


@lru_cache(maxsize=256)
def _graph(builder: NetworksBuilder, shape: Shape, outputs: int) -> nnx.GraphDef[Any]:
    abstract = nnx.eval_shape(lambda: builder(shape, outputs, nnx.Rngs(0)))
    if not isinstance(abstract, Networks):
        raise InvalidInput(f"{type(abstract).__name__} has no encode and decode: expected networks with both methods.")
    graph, _, rest = nnx.split(abstract, nnx.Param, ...)
    if jax.tree.leaves(rest):
        raise InvalidInput(
            f"{type(abstract).__name__} holds state that is no nnx.Param (running statistics or stored Rngs): "
            "expected networks that hold parameters only."
        )
    return graph


def init(builder: NetworksBuilder, shape: Shape, key: Key, outputs: int = 1) -> Params:
    """Fresh parameters, as plain nested dicts of arrays.

    Example:
      >>> from ae_jax.networks import MLP
      >>> params = init(MLP(hidden=(), code=2), (3,), jax.random.key(0))
      >>> jax.tree.map(jnp.shape, params["encoder"])
      {0: {'bias': (2,), 'kernel': (3, 2)}}
    """
    return nnx.to_pure_dict(nnx.state(builder(shape, outputs, nnx.Rngs(key)), nnx.Param))


def bind(builder: NetworksBuilder, shape: Shape, params: Params, outputs: int = 1) -> Any:
    """The module with these parameters, to call ``encode`` and ``decode`` on; free of cost inside ``jax.jit``.

    Example:
      >>> from ae_jax.networks import MLP
      >>> builder = MLP(hidden=(), code=2)
      >>> bind(builder, (3,), init(builder, (3,), jax.random.key(0))).encode(jnp.ones((5, 3))).shape
      (5, 2)
    """
    return nnx.merge(_graph(builder, shape, outputs), params)


def deterministic(code: Code) -> Float[Array, "batch code"]:
    """The code itself, or the mean of a stochastic encoder's distribution.

    Example:
      >>> deterministic(jnp.ones((1, 2)))
      Array([[1., 1.]], dtype=float32)
    """
    return code if isinstance(code, jax.Array) else code.mean
