"""Applies functions of a model to any number of examples, batch by batch, for every member of a population."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax.data import Scaling
from ae_jax.models import Autoencoder
from ae_jax.networks import deterministic
from ae_jax.training.importance import batch_of
from ae_jax.types import ModelState, Params, Shape

_CHUNK = 1024


def apply(
    function: Callable[..., Any],
    members: tuple[Any, ...],
    scaling: Scaling,
    shape: Shape,
    arrays: Sequence[Any],
    conditions: np.ndarray | None,
) -> Any:
    """Applies a function as :meth:`ae_jax.Run.apply` does; results have a leading member axis.

    ``members`` are parameters, state, autoencoder and any values of each member's own, stacked.
    """
    count, chunks = len(arrays[0]), []
    for start in range(0, count, _CHUNK):
        size = min(count - start, _CHUNK)
        padded = _CHUNK if count > _CHUNK else max(16, 1 << (size - 1).bit_length())
        rows = start + np.minimum(np.arange(padded), size - 1)
        batch = [_rows_of(array, rows) for array in arrays]
        given = None if conditions is None else _rows_of(conditions, rows)
        result = _apply(members, scaling, given, *batch, function=function, shape=shape)
        chunks.append(jax.tree.map(lambda leaf, size=size: np.asarray(leaf)[:, :size], result))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *chunks)


def _rows_of(array: Any, rows: np.ndarray) -> Any:
    """Rows of an array or of keys, taken on the host: each operation on a device would be a program of its own."""
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        raw = np.asarray(jax.random.key_data(array))[rows]
        return jax.random.wrap_key_data(jax.device_put(raw), impl=jax.random.key_impl(array))
    return np.asarray(array)[rows]


@partial(jax.jit, static_argnames=("function", "shape"))
def _apply(
    members: tuple[Any, ...], scaling: Scaling, condition: Any, *batch: Any, function: Callable[..., Any], shape: Shape
) -> Any:
    def one(params: Params, state: ModelState, autoencoder: Autoencoder, *own: Any) -> Any:
        model = autoencoder.bind(shape, params, state)
        model.condition = condition
        return function(autoencoder, model, scaling, *own, *batch)

    return jax.vmap(one)(*members)


def encode(autoencoder: Autoencoder, model: Any, scaling: Scaling, raw: Any) -> Any:
    return deterministic(model.encode(batch_of(autoencoder, model, scaling(raw)).x))


def decode(autoencoder: Autoencoder, model: Any, scaling: Scaling, codes: Any) -> Any:
    return autoencoder.objective.likelihood.mean(model.decode(codes))


def reconstruct(autoencoder: Autoencoder, model: Any, scaling: Scaling, raw: Any) -> Any:
    return decode(autoencoder, model, scaling, encode(autoencoder, model, scaling, raw))


@partial(jax.jit, static_argnames=("shape", "n"))
def sample(members: tuple[Params, ModelState, Autoencoder, Any], key: Any, shape: Shape, n: int) -> Any:
    def one(params: Params, state: ModelState, autoencoder: Autoencoder, seed: Any) -> Any:
        return autoencoder.bind(shape, params, state).sample(jax.random.fold_in(key, seed), n)

    return jax.vmap(one)(*members)


def posterior(autoencoder: Autoencoder, model: Any, scaling: Scaling, raw: Any) -> Any:
    """Mean and standard deviation of the posterior; None in place of the second where a family has none."""
    code = model.encode(scaling(raw))
    return deterministic(code), jnp.exp(code.log_scale) if hasattr(code, "log_scale") else None
