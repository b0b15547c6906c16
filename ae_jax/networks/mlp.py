"""Fully connected encoders and decoders."""

import math

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ae_jax._checks import size, widths
from ae_jax.components import component, static
from ae_jax.distributions import DiagonalGaussian
from ae_jax.errors import InvalidInput
from ae_jax.losses.jacobian import DenseLayer
from ae_jax.networks.activations import activation_named, apply, kernel_initializer
from ae_jax.networks.functional import Code
from ae_jax.networks.winners import keep_winners, require_winners
from ae_jax.types import Shape


@component
class MLP:
    r"""A multi-layer perceptron each way, the decoder mirroring the encoder.

    .. math:: h_l = \phi(W_l^\top h_{l-1} + b_l), \quad z = \phi_c(W_L^\top h_{L-1} + b_L)

    Attributes:
      hidden: widths of the encoder's hidden layers, from the data to the code; may be empty.
      code: size of the code.
      activation: of the hidden layers, a name in :data:`ae_jax.networks.ACTIVATIONS`.
      code_activation: of the code.
      tied: the decoder uses the encoder's kernels transposed, with biases of its own.
      stochastic: the encoder gives a diagonal Gaussian's mean and log-scale instead of a code.
      winners: how many units of each example's code are kept, the largest after the activation, the others zero; None
        keeps all.

    Raises:
      InvalidInput: a width not above zero, an unknown activation, more winners than units, or tied weights or winners
        of a stochastic encoder.

    Example:
      >>> MLP(hidden=(256,), code=8, activation="tanh").code
      8
      >>> MLP(hidden=(), code=1000, tied=True, winners=25).winners  # the k-sparse autoencoder
      25

    References:
      Hinton and Salakhutdinov, *Reducing the dimensionality of data with neural networks*, Science 2006;
      Makhzani and Frey, *k-sparse autoencoders*, 2013 (winners).
    """

    hidden: tuple[int, ...] = static(default=(128,))
    code: int = static(default=16)
    activation: str = static(default="relu")
    code_activation: str = static(default="linear")
    tied: bool = static(default=False)
    stochastic: bool = static(default=False)
    winners: int | None = static(default=None)

    def __post_init__(self) -> None:
        size(self, "code", self.code)
        object.__setattr__(self, "hidden", widths(self, "hidden", self.hidden))
        activation_named(self.activation)
        activation_named(self.code_activation)
        if self.tied and self.stochastic:
            raise InvalidInput(
                "MLP was given tied=True and stochastic=True: expected one, as a decoder mirrors one head only."
            )
        require_winners(self)

    def __call__(self, shape: Shape, outputs: int, rngs: nnx.Rngs) -> "MLPNetworks":
        return MLPNetworks(self, shape, outputs, rngs)


class MLPNetworks(nnx.Module):
    """The networks that :class:`MLP` describes, for one data shape."""

    def __init__(self, config: MLP, shape: Shape, outputs: int, rngs: nnx.Rngs):
        self.config, self.shape, self.outputs = config, shape, outputs
        forward = (math.prod(shape), *config.hidden, config.code)
        heads = 2 if config.stochastic else 1
        self.encoder = nnx.List(_dense_chain((*forward[:-1], heads * config.code), config, rngs))
        backward = (*forward[:0:-1], forward[0] * outputs)
        if config.tied and outputs != 1:
            raise InvalidInput(
                f"tied weights give one output a feature, and the likelihood wants {outputs}: expected tied=False, or "
                "another likelihood."
            )
        if config.tied:
            self.decoder_biases = nnx.List([nnx.Param(jnp.zeros(width)) for width in backward[1:]])
        else:
            self.decoder = nnx.List(_dense_chain(backward, config, rngs))

    def encode(self, x: Float[Array, "batch *shape"]) -> Code:
        """Codes ``[batch, code]`` of a batch, or their posterior."""
        hidden = x.reshape(x.shape[0], -1)
        for layer in self.encoder[:-1]:
            hidden = apply(self.config.activation, layer(hidden))
        code = self.encoder[-1](hidden)
        if not self.config.stochastic:
            return keep_winners(self.config, apply(self.config.code_activation, code))
        mean, log_scale = jnp.split(code, 2, axis=-1)
        return DiagonalGaussian(apply(self.config.code_activation, mean), log_scale)

    def decode(self, z: Float[Array, "batch code"]) -> Float[Array, "batch *rest"]:
        """The decoder's outputs ``[batch, *shape]``, with an axis more where there are several for each feature."""
        if self.config.tied:
            kernels = [_arrays(layer)[0].T for layer in reversed(self.encoder)]
            layers = [lambda h, k=k, b=b: h @ k + b[None] for k, b in zip(kernels, self.decoder_biases, strict=True)]
        else:
            layers = list(self.decoder)
        for layer in layers[:-1]:
            z = apply(self.config.activation, layer(z))
        tail = () if self.outputs == 1 else (self.outputs,)
        return layers[-1](z).reshape(z.shape[0], *self.shape, *tail)

    def dense_layers(self) -> tuple[DenseLayer, ...] | None:
        """The encoder's layers, from the data to the code (to the posterior mean, where it is stochastic).

        None where units of the code win or lose, since the encoder is more than its layers then.
        """
        if self.config.winners is not None:
            return None
        activation = activation_named(self.config.activation)
        layers = [DenseLayer(*_arrays(layer), activation) for layer in self.encoder]
        kernel, bias, _ = layers[-1]
        width = self.config.code
        layers[-1] = DenseLayer(kernel[:, :width], bias[:width], activation_named(self.config.code_activation))
        return tuple(layers)


def _arrays(layer: nnx.Linear) -> tuple[Array, Array]:
    assert layer.bias is not None
    return layer.kernel[...], layer.bias[...]


def _dense_chain(sizes: tuple[int, ...], config: MLP, rngs: nnx.Rngs) -> list[nnx.Linear]:
    names = [config.activation] * (len(sizes) - 2) + ["linear"]
    return [
        nnx.Linear(inputs, outputs, kernel_init=kernel_initializer(name), rngs=rngs)
        for inputs, outputs, name in zip(sizes[:-1], sizes[1:], names, strict=True)
    ]
