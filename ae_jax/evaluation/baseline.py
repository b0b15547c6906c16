"""The baseline that every autoencoder should beat: principal component analysis with a code of the same size."""

import math
from typing import NamedTuple

import jax
import numpy as np
from sklearn.decomposition import PCA

from ae_jax.corruptions import Corruption
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput
from ae_jax.evaluation.denoising import psnr_corrupted
from ae_jax.evaluation.evaluate import NOISE, rows_of
from ae_jax.evaluation.metrics import Row
from ae_jax.evaluation.reconstruction import mean_squared_error
from ae_jax.evaluation.representation import active_fraction, label_accuracies, mean_activation


def evaluate_pca(
    dataset: Dataset, *, code: int, split: str = "test", corruption: Corruption = NOISE, seed: int = 0
) -> list[Row]:
    """The questions of :func:`ae_jax.evaluation.evaluate`, asked of PCA fitted on the training split.

    The Jacobian of a projection on k orthonormal components has norm sqrt(k). PCA is deterministic: its seed is None.

    Args:
      dataset: the data.
      code: number of components.
      split: which split the questions are about.
      corruption: what damages inputs, in model units.
      seed: of the damage.

    Returns:
      Rows of the autoencoder ``"pca"``.

    Raises:
      InvalidInput: more components than features or training examples.

    Example:
      >>> import ae_jax
      >>> rows = evaluate_pca(ae_jax.data.digits(), code=16)
      >>> round(rows[0]["value"], 4)
      0.0117

    References:
      Pearson, *On lines and planes of closest fit to systems of points in space*, 1901.
    """
    pca = principal_components(dataset, code)
    train, x = (
        np.asarray(dataset.scaling(part.x.astype(np.float32))) for part in (dataset.train, dataset.split(split))
    )
    codes = pca.encode(x)
    values = {
        "mse": mean_squared_error(pca.reconstruct(x), x),
        "psnr_corrupted": psnr_corrupted(pca.reconstruct, corruption, jax.random.key(seed), x),
    }
    values |= label_accuracies(pca.encode(train), dataset.train.labels, codes, dataset.split(split).labels)
    values |= {
        "mean_activation": mean_activation(codes),
        "active_fraction": active_fraction(codes),
        "jacobian_norm": math.sqrt(code),
        "parameters": float(code * x[0].size + x[0].size),
    }
    return rows_of("pca", None, 0, split, values)


class PrincipalComponents(NamedTuple):
    """PCA as an autoencoder: encodes and reconstructs examples in model units.

    Attributes:
      fitted: scikit-learn's.
    """

    fitted: PCA

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Examples ``[n, *shape]`` as ``[n, components]``."""
        return self.fitted.transform(x.reshape(len(x), -1))

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """Examples as the components have them, ``[n, *shape]``."""
        return self.fitted.inverse_transform(self.encode(x)).reshape(x.shape)


def principal_components(dataset: Dataset, code: int) -> PrincipalComponents:
    """PCA with so many components, fitted on the training split in model units.

    Raises:
      InvalidInput: more components than features or training examples.
    """
    limit = most_components(dataset)
    if code > limit:
        raise InvalidInput(f"PCA was given {code} components: expected at most {limit}, the data's features and rows.")
    train = np.asarray(dataset.scaling(dataset.train.x.astype(np.float32)))
    return PrincipalComponents(PCA(code, random_state=0).fit(train.reshape(len(train), -1)))


def most_components(dataset: Dataset) -> int:
    """How many components the training split has at most."""
    return min(len(dataset.train.x), math.prod(dataset.shape))
