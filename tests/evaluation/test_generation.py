import numpy as np
import pytest
from scipy import linalg

from ae_jax import InvalidInput
from ae_jax.evaluation import generation
from ae_jax.evaluation.generation import frechet_distance, kernel_distance, precision_recall

QUESTIONS = [frechet_distance, kernel_distance, precision_recall]


@pytest.fixture(scope="module")
def pair():
    """Features of 40 real and 33 generated examples, correlated and moved apart."""
    rng = np.random.default_rng(0)
    return tuple(
        (rng.normal(size=(rows, 4)) @ rng.normal(size=(4, 4)) + offset).astype(np.float32)
        for rows, offset in ((40, 0.0), (33, 0.5))
    )


@pytest.fixture
def blocks(monkeypatch):
    """Seven rows at a time, so that small data take several blocks."""
    monkeypatch.setattr(generation, "_BLOCK", 7)


def with_moments(mean, covariance, rows=50):
    """Rows whose sample mean and covariance are exactly those."""
    x = np.random.default_rng(1).normal(size=(rows, len(mean)))
    x -= x.mean(axis=0)
    white = np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False)))
    return x @ white.T @ np.linalg.cholesky(covariance).T + mean


def test_the_frechet_distance_of_diagonal_gaussians_is_that_of_their_scales():
    # Dowson and Landau 1982: where covariances commute, |m1 - m2|^2 + sum (s1 - s2)^2.
    first = with_moments(np.array([1.0, 2.0, 3.0]), np.diag([1.0, 4.0, 9.0]))
    second = with_moments(np.array([1.0, 0.0, 3.0]), np.diag([4.0, 4.0, 0.25]))
    assert frechet_distance(first, second) == pytest.approx(2.0**2 + 1.0**2 + 0.0**2 + 2.5**2, rel=1e-9)


def test_the_frechet_distance_is_that_of_scipy_s_matrix_root(pair):
    real, generated = (x.astype(np.float64) for x in pair)
    covariances = [np.cov(x, rowvar=False) for x in (real, generated)]
    root = linalg.sqrtm(covariances[0] @ covariances[1])
    moved = np.sum((real.mean(axis=0) - generated.mean(axis=0)) ** 2)
    expected = moved + np.trace(covariances[0] + covariances[1] - 2 * np.real(root))
    assert frechet_distance(*pair) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(*pair[::-1]) == pytest.approx(expected, rel=1e-8)


def test_the_frechet_distance_of_more_features_than_examples_is_the_same():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(8, 20)), 0.5 + 2.0 * rng.normal(size=(12, 20))
    covariances = [np.cov(rows, rowvar=False) for rows in (x, y)]
    # The square roots of the eigenvalues of the product, by its general decomposition.
    values = np.linalg.eigvals(covariances[0] @ covariances[1]).real
    crossed = np.sqrt(np.maximum(values, 0.0)).sum()
    expected = np.square(x.mean(axis=0) - y.mean(axis=0)).sum() + sum(map(np.trace, covariances)) - 2 * crossed
    np.testing.assert_allclose(frechet_distance(x, y), expected, rtol=1e-6)


def test_the_frechet_distance_does_not_mind_features_that_depend_on_each_other(pair):
    # Of 5 examples of 4 features twice over, covariances have rank 4 of 8; twice the features, twice the distance.
    real, generated = (x[:5] for x in pair)
    doubled = frechet_distance(*(np.concatenate([x, x], axis=1) for x in (real, generated)))
    assert doubled == pytest.approx(2 * frechet_distance(real, generated), rel=1e-6)
    assert frechet_distance(real, real) == pytest.approx(0.0, abs=1e-6)
    assert frechet_distance(real[:, :1], real[:, :1] + 2) == pytest.approx(4.0, rel=1e-6)


@pytest.mark.usefixtures("blocks")
def test_the_kernel_distance_is_that_of_a_double_loop(pair):
    real, generated = (x.astype(np.float64) for x in pair)

    def mean(x, y, same):
        values = [(a @ b / 4 + 1) ** 3 for i, a in enumerate(x) for j, b in enumerate(y) if not (same and i == j)]
        return np.mean(values)

    expected = mean(real, real, True) + mean(generated, generated, True) - 2 * mean(real, generated, False)
    assert kernel_distance(*pair) == pytest.approx(expected, rel=1e-9)


def loop_precision(x, members, neighbors):
    inside = 0
    radii = [sorted(np.linalg.norm(a - b) for j, b in enumerate(members) if i != j) for i, a in enumerate(members)]
    for row in x:
        inside += any(np.linalg.norm(row - a) <= radii[i][neighbors - 1] for i, a in enumerate(members))
    return inside / len(x)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("neighbors", [3])
def test_precision_and_recall_are_those_of_loops(neighbors, pair):
    real, generated = pair
    found = precision_recall(real, generated, neighbors=neighbors)
    expected = {
        "precision": loop_precision(generated, real, neighbors),
        "recall": loop_precision(real, generated, neighbors),
    }
    assert found == pytest.approx(expected)
    assert 0 < found["precision"] < 1
    assert 0 < found["recall"] < 1


def test_samples_on_the_surface_of_a_ball_and_at_its_centre_are_on_the_manifold():
    # Whole numbers, whose distances are exact; their mean, a third, is not. Radii are 0, 0, 0, 1, 2 and 2.
    real = np.array([[0.0], [0.0], [0.0], [1.0], [3.0], [-2.0]])
    generated = np.array([[0.0], [2.0], [5.0], [-4.0], [5.001]])
    assert precision_recall(real, generated, neighbors=1)["precision"] == 0.8
    assert precision_recall(real, real, neighbors=1) == {"precision": 1.0, "recall": 1.0}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("question", QUESTIONS)
def test_features_that_do_not_fit_are_refused(question):
    good = np.random.default_rng(0).normal(size=(9, 2))
    with pytest.raises(InvalidInput, match="real_features have 2 features and generated_features 3: expected those of"):
        question(good, np.zeros((9, 3)))
    with pytest.raises(InvalidInput, match=r"generated_features have shape \(9, 2, 2\): expected \[examples, features"):
        question(good, np.zeros((9, 2, 2)))
    with pytest.raises(InvalidInput, match="real_features have NaN or infinite values: expected finite numbers"):
        question(np.full((9, 2), np.nan), good)
    least = 4 if question is precision_recall else 2
    with pytest.raises(InvalidInput, match=f"generated_features are of 1 examples: expected at least {least}; give"):
        question(good, good[:1])
