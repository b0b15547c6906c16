import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.evaluation import neighbors
from ae_jax.evaluation.neighbors import search

METRICS = ["euclidean", "cosine", "hamming"]


def by_brute_force(queries, database, k, metric, exclude_self=False):
    """All distances in double precision, as 32-bit floats, and NumPy's stable sort."""
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
    indices = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return indices, np.take_along_axis(distances, indices, axis=1)


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
    rows = 70
    database = codes_of(metric, 0, rows)
    queries = database if exclude_self else codes_of(metric, 1, 37)
    found = search(queries, database, k=5, metric=metric, exclude_self=exclude_self)
    indices, distances = by_brute_force(queries, database, 5, metric, exclude_self)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6, atol=1e-12)
    assert found.distances.dtype == np.float32
    assert not (exclude_self and (found.indices == np.arange(rows)[:, None]).any())


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("exclude_self", [False, True])
def test_ties_are_in_the_order_of_their_index(metric, exclude_self):
    # 70 copies of few rows that no grid holds: more ties than spare candidates, in every chunk.
    rng = np.random.default_rng(2)
    kinds = codes_of(metric, 3, 4)
    database = kinds[rng.integers(4, size=70)]
    queries = database if exclude_self else kinds
    found = search(queries, database, k=30, metric=metric, exclude_self=exclude_self)
    indices, distances = by_brute_force(queries, database, 30, metric, exclude_self)
    assert (np.diff(distances, axis=1) == 0).mean() > 0.8
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6, atol=1e-12)


@pytest.mark.usefixtures("chunked")
@pytest.mark.parametrize(("offset", "width"), [(0.0, 1e-25), (0.0, 1e37), (3e3, 1e-2)])
def test_neither_the_scale_nor_the_place_of_data_costs_exactness(offset, width):
    # Squares of 1e25 leave 32 bits, those of 1e-25 vanish in them, and 3e3^2 hides a difference of 1e-4.
    rng = np.random.default_rng(5)
    queries, database = ((offset + width * rng.normal(size=(rows, 6))).astype(np.float32) for rows in (20, 60))
    found = search(queries, database, k=5)
    indices, distances = by_brute_force(queries, database, 5, "euclidean")
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6)


def test_rows_of_zeros_are_at_cosine_distance_one_from_all():
    rows = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [2.0, 0.0]], np.float32)
    found = search(rows, rows, k=5, metric="cosine")
    np.testing.assert_array_equal(found.indices[0], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(found.distances[0], np.ones(5))
    # Rows of one direction tie, whatever their length; the opposite one is at 2.
    np.testing.assert_array_equal(found.indices[1], [1, 4, 0, 3, 2])
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
