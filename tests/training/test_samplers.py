import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import ae_jax
from ae_jax import InvalidInput
from ae_jax.evaluation import evaluate, frechet_distance
from ae_jax.training.samplers import SAMPLERS, FullMixturePrior, fit_sampler


@pytest.fixture(scope="module")
def blobs() -> np.ndarray:
    """Codes of two clusters with different covariances, far from the origin."""
    rng = np.random.default_rng(0)
    first = rng.multivariate_normal([10.0, 0.0], [[1.0, 0.8], [0.8, 1.0]], 600)
    second = rng.multivariate_normal([0.0, -10.0], [[0.2, 0.0], [0.0, 3.0]], 200)
    return np.concatenate([first, second]).astype(np.float32)


def test_a_mixture_has_the_moments_of_each_cluster(blobs):
    drawn = fit_sampler("gmm", blobs, 0).sample(8000)
    near = drawn[:, 0] > 5
    np.testing.assert_allclose(near.mean(), 0.75, atol=0.03)
    np.testing.assert_allclose(drawn[near].mean(axis=0), [10, 0], atol=0.15)
    np.testing.assert_allclose(np.cov(drawn[near].T), np.cov(blobs[:600].T), atol=0.1)
    np.testing.assert_allclose(np.cov(drawn[~near].T), np.cov(blobs[600:].T), atol=0.3)


def test_a_normal_has_the_covariance_of_all_codes(blobs):
    drawn = fit_sampler("normal", blobs, 0).sample(20_000)
    np.testing.assert_allclose(drawn.mean(axis=0), blobs.mean(axis=0), atol=0.2)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(blobs.T), rtol=0.05, atol=0.3)


def test_a_mixture_s_density_is_scipy_s():
    prior = FullMixturePrior(2, 3)
    rng = np.random.default_rng(0)
    means, factors = rng.normal(size=(2, 3)), np.tril(rng.normal(size=(2, 3, 3)), -1) + np.eye(3) * [0.5, 1.0, 2.0]
    z, weights = rng.normal(size=(5, 3)), np.array([0.3, 0.7])
    for variable, values in ((prior.means, means), (prior.factors, factors), (prior.logits, np.log(weights))):
        variable.set_value(jnp.asarray(values, jnp.float32))
    each = [
        weight * stats.multivariate_normal(mean, factor @ factor.T).pdf(z)
        for weight, mean, factor in zip(weights, means, factors, strict=True)
    ]
    np.testing.assert_allclose(prior.log_prob(jnp.asarray(z, jnp.float32)), np.log(np.sum(each, axis=0)), rtol=1e-4)


def test_a_hypersphere_has_every_direction_at_the_mean_norm(blobs):
    drawn = fit_sampler("hypersphere", blobs, 0).sample(4000)
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), np.linalg.norm(blobs, axis=1).mean(), rtol=1e-5)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.5)


@pytest.mark.slow
# The second variational autoencoder gives a cluster of a quarter of the codes about 0.4 of its samples.
@pytest.mark.parametrize(("name", "tolerance", "most"), [("maf", 1.0, 0.15), ("two-stage", 2.0, 0.25)])
def test_trained_samplers_keep_mean_and_clusters(name, tolerance, most, blobs):
    drawn = fit_sampler(name, blobs, 0).sample(4000)
    np.testing.assert_allclose(drawn.mean(axis=0), blobs.mean(axis=0), atol=tolerance)
    between = (drawn[:, 0] > 2.5) & (drawn[:, 0] < 6.5)
    assert between.mean() < most  # of a normal with the same moments 0.3


def test_every_autoencoder_samples_by_it_and_keeps_it_when_saved(run, population, small, tmp_path):
    for trained, names in ((run, ("normal", "hypersphere")), (population, ("gmm",))):
        for name in names:
            fitted = trained.sampler(name, small)
            assert len(fitted) == len(trained)
            assert trained.sampler(name) is fitted
        samples = trained.sample(5, sampler=names[-1], seed=3)
        assert samples.shape == ((5, 8, 8) if trained.single else (len(trained), 5, 8, 8))
        assert not np.array_equal(samples, trained.sample(5, sampler=names[-1], seed=4))
        back = ae_jax.load(trained.save(tmp_path / trained.name))
        assert sorted(back.samplers) == sorted(names)
        np.testing.assert_array_equal(back.sample(5, sampler=names[-1], seed=3), samples)
        back.save(tmp_path / trained.name)  # replaces itself
        if not trained.single:
            np.testing.assert_allclose(back[1].sample(5, sampler="gmm", seed=3), samples[1], rtol=1e-4, atol=1e-3)


def test_generation_is_evaluated_by_a_sampler(run, small):
    (found,) = evaluate(run, small, "generation", sampler="normal")
    rows = [row for row in found.rows if row["autoencoder"] == run.name]
    assert {row["sampler"] for row in rows} == {"normal"}
    assert all(np.isfinite(row["value"]) for row in rows)
    (without,) = evaluate(run, small, "generation")
    assert not without.rows
    assert "no prior to sample from" in without.messages[0]


@pytest.mark.parametrize(
    ("name", "codes", "sentence"),
    [
        ("gmn", np.ones((20, 2)), "unknown sampler 'gmn': did you mean 'gmm'"),
        ("gmm", np.ones((9, 2)), "10 components was given the codes of 9 examples: expected at least 10"),
        ("gmm", np.ones((20, 40, 40)), "was given codes of 1,600 numbers: expected at most 1,024"),
        ("hypersphere", np.ones((20, 1)), "was given codes of one number: expected two or more"),
        ("hypersphere", np.zeros((20, 2)), "codes that are all zero"),
        ("maf", np.ones((19, 2)), "was given the codes of 19 examples: expected at least 20"),
        ("normal", np.full((20, 2), np.nan), "codes with NaN or infinity: expected a member that converged"),
    ],
)
def test_codes_that_a_sampler_cannot_take_are_refused(name, codes, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        fit_sampler(name, codes, 0)


def test_a_sampler_that_is_not_fitted_is_refused(run):
    with pytest.raises(InvalidInput, match=r"no fitted sampler 'maf': fit it by run\.sampler"):
        run.sample(2, sampler="maf")
    with pytest.raises(InvalidInput, match="no fitted sampler 'maf': give the data that it was trained on"):
        run.sampler("maf")


def test_equal_codes_are_sampled_again():
    drawn = fit_sampler("gmm", np.full((20, 3), 2.0), 0).sample(4)
    np.testing.assert_allclose(drawn, 2.0, atol=0.02)
    assert set(SAMPLERS) == {"normal", "gmm", "hypersphere", "maf", "two-stage"}


@pytest.mark.slow
def test_a_mixture_at_least_halves_the_distance_of_a_normal_s_samples_on_digits(digits):
    """On the activations of a classifier, as pixels hardly see what differs; the mean of three seeds."""
    from sklearn.neural_network import MLPClassifier

    def flat(x):
        return x.reshape(len(x), -1) / 16.0

    classifier = MLPClassifier((64,), random_state=0, max_iter=400).fit(flat(digits.train.x), digits.train.labels)

    def features(x):
        return np.maximum(flat(x) @ classifier.coefs_[0] + classifier.intercepts_[0], 0)

    run = ae_jax.fit(ae_jax.undercomplete(code=16), digits, seeds=range(3), epochs=200)
    real, means = features(digits.test.x), {}
    for name in ("normal", "gmm"):
        run.sampler(name, digits)
        made = run.sample(len(real), sampler=name)
        means[name] = np.mean([frechet_distance(real, features(one)) for one in made])
    assert means["gmm"] <= 0.5 * means["normal"], means
