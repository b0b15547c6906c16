"""Principal component analysis as an autoencoder, for baselines."""

import math
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput


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


def principal_components(train: np.ndarray, code: int) -> PrincipalComponents:
    """PCA with so many components, fitted on examples in model units, ``[n, *shape]``.

    Raises:
      InvalidInput: more components than features or examples.
    """
    limit = min(len(train), math.prod(train.shape[1:]))
    if code > limit:
        raise InvalidInput(f"PCA was given {code} components: expected at most {limit}, the data's features and rows.")
    return PrincipalComponents(PCA(code, random_state=0).fit(train.reshape(len(train), -1)))


def components_of(dataset: Dataset, code: int) -> PrincipalComponents:
    """PCA with so many components, fitted on the training split of a data set.

    Raises:
      InvalidInput: more components than features or training examples.
    """
    return principal_components(np.asarray(dataset.scaling(dataset.train.x.astype(np.float32))), code)


def most_components(dataset: Dataset) -> int:
    """How many components the training split has at most."""
    return min(len(dataset.train.x), math.prod(dataset.shape))
