import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from ae_jax import InvalidInput
from ae_jax.evaluation.neighbors import search
from ae_jax.evaluation.retrieval import (
    RandomHyperplanes,
    average_precision_at,
    binarise,
    retrieval_metrics,
    thresholds_of,
)


def test_bits_are_on_for_half_of_the_database():
    codes = np.random.default_rng(0).normal(size=(100, 5)).astype(np.float32) * np.arange(1, 6, dtype=np.float32)[None]
    bits = binarise(codes, thresholds_of(codes))
    assert bits.dtype == bool
    np.testing.assert_array_equal(bits.sum(axis=0), [50] * 5)
    np.testing.assert_array_equal(bits[:, 0], codes[:, 0] > np.median(codes[:, 0]))


@pytest.mark.usefixtures("unchecked")
def test_thresholds_of_other_codes_are_refused():
    with pytest.raises(InvalidInput, match=r"codes of 3 units were given thresholds of shape \(2,\): expected one a"):
        binarise(np.zeros((4, 3)), np.zeros(2))


def test_planes_part_examples_by_their_angle_from_the_mean():
    # Charikar 2002: a bit differs with probability angle / pi.
    angles = np.array([0.0, 0.3, 1.2, 2.5])
    x = 5.0 + np.concatenate([sign * np.stack([np.cos(angles), np.sin(angles)], axis=1) for sign in (1, -1)])
    bits = RandomHyperplanes.fit(x, 20_000, seed=1).encode(x)
    for other in (1, 2, 3):
        share, expected = np.mean(bits[0] != bits[other]), angles[other] / np.pi
        assert abs(share - expected) < 4 * (expected * (1 - expected) / 20_000) ** 0.5
    np.testing.assert_array_equal(bits[:4], ~bits[4:])


def test_average_precision_of_the_whole_ranking_is_scikit_learn_s():
    rng = np.random.default_rng(0)
    queries, database = rng.normal(size=(12, 3)).astype(np.float32), rng.normal(size=(40, 3)).astype(np.float32)
    relevant = rng.random((12, 40)) < 0.2
    found = search(queries, database, k=40)
    ranked = np.take_along_axis(relevant, found.indices, axis=1)
    scores = -np.linalg.norm(queries[:, None] - database[None], axis=2)
    expected = [average_precision_score(*pair) for pair in zip(relevant, scores, strict=True)]
    np.testing.assert_allclose(average_precision_at(ranked, relevant.sum(axis=1)), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("relevant", "total", "expected"),
    [
        # Precision at the relevant places is 1, 2/3 and 3/5; four are relevant.
        ([1, 0, 1, 0, 1], 4, (1 + 2 / 3 + 3 / 5) / 4),
        # Of a thousand relevant items five results can hold five.
        ([1, 1, 1, 1, 1], 1000, 1.0),
        ([0, 0, 0, 0, 1], 1000, 1 / 25),
        ([0, 0, 0, 0, 0], 3, 0.0),
    ],
)
def test_average_precision_at_five_by_hand(relevant, total, expected):
    found = average_precision_at(np.array([relevant], bool), np.array([total]))
    np.testing.assert_allclose(found, [expected], rtol=1e-12)


def test_average_precision_of_nothing_relevant_is_no_number():
    found = average_precision_at(np.array([[False], [True]]), np.array([0, 1]))
    np.testing.assert_array_equal(found, [np.nan, 1.0])


@pytest.mark.parametrize("exclude_self", [False, True])
def test_metrics_are_those_of_a_loop_over_queries(exclude_self):
    rng = np.random.default_rng(1)
    database = rng.normal(size=(60, 2)).astype(np.float32)
    labels = rng.integers(5, size=60)
    labels[7] = 99  # nothing else has it
    found = search(database, database, k=9, exclude_self=exclude_self)
    precisions, fractions, recalls = [], [], []
    for query in range(60):
        others = sum(labels[row] == labels[query] for row in range(60) if row != query or not exclude_self)
        if others:
            hits = [labels[row] == labels[query] for row in found.indices[query, :6]]
            ranks = [sum(hits[: place + 1]) / (place + 1) for place in range(6) if hits[place]]
            precisions.append(sum(ranks) / min(others, 6))
            fractions.append(sum(hits) / 6)
            recalls.append(sum(hits) / others)
    names = labels.astype(str)
    metrics = retrieval_metrics(found.indices, names, names, k=6, exclude_self=exclude_self)
    assert metrics == pytest.approx(
        {
            "map_at_k": np.mean(precisions),
            "precision_at_k": np.mean(fractions),
            "recall_at_k": np.mean(recalls),
            "queries_left_out": float(exclude_self),
        }
    )


def test_codes_without_information_have_the_base_rate_also_where_classes_are_sorted():
    rows, classes = 600, 10
    labels = np.repeat(np.arange(classes), rows // classes)
    codes = np.ones((rows, 8), bool)
    found = retrieval_metrics(search(codes, codes, k=rows, metric="hamming").indices, labels, labels, k=rows)
    # Of a random order, an item at place i is relevant with probability p, and so is each of those before it, which
    # leave R - 1 of n - 1: the mean of AP is the base rate p and what the item adds to its own precision.
    others = (rows // classes - 1) / (rows - 1)
    expected = others + (1 - others) * np.mean(1 / np.arange(1, rows + 1))
    assert abs(expected - 1 / classes) < 0.011
    assert found["map_at_k"] == pytest.approx(expected, rel=0.01)
    first = retrieval_metrics(search(codes, codes, k=20, metric="hamming").indices, labels, labels, k=20)
    assert first["precision_at_k"] == pytest.approx(1 / classes, rel=0.05)


def test_metrics_of_labels_that_do_not_fit_are_refused():
    indices, labels = np.array([[0, 1], [1, 0]]), np.array(["a", "b"])
    with pytest.raises(InvalidInput, match="given 2 neighbours a query for k=3: find more"):
        retrieval_metrics(indices, labels, labels, k=3)
    with pytest.raises(
        InvalidInput, match="no query shares its label with a database row: expected labels of the same"
    ):
        retrieval_metrics(indices, np.array(["c", "d"]), labels, k=2)
    with pytest.raises(
        InvalidInput, match=r"labels of the database are missing .* for 1 examples, the first at index 1"
    ):
        retrieval_metrics(indices, np.array([0.0, 1.0]), np.array([0.0, np.nan]), k=2)
