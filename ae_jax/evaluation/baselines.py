"""Baselines as objects that encode, decode and reconstruct, evaluated by the same tasks as trained runs."""

import dataclasses
import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from sklearn import decomposition

from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput
from ae_jax.types import Shape

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
    def fit(cls, train: Dataset | np.ndarray, code: int) -> "PCA":
        """Fits components to a training split.

        Args:
          train: a data set, or its training examples in model units, ``[n, *shape]``.
          code: number of components.

        Raises:
          InvalidInput: more components than features or training examples.
        """
        x = np.asarray(train.scaling(train.train.x.astype(np.float32))) if isinstance(train, Dataset) else train
        if code > (most := most_components(x)):
            raise InvalidInput(
                f"PCA was given {code} components: expected at most {most}, the data's features and rows."
            )
        return cls(decomposition.PCA(code, random_state=0).fit(x.reshape(len(x), -1)), x.shape[1:])

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


def most_components(train: np.ndarray) -> int:
    """The largest number of components that PCA can have on training examples ``[n, *shape]``."""
    return min(len(train), math.prod(train.shape[1:]))


def is_baseline(name: str) -> bool:
    """Whether results of this name are of raw data or PCA."""
    return name == "raw" or name == "pca" or (name.startswith("pca-") and name[4:].isdecimal())
