"""Convolutional encoders and decoders for images of any height, width and number of channels."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from ae_jax._checks import size, widths
from ae_jax.components import component, static
from ae_jax.distributions import PosteriorBuilder
from ae_jax.errors import InvalidInput
from ae_jax.networks.activations import activation_named, apply, kernel_initializer
from ae_jax.networks.conditions import with_condition
from ae_jax.networks.functional import Code
from ae_jax.networks.heads import code_of, head, require_posterior
from ae_jax.networks.k_sparse import require_top_k
from ae_jax.types import Shape


@component
class Convolutional:
    r"""Strided convolutions down to a dense code, and sub-pixel convolutions back up.

    Each stage halves height and width, rounding up; the decoder doubles them and crops, so that every size fits.

    Attributes:
      channels: number of channels of each stage, from the data to the code.
      kernel: side of the square kernels.
      code: size of the code, or ``(height, width, channels)`` for a spatial code without the dense layers: height and
        width are those that the stages leave of the image.
      activation: of every stage, a name in :data:`ae_jax.networks.ACTIVATIONS`.
      code_activation: of the code.
      stochastic: the encoder gives a diagonal Gaussian's mean and log-scale instead of a code.
      posterior, top_k, condition: as in :class:`ae_jax.networks.MLP`; the condition joins the dense layers beside the
        code.
      centred: the decoder adds an image, of one trained value a pixel, that starts as the mean training example; the
        last kernel starts at zero, so that training starts at that reconstruction.

    Raises:
      InvalidInput: no stage, a size not above zero, an unknown activation, ``top_k`` above the number of
        units or of a stochastic encoder, a spatial code with ``stochastic``, ``top_k`` or ``condition``, or (when
        built) data that are no images or whose last stage is of another size than the spatial code.

    Example:
      >>> Convolutional(channels=(16, 32), code=16).kernel
      3
      >>> Convolutional(channels=(16, 32), code=(2, 2, 4))((8, 8), 1, nnx.Rngs(0)).encode(jnp.ones((5, 8, 8))).shape
      (5, 2, 2, 4)

    References:
      Masci et al., *Stacked convolutional auto-encoders for hierarchical feature extraction*, ICANN 2011;
      Shi et al., *Real-time single image super-resolution using an efficient sub-pixel CNN*, CVPR 2016.
    """

    channels: tuple[int, ...] = static(default=(16, 32))
    kernel: int = static(default=3)
    code: int | tuple[int, ...] = static(default=16)
    activation: str = static(default="relu")
    code_activation: str = static(default="linear")
    stochastic: bool = static(default=False)
    posterior: PosteriorBuilder | None = static(default=None)
    top_k: int | None = static(default=None)
    condition: int | None = static(default=None)
    centred: bool = static(default=False)

    def __post_init__(self) -> None:
        size(self, "kernel", self.kernel)
        if isinstance(self.code, (tuple, list)):
            object.__setattr__(self, "code", widths(self, "code", self.code))
            if len(self.code) != 3 or self.stochastic or self.top_k is not None or self.condition is not None:
                raise InvalidInput(
                    f"Convolutional was given code={self.code}: expected (height, width, channels), without "
                    "stochastic, top_k or condition; those take a code of one size."
                )
        else:
            size(self, "code", self.code)
        object.__setattr__(self, "channels", widths(self, "channels", self.channels))
        if not self.channels:
            raise InvalidInput("Convolutional was given no channels: expected one number for each stage, as (16, 32).")
        activation_named(self.activation)
        activation_named(self.code_activation)
        require_top_k(self)
        require_posterior(self)
        if self.condition is not None:
            size(self, "condition", self.condition)

    def __call__(self, shape: Shape, outputs: int, rngs: nnx.Rngs) -> "ConvolutionalNetworks":
        return (CentredNetworks if self.centred else ConvolutionalNetworks)(self, shape, outputs, rngs)


class ConvolutionalNetworks(nnx.Module):
    """The networks that :class:`Convolutional` describes, for one data shape."""

    def __init__(self, config: Convolutional, shape: Shape, outputs: int, rngs: nnx.Rngs):
        if len(shape) not in (2, 3):
            raise InvalidInput(
                f"convolutional networks were given examples of shape {shape}: "
                "expected images, [height, width] or [height, width, channels]."
            )
        self.config, self.shape, self.outputs = config, shape, outputs
        height, width, depth = shape if len(shape) == 3 else (*shape, 1)
        self.sizes = [(height, width)]
        for _ in config.channels:
            self.sizes.append((-(-self.sizes[-1][0] // 2), -(-self.sizes[-1][1] // 2)))
        self.image = (height, width, depth)
        smallest = (*self.sizes[-1], config.channels[-1])
        given = config.condition or 0
        depths = (depth, *config.channels)
        self.encoder = nnx.List([self._convolution(a, b, 2, rngs) for a, b in pairwise(depths)])
        units, features = config.code, math.prod(smallest)
        if isinstance(units, tuple):
            if units[:2] != self.sizes[-1]:
                raise InvalidInput(
                    f"Convolutional was given code={units}, and its {len(config.channels)} stages leave {height} by "
                    f"{width} pixels at {self.sizes[-1]}: expected code={(*self.sizes[-1], units[2])}, or other stages."
                )
            units, features = units[2], smallest[2]
        self.posterior, outputs_of_encoder = head(config, units, rngs)
        self.to_code = nnx.Linear(features + given, outputs_of_encoder, rngs=rngs)
        self.from_code = nnx.Linear(
            units + given, features, kernel_init=kernel_initializer(config.activation), rngs=rngs
        )
        back = (*depths[:0:-1], depth * outputs)
        self.decoder = nnx.List([self._convolution(a, 4 * b, 1, rngs) for a, b in pairwise(back)])

    def encode(self, x: Float[Array, "batch *shape"], condition: Array | None = None) -> Code:
        """Codes ``[batch, *code]`` of a batch, or their posterior."""
        hidden = x.reshape(x.shape[0], *self.image)
        for layer in self.encoder:
            hidden = apply(self.config.activation, layer(hidden))
        if not isinstance(self.config.code, tuple):
            hidden = hidden.reshape(x.shape[0], -1)
        return code_of(self, self.to_code(with_condition(self.config, hidden, condition)))

    def decode(self, z: Float[Array, "batch *code"], condition: Array | None = None) -> Float[Array, "batch *rest"]:
        """The decoder's outputs ``[batch, *shape]``, with an axis more where there are several for each feature."""
        hidden = apply(self.config.activation, self.from_code(with_condition(self.config, z, condition)))
        hidden = hidden.reshape(z.shape[0], *self.sizes[-1], -1)
        for stage, layer in enumerate(self.decoder):
            height, width = self.sizes[-2 - stage]
            hidden = _from_sub_pixels(layer(hidden))[:, :height, :width]
            if stage < len(self.decoder) - 1:
                hidden = apply(self.config.activation, hidden)
        tail = () if self.outputs == 1 else (self.outputs,)
        return hidden.reshape(z.shape[0], *self.shape, *tail)

    def _convolution(self, inputs: int, outputs: int, stride: int, rngs: nnx.Rngs) -> nnx.Conv:
        side = self.config.kernel
        return nnx.Conv(
            inputs,
            outputs,
            (side, side),
            strides=stride,
            kernel_init=kernel_initializer(self.config.activation),
            conv_general_dilated=convolve,
            rngs=rngs,
        )


class CentredNetworks(ConvolutionalNetworks):
    """Convolutional networks that start at the mean training example, see :class:`Convolutional`."""

    def __init__(self, config: Convolutional, shape: Shape, outputs: int, rngs: nnx.Rngs):
        super().__init__(config, shape, outputs, rngs)
        last = self.decoder[-1].kernel
        last.set_value(jnp.zeros_like(last[...]))
        self.offset = nnx.Param(jnp.zeros(shape if outputs == 1 else (*shape, outputs)))

    def decode(self, z: Float[Array, "batch *code"], condition: Array | None = None) -> Float[Array, "batch *rest"]:
        return super().decode(z, condition) + self.offset[...][None]

    def start_from(self, x: np.ndarray) -> None:
        """Makes the mean of examples ``[n, *shape]`` the reconstruction of every code."""
        offset = np.zeros((*self.shape, self.outputs), np.float32)
        offset[..., 0] = x.mean(axis=0)
        self.offset.set_value(jax.device_put(offset.reshape(self.offset.shape)))


def convolve(
    x: Float[Array, "batch height width channels"],
    kernel: Float[Array, "rows columns channels outputs"],
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    **settings: Any,
) -> Float[Array, "batch new_height new_width outputs"]:
    """``lax.conv_general_dilated`` of images, lowered on CPU as a matrix product, with equal results.

    The product is of patches and a matrix or, where channels become fewer at every pixel, of pixels and a matrix,
    followed by a sum of shifted parts, which moves fewer numbers.

    Inside a ``lax.scan`` XLA's CPU convolutions run on one thread without vector code, and under ``vmap`` over
    kernels they turn into grouped ones, slower still; a matrix product has neither problem.

    Args:
      x: images, ``[batch, height, width, channels]``.
      kernel: ``[rows, columns, channels, outputs]``.
      window_strides: steps between windows, in rows and columns.
      padding: as ``lax.conv_general_dilated`` takes it.
      settings: the rest of its arguments, as ``nnx.Conv`` passes them.

    Returns:
      The feature maps, ``[batch, height', width', outputs]``.

    Raises:
      InvalidInput: dilated or grouped convolutions, which this lowering does not support.
    """
    dilated = any(step != 1 for name in ("lhs_dilation", "rhs_dilation") for step in settings.get(name) or ())
    if dilated or settings.get("feature_group_count", 1) != 1:
        raise InvalidInput("convolve was given dilations or groups: expected a plain convolution; use lax for others.")

    def native(x: Array, kernel: Array) -> Array:
        return jax.lax.conv_general_dilated(x, kernel, window_strides, padding, **settings)

    def product(x: Array, kernel: Array) -> Array:
        return _as_product(x, kernel, window_strides, padding)

    return jax.lax.platform_dependent(x, kernel, cpu=product, default=native)


def _as_product(x: Array, kernel: Array, strides: Sequence[int], padding: Any) -> Array:
    rows, columns, channels, outputs = kernel.shape
    pads = (
        jax.lax.padtype_to_pads(x.shape[1:3], (rows, columns), strides, padding)
        if isinstance(padding, str)
        else padding
    )
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    height, width = ((x.shape[1 + axis] - (rows, columns)[axis]) // strides[axis] + 1 for axis in (0, 1))

    def window(x: Array, i: int, j: int) -> Array:
        last = (i + strides[0] * (height - 1) + 1, j + strides[1] * (width - 1) + 1)
        return x[:, i : last[0] : strides[0], j : last[1] : strides[1]]

    places = [(i, j) for i in range(rows) for j in range(columns)]
    if tuple(strides) == (1, 1) and outputs < channels:
        parts = jnp.split(x @ kernel.transpose(2, 0, 1, 3).reshape(channels, -1), len(places), axis=-1)
        first, *others = (window(part, *place) for part, place in zip(parts, places, strict=True))
        return sum(others, start=first)
    patches = jnp.concatenate([window(x, *place) for place in places], axis=-1)
    return patches @ kernel.reshape(-1, outputs)


def _from_sub_pixels(x: Float[Array, "batch height width four_channels"]) -> Array:
    """Every four channels of a pixel become its two by two pixels (Shi et al. 2016)."""
    batch, height, width, depth = x.shape
    x = x.reshape(batch, height, width, 2, 2, depth // 4)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, 2 * height, 2 * width, depth // 4)
