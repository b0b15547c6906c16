"""Similarity of samples to data: distances between two sets of features, which the caller chooses and supplies.

Values are comparable on the same features only: those of the literature are of an Inception network's activations,
and neither pixels nor codes of an autoencoder give numbers to set beside them.
"""

import numpy as np
from jaxtyping import Bool, Float
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.utils import gen_batches

from ae_jax._checks import positive_whole
from ae_jax.errors import InvalidInput
from ae_jax.evaluation.neighbors import search

FeatureRows = Float[np.ndarray, "_ features"]

_BLOCK = 1024
"""Number of rows that are compared with all others at a time."""


def frechet_distance(real_features: FeatureRows, generated_features: FeatureRows) -> float:
    r"""Fréchet distance between Gaussians fitted to two sets of features; FID, where they are Inception's.

    .. math:: \|\mu_r - \mu_g\|^2 + \mathrm{Tr}(S_r + S_g - 2 (S_r^{1/2} S_g S_r^{1/2})^{1/2})

    In double precision; the trace of the root is the nuclear norm of the product of the centred features, so that no
    imaginary part is left over. Few examples bias it upward: compare values of equal numbers of examples only.

    Args:
      real_features: of real examples, ``[n, features]``.
      generated_features: of generated ones, by the same map, ``[m, features]``.

    Returns:
      The distance, in squared units of the features; zero for equal means and covariances.

    Raises:
      InvalidInput: features of different widths, NaN or infinity, or fewer than two examples.

    Example:
      >>> x = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]])
      >>> round(frechet_distance(x, x + 3.0), 6)
      18.0

    References:
      Heusel et al., *GANs trained by a two time-scale update rule converge to a local Nash equilibrium*, NIPS 2017,
      eq. 6; Dowson and Landau, *The Fréchet distance between multivariate normal distributions*, 1982.
    """
    real, generated = _features(real_features, generated_features, at_least=2)
    difference = real.mean(axis=0) - generated.mean(axis=0)
    real, generated = _root(real), _root(generated)
    traces = np.sum(np.square(real)) + np.sum(np.square(generated))
    crossed = np.sum(np.linalg.svd(real @ generated.T, compute_uv=False))
    # Rounding may leave a little less than nothing.
    return float(max(difference @ difference + traces - 2.0 * crossed, 0.0))


def _root(x: np.ndarray) -> np.ndarray:
    """R with no more rows than features, where R' R is the covariance."""
    return np.linalg.qr(x - x.mean(axis=0)[None], mode="r") / np.sqrt(len(x) - 1)


def kernel_distance(real_features: FeatureRows, generated_features: FeatureRows) -> float:
    r"""Squared maximum mean discrepancy with a polynomial kernel, unbiased; KID, where the features are Inception's.

    .. math::
       \frac{1}{n(n-1)} \sum_{i \ne j} k(r_i, r_j) + \frac{1}{m(m-1)} \sum_{i \ne j} k(g_i, g_j)
       - \frac{2}{nm} \sum_{i,j} k(r_i, g_j), \quad k(x, y) = (x^\top y / d + 1)^3

    Over all pairs, in double precision. Unlike the Fréchet distance it is not biased by few examples, so that it may be
    below zero. Args and Raises are those of :func:`frechet_distance`.

    Returns:
      The estimate; its expectation is zero for equal distributions.

    Example:
      >>> kernel_distance(np.zeros((2, 1)), np.ones((2, 1)))
      7.0

    References:
      Bińkowski et al., *Demystifying MMD GANs*, ICLR 2018, section 4; Gretton et al., *A kernel two-sample test*,
      JMLR 2012, eq. 3 (the unbiased estimate).
    """
    real, generated = _features(real_features, generated_features, at_least=2)

    def pairs(x: np.ndarray, y: np.ndarray) -> float:
        return sum(float(polynomial_kernel(x[rows], y, degree=3).sum()) for rows in gen_batches(len(x), _BLOCK))

    def own_pairs(x: np.ndarray) -> float:
        itself = np.sum((np.einsum("nd,nd->n", x, x) / x.shape[1] + 1.0) ** 3)
        return (pairs(x, x) - float(itself)) / (len(x) * (len(x) - 1))

    crossed = pairs(real, generated) / (len(real) * len(generated))
    return own_pairs(real) + own_pairs(generated) - 2.0 * crossed


def precision_recall(
    real_features: FeatureRows, generated_features: FeatureRows, *, neighbors: int = 3
) -> dict[str, float]:
    r"""Precision, the share of samples that are close to data, and recall, the share of data that are close to samples.

    .. math:: \frac{1}{m} \sum_g \left[\exists r: \|g - r\| \le \|r - \mathrm{NN}_k(r)\|\right]

    is precision; recall has data and samples exchanged. A set's manifold is the union of balls around its members,
    each reaching to the member's k-th nearest other member.

    Args:
      real_features, generated_features: as of :func:`frechet_distance`; as many of each, for both fractions to be
        comparable.
      neighbors: k.

    Returns:
      ``precision`` and ``recall``, each in [0, 1].

    Raises:
      InvalidInput: features of different widths, NaN or infinity, or no more examples than neighbours.

    Example:
      >>> real = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
      >>> precision_recall(real, np.array([[0.0], [0.9], [1.8], [2.7]]), neighbors=1)
      {'precision': 1.0, 'recall': 0.5}

    References:
      Kynkäänniemi et al., *Improved precision and recall metric for assessing generative models*, NeurIPS 2019, eq. 1.
    """
    neighbors = positive_whole("precision_recall", "neighbors", neighbors)
    real, generated = _features(real_features, generated_features, at_least=neighbors + 1)
    return {
        "precision": float(np.mean(_on_manifold(generated, real, neighbors))),
        "recall": float(np.mean(_on_manifold(real, generated, neighbors))),
    }


def _on_manifold(x: np.ndarray, members: np.ndarray, neighbors: int) -> Bool[np.ndarray, " n"]:
    """Whether each row lies in the ball of some member."""
    nearest = search(members, members, k=neighbors, exclude_self=True).indices[:, -1]
    radii = np.square(members - members[nearest]).sum(axis=1)
    centre = members.mean(axis=0)[None]
    moved, centres = x - centre, members - centre
    found = np.zeros(len(x), bool)
    for rows in gen_batches(len(x), _BLOCK):
        total = np.square(moved[rows]).sum(axis=1)[:, None] + np.square(centres).sum(axis=1)[None]
        beyond = total - 2.0 * moved[rows] @ centres.T - radii[None]
        found[rows] = np.any(beyond <= 1e-12 * total, axis=1)  # so that rounding puts no row on a surface outside
    return found


def _features(real: np.ndarray, generated: np.ndarray, *, at_least: int) -> tuple[np.ndarray, np.ndarray]:
    """Both sets in double precision, or a sentence."""
    for name, x in (("real_features", real), ("generated_features", generated)):
        if x.ndim != 2:
            raise InvalidInput(f"{name} have shape {x.shape}: expected [examples, features]; flatten or embed them.")
        if len(x) < at_least:
            raise InvalidInput(f"{name} are of {len(x)} examples: expected at least {at_least}; give more.")
        if not np.isfinite(x).all():
            raise InvalidInput(f"{name} have NaN or infinite values: expected finite numbers.")
    if real.shape[1] != generated.shape[1]:
        raise InvalidInput(
            f"real_features have {real.shape[1]} features and generated_features {generated.shape[1]}: "
            "expected those of one map."
        )
    return real.astype(np.float64), generated.astype(np.float64)
