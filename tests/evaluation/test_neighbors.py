import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.evaluation import neighbors
from ae_jax.evaluation.neighbors import search

METRICS = ["euclidean", "cosine", "hamming"]


def all_distances(queries, database, metric, exclude_self=False):
    """Distances in double precision, as 32-bit floats."""
    a, b = queries.astype(np.float64)[:, None], database.astype(np.float64)[None]
    if metric == "hamming":
        distances = (a != b).sum(axis=2)
    elif metric == "euclidean":
        distances = np.sqrt(np.square(a - b).sum(axis=2))
    else:
        lengths = np.linalg.norm(a, axis=2) * np.linalg.norm(b, axis=2)
        distances = 1 - np.where(lengths > 0, (a * b).sum(axis=2) / np.where(lengths > 0, lengths, 1), 0)
        distances = np.round(distances, 12)
    distances = distances.astype(np.float32)
    if exclude_self:
        np.fill_diagonal(distances, np.inf)
    return distances


def require_nearest(found, distances, k):
    """Fails where these are not k rows at the k smallest distances, nearest first."""
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :k], rtol=1e-6, atol=1e-12)
    of_indices = np.take_along_axis(distances, found.indices, axis=1)
    np.testing.assert_allclose(found.distances, of_indices, rtol=1e-6, atol=1e-12)
    assert all(len(set(indices)) == k for indices in found.indices)
    assert found.distances.dtype == np.float32


def codes_of(metric, seed, rows):
    rng = np.random.default_rng(seed)
    return rng.random((rows, 6)) < 0.5 if metric == "hamming" else rng.normal(size=(rows, 6)).astype(np.float32)


@pytest.fixture
def chunked(monkeypatch):
    """Few queries at a time, so that small data take several blocks."""
    monkeypatch.setattr(neighbors, "_BLOCK", 500)


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("exclude_self", [False, True])
def test_neighbours_are_those_of_brute_force_whatever_the_chunks(metric, exclude_self):
    database = codes_of(metric, 0, 70)
    queries = database if exclude_self else codes_of(metric, 1, 37)
    found = search(queries, database, k=5, metric=metric, exclude_self=exclude_self)
    require_nearest(found, all_distances(queries, database, metric, exclude_self), 5)


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("exclude_self", [False, True])
def test_ties_are_in_random_order_that_a_repetition_keeps(metric, exclude_self):
    # 70 copies of few rows that no grid holds: more ties than spare candidates, in every chunk.
    rng = np.random.default_rng(2)
    database = codes_of(metric, 3, 4)[np.sort(rng.integers(4, size=70))]
    found = search(database, database, k=30, metric=metric, exclude_self=exclude_self)
    require_nearest(found, all_distances(database, database, metric, exclude_self), 30)
    assert (np.diff(found.distances, axis=1) == 0).mean() > 0.8
    again = search(database, database, k=30, metric=metric, exclude_self=exclude_self)
    np.testing.assert_array_equal(found.indices, again.indices)
    # Of two neighbours that tie, the second is as often before the first in the database as behind it.
    tied = np.diff(found.distances, axis=1) == 0
    assert abs(np.mean(np.diff(found.indices, axis=1)[tied] > 0) - 0.5) < 0.05


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize(("offset", "width"), [(0.0, 1e-25), (0.0, 1e37), (3e3, 1e-2)])
def test_neither_the_scale_nor_the_place_of_data_costs_exactness(offset, width):
    # Squares of 1e25 leave 32 bits, those of 1e-25 vanish in them, and 3e3^2 hides a difference of 1e-4.
    rng = np.random.default_rng(5)
    queries, database = ((offset + width * rng.normal(size=(rows, 6))).astype(np.float32) for rows in (20, 60))
    found = search(queries, database, k=5)
    np.testing.assert_array_equal(found.indices, np.argsort(all_distances(queries, database, "euclidean"))[:, :5])


def test_rows_of_zeros_are_at_cosine_distance_one_from_all():
    rows = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [2.0, 0.0]], np.float32)
    found = search(rows, rows, k=5, metric="cosine")
    np.testing.assert_array_equal(found.distances[0], np.ones(5))
    # Rows of one direction tie, whatever their length; the opposite one is at 2.
    assert [set(found.indices[1, part]) for part in (slice(2), slice(2, 4), slice(4, 5))] == [{1, 4}, {0, 3}, {2}]
    np.testing.assert_array_equal(found.distances[1], [0, 0, 1, 1, 2])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("queries", "database", "settings", "sentence"),
    [
        ((2, 3), (4, 2), {"k": 1}, "queries have 3 units and the database 2: expected codes of one width"),
        ((2, 3), (4, 3), {"k": 5}, "fewer rows than neighbours: 4 for k=5; give more rows, or a smaller k"),
        ((4, 3), (4, 3), {"k": 4, "exclude_self": True}, "fewer rows than neighbours: 3 other than the query for k=4"),
        ((2, 3), (4, 3), {"k": 1, "exclude_self": True}, "2 queries and 4 database rows: expected the database as"),
        ((2, 3), (4, 3), {"k": 1, "metric": "cosin"}, "unknown metric of search 'cosin': did you mean 'cosine'"),
        ((2, 3), (4, 3), {"k": 1, "metric": "hamming"}, "given codes that are not binary: .*; use binarise"),
        ((2, 3), (4, 3), {"k": 0}, "search was given k=0: expected a whole number above zero"),
        ((2, 3, 3), (4, 3), {"k": 1}, r"queries have shape \(2, 3, 3\): expected \[rows, units\]; flatten"),
    ],
)
def test_what_cannot_be_searched_is_refused(queries, database, settings, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        search(np.full(queries, 0.5), np.full(database, 0.5), **settings)


def test_nan_and_bytes_that_are_no_bits_are_refused():
    with pytest.raises(InvalidInput, match=r"queries has 1 NaN or infinite values, the first at index \(0, 1\)"):
        search(np.array([[0.0, np.nan]]), np.zeros((4, 2)), k=1)
    with pytest.raises(InvalidInput, match="the database has 1 NaN or infinite values"):
        search(np.zeros((4, 2)), np.array([[0.0, np.inf]]), k=1)
    with pytest.raises(InvalidInput, match="are not binary"):
        search(np.zeros((4, 2), np.uint8), np.full((4, 2), 2, np.uint8), k=1, metric="hamming")
    bits = np.array([[0, 1], [1, 1]], np.uint8)
    assert search(bits, bits.astype(bool), k=2, metric="hamming").distances.tolist() == [[0, 1], [0, 1]]
