"""What tests of objectives share: models of any networks, and one whose posterior and likelihood are known exactly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ae_jax.distributions import DiagonalGaussian
from ae_jax.networks import MLP, ModelSpec, functional
from ae_jax.priors import StandardNormal, StandardNormalPrior


def made(builder: Any, shape: tuple[int, ...], params: Any = None) -> Any:
    """A model with a standard normal prior, in evaluation mode."""
    spec = ModelSpec(builder, shape, parts=(("prior", StandardNormal()),))
    return functional.bind(spec, functional.init(spec, jax.random.key(1))[0] if params is None else params)


@pytest.fixture(scope="session")
def model_of() -> Callable[..., Any]:
    return made


@pytest.fixture(scope="session")
def stochastic() -> Any:
    """A model of four features with a stochastic encoder."""
    return made(MLP(hidden=(5,), code=3, activation="tanh", stochastic=True), (4,))


class LinearGaussian:
    """p(x | z) = N(W z + b, s^2) with orthogonal columns of W, so that the exact posterior has independent latents.

    The posterior's mean is shifted and its log-scale stretched, to be wrong by a known divergence.
    """

    scale = 0.6
    prior = StandardNormalPrior((2,))

    def __init__(self, shift: float = 0.0, stretch: float = 0.0):
        rng = np.random.default_rng(0)
        self.weights = np.linalg.qr(rng.normal(size=(5, 2)))[0] * [1.5, 0.7]
        self.bias = rng.normal(size=5)
        self.shift, self.stretch = shift, stretch

    def exact_posterior(self, x) -> tuple[np.ndarray, np.ndarray]:
        variance = 1.0 / (1.0 + np.square(self.weights).sum(axis=0) / self.scale**2)
        return (x - self.bias) @ self.weights * variance / self.scale**2, np.broadcast_to(variance, (len(x), 2))

    def exact_nll(self, x) -> np.ndarray:
        covariance = self.weights @ self.weights.T + self.scale**2 * np.eye(5)
        return -stats.multivariate_normal(self.bias, covariance).logpdf(x)

    def divergence_from_exact(self, x) -> np.ndarray:
        """KL(q || p(z | x)), from the two scales' ratio and the means' distance in exact standard deviations."""
        _, variance = self.exact_posterior(x)
        ratio = np.exp(2 * self.stretch)
        return np.sum(0.5 * (self.shift**2 / variance + ratio - 1 - np.log(ratio)), axis=1)

    def encode(self, x, condition=None):
        variance = 1.0 / (1.0 + np.square(self.weights).sum(axis=0) / self.scale**2)
        mean = (x - jnp.asarray(self.bias, x.dtype)[None]) @ jnp.asarray(
            self.weights * variance / self.scale**2, x.dtype
        )
        log_scale = jnp.broadcast_to(jnp.asarray(0.5 * np.log(variance), x.dtype), mean.shape)
        return DiagonalGaussian(mean + self.shift, log_scale + self.stretch)

    def decode(self, z, condition=None):
        return z @ jnp.asarray(self.weights.T, z.dtype) + jnp.asarray(self.bias, z.dtype)[None]


@pytest.fixture(scope="session")
def linear_gaussian() -> type[LinearGaussian]:
    return LinearGaussian


@pytest.fixture(scope="session")
def points() -> np.ndarray:
    """Three examples of five features."""
    return np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
