"""Every script of ``experiments/`` runs, and its numbers agree with references; no measured time is asserted."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import BernoulliRBM

from ae_jax.data import digits

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def run(script: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a script in a process without the tests' XLA flags."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def rows_of(name: str, *arguments: str, folder: Path) -> Any:
    finished = run(EXPERIMENTS / name, *arguments, "--json", folder=folder)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def smoke(name: str, *arguments: str, folder: Path) -> dict[str, Any]:
    """Runs an experiment at its smallest budget and returns the results that it wrote."""
    finished = run(EXPERIMENTS / f"{name}.py", "--smoke", *arguments, folder=folder)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    written = folder / "runs" / f"{name}-smoke"
    assert (written / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    results = json.loads((written / "results.json").read_text())
    values = [row["value"] for row in results["rows"] if row["value"] is not None]
    assert len(values) > 0
    assert np.isfinite(values).all()
    return results


def test_every_script_has_a_test():
    known = {
        "anomaly_mnist_one_class.py",
        "benchmark.py",
        "burda2016_iwae.py",
        "checkpoint_overhead.py",
        "compare_digits.py",
        "contractive_cost.py",
        "convolution_cost.py",
        "experiment.py",
        "family_digits.py",
        "hinton2006_reconstruction.py",
        "kill_test.py",
        "kingma2014_elbo.py",
        "masci2011_convolutional.py",
        "mnist_uses.py",
        "rifai2011_contractive.py",
        "sparse_codes.py",
        "streaming_cost.py",
        "tabular_anomalies.py",
        "training_overhead.py",
        "vincent2010_denoising.py",
        "what_each_is_for.py",
    }
    assert {path.name for path in EXPERIMENTS.glob("*.py")} == known


@pytest.mark.slow
def test_the_comparison_of_the_readme_meets_every_expectation(tmp_path):
    # A copy, since the script draws its figure beside itself.
    script = Path(shutil.copy(EXPERIMENTS / "compare_digits.py", tmp_path))
    finished = run(script, "--seeds", "2", folder=tmp_path)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "MISSED" not in finished.stdout
    assert sum(line.startswith("met ") for line in finished.stdout.splitlines()) == 5
    figure = tmp_path / "figures" / "compare_digits.png"
    assert figure.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_contractive_penalty_is_measured_every_way(tmp_path):
    rows = rows_of("contractive_cost.py", "--repetitions", "1", folder=tmp_path)
    ways = {(row["networks"].split()[0], row["way"]) for row in rows}
    deep = ("closed_form", "forward", "reverse", "estimated", "closed_form over the cheaper mode")
    assert ways == {("784-500", "closed_form"), ("784-500", "estimated")} | {
        (networks, way) for networks in ("784-500-100-30", "784-256-64-16") for way in deep
    }
    assert all(np.isfinite(row["ratio_to_plain_step"]) and row["ratio_to_plain_step"] > 0 for row in rows)


@pytest.mark.slow
def test_fit_does_the_work_that_is_written_by_hand(tmp_path):
    rows = rows_of("training_overhead.py", "--rounds", "1", "--epochs", "6", folder=tmp_path)
    assert [row["work"].split(",")[0] for row in rows] == ["digits-sized", "MNIST-sized"]
    for row, pixels in zip(rows, (64, 784), strict=True):
        assert 0 < row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
        # Same network, data, loss and steps from other initial values: alike, and below the variance of the noise.
        np.testing.assert_allclose(row["loss_fit"], row["loss_by_hand"], rtol=0.1)
        assert row["loss_fit"] < 1.2 * pixels / 12


@pytest.mark.slow
def test_with_checkpoints_the_same_is_trained(tmp_path):
    row = rows_of("checkpoint_overhead.py", "--rounds", "1", "--epochs", "3", "--examples", "2000", folder=tmp_path)
    assert 0 < row["ratio_low"] == row["ratio"] == row["ratio_high"]
    assert row["losses"]["with"] == row["losses"]["without"] > 0
    parameters = 784 * 512 + 512 + 512 * 32 + 32 + 16 * 512 + 512 + 512 * 784 + 784
    assert row["checkpoint_bytes"] > 4 * 4 * parameters  # latest, best and two moments, in 32 bits
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_trainings_that_are_ended_come_to_the_same_bits(tmp_path):
    """The everyday tests run ten that are killed; here both signals are seen, and another draw of the moments."""
    rows = rows_of("kill_test.py", "--runs", "3", "--seed", "1000", folder=tmp_path)
    kinds = ("population", "streamed", "rolled back")
    assert [(r["signal"], r["training"]) for r in rows] == [(s, k) for s in ("SIGKILL", "SIGTERM") for k in kinds]
    assert all(row["faults"] == [] and row["runs"] == 1 for row in rows)
    assert all(sum(row["ended"].values()) >= row["runs"] for row in rows)


def test_a_signal_that_was_lost_and_a_phase_that_no_signal_met_are_faults():
    script = module_of("kill_test.py")
    process = SimpleNamespace(code=0, epochs=9, before=7)
    assert script.stopped_badly(process) == "trained on for 2 epochs"
    assert script.stopped_badly(SimpleNamespace(code=0, epochs=9, before=8)) is None
    rows = [
        {"signal": "SIGKILL", "runs": 30, "ended": {"starting": 40, "training": 0, "saving": 1}},
        {"signal": "SIGKILL", "runs": 30, "ended": {"starting": 0, "training": 0, "saving": 9}},
        {"signal": "SIGTERM", "runs": 10, "ended": {"starting": 10, "training": 0, "saving": 0}},
    ]
    assert script.unmet(rows) == ["no SIGKILL came in training"]


@pytest.mark.slow
def test_both_convolutions_do_the_same_work(tmp_path):
    rows = rows_of("convolution_cost.py", "--repetitions", "1", folder=tmp_path)
    assert [row["members"] for row in rows] == [1, 4]
    for row in rows:
        assert row["ratio"] > 0
        np.testing.assert_allclose(row["losses"]["convolve"], row["losses"]["lax.conv"], rtol=1e-4)
        assert row["losses"]["convolve"] > 0


@pytest.mark.slow
def test_streaming_does_the_work_that_is_done_in_memory(tmp_path):
    options = ["--rounds", "1", "--epochs", "3", "--examples", "4000", "--gigabytes", "0.1"]
    cost, peak = rows_of("streaming_cost.py", *options, folder=tmp_path)
    assert 0 < cost["ratio_low"] <= cost["ratio"] <= cost["ratio_high"]
    np.testing.assert_allclose(cost["losses"]["streamed"], cost["losses"]["in memory"], rtol=0.02)
    assert peak["examples"] == 32_768 - 2 * 1024  # a sixteenth of the budget each for validation and test
    assert 0 < peak["loss"] < 4096 / 3  # the error of reconstructing nothing but zeros
    assert list(tmp_path.iterdir()) == []


def module_of(name: str):
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), EXPERIMENTS / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_tabular_anomalies_are_studied_in_every_protocol(tmp_path):
    rng = np.random.default_rng(0)
    for place, count in enumerate((150, 1100)):
        x, y = rng.normal(size=(count, 4)), np.arange(count) % 10 == 0
        x[y] *= 4
        np.savez(tmp_path / f"{place}_set{place}.npz", X=x, y=y.astype(int))
    out = tmp_path / "rows.json"
    options = (str(tmp_path), "--seeds", "2", "--steps", "20", "--json", str(out))
    finished = run(EXPERIMENTS / "tabular_anomalies.py", *options, folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    rows = json.loads(out.read_text())
    headline = ("semi-supervised", "error_and_knn, 5")
    of_seeds = [
        np.mean([row["auroc"] for row in rows if (row["protocol"], row["method"], row["seed"]) == (*headline, seed)])
        for seed in (0, 1)
    ]
    spread = 12.7062 * np.std(of_seeds, ddof=1) / np.sqrt(2)
    assert f"| **error_and_knn, 5** | {np.mean(of_seeds):.2f} ± {spread:.2f} |" in finished.stdout
    ours = {
        "semi-supervised": "error_and_knn, 5",
        "duplicate-free": "error_and_knn, 5",
        "unsupervised": "knn_code, 128",
    }
    for protocol, method in ours.items():
        for name in ("set0", "set1"):
            found = [row for row in rows if (row["set"], row["protocol"]) == (name, protocol)]
            others = {"reconstruction_error", "PCA", "kNN, 5", "kNN, 128", "isolation forest"} | {"error_and_knn, 5"}
            assert {row["method"] for row in found} - others == {method} - others
            assert all(sorted(r["seed"] for r in found if r["method"] == m) == [0, 1] for m in (method, "PCA"))
            # The unsupervised draw has copies of abnormal rows, which a few neighbours do not see past.
            assert all(row["auroc"] > 70 for row in found if row["method"] == method)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cardio", "letter", "vowels", "thyroid"])
def test_splits_are_those_of_the_published_figures(real_data, name):
    """Of sets that nothing is drawn from, kNN's published figure comes out to its last digit."""
    study = module_of("tabular_anomalies.py")
    (table,) = study.read_tables(real_data / "adbench", [name])
    fold = study.semi_supervised(table, 0)
    distance = study.baselines(fold, [0])["kNN, 5"][0]
    published = json.loads((real_data / "adbench" / "dte_auroc.json").read_text())["semi_supervised"][name]["KNN"]
    assert 100 * roc_auc_score(fold.abnormal, distance) == pytest.approx(published, abs=0.006)


def test_small_sets_are_drawn_before_they_are_split_and_distinct_rows_are_not():
    study = module_of("tabular_anomalies.py")
    x, abnormal = np.arange(240.0).reshape(120, 2), np.arange(120) >= 100
    x[1] = x[0]
    table = study.Table("small", x, abnormal)
    drawn = np.random.RandomState(3).choice(np.arange(120), 1000, replace=True)
    fold = study.semi_supervised(table, 3)
    normals = int((drawn < 100).sum())
    assert len(fold.train) == round(normals / 2)
    assert len(fold.train) + len(fold.test) == 1000
    assert fold.abnormal.sum() == 1000 - normals
    distinct = study.duplicate_free(table, 3)
    assert (len(distinct.train), len(distinct.test)) == (50, 69)
    both = np.concatenate([distinct.train, distinct.test])
    assert len(np.unique(both, axis=0)) == 119


@pytest.mark.slow
def test_the_uses_are_studied_on_any_images(tmp_path):
    rows = rows_of("mnist_uses.py", "--data", "digits", "--epochs", "1", "--seeds", "2", folder=tmp_path)
    kinds = {(row["use"], row["autoencoder"]) for row in rows}
    assert kinds == {
        *[("denoising", name) for name in ("noisy input", "pca", "gaussian filter", "median filter", "denoising")],
        *[("retrieval", name) for name in ("raw", "pca-32", "convolutional-32")],
    }
    assert all(np.isfinite(row["value"]) for row in rows)


@pytest.mark.slow
def test_a_deep_autoencoder_stands_beside_pca_and_logistic_pca(tmp_path):
    results = smoke("hinton2006_reconstruction", folder=tmp_path)
    rows = {(row["autoencoder"], row["metric"]): row for row in results["rows"]}
    assert {name for name, metric in rows if metric == "sse"} == {"PCA-30", "logistic PCA-30", "deep autoencoder"}
    # scikit-learn 1.9.1, PCA(30) of the 1,438 digits that are not of the test split, in [0, 1], in double precision.
    assert rows["PCA-30", "sse"]["value"] == pytest.approx(0.20151, abs=2e-5)
    pictures = {name: np.shape(row["pixels"]) for (name, metric), row in rows.items() if metric == "pictures"}
    assert pictures == dict.fromkeys(("PCA-30", "test image", "logistic PCA-30", "deep autoencoder"), (10, 8, 8))


@pytest.mark.slow
def test_principal_components_of_all_of_mnist_err_as_much_as_published(real_data):
    study = module_of("hinton2006_reconstruction.py")
    data = study.data_of(str(real_data / "mnist"), "test")
    assert (len(data.train.x), len(data.test.x)) == (60_000, 10_000)
    error = next(row["value"] for row in study.measured_pca(data, "test") if row["metric"] == study.ERROR)
    assert round(error, 3) == study.PUBLISHED[study.PCA] == 13.866


@pytest.mark.slow
def test_likelihoods_of_two_depths_lie_below_their_bounds(tmp_path):
    results = smoke("kingma2014_elbo", folder=tmp_path)
    names = ("64-400-40", "64-400-400-40")
    value = {(row["autoencoder"], row["seed"], row["metric"]): row["value"] for row in results["rows"]}
    for name in names:
        for seed in (0, 1):
            assert value[name, seed, "nll"] < value[name, seed, "negative_elbo"]
            assert 0 < value[name, seed, "kl"] < value[name, seed, "negative_elbo"]
            assert 0 <= value[name, seed, "active_units"] <= 40
    curves = [row["curve"] for row in results["rows"] if row["metric"] == "validation"]
    assert len(curves) == 4
    assert all(len(curve) == 2 and curve[1] < curve[0] for curve in curves)


def test_the_rate_of_static_mnist_falls_to_a_fiftieth_and_is_constant_as_published():
    study = module_of("kingma2014_elbo.py")
    budgets = study.EXPERIMENT.budgets
    falling = study.recipe(2, 50_000, budgets["default"])
    assert falling.networks.hidden == (400, 400)
    rates = [float(falling.optimizer.learning_rate(step)) for step in (0, 25_000, 50_000)]
    assert rates == pytest.approx([2e-3, 1.02e-3, 4e-5])
    published = study.recipe(1, 50_000, budgets["full"])
    assert published.networks.hidden == (400,)
    rates = [float(published.optimizer.learning_rate(step)) for step in (0, 125_000, 250_000)]
    assert rates == pytest.approx([1e-4] * 3)


@pytest.mark.slow
def test_one_digit_is_told_from_the_others_by_every_method(tmp_path):
    results = smoke("anomaly_mnist_one_class", folder=tmp_path)
    study = module_of("anomaly_mnist_one_class.py")
    methods = {*study.SCORES, study.PCA, study.KNN, study.FOREST}
    rows = results["rows"]
    assert {(row["autoencoder"], row["digit"]) for row in rows} == {(m, digit) for m in methods for digit in (0, 8)}
    assert {row["seed"] for row in rows if row["autoencoder"] in study.SCORES} == {0, 1}
    found = study.intervals(study.with_means(rows), by=("digit",))["mean"]
    # Of digits, that are easy: neighbours in pixels and PCA find what training for one epoch does not yet.
    assert found[study.KNN].mean > 95
    assert found[study.PCA].mean > 95
    assert found["knn_code"].mean > 60


@pytest.mark.slow
def test_sparse_codes_are_classified_beside_pixels(tmp_path):
    results = smoke("sparse_codes", folder=tmp_path)
    rows = {(row["autoencoder"], row["seed"], row["metric"]): row for row in results["rows"]}
    for name in ("KL", "L1", "k-sparse", "winner-take-all"):
        assert min(rows[name, seed, "accuracy"]["value"] for seed in (0, 1)) > 90
        assert np.shape(rows[name, 0, "atoms"]["weights"]) == (20, 8, 8)
        assert np.abs(rows[name, 0, "atoms"]["weights"]).max() == 127
    assert min(rows["winner-take-all, joined", seed, "accuracy"]["value"] for seed in (0, 1)) > 90
    # Of 256 units, 15 of an image are kept.
    assert 0 < rows["k-sparse", 0, "active"]["value"] <= 100 * 15 / 256
    # scikit-learn 1.9.1, LinearSVC on pixels, which have no seed: 94.75 by the C of the first 1,000 digits.
    assert rows["pixels", None, "accuracy"]["value"] == pytest.approx(95.0, abs=0.5)


@pytest.mark.slow
def test_the_importance_weighted_bound_stands_beside_the_elbo(tmp_path):
    results = smoke("burda2016_iwae", folder=tmp_path)
    value = {(row["autoencoder"], row["seed"], row["metric"]): row["value"] for row in results["rows"]}
    assert {(name, seed) for name, seed, _ in value} == {
        (name, s) for name in ("VAE, k = 1", "IWAE, k = 5") for s in (0, 1)
    }
    for name, seed, metric in value:
        if metric == "nll":
            assert 0 < value[name, seed, "nll"] < value[name, seed, "negative_elbo"]
            assert 0 < value[name, seed, "active_units"] <= 50


def test_the_paper_s_rate_falls_in_eight_stages_each_thrice_as_long():
    stages = module_of("burda2016_iwae.py").Stages(rate=1e-3, steps=3280.0 * 2500, growth=3.0)
    starts = [2500 * sum(3**i for i in range(stage)) for stage in range(8)]
    rates = [1e-4 * round(10 ** (1 - stage / 7), 1) for stage in range(8)]
    np.testing.assert_allclose([stages(step) for step in starts], rates, rtol=1e-6)
    np.testing.assert_allclose([stages(step - 1) for step in starts[1:]], rates[:-1], rtol=1e-6)


def test_images_are_binarised_once_for_all_that_is_measured():
    study = module_of("burda2016_iwae.py")
    data = digits()
    drawn = study.binarised(data, data.test.x)
    np.testing.assert_array_equal(drawn, study.binarised(data, data.test.x))
    assert set(np.unique(drawn)) == {0.0, 16.0}
    assert abs((drawn - data.test.x).mean()) < 0.1
    np.testing.assert_array_equal(study.binarised(data, drawn), drawn)


@pytest.mark.slow
def test_pre_trainings_are_fine_tuned_and_their_jacobians_measured(tmp_path):
    results = smoke("rifai2011_contractive", folder=tmp_path)
    value = {(row["autoencoder"], row["metric"]): row["value"] for row in results["rows"]}
    names = {"contractive", "denoising, Gaussian", "RBM", "denoising, masking", "weight decay", "plain"}
    assert {name for name, _ in value} == names
    assert value["contractive", "norm"] < value["plain", "norm"]
    for row in results["rows"]:
        if row["metric"] == "spectrum":  # of means, which are at most the roots of means of squares
            assert 0.5 < np.linalg.norm(row["spectrum"]) / value[row["autoencoder"], "norm"] < 1.1
        if row["metric"] == "test_error":
            assert row["value"] < 50


def test_a_machine_of_contrastive_divergence_is_a_run(tmp_path):
    study = module_of("rifai2011_contractive.py")
    data = digits()
    run = study.pre_trained(study.RBM, data, 6, 1, 3, tmp_path)
    machine = BernoulliRBM(n_components=6, n_iter=1, random_state=3, **study.CONTRASTIVE)
    x = np.asarray(data.scaling(data.train.x.reshape(-1, 64)))
    np.testing.assert_allclose(run.encode(data.train.x), machine.fit_transform(x), rtol=1e-4)


@pytest.mark.slow
def test_stacks_stand_beside_a_perceptron_of_fresh_weights(tmp_path):
    results = smoke("vincent2010_denoising", folder=tmp_path)
    value = {(row["autoencoder"], row["metric"]): row["value"] for row in results["rows"]}
    names = {"no pre-training", "stacked plain", "stacked denoising, 25% masked"}
    assert {name for name, _ in value} == names
    assert value["stacked denoising, 25% masked", "test_error"] < 50
    filters = [row["weights"] for row in results["rows"] if row["metric"] == "filters"]
    assert [np.shape(weights) for weights in filters] == [(12, 8, 8)] * 3
    assert all(np.abs(weights).max() == 127 for weights in filters)


@pytest.mark.slow
def test_few_labels_are_learned_from_in_each_way(tmp_path):
    results = smoke("masci2011_convolutional", folder=tmp_path)
    value = {(row["autoencoder"], row["labels"], row["metric"]): row["value"] for row in results["rows"]}
    for name in ("convolutional", "fully connected"):
        assert 0 < value[name, None, "mse"] < 0.1
        for way in ("probe", "fine-tuned", "from scratch"):
            assert value[name, 100, way] < value[name, 20, way] < 80


@pytest.mark.slow
def test_each_autoencoder_is_put_to_every_use(tmp_path):
    results = smoke("what_each_is_for", folder=tmp_path)
    asked = {(row["autoencoder"], row["use"], row["seed"]) for row in results["rows"]}
    uses = ("reduce", "denoise", "detect", "search", "generate")
    names = {name for name, _, _ in asked}
    assert {"pca", "denoising", "variational"} <= names
    assert asked >= {(name, use, seed) for name in names - {"pca"} for use in uses for seed in (0, 1)}
    assert asked >= {("pca", use, None) for use in uses}


def test_principal_components_are_a_run_like_any_other():
    study = module_of("what_each_is_for.py")
    data = study.subject_of("digits", examples=200, tests=20).data
    run = study.principal(data)
    flat = (data.train.x / 16.0).reshape(200, 64)
    fitted = PCA(study.CODE).fit(flat)
    x = (data.test.x / 16.0).reshape(20, 64)
    np.testing.assert_allclose(np.abs(run.encode(data.test.x)[0]), np.abs(fitted.transform(x)), atol=1e-4)
    made = 16.0 * fitted.inverse_transform(fitted.transform(x)).reshape(20, 8, 8)
    np.testing.assert_allclose(run.reconstruct(data.test.x)[0], made, atol=1e-3)


def test_what_is_best_stands_with_what_is_not_shown_to_be_worse():
    study = module_of("what_each_is_for.py")
    values = {"a": [0.90, 0.92, 0.91, 0.93], "b": [0.80, 0.81, 0.82, 0.81], "c": [0.95, 0.88, 0.93, 0.88], "pca": [0.7]}
    about = {"data": "digits", "use": "search", "metric": "map_at_k", "split": "test"}
    rows = [
        about | {"autoencoder": name, "seed": None if name == "pca" else seed, "value": value}
        for name, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    assert study.winners(rows) == ["a", "c"]
    turned = [row | {"metric": "frechet_distance", "use": "generate"} for row in rows]
    assert study.winners(turned)[0] == "pca"
    assert study.expected(rows) == {"digits, search: better than PCA (a, b, c)": True}
