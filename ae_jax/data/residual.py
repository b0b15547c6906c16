"""The error that a linear code leaves, from which the scale of a Gaussian likelihood is chosen."""

import numpy as np


def residual_deviation(x: np.ndarray, units: int) -> float:
    r"""Standard deviation in a direction that PCA with so many units leaves out; at least a tenth of the data's own.

    .. math:: \sigma^2 = \frac{1}{n (d - k)} \sum_{j > k} s_j^2

    with the singular values s of the centred data.

    Args:
      x: ``[n, features]``, in model units.
      units: k.

    Example:
      >>> round(residual_deviation(np.array([[1.0, 0.1], [-1.0, 0.1], [1.0, -0.1], [-1.0, -0.1]]), 1), 3)
      0.1

    References:
      Tipping and Bishop, *Probabilistic principal component analysis*, JRSS B 1999, eq. 8.
    """
    centred = x - x.mean(axis=0, dtype=np.float64)
    own = float(np.sqrt(np.square(centred).mean())) or 1.0
    left = np.square(np.linalg.svd(centred, compute_uv=False)[units:]).sum()
    return max(0.1 * own, float(np.sqrt(left / len(x) / max(1, x.shape[1] - units))))
