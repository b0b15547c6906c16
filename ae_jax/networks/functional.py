"""Models as pure functions of their parameters and state: the only file that splits and merges nnx modules."""

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from ae_jax.distributions import Posterior
from ae_jax.errors import InvalidInput
from ae_jax.types import Key, ModelState, Params, Shape

Code = Float[Array, "batch *code"] | Posterior
"""What an encoder returns: an array of codes, or a posterior with a mean, and samples with their log-density."""
_SAMPLE = 10_000
"""Examples whose codes a bottleneck starts from."""


@runtime_checkable
class Networks(Protocol):
    """An encoder and a decoder, as an nnx module.

    ``encode`` maps ``[batch, *shape]`` to a code ``[batch, *code]`` or, where the encoder is stochastic, to a posterior
    over it; ``decode`` maps codes back to ``[batch, *shape]``, or ``[batch, *shape, outputs]`` where the likelihood
    takes several numbers for each feature. Conditional networks take the condition as a second argument. Networks whose
    encoder is a chain of dense layers with elementwise activations may have ``dense_layers()``, which gives the closed
    form of the contractive penalty, and None where their configuration makes the encoder another map. Networks that
    start from data have ``start_from(x)``: it is called once, before training, with a member's training examples
    ``[n, *shape]`` in model units as a NumPy array, and sets variables.
    """

    def encode(self, x: Any) -> Any: ...

    def decode(self, z: Any) -> Any: ...


@runtime_checkable
class NetworksBuilder(Hashable, Protocol):
    """A component, all of its fields static, that builds networks from the shape of one example.

    Attributes:
      code: size of the code, or its shape.

    ``outputs`` is how many numbers the decoder gives for each feature (a likelihood with a learned scale takes two). A
    builder of conditional networks has an attribute ``condition``, the number of classes or covariates.
    """

    @property
    def code(self) -> int | Shape: ...

    def __call__(self, shape: Shape, outputs: int, rngs: nnx.Rngs) -> nnx.Module: ...


@runtime_checkable
class PartBuilder(Hashable, Protocol):
    """A component, all of its fields static, that builds a part of a model beside its networks: a prior, a critic.

    It is given the networks, the shapes of one example and of its code, and random streams. Only a part named
    ``prior`` may keep the networks as an attribute; their parameters are then still counted once.
    """

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> nnx.Module: ...


class Model(nnx.Module):
    """Networks and the further parts that an objective names, each an attribute.

    Attributes:
      networks: the encoder and the decoder.
      condition: what the examples at hand are conditioned on, used where ``encode`` and ``decode`` are given none.
      dtype: of the floating-point numbers that the networks are given; None leaves them.
    """

    def __init__(self, networks: Any, parts: Mapping[str, nnx.Module]):
        self.networks = networks
        for name, part in parts.items():
            setattr(self, name, part)
        self.condition = nnx.data(None)
        self.dtype = None

    def encode(self, x: Array, condition: Array | None = None) -> Code:
        """Codes of a batch, after the part ``bottleneck`` where there is one, or the posterior over them."""
        condition = self.condition if condition is None else condition
        code = self._narrow(self.networks.encode, x, condition)
        bottleneck = getattr(self, "bottleneck", None)
        return code if bottleneck is None else bottleneck(code)

    def decode(self, z: Array, condition: Array | None = None) -> Array:
        """Outputs of the decoder for a batch of codes."""
        return self._narrow(self.networks.decode, z, self.condition if condition is None else condition)

    def _narrow(self, method: Callable[..., Any], x: Array, condition: Array | None) -> Any:
        """What a method of the networks gives for numbers of the model's type, in the type of the numbers given."""
        given = () if condition is None else (condition,)
        if self.dtype is None:
            return method(x, *given)
        return jax.tree.map(lambda leaf: leaf.astype(x.dtype), method(x.astype(self.dtype), *given))

    def sample(self, key: Key, n: int) -> Array:
        """Draws n codes from the part ``prior``; where it draws indices, the codes that they stand for."""
        part: Any = self
        drawn = part.prior.sample(key, n)
        return part.bottleneck.lookup(drawn) if jnp.issubdtype(drawn.dtype, jnp.integer) else drawn

    def dense_layers(self) -> tuple[Any, ...] | None:
        """The encoder's layers where it is a chain of dense layers from the data to the code, else None."""
        whole = self.condition is None and not hasattr(self, "bottleneck") and hasattr(self.networks, "dense_layers")
        return self.networks.dense_layers() if whole else None


class ModelSpec(NamedTuple):
    """Everything that determines the structure of a model; hashable.

    Attributes:
      networks: builds the networks.
      parts: name -> builder of each further part, as sorted pairs.
      shape: of one example.
      outputs: numbers that the decoder gives for each feature.
    """

    networks: NetworksBuilder
    shape: Shape
    outputs: int = 1
    parts: tuple[tuple[str, PartBuilder], ...] = ()

    def build(self, rngs: nnx.Rngs) -> Model:
        """A new model, its networks first."""
        networks = self.networks(self.shape, self.outputs, rngs)
        code = code_shape(self.networks)
        return Model(networks, {name: build(networks, self.shape, code, rngs) for name, build in self.parts})


@lru_cache(maxsize=256)
def _structure(spec: ModelSpec) -> tuple[nnx.GraphDef[Any], Any, Any]:
    """The graph of a model, its random streams and its state, both abstract."""
    abstract = nnx.eval_shape(lambda: spec.build(nnx.Rngs(0)))
    if not isinstance(abstract.networks, Networks):
        raise InvalidInput(
            f"{type(abstract.networks).__name__} has no encode and decode: expected networks with both methods."
        )
    graph, _, streams, state = nnx.split(abstract, nnx.Param, nnx.RngState, ...)
    return graph, nnx.to_pure_dict(streams), nnx.to_pure_dict(state)


def init(spec: ModelSpec, key: Key) -> tuple[Params, ModelState]:
    """Fresh parameters and the initial state of a model, as nested dicts of arrays.

    Example:
      >>> from ae_jax.networks import MLP
      >>> params, state = init(ModelSpec(MLP(hidden=(), code=2), (3,)), jax.random.key(0))
      >>> jax.tree.map(jnp.shape, params["networks"]["encoder"]), state
      ({0: {'bias': (2,), 'kernel': (3, 2)}}, {})
    """
    _, params, _, state = nnx.split(spec.build(nnx.Rngs(key)), nnx.Param, nnx.RngState, ...)
    return nnx.to_pure_dict(params), nnx.to_pure_dict(state)


def bind(
    spec: ModelSpec,
    params: Params,
    state: ModelState | None = None,
    key: Key | None = None,
    dtype: Any = None,
) -> Any:
    """The model with these parameters and this state; free of cost inside ``jax.jit``.

    Args:
      spec: of the model.
      params: its parameters.
      state: its other variables; None where it has none.
      key: seeds its random streams (dropout), for training. None gives the model in evaluation mode: dropout is off and
        batch normalisation uses its running statistics.
      dtype: the floating-point numbers that the networks compute with; None for those of the parameters.

    Example:
      >>> from ae_jax.networks import MLP
      >>> spec = ModelSpec(MLP(hidden=(), code=2), (3,))
      >>> bind(spec, init(spec, jax.random.key(0))[0]).encode(jnp.ones((5, 3))).shape
      (5, 2)
    """
    graph, streams, _ = _structure(spec)
    if dtype is not None:
        params = params | {"networks": jax.tree.map(lambda leaf: leaf.astype(dtype), params["networks"])}
    model = nnx.merge(graph, params, _seeded(streams, key), {} if state is None else state)
    model.dtype = dtype
    if key is None:
        model.eval()
    return model


@lru_cache(maxsize=256)
def starts_from_data(spec: ModelSpec) -> bool:
    """Whether the networks of a model have ``start_from``, or its bottleneck has."""
    model = nnx.eval_shape(lambda: spec.build(nnx.Rngs(0)))
    return hasattr(model.networks, "start_from") or hasattr(getattr(model, "bottleneck", None), "start_from")


def start_from(spec: ModelSpec, params: Params, state: ModelState, x: np.ndarray) -> tuple[Params, ModelState]:
    """Fresh parameters and state after a model saw a member's training examples, ``[n, *shape]``: its networks, and
    then its bottleneck the codes of a sample of them.
    """
    model = bind(spec, params, state)
    if hasattr(model.networks, "start_from"):
        model.networks.start_from(x)
    if hasattr(getattr(model, "bottleneck", None), "start_from"):
        model.bottleneck.start_from(call(model.networks, "encode", x[:: -(-len(x) // _SAMPLE)]))
    _, started, _, after = nnx.split(model, nnx.Param, nnx.RngState, ...)
    return nnx.to_pure_dict(started), nnx.to_pure_dict(after)


def call(networks: nnx.Module, method: str, x: np.ndarray) -> np.ndarray:
    """What a method of networks returns for a batch, computed by one program for all networks of one structure."""
    graph, variables = nnx.split(networks)
    return np.asarray(_called(variables, x.astype(np.float32), graph=graph, method=method))


@partial(jax.jit, static_argnames=("graph", "method"))
def _called(variables: Any, x: Array, graph: Any, method: str) -> Array:
    return getattr(nnx.merge(graph, variables), method)(x)


def state_of(spec: ModelSpec, model: Any) -> ModelState:
    """The state of a model after it was used: every variable that is no parameter and no random stream.

    Variables and arrays that a module created while it ran, such as the activations of a skip connection, are left out.
    """
    _, _, state = _structure(spec)
    return _restricted(nnx.to_pure_dict(nnx.state(model)), state) if state else {}


def pure_encoder(model: Any) -> Callable[..., Code]:
    """The encoder of a model in evaluation mode as a pure function, which may be differentiated and mapped over."""
    graph, variables = nnx.split(model)
    values = nnx.to_pure_dict(variables)  # Of arrays, the copy's variables are new at every level of a trace.

    def encode(x: Array, condition: Array | None = None) -> Code:
        copy = nnx.merge(graph, values)
        copy.eval()
        copy.condition = None
        return copy.encode(x, condition)

    return encode


def without_gradient(module: Any) -> Any:
    """A copy of a module whose variables are constants, through which gradients flow to its inputs alone."""
    graph, variables = nnx.split(module)
    return nnx.merge(graph, jax.lax.stop_gradient(variables))


def _seeded(streams: Any, key: Key | None) -> Any:
    """Random streams that start from a key."""
    if not streams:  # the key below would be a program of its own
        return streams
    key = jax.random.key(0) if key is None else key
    leaves, structure = jax.tree.flatten(streams)
    seeded = [
        jax.random.fold_in(key, position)
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        else jnp.zeros(leaf.shape, leaf.dtype)
        for position, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, seeded)


def _restricted(tree: Any, like: Any) -> Any:
    if isinstance(like, dict):
        return {name: _restricted(tree[name], below) for name, below in like.items()}
    return tree


def code_shape(builder: NetworksBuilder) -> Shape:
    """The shape of one example's code.

    Example:
      >>> from ae_jax.networks import MLP
      >>> code_shape(MLP(code=16))
      (16,)
    """
    return tuple(builder.code) if isinstance(builder.code, tuple | list) else (builder.code,)


def deterministic(code: Code) -> Float[Array, "batch *code"]:
    """The code itself, or the mean of a stochastic encoder's posterior.

    Example:
      >>> deterministic(jnp.ones((1, 2)))
      Array([[1., 1.]], dtype=float32)
    """
    return code if isinstance(code, jax.Array) else code.mean
