"""Baselines as objects that encode, decode and reconstruct, evaluated by the same tasks as trained runs."""

import dataclasses
import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import jax
import numpy as np
from sklearn import decomposition

from ae_jax.corruptions import Corruption, Gaussian
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput
from ae_jax.evaluation.noise import corrupted
from ae_jax.types import Key, Shape

_CORRUPTED = 30_000
"""Least number of corrupted examples that a linear denoiser is fitted to; few examples are corrupted several times."""

LABELLED = ("linear_probe_accuracy", "knn_accuracy")
"""Metrics by which codes of any size are compared with raw data and PCA."""


class Baseline(ABC):
    """An autoencoder without networks that projects on orthonormal directions; arrays are in model units."""

    name: str
    shape: Shape

    @property
    @abstractmethod
    def units(self) -> int:
        """Number of units of the code."""

    @property
    def parameters(self) -> int:
        """Number of fitted values."""
        return 0

    @property
    def jacobian_norm(self) -> float:
        """Frobenius norm of the encoder's Jacobian, the same at every example."""
        return math.sqrt(self.units)

    @abstractmethod
    def encode(self, x: np.ndarray) -> np.ndarray:
        """Codes ``[n, units]`` of examples ``[n, *shape]``."""

    @abstractmethod
    def decode(self, z: np.ndarray) -> np.ndarray:
        """Examples ``[n, *shape]`` from codes ``[n, units]``."""

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """Examples encoded and decoded, ``[n, *shape]``."""
        return self.decode(self.encode(x))


@dataclasses.dataclass(frozen=True)
class PCA(Baseline):
    """Principal component analysis, which every autoencoder with a code of the same size should beat.

    Attributes:
      fitted: scikit-learn's estimator.
      shape: of one example.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> PCA.fit(data, 16).encode(np.asarray(data.scaling(data.test.x))).shape
      (359, 16)

    References:
      Pearson, *On lines and planes of closest fit to systems of points in space*, 1901.
    """

    fitted: Any
    shape: Shape
    name: str = "pca"

    @classmethod
    def fit(cls, train: Dataset | np.ndarray, code: int, name: str = "pca") -> "PCA":
        """Fits components to a training split.

        Args:
          train: a data set, or its training examples in model units, ``[n, *shape]``.
          code: number of components.
          name: in results.

        Raises:
          InvalidInput: more components than features or training examples.
        """
        x = np.asarray(train.scaling(train.train.x.astype(np.float32))) if isinstance(train, Dataset) else train
        if code > (most := most_components(x)):
            raise InvalidInput(
                f"PCA was given {code} components: expected at most {most}, the data's features and rows."
            )
        rows = x.reshape(len(x), -1)
        solver = "covariance_eigh" if len(rows) > rows.shape[1] else "full"
        return cls(decomposition.PCA(code, svd_solver=solver).fit(rows), x.shape[1:], name)

    @property
    def units(self) -> int:
        return len(self.fitted.components_)

    @property
    def parameters(self) -> int:
        return self.fitted.components_.size + self.fitted.mean_.size

    def encode(self, x: np.ndarray) -> np.ndarray:
        return self.fitted.transform(x.reshape(len(x), -1))

    def decode(self, z: np.ndarray) -> np.ndarray:
        return self.fitted.inverse_transform(z).reshape(len(z), *self.shape)

    def truncated(self, x: np.ndarray, size: int) -> np.ndarray:
        """Reconstructions ``[n, *shape]`` from the first components alone."""
        codes = self.encode(x)
        codes[:, size:] = 0.0
        return self.decode(codes)


@dataclasses.dataclass(frozen=True)
class Identity(Baseline):
    """The data themselves as codes."""

    shape: Shape
    name: str = "raw"

    @property
    def units(self) -> int:
        return math.prod(self.shape)

    def encode(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), -1)

    def decode(self, z: np.ndarray) -> np.ndarray:
        return z.reshape(len(z), *self.shape)


class LinearDenoiser(NamedTuple):
    r"""The linear map from corrupted to clean examples with the least squared error, between principal components.

    .. math:: \hat z = \Sigma_{z \tilde z} (\Sigma_{\tilde z} + \lambda \bar v I)^{-1} (\tilde z - \tilde\mu)

    where the mean :math:`\bar v` of the variances of :math:`\tilde z` makes the ridge relative. Of Gaussian noise the
    moments follow from the variances v of the components, and the map is Wiener's, :math:`v_j / (v_j + \sigma^2)`.

    Attributes:
      pca: with all components, or as many as can be afforded.
      mean: of the components of corrupted examples, ``[components]``.
      variances, axes: eigenvalues and eigenvectors of their covariance.
      regression: covariances of the axes with the components of clean examples, ``[axes, components]``.

    Example:
      >>> x = np.random.default_rng(0).normal(size=(10_000, 1))
      >>> denoiser = LinearDenoiser.fit(PCA.fit(x, 1), x, Gaussian(scale=1.0), jax.random.key(0))
      >>> denoiser.reconstruct(np.ones((1, 1))).round(1)
      array([[0.5]])

    References:
      Wiener, *Extrapolation, interpolation, and smoothing of stationary time series*, 1949; Hoerl and Kennard, *Ridge
      regression*, Technometrics 1970.
    """

    pca: PCA
    mean: np.ndarray
    variances: np.ndarray
    axes: np.ndarray
    regression: np.ndarray

    @classmethod
    def fit(cls, pca: PCA, x: np.ndarray, corruption: Corruption, key: Key) -> "LinearDenoiser":
        """Fits to the clean examples of the PCA; the key corrupts them, unless the noise is Gaussian."""
        if isinstance(corruption, Gaussian):
            clean = pca.fitted.explained_variance_.astype(np.float64)
            noise = float(corruption.scale) ** 2
            return cls(pca, np.zeros_like(clean), clean + noise, np.eye(pca.units), np.diag(clean))
        codes, draws = pca.encode(x), -(-_CORRUPTED // len(x))
        mean, covariance, across = 0.0, 0.0, 0.0
        for draw in range(draws):
            noisy = pca.encode(corrupted(corruption, jax.random.fold_in(key, draw), x))
            mean = mean + noisy.mean(axis=0, dtype=np.float64) / draws
            covariance = covariance + noisy.T @ noisy / (draws * len(x))
            across = across + noisy.T @ codes / (draws * len(x))
        variances, axes = np.linalg.eigh(np.asarray(covariance - np.outer(mean, mean)))
        return cls(pca, np.asarray(mean), np.maximum(variances, 0.0), axes, axes.T @ across)

    def reconstruct(self, noisy: np.ndarray, *, ridge: float = 0.0) -> np.ndarray:
        """Clean examples from corrupted ones, ``[n, *shape]``; the ridge is relative to the mean variance."""
        scales = self.variances + ridge * self.variances.mean()
        codes = ((self.pca.encode(noisy) - self.mean[None]) @ self.axes / scales[None]) @ self.regression
        return self.pca.decode(codes.astype(noisy.dtype))


def most_components(train: np.ndarray) -> int:
    """The largest number of components that PCA can have on training examples ``[n, *shape]``."""
    return min(len(train), math.prod(train.shape[1:]))


def is_baseline(name: str) -> bool:
    """Whether results of this name are of raw data or PCA."""
    return name == "raw" or name == "pca" or (name.startswith("pca-") and name[4:].isdecimal())
