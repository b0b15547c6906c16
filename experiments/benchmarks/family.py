"""Quality of trained autoencoders by NumPy alone, whichever library trained them, for binary examples."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture

from ae_jax.evaluation import code_use, frechet_distance

Array = np.ndarray
Moments = Callable[[Array], tuple[Array, Array | None]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained autoencoder as functions of NumPy arrays; examples are ``[n, pixels]``, codes ``[n, code]``.

    Attributes:
      moments: examples -> codes, and the log-scales of their diagonal Gaussians or None.
      decode: codes -> means of the pixels.
      draw: examples, seed -> a latent of each and its log-density; None draws from the moments.
      prior: means and log-scales of the components of an even mixture, ``[components, code]``; None is N(0, I).
      indices: examples -> numbers of their discrete codes, ``[n, places, 1]``.
    """

    moments: Moments
    decode: Callable[[Array], Array]
    draw: Callable[[Array, int], tuple[Array, Array]] | None = None
    prior: tuple[Array, Array] | None = None
    indices: Callable[[Array], Array] | None = None


def squared_error(fitted: Fitted, x: Array) -> float:
    """Mean over examples of the squared error of reconstructions, summed over pixels."""
    return float(np.square(fitted.decode(fitted.moments(x)[0]) - x).sum(axis=1).mean())


def gaussian(z: Array, mean: Array, log_scale: Array) -> Array:
    """Log-density of each feature, in nats."""
    return -0.5 * np.square((z - mean) * np.exp(-log_scale)) - log_scale - 0.5 * math.log(2 * math.pi)


def drawn(fitted: Fitted, x: Array, seed: int) -> tuple[Array, Array]:
    """A latent of each example, and log p(z) - log q(z | x)."""
    if fitted.draw is not None:
        z, log_q = fitted.draw(x, seed)
    else:
        mean, log_scale = fitted.moments(x)
        assert log_scale is not None
        z = mean + np.exp(log_scale) * np.random.default_rng(seed).normal(size=mean.shape).astype(np.float32)
        log_q = gaussian(z, mean, log_scale).sum(axis=1)
    means, scales = fitted.prior or (np.zeros((1, z.shape[1]), np.float32),) * 2
    components = np.stack([gaussian(z, *one).sum(axis=1) for one in zip(means, scales, strict=True)])
    return z, np.logaddexp.reduce(components, axis=0) - math.log(len(means)) - log_q


def log_weights(fitted: Fitted, x: Array, samples: int) -> Array:
    """Logarithms of p(x, z) / q(z | x) of each latent of each example, ``[samples, n]``."""
    rows = []
    for seed in range(samples):
        z, ratio = drawn(fitted, x, seed)
        p = np.clip(fitted.decode(z), 1e-7, 1 - 1e-7)
        rows.append(ratio + np.log(np.where(x > 0.5, p, 1 - p)).sum(axis=1))
    return np.array(rows, np.float64)


def negative_log_likelihood(fitted: Fitted, x: Array, samples: int) -> float:
    """Mean over examples, in nats, by importance sampling from the posterior."""
    return float(math.log(samples) - np.logaddexp.reduce(log_weights(fitted, x, samples), axis=0).mean())


def total_correlation(fitted: Fitted, x: Array, seed: int = 0) -> float:
    """Total correlation of the even mixture of the examples' posteriors, in nats, by a latent of each."""
    mean, log_scale = fitted.moments(x)
    assert log_scale is not None
    z = mean + np.exp(log_scale) * np.random.default_rng(seed).normal(size=mean.shape)
    densities = gaussian(z[:, None], mean[None], log_scale[None])
    joint, single = np.logaddexp.reduce(densities.sum(axis=2), axis=1), np.logaddexp.reduce(densities, axis=1)
    count = math.log(len(x))
    return float(np.mean(joint - count - (single - count).sum(axis=1)))


def samples_by_mixture(fitted: Fitted, train: Array, count: int, seed: int) -> Array:
    """Decoded draws of a mixture of ten full Gaussians that is fitted to the codes of training examples."""
    mixture: Any = GaussianMixture(10, random_state=seed, max_iter=500).fit(fitted.moments(train)[0].astype(np.float64))
    return fitted.decode(mixture.sample(count)[0].astype(np.float32))


def samples_by_normal(fitted: Fitted, code: int, count: int, seed: int) -> Array:
    """Decoded draws of N(0, I)."""
    return fitted.decode(np.random.default_rng(seed).normal(size=(count, code)).astype(np.float32))


def distance_of(samples: Array, real: Array, features: Callable[[Array], Array]) -> float:
    """Fréchet distance of samples, brought into [0, 1], from the features of real examples."""
    return frechet_distance(real, features(np.clip(samples, 0.0, 1.0)))


def perplexity(fitted: Fitted, x: Array, codes: int) -> float:
    """The number of codes in even use with the entropy of their use by examples."""
    assert fitted.indices is not None
    return code_use(fitted.indices(x), codes)["perplexity"]
