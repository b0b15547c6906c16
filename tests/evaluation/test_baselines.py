"""Baselines are evaluated by the same tasks as runs."""

import dataclasses

import jax
import numpy as np
import pytest
from sklearn import decomposition
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from ae_jax import InvalidInput
from ae_jax.corruptions import Gaussian
from ae_jax.data import Dataset, Scaling, Split
from ae_jax.evaluation import PCA, TASKS, Identity, evaluate


def by_metric(rows):
    return {row["metric"]: row["value"] for row in rows}


def flat(split):
    return split.x.reshape(len(split.x), -1) / 16


@pytest.fixture(scope="module")
def rows(digits):
    return evaluate(PCA.fit(digits, 16), digits).rows


def test_every_value_of_pca_is_that_of_scikit_learn_s_components(rows, digits):
    train, test = flat(digits.train), flat(digits.test)
    pca = decomposition.PCA(16, svd_solver="full").fit(train)
    codes, train_codes = pca.transform(test), pca.transform(train)
    keys = jax.vmap(jax.random.fold_in, (0, None))(jax.random.split(jax.random.key(0), len(test)), 0)
    noisy = np.asarray(jax.vmap(Gaussian(scale=0.3))(keys, jax.numpy.asarray(test.reshape(-1, 8, 8), "float32")))
    denoised = pca.inverse_transform(pca.transform(noisy.reshape(-1, 64)))
    scaler = StandardScaler().fit(train_codes)
    probe = LogisticRegression(max_iter=2000).fit(scaler.transform(train_codes), digits.train.labels)
    neighbours = KNeighborsClassifier(5).fit(train_codes, digits.train.labels)
    expected = {
        "mse": np.mean(np.square(pca.inverse_transform(codes) - test)),
        "psnr_corrupted": np.mean(-10 * np.log10(np.square(denoised - test).mean(axis=1))),
        "linear_probe_accuracy": probe.score(scaler.transform(codes), digits.test.labels),
        "knn_accuracy": neighbours.score(codes, digits.test.labels),
        "mean_activation": codes.mean(),
        # The sixteenth component of digits has a fifteenth of the first one's variance.
        "active_fraction": 1.0,
        "code_units": 16,
        "jacobian_norm": np.linalg.norm(pca.components_),
        "relative_jacobian": np.linalg.norm(pca.components_) / codes.var(axis=0).sum() ** 0.5,
        "parameters": pca.components_.size + pca.mean_.size,
    }
    found = by_metric(rows)
    assert set(found) == set(expected)
    for name, value in expected.items():
        # One example of 359 may lie on a boundary; signs of components and their rounding move the mean code.
        tolerance = {"linear_probe_accuracy": 0.003, "knn_accuracy": 0.003, "mean_activation": 0.02}.get(name, 1e-5)
        assert abs(found[name] - value) <= tolerance * max(1.0, abs(value)), name
    who = {(row["autoencoder"], row["seed"], row["member"], row["split"]) for row in rows}
    assert who == {("pca", None, None, "test")}


def test_raw_data_have_accuracies_alone(digits):
    values = by_metric(evaluate(Identity(digits.shape), digits).rows)
    assert set(values) == {"code_units", "linear_probe_accuracy", "knn_accuracy"}
    known = KNeighborsClassifier(5).fit(flat(digits.train), digits.train.labels)
    assert values["knn_accuracy"] == pytest.approx(known.score(flat(digits.test), digits.test.labels), abs=0.003)
    bare = dataclasses.replace(digits, train=Split(digits.train.x), test=Split(digits.test.x))
    assert evaluate(Identity(digits.shape), bare).rows == []


@pytest.mark.parametrize("kind", ["pca", "raw"])
def test_a_baseline_is_evaluated_on_every_task_but_those_of_a_prior(kind, small):
    baseline = PCA.fit(small, 3) if kind == "pca" else Identity(small.shape)
    results = {result.task: result for result in evaluate(baseline, small, [*TASKS], abnormal=[1, 8])}
    for task, result in results.items():
        assert {row["autoencoder"] for row in result.rows} - {"noisy input"} == (
            set() if task in ("generation", "likelihood") else {kind}
        )
        assert all(np.isfinite(row["value"]) or row["metric"].startswith("psnr") for row in result.rows)
    assert "is a baseline: expected a trained run" in results["likelihood"].messages[0]


@pytest.mark.parametrize(("examples", "code", "limit"), [(1258, 65, 64), (12, 13, 12)])
def test_more_components_than_features_or_examples_are_refused(examples, code, limit, digits):
    data = dataclasses.replace(digits, train=Split(digits.train.x[:examples]))
    with pytest.raises(InvalidInput, match=f"PCA was given {code} components: expected at most {limit}"):
        PCA.fit(data, code)
    assert PCA.fit(data, limit).jacobian_norm == pytest.approx(limit**0.5)


# Summed squared errors of a test image, pixels in [0, 1]: Hinton and Salakhutdinov, Science 2006, state 13.87 for 30.
def test_the_error_of_pca_on_mnist_is_the_published_one(real_data, mnist_images):
    images = {part: mnist_images(real_data, part) for part in ("train", "t10k")}
    data = Dataset(
        name="mnist",
        train=Split(images["train"]),
        validation=Split(images["train"][:0]),
        test=Split(images["t10k"]),
        scaling=Scaling(scale=255.0),
    )
    x = images["t10k"].astype(np.float32) / 255
    made = PCA.fit(data, 30).reconstruct(x)
    assert round(float(np.square(made.astype(np.float64) - x).sum() / len(x)), 3) == 13.866
