"""Normalising flows: invertible maps of latents with their log-determinants, and the posteriors that they make."""

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from ae_jax._checks import size, widths
from ae_jax.components import component, static
from ae_jax.distributions import DiagonalGaussian, log_scale_of
from ae_jax.types import Key

Latents = Float[Array, "batch latent"]
Moved = tuple[Latents, Float[Array, " batch"]]
"""Latents after a map, and the logarithm of the absolute value of its Jacobian's determinant at each."""

_MOST = 3.0
"""Of the logarithm of a scale in one step of a flow, which a hyperbolic tangent bounds."""


def planar(z: Latents, u: Latents, w: Latents, b: Float[Array, "batch 1"]) -> Moved:
    r"""Moves each latent along u by a hyperbolic tangent of its position along w.

    .. math:: f(z) = z + \hat u \tanh(w^\top z + b), \quad
       \hat u = u + (\mathrm{softplus}(w^\top u) - 1 - w^\top u) \frac{w}{\|w\|^2}

    The correction of u makes :math:`w^\top \hat u > -1`, so that the map is invertible.

    Example:
      >>> ones = jnp.ones((1, 2))
      >>> moved, log_determinant = planar(ones, ones, ones, jnp.zeros((1, 1)))
      >>> [round(float(unit), 3) for unit in moved[0]], round(float(log_determinant[0]), 3)
      ([1.543, 1.543], 0.077)

    References:
      Rezende and Mohamed, *Variational inference with normalizing flows*, ICML 2015, eq. 10 and appendix A.1.
    """
    along, square = (jnp.sum(w * other, axis=1, keepdims=True) for other in (u, w))
    u = u + (jax.nn.softplus(along) - 1.0 - along) / jnp.maximum(square, 1e-6) * w
    moved = jnp.tanh(jnp.sum(w * z, axis=1, keepdims=True) + b)
    slope = (1.0 - jnp.square(moved)) * jnp.sum(w * u, axis=1, keepdims=True)
    return z + u * moved, jnp.log1p(slope)[:, 0]


def radial(z: Latents, centre: Latents, width: Float[Array, "batch 1"], strength: Float[Array, "batch 1"]) -> Moved:
    r"""Contracts or expands latents around a centre.

    .. math:: f(z) = z + \beta h(r) (z - z_0), \quad h(r) = \frac{1}{\alpha + r}, \quad r = \|z - z_0\|, \quad
       \alpha = \mathrm{softplus}(a), \quad \beta = \mathrm{softplus}(s) - \alpha

    with a the width and s the strength, so that beta is above -alpha, where the map is invertible.

    Example:
      >>> radial(jnp.ones((1, 2)), jnp.zeros((1, 2)), jnp.zeros((1, 1)), jnp.zeros((1, 1)))  # moves nothing
      (Array([[1., 1.]], dtype=float32), Array([0.], dtype=float32))

    References:
      Rezende and Mohamed, *Variational inference with normalizing flows*, ICML 2015, eq. 14 and appendix A.2.
    """
    alpha = jax.nn.softplus(width)
    away = z - centre
    reach = alpha + jnp.sqrt(jnp.sum(jnp.square(away), axis=1, keepdims=True) + 1e-12)
    pull = (jax.nn.softplus(strength) - alpha) / reach
    slope = pull * alpha / reach  # of the distance after the map, less one
    return z + pull * away, ((z.shape[1] - 1) * jnp.log1p(pull) + jnp.log1p(slope))[:, 0]


class Autoregressive(nnx.Module):
    r"""An affine map of each group of units, whose shift and scale depend on the groups before it.

    .. math:: y_g = e^{s_g(z_{<g}, c)} z_g + t_g(z_{<g}, c)

    A masked network (MADE) gives all shifts and scales at once. As many groups as units make the step of a masked or
    inverse autoregressive flow, two groups that of a RealNVP. The last layer starts at zero: the map is the identity.
    The inverse takes a pass of the network for each group.

    References:
      Germain et al., *MADE*, ICML 2015; Papamakarios et al., *Masked autoregressive flow*, NeurIPS 2017;
      Dinh et al., *Density estimation using Real NVP*, ICLR 2017.
    """

    def __init__(self, latents: int, hidden: tuple[int, ...], context: int, groups: int, rngs: nnx.Rngs):
        self.sizes, self.groups = (latents, *hidden, 2 * latents), min(groups, latents)
        self.layers = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in pairwise(self.sizes)])
        self.layers[-1].kernel.set_value(jnp.zeros(self.sizes[-2:]))
        self.given = nnx.Linear(context, self.sizes[1], use_bias=False, rngs=rngs) if context else None

    def __call__(self, z: Latents, context: Array | None = None) -> Moved:
        """Mapped latents and the log-determinant."""
        shift, log_scale = self.shift_and_scale(z, context)
        return jnp.exp(log_scale) * z + shift, jnp.sum(log_scale, axis=1)

    def inverse(self, y: Latents, context: Array | None = None) -> Latents:
        """The latents that are mapped to these."""

        def refined(_: Any, z: Latents) -> Latents:
            shift, log_scale = self.shift_and_scale(z, context)
            return (y - shift) * jnp.exp(-log_scale)

        return jax.lax.fori_loop(0, self.groups, refined, jnp.zeros_like(y))  # each pass completes a group

    def shift_and_scale(self, z: Latents, context: Array | None) -> tuple[Latents, Latents]:
        """Shift and log-scale of each unit."""
        for place, (layer, mask) in enumerate(zip(self.layers, _masks(self.sizes, self.groups), strict=True)):
            assert layer.bias is not None
            kernel = layer.kernel[...] * jnp.asarray(mask, z.dtype)
            z = (jax.nn.relu(z) if place else z) @ kernel + layer.bias[...][None]
            if place == 0 and self.given is not None and context is not None:
                z = z + self.given(context)
        shift, raw = jnp.split(z, 2, axis=1)
        return shift, _MOST * jnp.tanh(raw / _MOST)


@lru_cache(maxsize=64)
def _masks(sizes: tuple[int, ...], groups: int) -> tuple[np.ndarray, ...]:
    """Which inputs each unit of each layer sees: outputs of a group see the groups before it."""
    latents = np.arange(sizes[0]) * groups // sizes[0]
    degrees = [latents, *(np.arange(width) % max(groups - 1, 1) for width in sizes[1:-1])]
    hidden = [before[:, None] <= after[None] for before, after in pairwise(degrees)]
    return (*hidden, degrees[-1][:, None] < np.tile(latents, 2)[None])


class Flow(nnx.Module):
    """Steps of :class:`Autoregressive`, with the order of the units reversed after each."""

    def __init__(
        self, latents: int, steps: int, hidden: tuple[int, ...], rngs: nnx.Rngs, *, context: int = 0, groups: int = 2
    ):
        self.steps = nnx.List([Autoregressive(latents, hidden, context, groups, rngs) for _ in range(steps)])

    def __call__(self, z: Latents, context: Array | None = None) -> Moved:
        """Mapped latents and the log-determinant."""
        total = jnp.zeros(len(z), z.dtype)
        for step in self.steps:
            z, log_determinant = step(z, context)
            z, total = z[:, ::-1], total + log_determinant
        return z, total

    def inverse(self, y: Latents, context: Array | None = None) -> Latents:
        """The latents that are mapped to these."""
        for step in reversed(self.steps):
            y = step.inverse(y[:, ::-1], context)
        return y


@dataclasses.dataclass(frozen=True)
class FlowPosterior:
    """Draws of a diagonal Gaussian, moved by a flow: a posterior of any shape whose draws have a known density.

    Attributes:
      base: the Gaussian.
      flow: maps latents of the whole batch; its parameters may depend on the example.
    """

    base: DiagonalGaussian
    flow: Callable[[Latents], Moved]

    @property
    def mean(self) -> Latents:
        """The mean of the Gaussian, moved; the mean of the moved draws has no closed form."""
        return self.flow(self.base.mean)[0]

    def sample(self, key: Key) -> Latents:
        """A draw for each example, reparameterised."""
        return self.flow(self.base.sample(key))[0]

    def sample_and_log_prob(self, key: Key) -> Moved:
        """A draw for each example and its log-density, by the change of variables, in nats."""
        z, density = self.base.sample_and_log_prob(key)
        moved, log_determinant = self.flow(z)
        return moved, density - log_determinant


class Steps(nnx.Module):
    """Steps of one map whose parameters are given beside the latents: arrays of some widths for each step."""

    def __init__(self, step: Callable[..., Moved], widths: tuple[int, ...], steps: int):
        self.step, self.widths, self.steps = step, widths, steps

    def __call__(self, z: Latents, given: Array) -> Moved:
        """Mapped latents and the log-determinant."""
        total = jnp.zeros(len(z), z.dtype)
        for parameters in jnp.split(given, self.steps, axis=1):
            z, log_determinant = self.step(z, *jnp.split(parameters, np.cumsum(self.widths)[:-1], axis=1))
            total = total + log_determinant
        return z, total


class FlowHead(nnx.Module):
    """Makes flow posteriors of an encoder's outputs: mean and log-scale of the Gaussian, and what the flow is given."""

    def __init__(self, code: int, given: int, flow: Flow | Steps):
        self.code, self.inputs, self.flow = code, 2 * code + given, flow

    def __call__(self, outputs: Float[Array, "batch inputs"]) -> FlowPosterior:
        mean, log_scale, given = jnp.split(outputs, [self.code, 2 * self.code], axis=1)
        return FlowPosterior(DiagonalGaussian(mean, log_scale_of(log_scale)), lambda z: self.flow(z, given))


@component
class Planar:
    """Posterior by planar steps, :func:`planar`, whose parameters the encoder gives for each example.

    Raises:
      InvalidInput: no step.

    Example:
      >>> Planar(steps=4)(8, nnx.Rngs(0)).inputs  # two for each unit of the Gaussian, 17 for each step
      84
    """

    steps: int = static(default=4)

    def __post_init__(self) -> None:
        size(self, "steps", self.steps)

    def __call__(self, code: int, rngs: nnx.Rngs) -> FlowHead:
        return FlowHead(code, self.steps * (2 * code + 1), Steps(planar, (code, code, 1), self.steps))


@component
class Radial:
    """Posterior by radial steps, :func:`radial`, whose parameters the encoder gives for each example.

    Raises:
      InvalidInput: no step.

    Example:
      >>> Radial(steps=4)(8, nnx.Rngs(0)).inputs
      56
    """

    steps: int = static(default=4)

    def __post_init__(self) -> None:
        size(self, "steps", self.steps)

    def __call__(self, code: int, rngs: nnx.Rngs) -> FlowHead:
        return FlowHead(code, self.steps * (code + 2), Steps(radial, (code, 1, 1), self.steps))


@component
class InverseAutoregressive:
    """Posterior by an inverse autoregressive flow, which is given a context of the size of the code by the encoder.

    Attributes:
      steps: of :class:`Flow`.
      hidden: widths of the masked network of each step.

    Raises:
      InvalidInput: no step, or a width not above zero.

    Example:
      >>> InverseAutoregressive(steps=2)(8, nnx.Rngs(0)).inputs
      24

    References:
      Kingma et al., *Improved variational inference with inverse autoregressive flow*, NeurIPS 2016, eq. 10.
    """

    steps: int = static(default=2)
    hidden: tuple[int, ...] = static(default=(64,))

    def __post_init__(self) -> None:
        size(self, "steps", self.steps)
        object.__setattr__(self, "hidden", widths(self, "hidden", self.hidden))

    def __call__(self, code: int, rngs: nnx.Rngs) -> FlowHead:
        return FlowHead(code, code, Flow(code, self.steps, self.hidden, rngs, context=code, groups=code))
