"""Retrieval: binary codes, and the quality of rankings by label."""

from collections import Counter
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num, Shaped

from ae_jax._checks import positive_whole
from ae_jax.data import as_labels
from ae_jax.errors import InvalidInput


def binarise(
    codes: Float[np.ndarray, "n units"], thresholds: Float[np.ndarray, " units"]
) -> Bool[np.ndarray, "n units"]:
    """Codes as bits: true where a unit is above its threshold.

    Args:
      codes: ``[n, units]``.
      thresholds: of each unit, ``[units]``, such as :func:`thresholds_of` the database.

    Raises:
      InvalidInput: another number of thresholds than units.

    Example:
      >>> binarise(np.array([[0.2, 0.7]]), np.array([0.5, 0.5]))
      array([[False,  True]])

    References:
      Salakhutdinov and Hinton, *Semantic hashing*, International Journal of Approximate Reasoning 2009.
    """
    if codes.shape[1:] != thresholds.shape:
        raise InvalidInput(
            f"codes of {codes.shape[1]} units were given thresholds of shape {thresholds.shape}: expected one a unit."
        )
    return codes > thresholds[None]


def thresholds_of(database_codes: Float[np.ndarray, "n units"]) -> Float[np.ndarray, " units"]:
    """The median of each unit over the database, which makes every bit as often true as false.

    Example:
      >>> thresholds_of(np.array([[0.0, 5.0], [1.0, 7.0], [8.0, 6.0]]))
      array([1., 6.])

    References:
      Weiss et al., *Spectral hashing*, NIPS 2008, section 1 (bits should be balanced).
    """
    return np.median(database_codes, axis=0)


class RandomHyperplanes(NamedTuple):
    r"""Locality-sensitive hashing, the baseline of learned binary codes: random planes through the data's mean.

    .. math:: h_j(x) = [r_j^\top (x - \bar x) > 0], \quad r_j \sim \mathcal{N}(0, I)

    Two examples differ in each bit with probability :math:`\theta / \pi`, the angle between them seen from the mean.

    Attributes:
      centre: a point on every plane, ``[features]``.
      normals: of the planes, ``[features, bits]``.

    Example:
      >>> RandomHyperplanes.fit(np.eye(3), bits=4).encode(np.eye(3)).shape
      (3, 4)

    References:
      Charikar, *Similarity estimation techniques from rounding algorithms*, STOC 2002, section 3.
    """

    centre: Float[np.ndarray, " features"]
    normals: Float[np.ndarray, "features bits"]

    @classmethod
    def fit(cls, x: Num[np.ndarray, "n *features"], bits: int, *, seed: int = 0) -> "RandomHyperplanes":
        """Draws planes, one a bit, through the mean of a database in model units, ``[n, *features]``."""
        rows = x.reshape(len(x), -1)
        normals = np.random.default_rng(seed).normal(size=(rows.shape[1], bits)).astype(np.float32)
        return cls(rows.mean(axis=0, dtype=np.float64).astype(np.float32), normals)

    def encode(self, x: Num[np.ndarray, "n *features"]) -> Bool[np.ndarray, "n bits"]:
        """The side of each plane on which each example lies, ``[n, bits]``."""
        return (x.reshape(len(x), -1) - self.centre[None]) @ self.normals > 0


def average_precision_at(
    relevant: Bool[np.ndarray, "queries k"], relevant_total: Int[np.ndarray, " queries"]
) -> Float[np.ndarray, " queries"]:
    r"""Average precision of each query's first k results.

    .. math::
       \mathrm{AP@}k = \frac{1}{\min(R, k)} \sum_{i \le k} \mathrm{rel}_i P_i,
       \quad P_i = \frac{1}{i} \sum_{j \le i} \mathrm{rel}_j

    The denominator is the most that k results can hold, so that 1 is reached; with k = n it is the usual R.

    Args:
      relevant: whether each result is, nearest first, ``[queries, k]``.
      relevant_total: R, number of relevant items in the database for each query, ``[queries]``.

    Returns:
      The average precision of each query, in [0, 1]; NaN where nothing is relevant.

    Example:
      >>> average_precision_at(np.array([[True, False, True]]), np.array([2])).round(4)
      array([0.8333])

    References:
      Manning et al., *Introduction to information retrieval*, 2008, section 8.4;
      Gong and Lazebnik, *Iterative quantization*, CVPR 2011 (as the measure of binary codes).
    """
    precision = np.cumsum(relevant, axis=1) / np.arange(1, relevant.shape[1] + 1)[None]
    most = np.minimum(relevant_total, relevant.shape[1])
    return np.where(most > 0, np.sum(precision * relevant, axis=1) / np.maximum(most, 1), np.nan)


def retrieval_metrics(
    indices: Int[np.ndarray, "queries found"],
    query_labels: Shaped[np.ndarray, " queries"],
    database_labels: Shaped[np.ndarray, " rows"],
    *,
    k: int,
    exclude_self: bool = False,
) -> dict[str, float]:
    """Mean quality of rankings over queries; an item is relevant if it has the label of the query.

    Queries whose label no other database row has are left out, and counted.

    Args:
      indices: of the neighbours in the database, nearest first, as :func:`ae_jax.evaluation.search` finds
        them, ``[queries, found]``.
      query_labels, database_labels: of each query and of each database row.
      k: number of neighbours that count.
      exclude_self: as told to :func:`ae_jax.evaluation.search`: a query is not among its own relevant items.

    Returns:
      ``map_at_k``, the mean of :func:`average_precision_at`; ``precision_at_k``, relevant results over k;
      ``recall_at_k``, relevant results over relevant items; and ``queries_left_out``.

    Raises:
      InvalidInput: fewer neighbours than k, labels that are missing or of another length, or no query for which
        anything is relevant.

    Example:
      >>> retrieval_metrics(np.array([[0, 1]]), np.array(["cat"]), np.array(["cat", "dog", "cat"]), k=2)
      {'map_at_k': 0.5, 'precision_at_k': 0.5, 'recall_at_k': 0.5, 'queries_left_out': 0.0}

    References:
      Manning et al., *Introduction to information retrieval*, 2008, section 8.4.
    """
    found = metrics_of_queries(indices, query_labels, database_labels, k=k, exclude_self=exclude_self)
    left_out = {"queries_left_out": float(len(indices) - len(found["map_at_k"]))}
    return {name: float(np.mean(values)) for name, values in found.items()} | left_out


def metrics_of_queries(
    indices: np.ndarray, query_labels: np.ndarray, database_labels: np.ndarray, *, k: int, exclude_self: bool = False
) -> dict[str, np.ndarray]:
    """The values of each query that is not left out, of which :func:`retrieval_metrics` gives the means."""
    k = positive_whole("retrieval_metrics", "k", k)
    if indices.shape[1] < k:
        raise InvalidInput(f"retrieval_metrics was given {indices.shape[1]} neighbours a query for k={k}: find more.")
    query_labels = as_labels(query_labels, len(indices), "labels of queries")
    database_labels = as_labels(database_labels, len(database_labels), "labels of the database")
    relevant = database_labels[indices[:, :k]] == query_labels[:, None]
    counts = Counter(database_labels.tolist())
    total = np.array([counts[label] for label in query_labels.tolist()]) - exclude_self
    counted = total > 0
    if not counted.any():
        raise InvalidInput("no query shares its label with a database row: expected labels of the same classes.")
    relevant, total = relevant[counted], total[counted]
    return {
        "map_at_k": average_precision_at(relevant, total),
        "precision_at_k": relevant.mean(axis=1),
        "recall_at_k": relevant.sum(axis=1) / total,
    }
