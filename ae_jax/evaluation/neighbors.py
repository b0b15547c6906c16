"""The nearest rows of a database, exactly: candidates found on the device, settled in double precision."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from ae_jax._checks import positive_whole
from ae_jax.data import as_examples
from ae_jax.errors import InvalidInput, unknown

Rows = Num[np.ndarray, "_ _"] | Bool[np.ndarray, "_ _"]

METRICS_OF_DISTANCE = ("euclidean", "cosine", "hamming")
"""Distances by name."""

_QUERIES, _ROWS = 1024, 4096
"""How many queries and database rows meet at a time: 16 MiB of distances."""
_SPARE = 16
"""How many more candidates than neighbours the device finds, for the host to choose from."""
_SETTLED = 1 << 22
"""How many numbers the host holds at a time while it settles the order of candidates."""
_HELD = 1 << 24
"""How many candidates of all queries are held at a time, where ties call for more than the first of them."""


class Neighbors(NamedTuple):
    """The nearest database rows of each query, nearest first.

    Attributes:
      indices: of the rows in the database, ``[queries, k]``.
      distances: to them, ``[queries, k]``, 32-bit floats.
    """

    indices: Int[np.ndarray, "queries k"]
    distances: Float[np.ndarray, "queries k"]


def search(
    queries: Rows, database: Rows, *, k: int, metric: str = "euclidean", exclude_self: bool = False
) -> Neighbors:
    r"""The k nearest database rows of each query, exactly.

    .. math:: \|a - b\|, \qquad 1 - \frac{a^\top b}{\|a\| \|b\|}, \qquad |\{j : a_j \ne b_j\}|

    One compiled program finds candidates, a chunk of queries against a chunk of rows at a time, from
    :math:`\|a\|^2 + \|b\|^2 - 2 a^\top b` of centred data in 32 bits. That cancels between near rows, so distances of
    the candidates are computed anew in double precision, from differences, and where rounding could have hidden a
    nearer row, more candidates are found. Rows whose distances are the same 32-bit number are in the order of their
    index, as by a stable sort.

    Args:
      queries: ``[queries, units]``.
      database: ``[rows, units]``; the device sees a chunk at a time, and need not hold it.
      k: how many neighbours.
      metric: ``"euclidean"``; ``"cosine"``, which is 1 to a row of zeros and rounded to twelve decimals; or
        ``"hamming"``, the number of bits that differ between binary codes (:func:`ae_jax.evaluation.binarise`).
      exclude_self: the queries are the database, and no row is its own neighbour (others that equal it are).

    Returns:
      Indices and distances, each ``[queries, k]``.

    Raises:
      InvalidInput: an unknown metric, rows of different widths, fewer rows than neighbours, NaN or infinity, codes for
        ``"hamming"`` that are not binary, or queries that are not the database where it excludes them.

    Example:
      >>> database = np.array([[0.0], [2.0], [3.0], [2.0]])
      >>> search(np.array([[1.75]]), database, k=3)
      Neighbors(indices=array([[1, 3, 2]]), distances=array([[0.25, 0.25, 1.25]], dtype=float32))

    References:
      Johnson et al., *Billion-scale similarity search with GPUs*, IEEE Transactions on Big Data 2021, section 4 (exact
      search by blocks).
    """
    if metric not in METRICS_OF_DISTANCE:
        raise unknown("metric of search", metric, METRICS_OF_DISTANCE)
    queries, database = as_examples(queries, "queries"), as_examples(database, "the database")
    k = positive_whole("search", "k", k)
    _require_searchable(queries, database, k, exclude_self)
    if metric == "hamming":
        _require_binary(queries, database)
    geometry = _geometry(queries, database, metric)
    rows = len(database) - exclude_self
    found = Neighbors(np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32))
    pending, width = np.arange(len(queries)), min(k + _SPARE, rows)
    while len(pending):
        uncertain = []
        # With many ties the candidates of one query may come to be all rows.
        for block in _blocks(pending, max(16, _HELD // width)):
            seen, own = queries[block], block if exclude_self else None
            candidates, values = _candidates(seen, database, geometry, width, own)
            indices, distances = _settled(seen, database, candidates, metric)
            found.indices[block], found.distances[block] = indices[:, :k], distances[:, :k]
            if width < rows:
                uncertain.append(block[~_certain(seen, geometry, values[:, -1], distances[:, k - 1], metric)])
        pending, width = np.concatenate(uncertain) if uncertain else pending[:0], min(2 * width, rows)
    return found


def _blocks(places: np.ndarray, size: int) -> list[np.ndarray]:
    return [places[start : start + size] for start in range(0, len(places), size)]


def _require_searchable(queries: np.ndarray, database: np.ndarray, k: int, exclude_self: bool) -> None:
    for name, rows in (("queries have", queries), ("the database has", database)):
        if rows.ndim != 2:
            raise InvalidInput(f"{name} shape {rows.shape}: expected [rows, units]; flatten the features.")
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


def _require_binary(*codes: np.ndarray) -> None:
    for rows in codes:
        if rows.dtype != np.uint8 or rows.max() > 1:
            raise InvalidInput(
                "Hamming search was given codes that were never binarised: expected truth values, or bytes 0 and 1; "
                "use binarise."
            )


class _Geometry(NamedTuple):
    """How rows become what the device sees: moved, scaled by a power of two, or divided by their norms."""

    centre: np.ndarray
    scale: float
    unit: bool

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        if self.unit:
            return _unit(rows).astype(np.float32)
        return (rows.astype(np.float32) - self.centre[None]) * np.float32(self.scale)

    def squared_norms(self, moved: np.ndarray) -> np.ndarray:
        # A row of zeros counts as a unit vector that is orthogonal to all, at cosine distance 1.
        return np.ones(len(moved), np.float32) if self.unit else np.einsum("nd,nd->n", moved, moved)


def _geometry(queries: np.ndarray, database: np.ndarray, metric: str) -> _Geometry:
    """Centres Euclidean data at values that occur in them, so that rows on a grid stay on it and their ties exact.

    The power of two keeps squares of any data within 32 bits.
    """
    centre = np.zeros(database.shape[1], np.float32)
    if metric != "euclidean":
        return _Geometry(centre, 1.0, metric == "cosine")
    some = database[:: max(1, len(database) // 512)]
    centre = np.partition(some, len(some) // 2, axis=0)[len(some) // 2].astype(np.float32)
    extremes = np.stack([extreme(rows, axis=0) for rows in (queries, database) for extreme in (np.min, np.max)])
    reach = np.max(np.abs(extremes.astype(np.float64) - centre[None]))
    # Within the exponents that a 32-bit scale has.
    return _Geometry(centre, 2.0 ** -min(max(math.frexp(reach)[1], -126), 126), False)


def _candidates(
    queries: np.ndarray, database: np.ndarray, geometry: _Geometry, width: int, own: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Indices and squared distances in 32 bits of the nearest rows of each query, ``[queries, width]``, nearest first.

    Chunks are padded to one size. Padding and a query's own row are infinitely far: as there are ``width`` rows that
    are neither, none of them is among the results.
    """
    height, depth = _chunk(len(queries), _QUERIES), _chunk(len(database), _ROWS)
    positions = np.full(len(queries), -1) if own is None else own
    parts = []
    for start in range(0, len(queries), height):
        moved = geometry(queries[start : start + height])
        parts.append(
            (
                jnp.asarray(_padded(moved, height)),
                jnp.asarray(_padded(geometry.squared_norms(moved), height)),
                jnp.asarray(_padded(positions[start : start + height].astype(np.int32), height)),
            )
        )
    best = [(jnp.full((height, width), jnp.inf, jnp.float32), jnp.zeros((height, width), jnp.int32)) for _ in parts]
    for start in range(0, len(database), depth):
        moved = geometry(database[start : start + depth])
        norms = _padded(geometry.squared_norms(moved), depth, np.inf)
        rows = (jnp.asarray(_padded(moved, depth)), jnp.asarray(norms), jnp.int32(start))
        best = [_merged(*found, *part, *rows) for found, part in zip(best, parts, strict=True)]
    values, indices = (np.concatenate([np.asarray(one[place]) for one in best])[: len(queries)] for place in (0, 1))
    return indices, values


@partial(jax.jit, donate_argnums=(0, 1))
def _merged(
    values: Float[Array, "queries width"],
    indices: Int[Array, "queries width"],
    queries: Float[Array, "queries units"],
    query_norms: Float[Array, " queries"],
    positions: Int[Array, " queries"],
    rows: Float[Array, "rows units"],
    row_norms: Float[Array, " rows"],
    start: Int[Array, ""],
) -> tuple[Float[Array, "queries width"], Int[Array, "queries width"]]:
    """The nearest so far and a chunk's, merged; ``top_k`` takes the first of equals, which has the lower index."""
    # Tensor cores would round the factors to ten bits.
    products = jnp.matmul(queries, rows.T, precision=jax.lax.Precision.HIGHEST)
    distances = query_norms[:, None] + row_norms[None, :] - 2.0 * products
    places = start + jnp.arange(len(rows), dtype=jnp.int32)
    distances = jnp.where(places[None, :] == positions[:, None], jnp.inf, distances)
    # Rounding may bring equal rows below zero, which is no order among them.
    nearest, order = jax.lax.top_k(-jnp.maximum(distances, 0.0), min(values.shape[1], len(rows)))
    merged, choice = jax.lax.top_k(jnp.concatenate([-values, nearest], axis=1), values.shape[1])
    return -merged, jnp.take_along_axis(jnp.concatenate([indices, places[order]], axis=1), choice, axis=1)


def _settled(
    queries: np.ndarray, database: np.ndarray, candidates: np.ndarray, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates and their distances, in the order of distance and then of index."""
    distances = np.empty(candidates.shape, np.float32)
    height = max(1, _SETTLED // (candidates.shape[1] * queries.shape[1]))
    for start in range(0, len(queries), height):
        part = slice(start, start + height)
        distances[part] = _distances(queries[part], database[candidates[part]], metric)
    order = np.lexsort((candidates, distances), axis=1)
    return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(distances, order, axis=1)


def _distances(queries: np.ndarray, rows: np.ndarray, metric: str) -> np.ndarray:
    """Of each query to rows of its own, ``[queries, units]`` and ``[queries, rows, units]``, in double precision."""
    if metric == "cosine":
        cosine = np.einsum("qd,qkd->qk", _unit(queries), _unit(rows))
        # To twelve decimals, so that rows of one direction tie whatever the rounding of their norms.
        return np.maximum(np.round(1.0 - cosine, 12), 0.0)
    differences = rows.astype(np.float64) - queries[:, None, :]
    squared = np.einsum("qkd,qkd->qk", differences, differences)
    return squared if metric == "hamming" else np.sqrt(squared)


def _certain(
    queries: np.ndarray, geometry: _Geometry, farthest: np.ndarray, distances: np.ndarray, metric: str
) -> np.ndarray:
    r"""Whether no row outside of the candidates can be among the k nearest of each query.

    Those rows are at least as far as the farthest candidate, by squared distances in 32 bits. The error of such a
    squared distance is at most about :math:`d u (\|a\|^2 + \|b\|^2)`, u half the machine epsilon and d the number of
    units (Higham, *Accuracy and stability of numerical algorithms*, 2002, section 3.1), and a row within reach has
    :math:`\|b\| \le \|a\| + \|a - b\|`.
    """
    if metric == "hamming":
        return np.ones(len(queries), bool)  # whole numbers are exact
    squared = 2.0 * distances.astype(np.float64)
    reach = np.full(len(queries), 2.0)
    if metric == "euclidean":
        scaled = distances.astype(np.float64) * geometry.scale
        squared = np.square(scaled)
        norms = np.sqrt(geometry.squared_norms(geometry(queries)).astype(np.float64))
        reach = np.square(norms) + np.square(norms + scaled)
    error = (queries.shape[1] + 16) * 2.0**-24 * reach
    return squared + error <= farthest


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows over their norms, in double precision; zeros stay."""
    wide = rows.astype(np.float64)
    norms = np.sqrt(np.einsum("...d,...d->...", wide, wide))[..., None]
    return np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0)


def _chunk(count: int, most: int) -> int:
    """A power of two that holds the rows, so that few sizes are compiled, or the most."""
    return min(most, max(16, 1 << (count - 1).bit_length()))


def _padded(rows: np.ndarray, size: int, value: Any = 0) -> np.ndarray:
    return np.concatenate([rows, np.full((size - len(rows), *rows.shape[1:]), value, rows.dtype)])
