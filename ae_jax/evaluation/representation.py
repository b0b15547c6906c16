"""What do the codes know, and how are they used?"""

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ae_jax.errors import InvalidInput

Codes = Float[np.ndarray, "_ units"]
Labels = np.ndarray | None

_NEIGHBORS = 5
_WORTH_THREADS = 1_000_000


def linear_probe_accuracy(train_codes: Codes, train_labels: np.ndarray, codes: Codes, labels: np.ndarray) -> float:
    """Accuracy of a logistic regression that was fitted on standardised codes of the training split.

    Args:
      train_codes, train_labels: what the probe learns from, ``[n, units]`` and ``[n]``.
      codes, labels: what it is asked about.

    Returns:
      The fraction of labels that it names, in [0, 1].

    Raises:
      InvalidInput: fewer than two classes to learn.

    Example:
      >>> codes, labels = np.array([[0.0], [0.1], [1.0], [1.1]]), np.array([0, 0, 1, 1])
      >>> linear_probe_accuracy(codes, labels, codes, labels)
      1.0

    References:
      Alain and Bengio, *Understanding intermediate layers using linear classifier probes*, ICLR workshop 2017.
    """
    if len(np.unique(train_labels)) < 2:
        raise InvalidInput("the linear probe was given labels of one class: expected at least two classes.")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    # On small problems BLAS threads wait for one another, and for JAX's, ten times longer than they work.
    with threadpool_limits(1 if train_codes.size < _WORTH_THREADS else None):
        return float(probe.fit(train_codes, train_labels).score(codes, labels))


def knn_accuracy(
    train_codes: Codes, train_labels: np.ndarray, codes: Codes, labels: np.ndarray, *, neighbors: int = _NEIGHBORS
) -> float:
    """Accuracy of the majority of the nearest training codes, by Euclidean distance.

    Args:
      train_codes, train_labels: the neighbours, ``[n, units]`` and ``[n]``.
      codes, labels: what they vote on.
      neighbors: how many vote.

    Returns:
      The fraction of labels that they name, in [0, 1].

    Raises:
      InvalidInput: fewer training codes than neighbours.

    Example:
      >>> codes, labels = np.array([[0.0], [0.1], [1.0], [1.1]]), np.array([0, 0, 1, 1])
      >>> knn_accuracy(codes, labels, codes, labels, neighbors=1)
      1.0

    References:
      Cover and Hart, *Nearest neighbor pattern classification*, IEEE Transactions on Information Theory 1967.
    """
    if len(train_codes) < neighbors:
        raise InvalidInput(f"{len(train_codes)} training codes for {neighbors} neighbours: give more codes, or fewer.")
    classifier = KNeighborsClassifier(n_neighbors=neighbors)
    return float(classifier.fit(train_codes, train_labels).score(codes, labels))


def label_accuracies(train: Codes, train_labels: Labels, codes: Codes, labels: Labels) -> dict[str, float]:
    """Both accuracies by the names of results; none where the labels do not allow to ask.

    They do where both splits have labels that are classes (text, integers, truth values or whole floats, not
    measurements), some of them in both, the training split at least two classes and at least five rows.

    Args:
      train, train_labels: codes to learn from, ``[n, units]``, and their labels, ``[n]`` or None.
      codes, labels: what the questions are about.

    Returns:
      ``linear_probe_accuracy`` and ``knn_accuracy``, each in [0, 1]; or nothing.

    Example:
      >>> codes = np.array([[0.0], [0.1], [0.2], [1.0], [1.1]])
      >>> label_accuracies(codes, codes[:, 0], codes, codes[:, 0])
      {}
    """
    if train_labels is None or labels is None:
        return {}
    kind = _kind_of_classes(train_labels)
    if kind is None or kind != _kind_of_classes(labels):
        return {}
    if len(train) < _NEIGHBORS or len(np.unique(train_labels)) < 2 or not np.isin(labels, train_labels).any():
        return {}
    known = (train, train_labels, codes, labels)
    return {"linear_probe_accuracy": linear_probe_accuracy(*known), "knn_accuracy": knn_accuracy(*known)}


def _kind_of_classes(labels: np.ndarray) -> str | None:
    """What names the classes, text or numbers; None of labels that are no classes."""
    if labels.dtype.kind in "OU":
        return "text" if all(isinstance(label, str) for label in labels) else None
    if labels.dtype.kind in "biu":
        return "number"
    whole = labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == np.round(labels)).all()
    return "number" if whole else None


def mean_activation(codes: Codes) -> float:
    """Mean of the codes over units and examples, in units of the code.

    Example:
      >>> mean_activation(np.array([[0.0, 1.0], [0.0, 0.0]]))
      0.25
    """
    return float(np.mean(codes))


def active_fraction(codes: Codes, *, threshold: float = 0.01, scale: float | None = None) -> float:
    r"""Share of units whose variance over the examples is above a share of the most active unit's.

    .. math:: \frac{1}{k} \left|\{j : \mathrm{Var}_x[z_j] > \tau s\}\right|, \quad s = \max_j \mathrm{Var}_x[z_j]

    A code's scale is arbitrary, hence the comparison with its own largest variance. A standard normal prior fixes the
    scale: ``scale=1`` of posterior means is the criterion of Burda et al.

    Args:
      codes: ``[n, units]``; of a stochastic encoder, posterior means.
      threshold: tau.
      scale: s, in squared units of the code; by default the largest variance.

    Returns:
      The fraction of active units, in [0, 1]; 0 where no unit varies.

    Example:
      >>> active_fraction(np.array([[0.0, 1.0], [0.0, 0.0]]))
      0.5

    References:
      Burda et al., *Importance weighted autoencoders*, ICLR 2016, section 5.2.
    """
    variances = np.var(codes, axis=0, dtype=np.float64)  # in 32 bits, a constant varies by rounding
    return float(np.mean(variances > threshold * (variances.max() if scale is None else scale)))
