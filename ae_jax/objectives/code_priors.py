"""A prior over discrete codes, so that they can be sampled."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from ae_jax._checks import size
from ae_jax.components import component, static
from ae_jax.objectives.quantisers import Quantizer
from ae_jax.types import Key, Shape


@component
class CodePrior:
    r"""A neural autoregressive distribution over the indices of a code, one after the other.

    .. math::
       p(k) = \prod_t p(k_t | k_{<t}), \quad
       p(\cdot | k_{<t}) = \mathrm{softmax}\Big(V_t \,\phi\Big(b + \sum_{s<t} W_{s, k_s}\Big) + c_t\Big)

    Every index has its own weights W and V, so that parameters grow with indices times codes times units.

    Attributes:
      quantizer: gives the number of indices and of codes.
      units: width of the hidden layer, with GELU.

    Raises:
      InvalidInput: a width not above zero.

    References:
      Larochelle and Murray, *The neural autoregressive distribution estimator*, AISTATS 2011, with categories for bits.
    """

    quantizer: Quantizer = static()
    units: int = static(default=64)

    def __post_init__(self) -> None:
        size(self, "units", self.units)

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> "CodePriorPart":
        return CodePriorPart(self.quantizer.indices_of(code), self.quantizer.codes, self.units, rngs)


class CodePriorPart(nnx.Module):
    """The part that :class:`CodePrior` describes, for one shape of the code."""

    def __init__(self, indices: int, codes: int, units: int, rngs: nnx.Rngs):
        inputs, outputs = jax.random.normal(rngs.params(), (2, indices, codes, units))
        self.inputs = nnx.Param(inputs / math.sqrt(indices))
        self.outputs = nnx.Param(jnp.swapaxes(outputs, 1, 2) / units)
        self.input_bias, self.output_bias = nnx.Param(jnp.zeros(units)), nnx.Param(jnp.zeros((indices, codes)))

    def log_prob(self, indices: Int[Array, "batch *places"]) -> Float[Array, " batch"]:
        """Log-probability of the indices of each example, in nats."""
        numbers = indices.reshape(len(indices), -1)
        added = self.inputs[...][jnp.arange(numbers.shape[1])[None], numbers]
        before = jnp.cumsum(added, axis=1) - added + self.input_bias[...][None, None]
        logits = jnp.einsum("btu,tuk->btk", jax.nn.gelu(before), self.outputs[...]) + self.output_bias[...][None]
        return jnp.sum(jnp.take_along_axis(jax.nn.log_softmax(logits), numbers[..., None], axis=-1), axis=(1, 2))

    def sample(self, key: Key, n: int) -> Int[Array, "{n} indices"]:
        """Draws the indices of n codes, ``[n, indices]``."""

        def draw(hidden: Array, given: Any) -> tuple[Array, Array]:
            inputs, outputs, bias, own = given
            numbers = jax.random.categorical(own, jax.nn.gelu(hidden) @ outputs + bias[None])
            return hidden + inputs[numbers], numbers

        weights = self.inputs[...], self.outputs[...], self.output_bias[...]
        start = jnp.broadcast_to(self.input_bias[...], (n, len(self.input_bias[...])))
        return jax.lax.scan(draw, start, (*weights, jax.random.split(key, len(weights[0]))))[1].T
