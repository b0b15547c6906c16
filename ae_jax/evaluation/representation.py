"""Quality of codes: what they know of labels and neighbours, and how their units are used."""

import math
import warnings
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import entropy
from sklearn import manifold
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ae_jax._checks import positive_whole
from ae_jax.errors import InvalidInput
from ae_jax.evaluation.labels import are_too_many, class_names
from ae_jax.evaluation.sampling import subsample

Codes = Float[np.ndarray, "_ units"]
Labels = np.ndarray | None
Examples = Float[np.ndarray, "_ *features"]

_NEIGHBORS = 5
_WORTH_THREADS = 1_000_000
_LIMIT = 2000


def linear_probe_accuracy(train_codes: Codes, train_labels: np.ndarray, codes: Codes, labels: np.ndarray) -> float:
    """Accuracy of a logistic regression that was fitted on standardised codes of the training split.

    Args:
      train_codes, train_labels: what the probe learns from, ``[n, units]`` and ``[n]``.
      codes, labels: codes and labels to test on.

    Returns:
      The fraction of correct labels, in [0, 1].

    Raises:
      InvalidInput: fewer than two classes to learn.

    Example:
      >>> codes, labels = np.array([[0.0], [0.1], [1.0], [1.1]]), np.array([0, 0, 1, 1])
      >>> linear_probe_accuracy(codes, labels, codes, labels)
      1.0

    References:
      Alain and Bengio, *Understanding intermediate layers using linear classifier probes*, ICLR workshop 2017.
    """
    return float(np.mean(_probe_hits(train_codes, train_labels, codes, labels)))


def _probe_hits(train_codes: Codes, train_labels: np.ndarray, codes: Codes, labels: np.ndarray) -> np.ndarray:
    if len(np.unique(train_labels)) < 2:
        raise InvalidInput("the linear probe was given labels of one class: expected at least two classes.")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    # On small problems BLAS threads wait for one another, and for JAX's, ten times longer than they work.
    with threadpool_limits(1 if train_codes.size < _WORTH_THREADS else None):
        return probe.fit(train_codes, train_labels).predict(codes) == labels


def knn_accuracy(
    train_codes: Codes, train_labels: np.ndarray, codes: Codes, labels: np.ndarray, *, neighbors: int = _NEIGHBORS
) -> float:
    """Accuracy of the majority of the nearest training codes, by Euclidean distance.

    Args and Returns are those of :func:`linear_probe_accuracy`, beside the number of neighbours.

    Raises:
      InvalidInput: fewer training codes than neighbours.

    References:
      Cover and Hart, *Nearest neighbor pattern classification*, IEEE Transactions on Information Theory 1967.
    """
    return float(np.mean(_knn_hits(train_codes, train_labels, codes, labels, neighbors)))


def _knn_hits(train_codes: Codes, train_labels: np.ndarray, codes: Codes, labels: np.ndarray, neighbors: int) -> Any:
    if len(train_codes) < neighbors:
        raise InvalidInput(f"{len(train_codes)} training codes for {neighbors} neighbours: give more codes, or fewer.")
    return KNeighborsClassifier(n_neighbors=neighbors).fit(train_codes, train_labels).predict(codes) == labels


def label_hits(train: Codes, train_labels: Labels, codes: Codes, labels: Labels) -> dict[str, Any]:
    """Whether a linear probe and nearest neighbours name each example's class, where labels are classes.

    Both splits need labels with class names (:func:`ae_jax.evaluation.class_names`), some of them in both; the training
    split needs at least five rows and two classes, at most half as many as rows.

    Returns:
      ``linear_probe_accuracy`` and ``knn_accuracy``, 1 of each example whose class is named and 0 of others, ``[n]``;
      NaN where codes are not finite; or nothing.
    """
    train_names, names = class_names(train_labels), class_names(labels)
    if train_names is None or names is None or are_too_many(train_names) or len(train) < _NEIGHBORS:
        return {}
    if len(np.unique(train_names)) < 2 or not np.isin(names, train_names).any():
        return {}
    if not (np.isfinite(train).all() and np.isfinite(codes).all()):
        return {"linear_probe_accuracy": math.nan, "knn_accuracy": math.nan}
    known = (train, train_names, codes, names)
    hits = {"linear_probe_accuracy": _probe_hits(*known), "knn_accuracy": _knn_hits(*known, _NEIGHBORS)}
    return {name: of_each.astype(np.float64) for name, of_each in hits.items()}


def clustering_agreement(codes: Codes, labels: np.ndarray, *, seed: int = 0) -> dict[str, float]:
    """How well k-means clusters of the codes, as many as there are classes, agree with the classes.

    Args:
      codes: ``[n, units]``.
      labels: the class of each, ``[n]``.
      seed: of the clusters' first centres; the best of ten starts is taken.

    Returns:
      ``kmeans_nmi``, the mutual information over the mean of both entropies, in [0, 1], and ``kmeans_ari``, the Rand
      index adjusted for chance, at most 1 and around 0 by chance.

    Raises:
      InvalidInput: another number of labels than codes, or labels of one class.

    Example:
      >>> codes, labels = np.array([[0.0], [0.1], [1.0], [1.1]]), np.array([0, 0, 1, 1])
      >>> clustering_agreement(codes, labels)
      {'kmeans_nmi': 1.0, 'kmeans_ari': 1.0}

    References:
      Vinh et al., *Information theoretic measures for clusterings comparison*, JMLR 2010 (mutual information);
      Hubert and Arabie, *Comparing partitions*, Journal of Classification 1985 (adjusted Rand index).
    """
    if len(labels) != len(codes):
        raise InvalidInput(f"{len(labels)} labels were given for {len(codes)} codes: expected one for each.")
    classes = len(np.unique(labels))
    if classes < 2:
        raise InvalidInput("clusters were to be compared with labels of one class: expected at least two classes.")
    kmeans = KMeans(n_clusters=classes, n_init=10, random_state=seed)  # pyright: ignore[reportArgumentType]
    with threadpool_limits(1 if codes.size < _WORTH_THREADS else None), warnings.catch_warnings():
        # Collapsed codes have fewer distinct values than there are classes: the low agreement says so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters = kmeans.fit_predict(codes)
    return {
        "kmeans_nmi": float(normalized_mutual_info_score(labels, clusters)),
        "kmeans_ari": float(adjusted_rand_score(labels, clusters)),
    }


def trustworthiness(x: Examples, codes: Codes, *, neighbors: int = _NEIGHBORS) -> float:
    r"""Share of neighbours in the code that are neighbours in the data, by rank; 1 where all are.

    .. math:: 1 - \frac{2}{n k (2n - 3k - 1)} \sum_i \sum_{j \in N_k(z_i) \setminus N_k(x_i)} (r(x_i, x_j) - k)

    A false neighbour costs as much as its rank r among the distances from x_i lies beyond k. Of more than 2,000
    examples, that many are compared, evenly spaced, as memory grows with their square.

    Args:
      x: examples ``[n, *features]``, compared by Euclidean distance.
      codes: of the same examples, ``[n, units]``.
      neighbors: k.

    Returns:
      The trustworthiness, in [0, 1]; about 0.5 where codes are unrelated to the data.

    Raises:
      InvalidInput: another number of codes than examples, or neighbors no whole number above zero and below half the
        number of examples.

    Example:
      >>> x = np.random.default_rng(0).normal(size=(20, 3))
      >>> trustworthiness(x, -2.0 * x, neighbors=2)
      1.0

    References:
      Venna and Kaski, *Neighborhood preservation in nonlinear projection methods*, ICANN 2001.
    """
    x, codes = _compared("trustworthiness", x, codes, neighbors)
    return float(manifold.trustworthiness(x, codes, n_neighbors=neighbors))


def continuity(x: Examples, codes: Codes, *, neighbors: int = _NEIGHBORS) -> float:
    r"""Share of neighbours in the data that are neighbours in the code, by rank; 1 where all are.

    .. math:: 1 - \frac{2}{n k (2n - 3k - 1)} \sum_i \sum_{j \in N_k(x_i) \setminus N_k(z_i)} (r(z_i, z_j) - k)

    :func:`trustworthiness` with examples and codes exchanged, with the same Args, Returns and Raises. Codes that
    separate neighbours lack continuity; codes that put distant examples together lack trustworthiness.

    Example:
      >>> x = np.random.default_rng(0).normal(size=(20, 1))
      >>> torn = np.where(x < 0.0, x, 50.0 - x)
      >>> bool(continuity(x, torn, neighbors=2) < trustworthiness(x, torn, neighbors=2))
      True

    References:
      Venna and Kaski, *Local multidimensional scaling*, Neural Networks 2006.
    """
    x, codes = _compared("continuity", x, codes, neighbors)
    return float(manifold.trustworthiness(codes, x, n_neighbors=neighbors))


def _compared(measure: str, x: np.ndarray, codes: np.ndarray, neighbors: int) -> tuple[np.ndarray, np.ndarray]:
    """At most 2,000 examples and their codes, evenly spaced, as rows of double precision."""
    count = min(len(x), _LIMIT)
    positive_whole(measure, "neighbors", neighbors)
    if len(codes) != len(x):
        raise InvalidInput(f"{measure} was given {len(codes)} codes for {len(x)} examples: expected one for each.")
    if 2 * neighbors >= count:
        raise InvalidInput(
            f"{measure} was given {neighbors} neighbours for {count} examples: expected fewer than half of them; "
            "give more examples, or fewer neighbours."
        )
    rows = subsample(len(x), count)
    return x[rows].reshape(count, -1).astype(np.float64), codes[rows].astype(np.float64)


def code_correlation(codes: Codes) -> float:
    r"""Mean absolute Pearson correlation between different units of the code: 0 where units are uncorrelated.

    .. math:: \frac{1}{k (k - 1)} \sum_{i \neq j} |\rho_{ij}|

    Units that do not vary are left out. Codes are ``[n, units]``; the mean is in [0, 1], 0 where fewer than two vary.

    Example:
      >>> code_correlation(np.array([[0.0, 1.0], [1.0, -1.0], [2.0, -3.0]]))
      1.0
    """
    widths = np.ptp(codes, axis=0)
    units = int(np.count_nonzero(widths))
    if units < 2:
        return 0.0
    varying = np.asarray(codes, np.float64)[:, widths > 0] / widths[widths > 0]
    pairs = np.triu(np.corrcoef(varying, rowvar=False), k=1)
    return float(2.0 * np.minimum(np.abs(pairs), 1.0).sum() / (units * (units - 1)))


def mean_activation(codes: Codes) -> float:
    """Mean of the codes over units and examples, in units of the code.

    Example:
      >>> mean_activation(np.array([[0.0, 1.0], [0.0, 0.0]]))
      0.25
    """
    return float(np.mean(codes))


def active_fraction(codes: Codes, *, scale: float | None = None) -> float:
    r"""Share of units whose variance over the examples is above 1% of the most active unit's.

    .. math:: \frac{1}{k} \left|\{j : \mathrm{Var}_x[z_j] > 0.01 s\}\right|, \quad s = \max_j \mathrm{Var}_x[z_j]

    Args:
      codes: ``[n, units]``; of a stochastic encoder, posterior means.
      scale: s, in squared units of the code; by default the largest variance. 1 is the criterion of Burda et al. for
        posterior means under a standard normal prior.

    Returns:
      The fraction of active units, in [0, 1]; 0 where no unit varies.

    Example:
      >>> active_fraction(np.array([[0.0, 1.0], [0.0, 0.0]]))
      0.5

    References:
      Burda et al., *Importance weighted autoencoders*, ICLR 2016, section 5.2.
    """
    variances = np.var(codes, axis=0, dtype=np.float64)  # in 32 bits, a constant varies by rounding
    return float(np.mean(variances > 0.01 * (variances.max() if scale is None else scale)))


def code_use(indices: Int[np.ndarray, "n *places books"], codes: int) -> dict[str, float]:
    r"""Returns how discrete codes are used by examples, as means or sums over codebooks.

    .. math:: \text{perplexity} = \exp\Big(-\sum_k p_k \log p_k\Big), \quad p_k = n_k / \sum_j n_j

    Args:
      indices: of the codes of each example, ``[n, *places, books]``.
      codes: number of codes of each codebook.

    Returns:
      ``codes_used``, the share of all codes that some example uses; ``perplexity``, the number of codes in even use
      with the entropy of this use, a mean over codebooks; ``dead_codes``, the number that none uses.

    Example:
      >>> code_use(np.array([[0], [1], [0], [1]]), codes=4)
      {'codes_used': 0.5, 'perplexity': 2.0, 'dead_codes': 2.0}

    References:
      van den Oord et al., *Neural discrete representation learning*, NeurIPS 2017 (perplexity of their experiments).
    """
    books = indices.reshape(-1, indices.shape[-1]).T
    use = np.stack([np.bincount(book, minlength=codes) for book in books])
    return {
        "codes_used": float(np.mean(use > 0)),
        "perplexity": float(np.mean(np.exp(entropy(use, axis=1)))),
        "dead_codes": float(np.sum(use == 0)),
    }
