import numpy as np
import pytest
from scipy import optimize, special

from ae_jax import InvalidInput
from ae_jax.evaluation import active_fraction, knn_accuracy, linear_probe_accuracy, mean_activation
from ae_jax.evaluation.representation import label_accuracies


@pytest.fixture(scope="module")
def clouds():
    """Codes of three overlapping classes, to train on and to ask about."""
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]])

    def draw(count):
        labels = rng.integers(3, size=count)
        return (centres[labels] + rng.normal(size=(count, 2))).astype(np.float32), labels

    return *draw(80), *draw(200)


def test_a_linear_probe_names_what_a_hyperplane_separates():
    rng = np.random.default_rng(1)
    codes = rng.normal(size=(400, 5)).astype(np.float32)
    side = codes @ np.array([1.0, -2.0, 0.5, 0.0, 3.0], np.float32)
    codes, labels = codes[abs(side) > 0.5], (side > 0)[abs(side) > 0.5].astype(int)
    assert linear_probe_accuracy(codes[:200], labels[:200], codes[200:], labels[200:]) == 1.0


def test_a_linear_probe_cannot_name_what_no_hyperplane_separates():
    # Exclusive or: every hyperplane errs on a quarter at least.
    codes = np.random.default_rng(1).uniform(-1, 1, size=(400, 2)).astype(np.float32)
    labels = (codes[:, 0] * codes[:, 1] > 0).astype(int)
    assert linear_probe_accuracy(codes[:200], labels[:200], codes[200:], labels[200:]) < 0.75
    assert knn_accuracy(codes[:200], labels[:200], codes[200:], labels[200:]) > 0.85


def test_a_linear_probe_of_labels_that_say_nothing_is_at_chance():
    rng = np.random.default_rng(2)
    codes, labels = rng.normal(size=(4000, 4)).astype(np.float32), rng.integers(10, size=4000)
    accuracy = linear_probe_accuracy(codes[:2000], labels[:2000], codes[2000:], labels[2000:])
    assert abs(accuracy - 0.1) < 4 * (0.1 * 0.9 / 2000) ** 0.5


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


def test_a_linear_probe_does_not_mind_the_scale_of_codes(clouds):
    train, train_labels, codes, labels = clouds
    scale, shift = np.array([1e-3, 1e3], np.float32), np.array([5.0, -7e3], np.float32)
    expected = linear_probe_accuracy(train, train_labels, codes, labels)
    rescaled = linear_probe_accuracy(train * scale + shift, train_labels, codes * scale + shift, labels)
    assert abs(rescaled - expected) <= 1 / len(codes)


def test_a_linear_probe_of_one_class_is_refused(clouds):
    with pytest.raises(InvalidInput, match=r"linear probe was given labels of one class: expected at least two"):
        linear_probe_accuracy(clouds[0], np.zeros(80, int), clouds[2], clouds[3])


@pytest.mark.parametrize("neighbors", [1, 5, 7])
def test_nearest_neighbours_vote_as_by_brute_force(neighbors, clouds):
    train, train_labels, codes, labels = clouds
    distances = np.linalg.norm(codes[:, None, :] - train[None, :, :], axis=2)
    nearest = train_labels[np.argsort(distances, axis=1)[:, :neighbors]]
    named = [np.bincount(votes, minlength=3).argmax() for votes in nearest]
    expected = np.mean(np.array(named) == labels)
    assert 0.4 < expected < 0.9
    assert knn_accuracy(train, train_labels, codes, labels, neighbors=neighbors) == expected


def test_five_neighbours_vote_unless_told_otherwise(clouds):
    assert knn_accuracy(*clouds) == knn_accuracy(*clouds, neighbors=5) != knn_accuracy(*clouds, neighbors=1)


def test_fewer_codes_than_neighbours_are_refused(clouds):
    with pytest.raises(InvalidInput, match=r"4 training codes for 5 neighbours: give more codes, or fewer"):
        knn_accuracy(clouds[0][:4], clouds[1][:4], clouds[2], clouds[3])
    assert knn_accuracy(clouds[0][:4], np.zeros(4, int), clouds[2], clouds[3] * 0, neighbors=4) == 1.0


def test_label_accuracies_are_both_by_name_and_none_without_labels(clouds):
    train, train_labels, codes, labels = clouds
    assert label_accuracies(train, train_labels, codes, labels) == {
        "linear_probe_accuracy": linear_probe_accuracy(train, train_labels, codes, labels),
        "knn_accuracy": knn_accuracy(train, train_labels, codes, labels),
    }
    assert label_accuracies(train, None, codes, labels) == {}
    assert label_accuracies(train, train_labels, codes, None) == {}


@pytest.mark.parametrize(
    "measured",
    [
        np.linspace(0.1, 0.9, 80),
        np.where(np.arange(80) == 7, np.nan, 1.0),
        np.zeros(80, int),
        np.full(80, "a"),
    ],
    ids=["measurements", "missing", "one class", "one word"],
)
def test_labels_that_are_no_classes_are_not_asked_about(measured, clouds):
    train, _, codes, _ = clouds
    assert label_accuracies(train, measured, codes[:80], measured) == {}


def test_classes_may_be_words_or_whole_floats_and_must_be_of_one_kind(clouds):
    train, train_labels, codes, labels = clouds
    expected = label_accuracies(train, train_labels, codes, labels)
    assert label_accuracies(train, train_labels.astype(float), codes, labels.astype(float)) == expected
    assert label_accuracies(train, train_labels.astype(str), codes, labels.astype(str)) == expected
    assert label_accuracies(train, train_labels, codes, labels.astype(str)) == {}
    # Four rows cannot ask five neighbours.
    assert label_accuracies(train[:4], np.array([0, 1, 0, 1]), codes, labels) == {}


def test_mean_activation_is_over_units_and_examples():
    codes = np.array([[0.0, 1.0, 2.0], [3.0, -4.0, 10.0]], np.float32)
    assert mean_activation(codes) == 2.0


def test_active_units_are_those_with_a_hundredth_of_the_largest_variance():
    standard = np.array([-1.0, 1.0, -1.0, 1.0], np.float32)
    # Variances 4, 0.0441, 0.0361 and 0: the threshold is at 0.04.
    codes = np.stack([2 * standard, 0.21 * standard, 0.19 * standard, np.full(4, 3.0, np.float32)], axis=1)
    assert active_fraction(codes) == 0.5
    assert active_fraction(1000 * codes) == 0.5
    assert active_fraction(codes, threshold=0.005) == 0.75
    assert active_fraction(codes, threshold=0.5) == 0.25


def test_dead_units_are_not_active_and_constant_codes_have_none():
    codes = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    assert active_fraction(codes) == 1.0
    codes[:, 2] = 0.7
    assert active_fraction(codes) == 0.75
    assert active_fraction(np.full((50, 4), 0.7, np.float32)) == 0.0


def test_a_prior_s_scale_is_the_criterion_of_burda():
    # Burda et al. 2016, section 5.2: a unit is active where Cov_x(E_q[u]) > 0.01, whatever the other units do.
    standard = np.array([-1.0, 1.0, -1.0, 1.0], np.float32)
    codes = np.stack([100 * standard, 0.11 * standard, 0.09 * standard], axis=1)
    assert active_fraction(codes, scale=1.0) == pytest.approx(2 / 3)
    assert active_fraction(codes) == pytest.approx(1 / 3)
    assert active_fraction(codes[:, 2:], scale=1.0) == 0.0


def test_classes_that_were_never_learnt_are_not_asked_about(clouds):
    train, train_labels, codes, labels = clouds
    assert label_accuracies(train, train_labels, codes, labels + train_labels.max() + 1) == {}
