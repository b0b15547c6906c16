import dataclasses

import jax
import numpy as np
import pytest
from ae_jax.evaluation.pca import components_of
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from ae_jax import InvalidInput
from ae_jax.corruptions import Gaussian
from ae_jax.data import Dataset, Scaling, Split
from ae_jax.evaluation import evaluate_pca


def by_metric(rows):
    return {row["metric"]: row["value"] for row in rows}


def flat(split):
    return split.x.reshape(len(split.x), -1) / 16


@pytest.fixture(scope="module")
def rows(digits):
    return evaluate_pca(digits, code=16)


def test_the_error_of_pca_on_digits_is_that_of_scikit_learn(rows, digits):
    train, test = flat(digits.train), flat(digits.test)
    pca = PCA(16, svd_solver="full").fit(train)
    expected = np.mean(np.square(pca.inverse_transform(pca.transform(test)) - test))
    np.testing.assert_allclose(by_metric(rows)["mse"], expected, rtol=1e-5)
    # By NumPy's singular vectors too: what is left outside of the space of the first sixteen.
    mean = train.mean(axis=0)
    rest = np.linalg.svd(train - mean, full_matrices=False)[2][16:]
    np.testing.assert_allclose(expected, np.square((test - mean) @ rest.T).sum() / test.size, rtol=1e-8)


def test_all_components_lose_nothing(digits):
    values = by_metric(evaluate_pca(digits, code=64))
    assert values["mse"] < 1e-12
    # Nor do they remove anything: noise of standard deviation 0.3 stays, 10.46 dB and its mean logarithm's 0.07.
    assert abs(values["psnr_corrupted"] - 10.53) < 0.15


def test_every_answer_is_that_of_scikit_learn_s_components(rows, digits):
    train, test = flat(digits.train), flat(digits.test)
    pca = PCA(16, svd_solver="full").fit(train)
    codes, train_codes = pca.transform(test), pca.transform(train)
    noisy = np.asarray(Gaussian(scale=0.3)(jax.random.key(0), jax.numpy.asarray(test.reshape(-1, 8, 8), "float32")))
    denoised = pca.inverse_transform(pca.transform(noisy.reshape(-1, 64)))
    scaler = StandardScaler().fit(train_codes)
    probe = LogisticRegression(max_iter=2000).fit(scaler.transform(train_codes), digits.train.labels)
    neighbours = KNeighborsClassifier(5).fit(train_codes, digits.train.labels)
    expected = {
        "psnr_corrupted": np.mean(-10 * np.log10(np.square(denoised - test).mean(axis=1))),
        "linear_probe_accuracy": probe.score(scaler.transform(codes), digits.test.labels),
        "knn_accuracy": neighbours.score(codes, digits.test.labels),
        "mean_activation": codes.mean(),
        # The sixteenth component of digits has a fifteenth of the first one's variance.
        "active_fraction": 1.0,
        # Sixteen orthonormal rows.
        "jacobian_norm": np.linalg.norm(pca.components_),
        # The components and the mean.
        "parameters": pca.components_.size + pca.mean_.size,
    }
    found = by_metric(rows)
    assert found["jacobian_norm"] == 4.0
    assert found["parameters"] == 16 * 64 + 64
    assert set(found) == {"mse", *expected}
    for name, value in expected.items():
        # One example of 359 may lie on a boundary; signs of components and their rounding move the mean code.
        tolerance = {"linear_probe_accuracy": 0.003, "knn_accuracy": 0.003, "mean_activation": 0.02}.get(name, 1e-5)
        assert abs(found[name] - value) <= tolerance * max(1.0, abs(value)), name


def test_rows_are_of_one_member_without_a_seed(rows):
    assert all({"autoencoder", "seed", "member", "metric", "value", "split"} <= set(row) for row in rows)
    assert {(row["autoencoder"], row["seed"], row["member"], row["split"]) for row in rows} == {
        ("pca", None, 0, "test")
    }


def test_the_seed_is_that_of_the_damage_alone(rows, digits):
    other = by_metric(evaluate_pca(digits, code=16, seed=1))
    assert other["psnr_corrupted"] != by_metric(rows)["psnr_corrupted"]
    assert {**other, "psnr_corrupted": 0} == {**by_metric(rows), "psnr_corrupted": 0}


def test_another_split_is_another_answer(rows, digits):
    validation = evaluate_pca(digits, code=16, split="validation")
    assert {row["split"] for row in validation} == {"validation"}
    assert by_metric(validation)["mse"] != by_metric(rows)["mse"]


def test_unlabelled_data_leave_the_probes_out(rows, digits):
    bare = evaluate_pca(dataclasses.replace(digits, train=Split(digits.train.x)), code=16)
    assert set(by_metric(rows)) - set(by_metric(bare)) == {"linear_probe_accuracy", "knn_accuracy"}


def test_as_an_autoencoder_its_components_are_orthonormal(digits):
    pca = components_of(digits, 5)
    x = flat(digits.test).reshape(-1, 8, 8)
    made = pca.reconstruct(x)
    assert made.shape == x.shape
    np.testing.assert_allclose(pca.encode(made), pca.encode(x), atol=1e-5)
    # What is left over is orthogonal to what was kept.
    np.testing.assert_allclose(np.sum((x - made) * (made - pca.fitted.mean_.reshape(8, 8)[None])), 0.0, atol=1e-2)


@pytest.mark.parametrize(("examples", "code", "limit"), [(1258, 65, 64), (12, 13, 12)])
def test_more_components_than_features_or_examples_are_refused(examples, code, limit, digits):
    data = dataclasses.replace(digits, train=Split(digits.train.x[:examples]))
    sentence = f"PCA was given {code} components: expected at most {limit}, the data's features and rows"
    with pytest.raises(InvalidInput, match=sentence):
        evaluate_pca(data, code=code)
    assert by_metric(evaluate_pca(data, code=limit))["jacobian_norm"] == pytest.approx(limit**0.5)


# Summed squared errors of a test image, pixels in [0, 1]: Hinton and Salakhutdinov, Science 2006, state 13.87 for 30.
@pytest.mark.parametrize(("code", "expected"), [(2, 43.645), (30, 13.866)])
def test_the_error_of_pca_on_mnist_is_the_published_one(code, expected, real_data, mnist_images):
    images = {part: mnist_images(real_data, part) for part in ("train", "t10k")}
    assert [len(x) for x in images.values()] == [60000, 10000]
    data = Dataset(
        name="mnist",
        train=Split(images["train"]),
        validation=Split(images["train"][:0]),
        test=Split(images["t10k"]),
        scaling=Scaling(scale=255.0),
    )
    values = by_metric(evaluate_pca(data, code=code))
    assert round(values["mse"] * 784, 3) == expected
    assert values["jacobian_norm"] == pytest.approx(code**0.5)
