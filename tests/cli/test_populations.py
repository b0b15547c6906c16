"""The uses of a saved run."""

import json

import numpy as np
import pytest

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


def test_sample_draws_from_the_prior_by_a_seed(call, population):
    drawn = []
    for seed in (0, 0, 1):
        outcome = call("sample", population, "--n", 3, "--seed", seed, "--out", "drawn.npy")
        assert outcome.out == "drawn.npy: float32, shape (2, 3, 8, 8)\n"
        drawn.append(np.load(outcome.folder / "drawn.npy"))
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_data_list_shows_shapes_and_counts(call):
    outcome = call("data", "list")
    assert outcome.out.splitlines()[-1].split() == ["digits", "8", "x", "8", "uint8", "1,258", "180", "359"]
    [described] = json.loads(call("data", "list", "--json").out)["data"]
    assert described["name"] == "digits"
    assert described["examples"]["test"] == 359
