"""The uses of a saved run."""

import json

import numpy as np
import pandas
import pytest
from PIL import Image

import ae_jax


@pytest.fixture(scope="module")
def population(compared):
    return compared.folder / "runs" / "compare-few" / "runs" / "variational"


@pytest.mark.usefixtures("embedded")
def test_evaluate_prints_the_table_of_a_split(call, run_folder):
    outcome = call("evaluate", run_folder, "--split", "validation")
    assert outcome.code == 0, outcome.err
    assert "undercomplete" in outcome.out
    assert "linear" in outcome.out


def test_evaluate_of_a_sweep_has_a_row_for_each_member(call, swept, file):
    outcome = call("evaluate", swept.folder / "runs/sweep-undercomplete-few/runs/undercomplete", "--data", file)
    rows = [line.split()[0] for line in outcome.out.splitlines() if line]
    assert rows[rows.index("member") + 2 :][:2] == ["0", "1"]


def test_evaluate_prints_the_same_numbers_as_training(call, trained, run_folder, file):
    outcome = call("evaluate", run_folder, "--data", file, "--json")
    rows = [row for row in json.loads(trained.out)["rows"] if row["autoencoder"] != "pca"]
    assert outcome.err == ""
    assert json.loads(outcome.out)["rows"] == rows


def test_encode_takes_the_test_split_of_what_was_trained_on(call, run_folder, embedded):
    outcome = call("encode", run_folder)
    assert (outcome.code, outcome.out) == (0, "codes.npy: float32, shape (13, 2)\n")
    codes = np.load(outcome.folder / "codes.npy")
    assert np.array_equal(codes, ae_jax.load(run_folder).encode(embedded.test.x))


@pytest.mark.usefixtures("embedded")
@pytest.mark.parametrize(("split", "count"), [("train", 45), ("validation", 6), ("all", 64)])
def test_encode_takes_other_splits(call, run_folder, split, count):
    outcome = call("encode", run_folder, "--data", "few", "--split", split, "--out", "below/codes.npy")
    assert np.load(outcome.folder / "below" / "codes.npy").shape == (count, 2)


def test_a_file_is_taken_whole_unless_a_split_is_named(call, population, file):
    whole = call("encode", population, "--data", file)
    assert np.load(whole.folder / "codes.npy").shape == (2, 64, 16)
    part = call("encode", population, "--data", file, "--split", "test")
    assert np.load(part.folder / "codes.npy").shape == (2, 13, 16)


def test_one_member_has_no_leading_axis(call, population, file):
    outcome = call("reconstruct", population, "--data", file, "--member", 1)
    reconstructions = np.load(outcome.folder / "reconstructions.npy")
    with np.load(file) as data:
        assert np.array_equal(reconstructions, ae_jax.load(population)[1].reconstruct(data["x"]))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Forty rows of two numbers, a text and a class."""
    path = tmp_path_factory.mktemp("table") / "people.csv"
    rng = np.random.default_rng(0)
    rows = [f"{x:.3f},Oslo,{100 * y:.1f},{'ab'[int(x > 0)]}" for x, y in rng.normal(size=(40, 2))]
    path.write_text("\n".join(["height,city,income,kind", *rows]))
    return path


@pytest.fixture(scope="module")
def run_of_table(call_in, tmp_path_factory, table):
    options = ["--columns", "height", "income", "--label", "kind", "--scaling", "standard"]
    small = ["--code", 2, "--hidden", 4, "--epochs", 2, "--batch-size", 16, "--out", "run"]
    outcome = call_in(tmp_path_factory.mktemp("trained"), "train", "variational", "--data", table, *options, *small)
    assert outcome.code == 0, outcome.err
    assert "variational has a Gaussian likelihood: values from" in outcome.err
    assert "note" not in outcome.err
    return outcome.folder / "run"


def test_a_run_takes_the_columns_that_it_was_trained_on(call, run_of_table, table, tmp_path):
    pandas.read_csv(table)[["kind", "income", "height"]].to_csv(tmp_path / "other.csv", index=False)
    codes = [
        np.load(call("encode", run_of_table, "--data", data).folder / "codes.npy") for data in (table, "other.csv")
    ]
    assert codes[0].shape == (40, 2)
    assert np.array_equal(*codes)
    frame = pandas.read_csv(table)
    assert np.array_equal(codes[0], ae_jax.load(run_of_table).encode(frame[["height", "income"]].to_numpy()))
    assert np.array_equal(codes[0], ae_jax.load(run_of_table).encode(frame))


def test_a_run_gives_back_the_units_of_the_data(call, run_of_table, table):
    outcome = call("reconstruct", run_of_table, "--data", table)
    made, frame = np.load(outcome.folder / "reconstructions.npy"), pandas.read_csv(table)
    assert 10 < np.abs(made[:, 1] - made[:, 1].mean()).mean() + np.abs(made[:, 1]).mean() < 300
    assert np.abs(made[:, 0]).max() < 2 * frame["height"].abs().max()


def test_a_run_is_asked_about_a_table_as_it_was_trained(call, run_of_table, table):
    outcome = call("evaluate", run_of_table, "--data", table, "--json")
    assert outcome.err == ""
    results = json.loads(outcome.out)
    assert "knn_accuracy" in {row["metric"] for row in results["rows"]}
    assert (
        results["data"]["scaling"] == json.loads((run_of_table / "configuration.json").read_text())["data"]["scaling"]
    )


def test_a_folder_of_images_is_read_as_it_was_trained(call, tmp_path):
    for place in range(12):
        folder = tmp_path / "pictures" / "ab"[place % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(place).integers(0, 256, (9, 12), np.uint8)
        Image.fromarray(pixels).save(folder / f"{place}.png")
    small = ["--code", 2, "--hidden", 4, "--epochs", 1, "--batch-size", 8]
    outcome = call("train", "undercomplete", "--data", "pictures", "--image-size", 6, 8, *small)
    assert outcome.code == 0, outcome.err
    assert call("encode", "runs/train-undercomplete-pictures", "--data", "pictures").code == 0
    assert np.load(tmp_path / "codes.npy").shape == (12, 2)


def test_a_source_beyond_the_budget_is_streamed(call, digits, tmp_path):
    np.save(tmp_path / "many.npy", digits.train.x)
    small = ["--code", 2, "--hidden", 4, "--epochs", 1, "--batch-size", 32, "--device-budget", "40KB"]
    outcome = call("train", "undercomplete", "--data", "many.npy", *small, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["data"]["examples"] == {"train": 1178, "validation": 40, "test": 40}
    told = call("evaluate", "runs/train-undercomplete-many", "--data", "many.npy", "--json")
    rows = [row for row in json.loads(outcome.out)["rows"] if row["autoencoder"] != "pca"]
    assert json.loads(told.out)["rows"] == rows  # asked about the examples that were held out
