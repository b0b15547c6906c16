"""The baseline that every autoencoder should beat: principal component analysis with a code of the same size."""

import math

import jax
import numpy as np

from ae_jax.corruptions import Corruption
from ae_jax.data import Dataset
from ae_jax.evaluation.denoising import psnr_corrupted
from ae_jax.evaluation.evaluate import NOISE, rows_of
from ae_jax.evaluation.metrics import Row
from ae_jax.evaluation.pca import components_of
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
    pca = components_of(dataset, code)
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
