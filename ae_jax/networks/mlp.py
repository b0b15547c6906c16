"""Fully connected encoders and decoders."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float
from scipy.special import expit, logit

from ae_jax._checks import require_inside, size, widths
from ae_jax.components import component, static
from ae_jax.distributions import DiagonalGaussian, PosteriorBuilder
from ae_jax.errors import InvalidInput
from ae_jax.losses.jacobian import DenseLayer
from ae_jax.networks.activations import activation_named, apply, kernel_initializer
from ae_jax.networks.conditions import with_condition
from ae_jax.networks.functional import Code, call
from ae_jax.networks.heads import code_of, head, require_posterior
from ae_jax.networks.k_sparse import require_top_k
from ae_jax.types import Shape

_LEAST_VARIANCE = 1e-4
"""Of a posterior before training, in units of the prior's: where nothing is left out of the components."""

_SAMPLE, _HALVINGS = 2_000, 40
"""Examples that biases are balanced by, and halvings of the interval that a bias is in."""


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
      posterior: another family of a stochastic encoder, such as :class:`ae_jax.distributions.FullCovariance`.
      top_k: how many units of each example's code are kept, the largest after the activation; the others become zero.
        None keeps all.
      condition: number of classes or covariates that both networks are given beside their input; None for no
        condition. Class numbers are one-hot encoded.
      mean_activation: of each sigmoid unit over the training examples, before training; the biases of the decoder
        then make the mean reconstruction that of the examples. None starts from biases of zero.
      shortcut: a linear map each way is added to the layers, whose last kernels start at zero, so that training starts
        at the principal components of the training examples (:class:`ShortcutNetworks`).

    Raises:
      InvalidInput: a width not above zero, an unknown activation, ``top_k`` above the number of units, or tied
        weights or a shortcut with what they do not go with.

    Example:
      >>> MLP(hidden=(256,), code=8, activation="tanh").code
      8
      >>> MLP(hidden=(), code=1000, tied=True, top_k=25).top_k  # the k-sparse autoencoder
      25

    References:
      Hinton and Salakhutdinov, *Reducing the dimensionality of data with neural networks*, Science 2006;
      Makhzani and Frey, *k-sparse autoencoders*, 2013 (top_k).
    """

    hidden: tuple[int, ...] = static(default=(128,))
    code: int = static(default=16)
    activation: str = static(default="relu")
    code_activation: str = static(default="linear")
    tied: bool = static(default=False)
    stochastic: bool = static(default=False)
    posterior: PosteriorBuilder | None = static(default=None)
    top_k: int | None = static(default=None)
    condition: int | None = static(default=None)
    shortcut: bool = static(default=False)
    mean_activation: float | None = static(default=None)

    def __post_init__(self) -> None:
        size(self, "code", self.code)
        object.__setattr__(self, "hidden", widths(self, "hidden", self.hidden))
        activation_named(self.activation)
        activation_named(self.code_activation)
        if self.tied and (self.stochastic or self.condition is not None):
            other = "stochastic=True" if self.stochastic else f"condition={self.condition}"
            raise InvalidInput(f"MLP was given tied=True and {other}: expected one of the two; use tied=False.")
        kept = self.top_k is None and self.posterior is None
        if self.shortcut and (self.tied or not kept or self.code_activation != "linear"):
            raise InvalidInput(
                "MLP was given shortcut=True with tied weights, top_k, a posterior or an activation of the code: "
                "expected none of them, as the shortcut adds to a linear code."
            )
        if self.condition is not None:
            size(self, "condition", self.condition)
        if self.mean_activation is not None:
            require_inside(self, 0, 1, mean_activation=self.mean_activation)
            if self.code_activation != "sigmoid" or self.tied or self.stochastic or self.condition is not None:
                raise InvalidInput(
                    f"MLP was given mean_activation={self.mean_activation}: expected code_activation='sigmoid', and no "
                    "tied weights, stochastic encoder or condition beside it."
                )
        require_top_k(self)
        require_posterior(self)

    def __call__(self, shape: Shape, outputs: int, rngs: nnx.Rngs) -> "MLPNetworks":
        kind = ShortcutNetworks if self.shortcut else MLPNetworks if self.mean_activation is None else BalancedNetworks
        return kind(self, shape, outputs, rngs)


class MLPNetworks(nnx.Module):
    """The networks that :class:`MLP` describes, for one data shape."""

    def __init__(self, config: MLP, shape: Shape, outputs: int, rngs: nnx.Rngs):
        self.config, self.shape, self.outputs = config, shape, outputs
        given, features = config.condition or 0, math.prod(shape)
        self.posterior, units = head(config, config.code, rngs)
        self.encoder = nnx.List(_dense_chain((features + given, *config.hidden, units), config, rngs))
        backward = (config.code + given, *config.hidden[::-1], features * outputs)
        if config.tied and outputs != 1:
            raise InvalidInput(
                f"tied weights give one output a feature, and the likelihood wants {outputs}: expected tied=False, or "
                "another likelihood."
            )
        if config.tied:
            self.decoder_biases = nnx.List([nnx.Param(jnp.zeros(width)) for width in backward[1:]])
        else:
            self.decoder = nnx.List(_dense_chain(backward, config, rngs))

    def encode(self, x: Float[Array, "batch *shape"], condition: Array | None = None) -> Code:
        """Codes ``[batch, code]`` of a batch, or their posterior."""
        return code_of(self, self.pre_activation(x, condition))

    def pre_activation(self, x: Float[Array, "batch *shape"], condition: Array | None = None) -> Array:
        """What the encoder's last layer gives, before the activation of the code."""
        hidden = with_condition(self.config, x.reshape(x.shape[0], -1), condition)
        for layer in self.encoder[:-1]:
            hidden = apply(self.config.activation, layer(hidden))
        return self.encoder[-1](hidden)

    def decode(self, z: Float[Array, "batch code"], condition: Array | None = None) -> Float[Array, "batch *rest"]:
        """The decoder's outputs ``[batch, *shape]``, with an axis more where there are several for each feature."""
        z = with_condition(self.config, z, condition)
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

        None where only some units are kept, a condition is given or the posterior is of another family, since the
        encoder is not its layers alone then.
        """
        if any(choice is not None for choice in (self.config.top_k, self.config.condition, self.config.posterior)):
            return None
        activation = activation_named(self.config.activation)
        layers = [DenseLayer(*_arrays(layer), activation) for layer in self.encoder]
        kernel, bias, _ = layers[-1]
        width = self.config.code
        layers[-1] = DenseLayer(kernel[:, :width], bias[:width], activation_named(self.config.code_activation))
        return tuple(layers)


class BalancedNetworks(MLPNetworks):
    """Perceptrons whose code units start at one mean activation, and whose mean reconstruction starts at the data's."""

    def start_from(self, x: np.ndarray) -> None:
        """Sets the last biases of encoder and decoder by examples ``[n, *shape]``, of which it takes a sample."""
        x = x[:: -(-len(x) // _SAMPLE)]
        inputs, target = call(self, "pre_activation", x), logit(self.config.mean_activation)
        low, high = target - inputs.max(axis=0), target - inputs.min(axis=0)
        for _ in range(_HALVINGS):  # the mean activation grows with the bias
            bias = (low + high) / 2
            above = expit(inputs + bias).mean(axis=0) > self.config.mean_activation
            low, high = np.where(above, low, bias), np.where(above, bias, high)
        _shift(self.encoder[-1], low)
        made = call(self, "decode", expit(inputs + low)).reshape(len(x), -1, self.outputs)
        missing = np.zeros(made.shape[1:])
        missing[:, 0] = x.reshape(len(x), -1).mean(axis=0) - made[..., 0].mean(axis=0)
        _shift(self.decoder[-1], missing.ravel())


class ShortcutNetworks(MLPNetworks):
    r"""Perceptrons beside linear maps, which start as the principal components of the training examples.

    .. math:: h(x) = V^\top (x - \mu) + f(x), \quad g(z) = V z + \mu + r(z), \quad f = r = 0 \text{ before training}

    So a reconstruction error starts at that of PCA with a code of the same size. All weights are trained. A stochastic
    encoder and its decoder start as probabilistic PCA: with variances :math:`\lambda` of the components and
    :math:`\sigma^2`, the mean of those left out, :math:`W = V (\Lambda - \sigma^2)^{1/2}` decodes, and the posterior of
    mean :math:`\Lambda^{-1} W^\top (x - \mu)` and variance :math:`\sigma^2 \Lambda^{-1}` is exact.

    References:
      Tipping and Bishop, *Probabilistic principal component analysis*, JRSS B 1999;
      He et al., *Deep residual learning for image recognition*, CVPR 2016;
      Zhang et al., *Fixup initialization*, ICLR 2019 (last kernels of zero).
    """

    def __init__(self, config: MLP, shape: Shape, outputs: int, rngs: nnx.Rngs):
        super().__init__(config, shape, outputs, rngs)
        for last in (self.encoder[-1], self.decoder[-1]):
            last.kernel.set_value(jnp.zeros_like(last.kernel[...]))
        features = math.prod(shape)
        self.to_code = nnx.Linear(features, config.code, rngs=rngs)
        self.from_code = nnx.Linear(config.code, features * outputs, rngs=rngs)

    def encode(self, x: Float[Array, "batch *shape"], condition: Array | None = None) -> Code:
        code, linear = super().encode(x, condition), self.to_code(x.reshape(x.shape[0], -1))
        if isinstance(code, DiagonalGaussian):
            return code._replace(mean=code.mean + linear)
        assert isinstance(code, jax.Array)
        return code + linear

    def decode(self, z: Float[Array, "batch code"], condition: Array | None = None) -> Float[Array, "batch *rest"]:
        outputs = super().decode(z, condition)
        return outputs + self.from_code(z).reshape(outputs.shape)

    def dense_layers(self) -> None:
        """None: the encoder is no chain of layers."""

    def start_from(self, x: np.ndarray) -> None:
        """Makes the linear maps the principal components of examples ``[n, *shape]``."""
        from sklearn.decomposition import PCA  # which takes a second to import

        x = x.reshape(len(x), -1)
        with np.errstate(invalid="ignore"):  # one example, or several equal ones, have no variance to share
            fitted: Any = PCA(min(self.config.code, *x.shape), random_state=0).fit(x)
        count, (features, code) = len(fitted.components_), self.to_code.kernel.shape
        narrow = gain = np.ones(count)
        if self.config.stochastic:
            variance = np.maximum(np.nan_to_num(fitted.explained_variance_), np.finfo(np.float32).tiny)
            noise = np.clip(np.nan_to_num(fitted.noise_variance_) / variance, _LEAST_VARIANCE, 1.0)
            gain = np.sqrt(variance * (1.0 - noise))
            narrow = gain / variance
            _shift(self.encoder[-1], np.pad(0.5 * np.log(noise), (code, code - count)))
        into = np.array(self.to_code.kernel[...])  # more units than components keep their draws and are not decoded
        into[:, :count] = fitted.components_.T * narrow
        back, offset = np.zeros((code, features, self.outputs)), np.zeros((features, self.outputs))
        back[:count, :, 0], offset[:, 0] = fitted.components_ * gain[:, None], fitted.mean_
        _set(self.to_code, into, -fitted.mean_ @ into)
        _set(self.from_code, back.reshape(code, -1), offset.ravel())


def _shift(layer: nnx.Linear, by: np.ndarray) -> None:
    assert layer.bias is not None
    _set(layer, np.asarray(layer.kernel[...]), np.asarray(layer.bias[...]) + by)


def _set(layer: nnx.Linear, kernel: np.ndarray, bias: np.ndarray) -> None:
    assert layer.bias is not None
    for variable, value in ((layer.kernel, kernel), (layer.bias, bias)):
        variable.set_value(jax.device_put(np.asarray(value, variable.dtype)))  # jnp.asarray compiles a program


def _arrays(layer: nnx.Linear) -> tuple[Array, Array]:
    assert layer.bias is not None
    return layer.kernel[...], layer.bias[...]


def _dense_chain(sizes: tuple[int, ...], config: MLP, rngs: nnx.Rngs) -> list[nnx.Linear]:
    names = [config.activation] * (len(sizes) - 2) + ["linear"]
    return [
        nnx.Linear(inputs, outputs, kernel_init=kernel_initializer(name), rngs=rngs)
        for inputs, outputs, name in zip(sizes[:-1], sizes[1:], names, strict=True)
    ]
