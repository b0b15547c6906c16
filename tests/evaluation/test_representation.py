import numpy as np
import pytest
from scipy import optimize, special, stats

from ae_jax import InvalidInput
from ae_jax.evaluation import active_fraction, knn_accuracy, linear_probe_accuracy
from ae_jax.evaluation.representation import (
    clustering_agreement,
    code_correlation,
    continuity,
    label_hits,
    trustworthiness,
)


def label_accuracies(*given) -> dict[str, float]:
    return {name: float(np.mean(hits)) for name, hits in label_hits(*given).items()}


@pytest.fixture(scope="module")
def clouds():
    """Codes of three overlapping classes, to train on and to ask about."""
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]])

    def draw(count):
        labels = rng.integers(3, size=count)
        return (centres[labels] + rng.normal(size=(count, 2))).astype(np.float32), labels

    return *draw(80), *draw(200)


def test_a_linear_probe_is_softmax_regression_on_standardised_codes(clouds):
    train, train_labels, codes, labels = clouds
    mean, scale = train.mean(axis=0), train.std(axis=0)
    standard = (train - mean) / scale

    def objective(flat):
        # Scikit-learn's with C = 1: half the squared weights and the summed negative log-likelihood.
        weights, bias = flat[:6].reshape(2, 3), flat[6:]
        logits = special.log_softmax(standard @ weights + bias, axis=1)
        return 0.5 * np.sum(weights**2) - logits[np.arange(len(train)), train_labels].sum()

    solved = optimize.minimize(objective, np.zeros(9), method="BFGS").x
    named = np.argmax((codes - mean) / scale @ solved[:6].reshape(2, 3) + solved[6:], axis=1)
    expected = np.mean(named == labels)
    assert 0.5 < expected < 0.9
    # Two optimisers may disagree on an example that lies on a boundary.
    assert abs(linear_probe_accuracy(train, train_labels, codes, labels) - expected) <= 1 / len(codes)


def test_a_linear_probe_of_one_class_is_refused(clouds):
    with pytest.raises(InvalidInput, match=r"linear probe was given labels of one class: expected at least two"):
        linear_probe_accuracy(clouds[0], np.zeros(80, int), clouds[2], clouds[3])


@pytest.mark.parametrize("neighbors", [1, 5])
def test_nearest_neighbours_vote_as_by_brute_force(neighbors, clouds):
    train, train_labels, codes, labels = clouds
    distances = np.linalg.norm(codes[:, None, :] - train[None, :, :], axis=2)
    nearest = train_labels[np.argsort(distances, axis=1)[:, :neighbors]]
    named = [np.bincount(votes, minlength=3).argmax() for votes in nearest]
    expected = np.mean(np.array(named) == labels)
    assert 0.4 < expected < 0.9
    assert knn_accuracy(train, train_labels, codes, labels, neighbors=neighbors) == expected


def test_fewer_codes_than_neighbours_are_refused(clouds):
    with pytest.raises(InvalidInput, match=r"4 training codes for 5 neighbours: give more codes, or fewer"):
        knn_accuracy(clouds[0][:4], clouds[1][:4], clouds[2], clouds[3])
    assert knn_accuracy(clouds[0][:4], np.zeros(4, int), clouds[2], clouds[3] * 0, neighbors=4) == 1.0


def test_active_units_are_those_with_a_hundredth_of_the_largest_variance():
    standard = np.array([-1.0, 1.0, -1.0, 1.0], np.float32)
    # Variances 4, 0.0441, 0.0361 and 0: the threshold is at 0.04.
    codes = np.stack([2 * standard, 0.21 * standard, 0.19 * standard, np.full(4, 3.0, np.float32)], axis=1)
    assert active_fraction(codes) == 0.5
    assert active_fraction(1000 * codes) == 0.5
    assert active_fraction(np.full((50, 4), 0.7, np.float32)) == 0.0


def test_a_prior_s_scale_is_the_criterion_of_burda():
    # Burda et al. 2016, section 5.2: a unit is active where Cov_x(E_q[u]) > 0.01, whatever the other units do.
    standard = np.array([-1.0, 1.0, -1.0, 1.0], np.float32)
    codes = np.stack([100 * standard, 0.11 * standard, 0.09 * standard], axis=1)
    assert active_fraction(codes, scale=1.0) == pytest.approx(2 / 3)
    assert active_fraction(codes) == pytest.approx(1 / 3)
    assert active_fraction(codes[:, 2:], scale=1.0) == 0.0


def test_clusters_agree_with_classes_that_lie_apart_and_not_with_others(clouds):
    train, labels, _, _ = clouds
    apart = train + 100 * np.stack([labels, labels % 2], axis=1).astype(np.float32)
    assert clustering_agreement(apart, labels) == {"kmeans_nmi": pytest.approx(1), "kmeans_ari": pytest.approx(1)}
    assert clustering_agreement(apart, labels.astype(str)) == clustering_agreement(apart, labels)
    by_chance = clustering_agreement(apart, np.random.default_rng(3).permutation(labels))
    assert by_chance["kmeans_nmi"] < 0.1
    assert abs(by_chance["kmeans_ari"]) < 0.1


def test_clusters_without_classes_are_refused(clouds):
    with pytest.raises(InvalidInput, match="labels of one class: expected at least two classes"):
        clustering_agreement(clouds[0], np.zeros(80, int))
    with pytest.raises(InvalidInput, match="79 labels were given for 80 codes: expected one for each"):
        clustering_agreement(clouds[0], clouds[1][1:])


def ranks(points):
    """Rank of each example among the distances from each, 0 of itself."""
    return np.argsort(np.argsort(np.linalg.norm(points[:, None] - points[None], axis=2), axis=1), axis=1)


def false_neighbours(true, seen, neighbors):
    """Venna and Kaski 2001, eq. 2: one less what neighbours that are seen cost by their true ranks."""
    n, cost = len(true), 0
    for i in range(n):
        for j in range(n):
            if 1 <= seen[i, j] <= neighbors < true[i, j]:
                cost += true[i, j] - neighbors
    return 1 - 2 * cost / (n * neighbors * (2 * n - 3 * neighbors - 1))


@pytest.mark.parametrize("neighbors", [5])
def test_trustworthiness_and_continuity_are_of_ranks(neighbors):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3, 2))
    codes = (x.reshape(40, 6)[:, :2] + 0.5 * rng.normal(size=(40, 2))).astype(np.float32)
    in_data, in_code = ranks(x.reshape(40, 6)), ranks(codes.astype(float))
    trust, kept = (measure(x, codes, neighbors=neighbors) for measure in (trustworthiness, continuity))
    assert trust == pytest.approx(false_neighbours(in_data, in_code, neighbors))
    assert kept == pytest.approx(false_neighbours(in_code, in_data, neighbors))
    assert abs(trust - kept) > 1e-3
    assert 0.5 < trust < 0.98


@pytest.mark.parametrize("measure", [trustworthiness, continuity])
def test_examples_beyond_the_limit_are_left_out_evenly(measure, monkeypatch):
    x = np.random.default_rng(0).normal(size=(101, 4))
    codes, rows = x[:, :2] ** 3, range(0, 100, 5)
    whole, some = measure(x, codes), measure(x[rows], codes[rows])
    monkeypatch.setattr("ae_jax.evaluation.representation._LIMIT", 20)
    assert measure(x, codes) == some != whole


@pytest.mark.parametrize("measure", [trustworthiness, continuity])
def test_neighbourhoods_that_are_too_large_are_refused(measure):
    x = np.random.default_rng(0).normal(size=(20, 3))
    name = measure.__name__
    with pytest.raises(InvalidInput, match=f"{name} was given 10 neighbours for 20 examples: expected fewer than"):
        measure(x, x, neighbors=10)
    with pytest.raises(InvalidInput, match=f"{name} was given 19 codes for 20 examples: expected one for each"):
        measure(x, x[1:])
    with pytest.raises(InvalidInput, match=f"{name} was given neighbors=0: expected a whole number above zero"):
        measure(x, x, neighbors=0)


def test_code_correlation_is_of_different_units_that_vary():
    rng = np.random.default_rng(0)
    codes = (rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4)) * [1, 1e-3, 1e3, 1] + 5).astype(np.float32)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    expected = np.mean([abs(stats.pearsonr(codes[:, i], codes[:, j]).statistic) for i, j in pairs])
    assert 0.1 < expected < 0.9
    assert code_correlation(codes) == pytest.approx(expected, rel=1e-5)
    dead = np.insert(codes, 2, np.float32(0.1), axis=1)
    assert code_correlation(dead) == code_correlation(codes)


def test_code_correlation_of_copies_is_one_and_of_fewer_than_two_units_zero():
    unit = np.random.default_rng(0).normal(size=(50, 1)).astype(np.float32)
    assert code_correlation(np.hstack([unit, -3 * unit, unit + 1])) == pytest.approx(1.0, abs=1e-6)
    assert code_correlation(unit) == 0.0
    assert code_correlation(np.hstack([unit, np.ones_like(unit)])) == 0.0
    assert code_correlation(np.ones((50, 3), np.float32)) == 0.0
    # Orthogonal contrasts.
    assert code_correlation(np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])) == 0.0


def test_codes_that_are_not_finite_know_nothing():
    codes, labels = np.repeat([[0.0], [np.nan]], 4, axis=0), np.repeat([0, 1], 4)
    found = label_accuracies(codes, labels, codes, labels)
    assert list(found) == ["linear_probe_accuracy", "knn_accuracy"]
    assert np.isnan(list(found.values())).all()


@pytest.mark.parametrize("kind", [float, "S1", object])
def test_labels_of_any_type_may_name_classes(kind):
    codes, classes = np.repeat([[0.0], [1.0]], 4, axis=0), np.repeat([0, 1], 4).astype(kind)
    assert label_accuracies(codes, classes, codes, classes) == {"linear_probe_accuracy": 1.0, "knn_accuracy": 1.0}


CLASSES = np.repeat([0, 1], 4)


@pytest.mark.parametrize(
    ("train", "labels"),
    [
        (None, CLASSES),
        (CLASSES / 3, CLASSES),
        (np.where(CLASSES, np.nan, 1.0), CLASSES),
        (np.zeros(8, int), CLASSES),
        (CLASSES, CLASSES + 2),
        (np.arange(8), np.arange(8)),
    ],
)
def test_labels_that_are_not_classes_have_no_accuracy(train, labels):
    codes = np.repeat([[0.0], [1.0]], 4, axis=0)
    assert label_accuracies(codes, train, codes, labels) == {}
    assert label_accuracies(codes[:4], CLASSES[2:6], codes, CLASSES) == {}  # fewer rows than neighbours
