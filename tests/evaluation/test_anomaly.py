import dataclasses
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from sklearn.covariance import EmpiricalCovariance
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

import ae_jax
from ae_jax import InvalidInput, Run
from ae_jax.data import Dataset, from_splits
from ae_jax.evaluation import SCORES, AnomalyScore, SumOverFeatures, anomaly_score, negative_elbo
from ae_jax.networks import MLP
from ae_jax.objectives import LearnedGaussianLikelihood, Reconstruction
from ae_jax.training import batches as run_module

SUMS = [name for name in SCORES if issubclass(SCORES[name], SumOverFeatures)]
DETERMINISTIC = [name for name in SCORES if name != "negative_elbo"]
NEEDY = [name for name in SCORES if SCORES[name].needs_reference]


@pytest.fixture(scope="module")
def of_run(run, small) -> dict[str, AnomalyScore]:
    return {name: anomaly_score(run, name, small.train.x) for name in DETERMINISTIC}


@pytest.fixture(scope="module")
def of_population(population, small) -> dict[str, AnomalyScore]:
    return {name: anomaly_score(population, name, small.train.x) for name in SCORES}


@pytest.fixture(scope="module")
def x(small: Dataset) -> np.ndarray:
    """As many as the smallest batch that is compiled."""
    return small.test.x[:16]


@pytest.fixture(scope="module")
def plane() -> np.ndarray:
    """Fifty points of five features, mostly near a plane."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 5)) + 0.2 * rng.normal(size=(50, 5))
    return (points + rng.normal(size=5)).astype(np.float32)


@pytest.fixture(scope="module")
def linear(plane: np.ndarray) -> Run:
    """A linear autoencoder whose weights are PCA's, its code moved and stretched, which undoes itself."""
    plain = ae_jax.undercomplete(code=2, hidden=(), shortcut=False)
    run = ae_jax.fit(plain, from_splits(plane, name="plane"), epochs=1, batch_size=16)
    pca = PCA(2).fit(plane.astype(np.float64))
    stretch, shift = np.array([[3.0, 0.5], [0.0, 0.2]]), np.array([1.0, -2.0])
    encoder, decoder = pca.components_.T @ stretch, np.linalg.inv(stretch) @ pca.components_
    params = {
        "encoder": {0: {"kernel": encoder, "bias": shift - pca.mean_ @ encoder}},
        "decoder": {0: {"kernel": decoder, "bias": pca.mean_ - shift @ decoder}},
    }
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32)[None], {"networks": params})
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, run.params)
    return dataclasses.replace(run, params=params)


def model_units(values):
    return np.asarray(values, np.float64) / 16


def residuals(run, x):
    return model_units(x) - model_units(run.reconstruct(x))


@pytest.mark.parametrize("name", ["jacobian_corrected", "negative_elbo"])
def test_every_member_has_the_scores_that_it_has_alone(of_population, population, small, name, x):
    scores, contributions = of_population[name].score(x), of_population[name].explain(x, steps=2)
    assert (scores.shape, scores.dtype) == ((4, 16), np.float64)
    assert (contributions.shape, contributions.dtype) == ((4, 16, 8, 8), np.float64)
    assert len({tuple(row) for row in scores.tolist()}) == 4
    alone = anomaly_score(population[2], name, small.train.x)
    np.testing.assert_allclose(alone.score(x), scores[2], rtol=1e-3, atol=1e-3)


def test_reconstruction_error_is_the_squared_residual(of_run, of_population, run, population, x):
    squares = residuals(run, x) ** 2
    np.testing.assert_allclose(of_run["reconstruction_error"].score(x), squares.sum(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(of_run["reconstruction_error"].explain(x), squares, rtol=1e-4, atol=1e-6)
    # Of a variational autoencoder the reconstruction is the likelihood's mean at the posterior's mean.
    squares = residuals(population, x) ** 2
    np.testing.assert_allclose(of_population["reconstruction_error"].score(x), squares.sum(axis=(2, 3)), rtol=1e-5)


def test_reconstruction_nll_is_scipy_s_density_at_the_learned_scale(plane):
    objective = Reconstruction(likelihood=LearnedGaussianLikelihood(smallest_log_scale=-1.0))
    autoencoder = ae_jax.Autoencoder(name="linear", networks=MLP(hidden=(), code=2), objective=objective)
    run = ae_jax.fit(autoencoder, from_splits(plane, name="plane"), epochs=1, batch_size=16)
    x = z = plane.astype(np.float64)
    for part in ("encoder", "decoder"):
        layer = run.params["networks"][part][0]
        z = z @ np.asarray(layer["kernel"][0], np.float64) + np.asarray(layer["bias"][0])
    mean, s = np.moveaxis(z.reshape(-1, 5, 2), -1, 0)
    expected = -stats.norm.logpdf(x, mean, np.exp(-1.0 + np.logaddexp(0, s + 1.0))).sum(axis=1)
    np.testing.assert_allclose(anomaly_score(run, "reconstruction_nll").score(plane), expected, rtol=1e-4)


def test_reconstruction_nll_of_a_squared_error_is_that_error(of_run, x):
    np.testing.assert_array_equal(of_run["reconstruction_nll"].score(x), of_run["reconstruction_error"].score(x))


@pytest.mark.parametrize("name", ["knn_code", "error_and_knn"])
def test_of_the_reference_no_example_is_compared_with_itself(of_run, run, small, name):
    codes = np.asarray(run.encode(small.train.x), np.float64)
    nearest = NearestNeighbors(n_neighbors=6).fit(codes).kneighbors(codes)[0][:, 1:].mean(axis=1)
    expected = nearest
    if name == "error_and_knn":
        expected = np.log(nearest) + np.log(of_run["reconstruction_error"].score(small.train.x))
    np.testing.assert_allclose(of_run[name].score(small.train.x, of_reference=True), expected, rtol=1e-4, atol=1e-5)
    assert (of_run[name].score(small.train.x) < expected).all()


@pytest.mark.parametrize(("floor", "block"), [(1e-3, 1024), (0.5, 48)])
def test_whitened_error_divides_by_the_reference_s(run, small, x, floor, block, monkeypatch):
    monkeypatch.setattr("ae_jax.evaluation.scores._BLOCK", block)
    score = anomaly_score(run, "whitened_error", small.train.x, floor=floor)
    variances = (residuals(run, small.train.x) ** 2).mean(axis=0)
    expected = residuals(run, x) ** 2 / (variances + floor * variances.mean())
    np.testing.assert_allclose(score.score(x), expected.sum(axis=(1, 2)), rtol=1e-4)
    np.testing.assert_allclose(score.explain(x), expected, rtol=1e-3, atol=1e-4)


def test_mahalanobis_is_scikit_learn_s(of_run, of_population, run, population, small, x):
    def expected(one):
        reference = EmpiricalCovariance().fit(one.encode(small.train.x).astype(np.float64))
        return reference.mahalanobis(one.encode(x).astype(np.float64))

    np.testing.assert_allclose(of_run["mahalanobis"].score(x), expected(run), rtol=1e-3)
    for member in range(4):
        np.testing.assert_allclose(
            of_population["mahalanobis"].score(x)[member], expected(population[member]), rtol=1e-3
        )


def test_mahalanobis_does_not_mind_constant_and_copied_units(linear, plane):
    kernel, bias = linear.params["networks"]["encoder"][0]["kernel"], linear.params["networks"]["encoder"][0]["bias"]

    def with_encoder(kernel, bias):
        params = {"networks": linear.params["networks"] | {"encoder": {0: {"kernel": kernel, "bias": bias}}}}
        return anomaly_score(dataclasses.replace(linear, params=params), "mahalanobis", plane)

    def expected_of_one(unit):
        code = plane.astype(np.float64) @ kernel[0, :, unit] + bias[0, unit]
        return (code - code.mean()) ** 2 / code.var()

    copied = with_encoder(kernel[:, :, [0, 0]], bias[:, [0, 0]])
    np.testing.assert_allclose(copied.score(plane), expected_of_one(0), rtol=1e-2, atol=1e-2)
    constant = with_encoder(kernel * np.array([1, 0], np.float32), bias)
    np.testing.assert_allclose(constant.score(plane), expected_of_one(0), rtol=1e-2, atol=1e-2)
    collapsed = with_encoder(0 * kernel, 0 * bias)
    np.testing.assert_array_equal(collapsed.score(plane), np.zeros(50))


@pytest.mark.parametrize("neighbors", [5])
def test_knn_code_is_scikit_learn_s(run, population, small, x, neighbors):
    for one in (run, population):
        found = anomaly_score(one, "knn_code", small.train.x, neighbors=neighbors).score(x).reshape(-1, 16)
        for member, scores in enumerate(found):
            codes = [one[member].encode(values).astype(np.float64) for values in (small.train.x, x)]
            distances = NearestNeighbors(n_neighbors=neighbors).fit(codes[0]).kneighbors(codes[1])[0]
            np.testing.assert_allclose(scores, distances.mean(axis=1), rtol=1e-4)


def test_jacobian_corrected_of_pca_is_the_density_of_probabilistic_pca(linear, plane):
    # Tipping and Bishop 1999, eqs. 7 and 8: W = U (L - s^2 I)^(1/2), and s^2 is the mean of the variances left out.
    variances, axes = np.linalg.eigh(np.cov(plane.astype(np.float64), rowvar=False, bias=True))
    noise = variances[:3].mean()
    weights = axes[:, 3:] * np.sqrt(variances[3:] - noise)
    model = stats.multivariate_normal(plane.mean(axis=0, dtype=np.float64), weights @ weights.T + noise * np.eye(5))
    points = plane[:16] + np.random.default_rng(1).normal(size=(16, 5)).astype(np.float32)
    score = anomaly_score(linear, "jacobian_corrected", plane)
    for values in (points, plane[:16]):
        np.testing.assert_allclose(score.score(values), -model.logpdf(values), rtol=1e-5, atol=1e-4)


def written_out(run, bound, reference, x):
    """The negative log-density by NumPy, from codes, residuals and the Jacobian of each example, without a ridge."""
    codes, z = run.encode(reference).astype(np.float64), run.encode(x).astype(np.float64)
    mean, covariance = codes.mean(axis=0), np.cov(codes, rowvar=False, bias=True)
    model, likelihood = bound(run), run.autoencoder.objective.likelihood

    def decode(code):
        return likelihood.mean(model.decode(code[None])).ravel()

    across = 64 - z.shape[1]
    variance = (residuals(run, reference) ** 2).sum(axis=(1, 2)).mean() / across
    found = []
    for code, residual in zip(z, residuals(run, x), strict=True):
        jacobian = np.asarray(jax.jacfwd(decode)(jnp.asarray(code, jnp.float32)), np.float64)
        found.append(
            -stats.multivariate_normal(mean, covariance).logpdf(code)
            + 0.5 * np.linalg.slogdet(jacobian.T @ jacobian)[1]
            - stats.norm(0, variance**0.5).logpdf(np.append(np.linalg.norm(residual), np.zeros(across - 1))).sum()
        )
    return np.array(found)


def test_jacobian_corrected_is_its_equation_at_every_point(run, population, small, bound, x):
    for one in (run, population[3]):
        # With a ridge that is too small to matter.
        found = anomaly_score(one, "jacobian_corrected", small.train.x, ridge=1e-9).score(x)
        np.testing.assert_allclose(found, written_out(one, bound, small.train.x, x), rtol=1e-3, atol=1e-2)


def test_jacobian_corrected_orders_by_codes_larger_than_the_data(plane):
    data = from_splits(plane, name="plane")
    run = ae_jax.fit(ae_jax.sparse(code=7), data, epochs=1, batch_size=16)
    score = anomaly_score(run, "jacobian_corrected", plane)
    found = score.score(np.concatenate([plane[:8], plane[:8] + 30]))
    assert np.isfinite(found).all()
    assert found[:8].max() < found[8:].min()
    contributions = score.explain(plane[:16])
    assert np.isfinite(contributions).all()
    start = score.score(score.statistics["baseline"])
    np.testing.assert_allclose(contributions.sum(axis=1), score.score(plane[:16]) - start, rtol=2e-2, atol=2e-2)


def test_negative_elbo_is_that_of_the_likelihood(of_population, population, small, x):
    np.testing.assert_allclose(of_population["negative_elbo"].score(x), negative_elbo(population, x)["negative_elbo"])
    seeded = anomaly_score(population, "negative_elbo", seed=3)
    np.testing.assert_allclose(seeded.score(x), negative_elbo(population, x, seed=3)["negative_elbo"])
    assert (seeded.score(x) != of_population["negative_elbo"].score(x)).any()


@pytest.mark.parametrize("name", SUMS)
def test_summands_add_up_to_the_score(of_population, name, x):
    sums = of_population[name].explain(x).sum(axis=(2, 3))
    np.testing.assert_allclose(sums, of_population[name].score(x), rtol=1e-5)
    assert (of_population[name].explain(x) >= 0).all()


@pytest.mark.parametrize("name", ["mahalanobis", "error_and_knn", "negative_elbo"])
def test_integrated_gradients_add_up_to_the_way_from_the_baseline(of_population, name, x):
    score = of_population[name]
    baseline = np.repeat(16 * score.statistics["baseline"][0][None], 16, axis=0)
    way = score.score(x) - score.score(baseline)
    gaps = [abs(score.explain(x, steps=steps).sum(axis=(2, 3)) - way).max() for steps in (2, 32)]
    # Where neighbours change on the way, the gradient jumps; a logarithm is steep near the baseline.
    assert gaps[1] < {"knn_code": 0.05, "error_and_knn": 0.1}.get(name, 0.02) * abs(way).max()
    assert gaps[1] < gaps[0]


def test_explanations_of_a_quadratic_are_exact_in_one_step(linear, plane):
    score = anomaly_score(linear, "mahalanobis", plane)
    x = plane[:16].astype(np.float64)
    kernel = linear.params["networks"]["encoder"][0]["kernel"][0].astype(np.float64)
    precision = kernel @ np.linalg.inv(np.cov(plane.astype(np.float64) @ kernel, rowvar=False, bias=True)) @ kernel.T
    way = x - plane.mean(axis=0, dtype=np.float64)
    # The integral of 2 t P (x - m) from 0 to 1, times x - m.
    expected = way * (way @ precision)
    for steps in (1, 32):
        np.testing.assert_allclose(score.explain(plane[:16], steps=steps), expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(score.score(plane[:16]), expected.sum(axis=1), rtol=1e-3)


@pytest.mark.parametrize("name", NEEDY)
def test_a_reference_of_copies_leaves_scores_finite(run, name, x):
    score = anomaly_score(run, name, np.repeat(x[:1], 8, axis=0))
    scores, contributions = score.score(x), score.explain(x, steps=2)
    assert np.isfinite(scores).all()
    assert np.isfinite(contributions).all()
    assert scores.argmin() == 0


def test_a_score_travels(of_population, x):
    for name, score in of_population.items():
        assert all(type(leaf) is np.ndarray and leaf.dtype == np.float64 for leaf in score.statistics.values())
        assert all(len(leaf) == 4 for leaf in score.statistics.values())
        copy = pickle.loads(pickle.dumps(score))
        assert (copy.name, copy.definition) == (name, score.definition)
        np.testing.assert_array_equal(copy.score(x), score.score(x))


def test_another_score_of_the_same_kind_compiles_nothing(of_run, run, small, x):
    chosen = {"whitened_error": {"floor": 0.1}, "mahalanobis": {"ridge": 0.1}, "jacobian_corrected": {"ridge": 0.1}}
    for name, score in of_run.items():
        score.score(x), score.explain(x, steps=2)
        anomaly_score(run, name, small.train.x[:63])
    compiled = run_module._apply._cache_size()
    for name in of_run:
        other = anomaly_score(run, name, small.train.x[:63], **chosen.get(name, {}))
        if name not in ("knn_code", "error_and_knn"):  # their reference codes are another number
            other.score(x[:5]), other.explain(x[:5], steps=2)
    assert run_module._apply._cache_size() == compiled


@pytest.mark.parametrize(
    ("name", "reference", "options", "sentence"),
    [
        ("mahalanobi", 8, {}, "unknown anomaly score 'mahalanobi': did you mean 'mahalanobis'"),
        ("knn_code", 8, {"neighbours": 3}, "unknown option of knn_code 'neighbours': did you mean 'neighbors'"),
        ("reconstruction_error", 8, {"ridge": 1}, "reconstruction_error was given the option 'ridge': it has none"),
        ("mahalanobis", None, {}, "mahalanobis compares with normal examples and was given none: give a reference"),
        ("knn_code", 4, {}, "knn_code was given 4 reference examples: expected at least 5; give more normal"),
        ("knn_code", 8, {"neighbors": 0}, "knn_code was given neighbors=0: expected a whole number above zero"),
        ("mahalanobis", 8, {"ridge": -1}, "mahalanobis was given ridge=-1: expected a number above zero"),
        ("negative_elbo", 8, {}, "undercomplete has no evidence lower bound: expected a variational autoencoder"),
        ("negative_elbo", 8, {"samples": 0}, "negative_elbo was given samples=0: expected a whole number above zero"),
    ],
)
def test_what_makes_no_score_is_refused(unchecked, run, small, name, reference, options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        anomaly_score(run, name, None if reference is None else small.train.x[:reference], **options)


@pytest.mark.usefixtures("unchecked")
def test_examples_that_do_not_fit_are_refused(of_run, run, population, x, with_nan):
    with pytest.raises(InvalidInput, match="of_reference=True with 16 examples: expected the 64 of the reference"):
        of_run["mahalanobis"].score(x, of_reference=True)
    with pytest.raises(InvalidInput, match="each of 5 reference examples was to be compared with 5 others"):
        anomaly_score(run, "knn_code", x[:5]).score(x[:5], of_reference=True)
    with pytest.raises(InvalidInput, match="codes of the reference are NaN or infinite"):
        anomaly_score(with_nan(run, "encoder"), "mahalanobis", x)
    with pytest.raises(InvalidInput, match="no reference examples, and explanations start from their mean"):
        anomaly_score(population, "negative_elbo").explain(x)
    with pytest.raises(InvalidInput, match=r"the reference has shape \(16, 64\): expected \[examples, 8, 8\]"):
        anomaly_score(run, "mahalanobis", x.reshape(16, 64))
    with pytest.raises(InvalidInput, match=r"data has shape \(16, 64\): expected \[examples, 8, 8\]"):
        of_run["mahalanobis"].score(x.reshape(16, 64))
    with pytest.raises(InvalidInput, match="explain was given steps=0: expected a whole number above zero"):
        of_run["mahalanobis"].explain(x, steps=0)
