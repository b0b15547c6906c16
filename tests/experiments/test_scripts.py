"""Every script of ``experiments/`` runs, and its numbers agree with references; no measured time is asserted."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import BernoulliRBM

from ae_jax.data import digits

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


COMPUTES_LONG = ("compare_digits.py", "convolution_cost.py", "streaming_cost.py", "training_overhead.py")
"""Scripts that take longer with the tests' XLA flags, which compile fast and compute slowly."""


def run(script: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a script in a process."""
    environment = dict(os.environ)
    if script.name in COMPUTES_LONG:
        del environment["XLA_FLAGS"]
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def rows_of(name: str, *arguments: str, folder: Path) -> Any:
    finished = run(EXPERIMENTS / name, *arguments, "--json", folder=folder)
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()]


def require_pca_error(value: dict) -> None:
    # scikit-learn 1.9.1, PCA(30) of the 1,438 digits that are not of the test split, in [0, 1], in double precision.
    assert value["PCA-30", None, "sse"] == pytest.approx(0.20151, abs=2e-5)


def require_bounds(value: dict) -> None:
    for name, seed, metric in value:
        if metric == "nll":
            assert 0 < value[name, seed, "nll"] < value[name, seed, "negative_elbo"]


def require_bounds_of_missing(value: dict) -> None:
    for seed in (0, 1):
        assert 0 < value["CVAE, 1", seed, "nll"] < value["CVAE, 1", seed, "bound"]
        assert value["NN, 3", seed, "bound"] < value["NN, 1", seed, "bound"]  # of a third of the pixels


def require_accuracy_of_codes(value: dict) -> None:
    assert min(value[name, seed, metric] for name, seed, metric in value if metric == "accuracy") > 90
    assert 0 < value["k-sparse", 0, "active"] <= 100 * 15 / 256  # of 256 units, 15 are kept


def require_contraction(value: dict) -> None:
    assert value["contractive", 0, "norm"] < value["plain", 0, "norm"]


def require_test_errors(value: dict) -> None:
    assert value["stacked denoising, 25% masked", 0, "test_error"] < 50


SMOKE: dict[str, Any] = {
    "anomaly_mnist_one_class": None,
    "burda2016_iwae": require_bounds,
    "hinton2006_reconstruction": require_pca_error,
    "kingma2014_elbo": require_bounds,
    "masci2011_convolutional": None,
    "rifai2011_contractive": require_contraction,
    "sohn2015_quadrants": require_bounds_of_missing,
    "sparse_codes": require_accuracy_of_codes,
    "vincent2010_denoising": require_test_errors,
    "what_each_is_for": None,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMOKE)
def test_an_experiment_runs_at_its_smallest_budget(name, tmp_path):
    finished = run(EXPERIMENTS / f"{name}.py", "--smoke", folder=tmp_path)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    written = tmp_path / "runs" / f"{name}-smoke"
    assert (written / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    rows = [row for row in json.loads((written / "results.json").read_text())["rows"] if row["value"] is not None]
    assert rows
    assert np.isfinite([row["value"] for row in rows]).all()
    if SMOKE[name]:
        SMOKE[name]({(row["autoencoder"], row["seed"], row["metric"]): row["value"] for row in rows})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "losses"),
    [
        ("contractive_cost.py", "--repetitions 1", None),
        ("convolution_cost.py", "--repetitions 1", ("convolve", "lax.conv")),
        ("checkpoint_overhead.py", "--rounds 1 --epochs 3 --examples 2000", ("with", "without")),
        ("mnist_uses.py", "--data digits --epochs 1 --seeds 2", None),
    ],
)
def test_a_measurement_compares_ways_that_do_the_same_work(name, options, losses, tmp_path):
    rows = rows_of(name, *options.split(), folder=tmp_path)
    for row in rows:
        numbers = [value for value in row.values() if isinstance(value, float)]
        assert np.isfinite(numbers).all()
        if losses:
            np.testing.assert_allclose(*[row["losses"][way] for way in losses], rtol=1e-4)


@pytest.mark.slow
def test_the_family_on_digits_runs_at_its_smallest_budget(tmp_path):
    finished = run(EXPERIMENTS / "family_digits.py", "--smoke", folder=tmp_path)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "autoencoders"), [("family_mnist", ()), ("head_to_head", ("--autoencoders", "vamp", "aae", "vq", "rae"))]
)
def test_the_family_beside_each_other_and_beside_pythae(name, autoencoders, tmp_path):
    if name == "head_to_head":
        pytest.importorskip("pythae", reason="pythae comes with the extra bench.")
    finished = run(EXPERIMENTS / f"{name}.py", "--smoke", *autoencoders, folder=tmp_path)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    rows = json.loads((tmp_path / "runs" / f"{name}-smoke" / "results.json").read_text())["rows"]
    assert rows
    assert np.isfinite([row["value"] for row in rows]).all()


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
def test_fit_does_the_work_that_is_written_by_hand(tmp_path):
    rows = rows_of("training_overhead.py", "--rounds", "1", "--epochs", "6", folder=tmp_path)
    assert [row["work"].split(",")[0] for row in rows] == ["digits-sized", "MNIST-sized"]
    for row, pixels in zip(rows, (64, 784), strict=True):
        assert 0 < row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
        # Same network, data, loss and steps from other initial values: alike, and below the variance of the noise.
        np.testing.assert_allclose(row["loss_fit"], row["loss_by_hand"], rtol=0.1)
        assert row["loss_fit"] < 1.2 * pixels / 12


@pytest.mark.slow
def test_trainings_of_every_kind_that_are_killed_come_to_the_same_bits(tmp_path):
    how = ["--runs", "5", "--seed", "1000", "--signals", "SIGKILL"]
    finished = run(EXPERIMENTS / "kill_test.py", *how, folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    rows = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [row["training"] for row in rows] == ["single", "population", "streamed", "sweep", "compare"]
    assert all(row["faults"] == [] and row["runs"] == 1 for row in rows)
    assert all(sum(row["ended"].values()) >= row["runs"] for row in rows)


def test_a_signal_that_was_lost_and_a_phase_that_no_signal_met_are_faults():
    script = module_of("kill_test.py")
    process = SimpleNamespace(code=0, epochs=9, before=7)
    assert script.stopped_badly(process) == "trained on for 2 epochs"
    assert script.stopped_badly(SimpleNamespace(code=0, epochs=9, before=8)) is None
    rows = [
        {"signal": "SIGKILL", "runs": 30, "ended": {"starting": 40, "training": 0, "saving": 1, "ending": 0}},
        {"signal": "SIGKILL", "runs": 30, "ended": {"starting": 0, "training": 0, "saving": 9, "ending": 2}},
        {"signal": "SIGTERM", "runs": 10, "ended": {"starting": 10, "training": 0, "saving": 0, "ending": 0}},
    ]
    assert script.unmet(rows) == ["no SIGKILL came in training"]


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
def test_tabular_anomalies_are_studied_on_every_other_set_and_continue(tmp_path):
    rng = np.random.default_rng(0)
    for number, count in ((9, 150), (10, 150), (11, 150), (100, 1100)):
        x, y = rng.normal(size=(count, 4)), np.arange(count) % 10 == 0
        x[y] *= 4
        np.savez(tmp_path / f"{number}_set{number}.npz", X=x, y=y.astype(int))
    options = ("--smoke", "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    script = EXPERIMENTS / "tabular_anomalies.py"
    first = run(script, *options, "--protocols", "duplicate-free", folder=tmp_path)
    assert first.returncode == 0, first.stderr
    kept = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert {row["set"] for row in kept} == {"set10", "set100"}
    finished = run(script, *options, "--protocols", "duplicate-free", "unsupervised", folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "set10, duplicate-free" not in finished.stderr
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert [row for row in rows if row["protocol"] == "duplicate-free"] == kept
    study = module_of("tabular_anomalies.py")
    for protocol, name in product(("duplicate-free", "unsupervised"), ("set10", "set100")):
        found = [row for row in rows if (row["set"], row["protocol"]) == (name, protocol)]
        assert {row["method"] for row in found} == set(study.GRIDS)
        ours = [row for row in found if row["method"] == study.AUTOENCODER]
        assert [row["seed"] for row in ours] == [0, 1]
        assert all(row["auroc"] > 70 and row["ap"] > 50 for row in ours)


def test_the_noise_of_tables_has_a_level_for_each_row_uniform_in_its_logarithm():
    study = module_of("tabular_anomalies.py")
    noise = study.GaussianRange(lowest=0.01, highest=1.0)(jax.random.key(0), jnp.zeros((1000, 200)))
    levels = np.log10(np.asarray(noise).std(axis=1))
    assert stats.kstest(levels, stats.uniform(-2, 2).cdf).pvalue > 0.01


def test_settings_that_are_reported_are_of_the_grids():
    study = module_of("tabular_anomalies.py")
    for protocol in study.PROTOCOLS:
        grids = study.settings_of(protocol, "development")
        assert all(set(chosen) <= set(grids[name]) for name, chosen in study.settings_of(protocol, "report").items())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cardio", "letter", "vowels", "thyroid"])
def test_splits_are_those_of_the_published_figures(real_data, name):
    """Of sets that nothing is drawn from, kNN's published figure comes out to its last digit."""
    study = module_of("tabular_anomalies.py")
    adbench = module_of("adbench.py")
    tables = [table for half in adbench.HALVES for table in adbench.read_tables(real_data / "adbench", half)]
    fold = adbench.semi_supervised(next(table for table in tables if table.name == name), 0)
    distance = study.by_knn(fold, [0], [("max", 5)])["max", 5][0]
    published = json.loads((real_data / "adbench" / "dte_auroc.json").read_text())["semi_supervised"][name]["KNN"]
    assert 100 * roc_auc_score(fold.abnormal, distance) == pytest.approx(published, abs=0.006)


def test_small_sets_are_drawn_before_they_are_split_and_distinct_rows_are_not():
    study = module_of("adbench.py")
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
def test_principal_components_of_all_of_mnist_err_as_much_as_published(real_data):
    study = module_of("hinton2006_reconstruction.py")
    data = study.data_of(str(real_data / "mnist"), "test")
    assert (len(data.train.x), len(data.test.x)) == (60_000, 10_000)
    error = next(row["value"] for row in study.measured_pca(data, "test") if row["metric"] == study.ERROR)
    assert round(error, 3) == study.PUBLISHED[study.PCA] == 13.866


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


def test_a_machine_of_contrastive_divergence_is_a_run(tmp_path):
    study = module_of("rifai2011_contractive.py")
    data = digits()
    run = study.pre_trained(study.RBM, data, 6, 1, 3, tmp_path)
    machine = BernoulliRBM(n_components=6, n_iter=1, random_state=3, **study.CONTRASTIVE)
    x = np.asarray(data.scaling(data.train.x.reshape(-1, 64)))
    np.testing.assert_allclose(run.encode(data.train.x), machine.fit_transform(x), rtol=1e-4)


def test_ten_seeds_test_on_every_digit_once_and_hold_out_every_class():
    study, whole = module_of("what_each_is_for.py"), digits()
    subjects = [study.subject_of(whole, seed, examples=256, tests=500) for seed in range(10)]
    tested = np.concatenate([subject.data.test.x for subject in subjects]).reshape(-1, 64)
    images = np.concatenate([whole.train.x, whole.validation.x, whole.test.x]).reshape(-1, 64)
    np.testing.assert_array_equal(np.sort(tested, axis=0), np.sort(images, axis=0))
    assert {subject.held_out for subject in subjects} == set(range(10))
    assert {len(subject.normal.train.x) for subject in subjects} == {128}
    for subject in subjects:
        assert subject.held_out not in {*subject.normal.train.labels, *subject.normal.validation.labels}
        assert subject.held_out in subject.normal.test.labels
        parts = [{x.tobytes() for x in split.x} for split in (subject.data.train, subject.data.validation)]
        assert all(len(part & {x.tobytes() for x in subject.data.test.x}) == 0 for part in parts)


def test_linear_maps_are_runs_like_any_other():
    study = module_of("what_each_is_for.py")
    data = study.subject_of(digits(), 0, examples=200, tests=20).data
    x = (data.test.x / 16.0).reshape(20, 64)
    fitted = PCA(study.CODE).fit((data.train.x / 16.0).reshape(200, 64))
    run = study.linear("pca", data, 0)
    np.testing.assert_allclose(np.abs(run.encode(data.test.x)[0]), np.abs(fitted.transform(x)), atol=1e-4)
    made = 16.0 * fitted.inverse_transform(fitted.transform(x)).reshape(20, 8, 8)
    np.testing.assert_allclose(run.reconstruct(data.test.x)[0], made, atol=1e-3)
    np.testing.assert_allclose(study.linear("raw", data, 0).encode(data.test.x)[0], x, atol=1e-6)


def test_the_best_autoencoder_is_judged_beside_the_best_baseline():
    study = module_of("what_each_is_for.py")
    values = {"a": [0.90, 0.92, 0.91, 0.93], "b": [0.80, 0.81, 0.82, 0.81], "c": [0.95, 0.88, 0.93, 0.88]}
    values |= {"pca": [0.71, 0.70, 0.72, 0.70], "raw": [0.61, 0.60, 0.62, 0.60]}
    about = {"data": "digits", "use": "search", "metric": "map_at_k", "split": "test", "tests_per_example": 0.1}
    rows = [
        about | {"autoencoder": name, "seed": seed, "value": value}
        for name, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    assert study.expected(rows) == {"digits, search: a is shown to be better than pca": True}
    assert list(study.ranked(rows)) == ["a", "c", "b", "pca", "raw"]
    cells = study.table(rows).splitlines()
    assert cells[2].startswith("| search | digits | a | pca | **0.208 ± ")
    assert [line.count("**") for line in cells[-5:]] == [2, 2, 0, 0, 0]
    turned = [row | {"metric": "frechet_distance", "use": "generate"} for row in rows]
    assert study.expected(turned) == {"digits, generate: b is shown to be better than raw": False}


@pytest.mark.slow
def test_the_imputation_of_half_of_the_values_runs(tmp_path):
    finished = run(EXPERIMENTS / "mattei2019_missing.py", "--smoke", folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    rows = [json.loads(line) for line in finished.stdout.splitlines()]
    assert rows[0]["mse"] == pytest.approx(1.0224, abs=1e-4)  # of missing values at the mean, by NumPy's seed 1234
    assert rows[2]["imputation"] == "missing"


@pytest.mark.slow
def test_categorical_latents_are_trained_as_in_the_notebook(tmp_path):
    finished = run(EXPERIMENTS / "jang2017_categorical.py", "--smoke", folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    rows = [json.loads(line) for line in finished.stdout.splitlines()]
    relaxed, one_hot = (
        [row["nats"] for row in rows if row.get("negative_elbo") == f"test, {name}"] for name in ("relaxed", "one-hot")
    )
    assert len(relaxed) == len(one_hot) == 2
    np.testing.assert_allclose(relaxed, one_hot, rtol=0.1)  # the relaxation is near the model that is sampled


def test_missing_pixels_alone_are_judged():
    study = module_of("sohn2015_quadrants.py")
    assert [study.given((28, 28, 1), quadrants).mean() for quadrants in (1, 2, 3)] == [0.25, 0.5, 0.75]
    known = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]], bool)
    np.testing.assert_array_equal(study.given((4, 4), 1), known)
    rng = np.random.default_rng(0)
    logits, x = rng.normal(size=(3, 4, 4)), rng.uniform(size=(3, 4, 4))
    p = 1 / (1 + np.exp(-logits))
    losses = np.where(known, 0.0, -x * np.log(p) - (1 - x) * np.log(1 - p)).sum(axis=(1, 2))
    objective = study.ConditionalELBO(quadrants=1)
    np.testing.assert_allclose(objective.nll(jnp.asarray(logits), jnp.asarray(x)), losses, rtol=1e-5)
    np.testing.assert_array_equal(objective.given_of(jnp.asarray(x)), np.where(known, x, 0).astype(np.float32))
