"""Exact nearest neighbours with ties in random order."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from ae_jax._checks import positive_whole
from ae_jax.data import as_examples
from ae_jax.errors import InvalidInput, unknown

CodeRows = Num[np.ndarray, "_ _"] | Bool[np.ndarray, "_ _"]

DISTANCES = ("euclidean", "cosine", "hamming")
"""Distances by name."""

_BLOCK = 1 << 24
"""Number of distances that are held at a time."""


class Neighbors(NamedTuple):
    """The nearest database rows of each query, nearest first.

    Attributes:
      indices: of the rows in the database, ``[queries, k]``.
      distances: to them, ``[queries, k]``, 32-bit floats.
    """

    indices: Int[np.ndarray, "queries k"]
    distances: Float[np.ndarray, "queries k"]


def search(
    queries: CodeRows, database: CodeRows, *, k: int, metric: str = "euclidean", exclude_self: bool = False
) -> Neighbors:
    r"""The k nearest database rows of each query, exactly.

    .. math:: \|a - b\|, \qquad 1 - \frac{a^\top b}{\|a\| \|b\|}, \qquad |\{j : a_j \ne b_j\}|

    Candidates are found by :math:`\|a\|^2 + \|b\|^2 - 2 a^\top b` and ordered by differences, in double precision.
    Rows whose distances are the same 32-bit number, as many are between short binary codes, are in random order, drawn
    for each query by its position: the order of the database, often that of classes, would favour some.

    Args:
      queries: ``[queries, units]``.
      database: ``[rows, units]``.
      k: number of neighbours.
      metric: ``"euclidean"``; ``"cosine"``, which is 1 to a row of zeros and rounded to twelve decimals; or
        ``"hamming"``, the number of bits that differ between binary codes (:func:`ae_jax.evaluation.binarise`).
      exclude_self: the queries are the database, and no row is its own neighbour (others that equal it are).

    Returns:
      Indices and distances, each ``[queries, k]``.

    Raises:
      InvalidInput: an unknown metric, rows of different widths, fewer rows than neighbours, NaN or infinity, codes for
        ``"hamming"`` that are not binary, or queries that are not the database where it excludes them.

    Example:
      >>> database = np.array([[0.0], [2.0], [3.0]])
      >>> search(np.array([[1.75]]), database, k=2)
      Neighbors(indices=array([[1, 2]]), distances=array([[0.25, 1.25]], dtype=float32))
    """
    if metric not in DISTANCES:
        raise unknown("metric of search", metric, DISTANCES)
    queries, database = as_examples(queries, "queries"), as_examples(database, "the database")
    k = positive_whole("search", "k", k)
    _require_searchable(queries, database, k, metric, exclude_self)
    left, right = queries.astype(np.float64), database.astype(np.float64)
    if metric == "cosine":
        left, right = _unit(left), _unit(right)
    centre = right.mean(axis=0)[None] if metric == "euclidean" else np.zeros((1, right.shape[1]))
    moved, centred = left - centre, right - centre
    norms, row_norms = _squares(moved), _squares(centred)
    if metric == "cosine":  # a row of zeros is at cosine distance 1 from all, as if it were orthogonal to them
        norms, row_norms = np.ones_like(norms), np.ones_like(row_norms)
    found = Neighbors(np.empty((len(left), k), np.int64), np.empty((len(left), k), np.float32))
    height = max(1, _BLOCK // len(right))
    for start in range(0, len(left), height):
        part = slice(start, start + height)
        squared = norms[part, None] + row_norms[None] - 2.0 * moved[part] @ centred.T
        if exclude_self:
            squared[np.arange(len(squared)), np.arange(start, start + len(squared))] = np.inf
        last = np.partition(squared, k - 1, axis=1)[:, k - 1 : k]
        rounding = (right.shape[1] + 16) * 2.0**-50 * (norms[part, None] + row_norms.max())
        near = squared <= last * (1.0 + 2.0**-20) + rounding
        for row, (query, candidates) in enumerate(zip(left[part], near, strict=True), start):
            places = np.flatnonzero(candidates)
            distances = _distances(query, right[places], metric)
            order = np.lexsort((np.random.default_rng(row).random(len(places)), distances))[:k]
            found.indices[row], found.distances[row] = places[order], distances[order]
    return found


def _distances(query: np.ndarray, rows: np.ndarray, metric: str) -> np.ndarray:
    """Distances of a query to rows from their differences, as 32-bit floats."""
    if metric == "cosine":
        # To twelve decimals, so that rows of one direction tie whatever the rounding of their norms.
        return np.maximum(np.round(1.0 - np.einsum("d,kd->k", query, rows), 12), 0.0).astype(np.float32)
    squared = _squares(rows - query[None])
    return (squared if metric == "hamming" else np.sqrt(squared)).astype(np.float32)


def _squares(rows: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", rows, rows)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows over their norms; zeros stay."""
    norms = np.sqrt(_squares(rows))[:, None]
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)


def _require_searchable(queries: np.ndarray, database: np.ndarray, k: int, metric: str, exclude_self: bool) -> None:
    for name, rows in (("queries have", queries), ("the database has", database)):
        if rows.ndim != 2:
            raise InvalidInput(f"{name} shape {rows.shape}: expected [rows, units]; flatten the features.")
        if metric == "hamming" and (rows.dtype != np.uint8 or rows.max() > 1):
            raise InvalidInput(
                "Hamming search was given codes that are not binary: expected truth values, or bytes 0 and 1; "
                "use binarise."
            )
    if queries.shape[1] != database.shape[1]:
        raise InvalidInput(
            f"queries have {queries.shape[1]} units and the database {database.shape[1]}: expected codes of one width."
        )
    if exclude_self and len(queries) != len(database):
        raise InvalidInput(
            f"search was given exclude_self=True with {len(queries)} queries and {len(database)} database rows: "
            "expected the database as queries."
        )
    if k > len(database) - exclude_self:
        others = " other than the query" if exclude_self else ""
        raise InvalidInput(
            f"search was given fewer rows than neighbours: {len(database) - exclude_self}{others} for k={k}; "
            "give more rows, or a smaller k."
        )
