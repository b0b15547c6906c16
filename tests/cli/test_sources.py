"""What there is to train on, and how it comes to be there."""

import json

import pytest

import ae_jax


def test_list_shows_shapes_counts_and_what_can_be_prepared(call, monkeypatch, tmp_path):
    monkeypatch.setenv("AE_JAX_DATA_DIR", str(tmp_path / "data"))
    lines = [line.split() for line in call("data", "list").out.splitlines()]
    assert ["digits", "embedded", "8", "x", "8", "1,258", "180", "359"] in lines
    assert ["mnist", "available", "28", "x", "28", "60,000", "by", "seed", "10,000"] in lines
    described = {one["name"]: one for one in json.loads(call("data", "list", "--json").out)["data"]}
    assert set(described) == {"digits", *ae_jax.data.PUBLISHED}
    assert described["digits"]["examples"]["test"] == 359
    assert described["frey_faces"]["status"] == "available"
    assert max(map(len, call("data", "list").out.splitlines())) <= 80


def test_a_data_set_is_prepared_listed_trained_on_and_encoded(call, real_data, monkeypatch, tmp_path):
    monkeypatch.setenv("AE_JAX_DATA_DIR", str(tmp_path / "data"))
    outcome = call("data", "prepare", "frey_faces", "--from", real_data / "frey_faces")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(f"frey_faces is prepared and lies in {tmp_path / 'data' / 'frey_faces.npz'}")
    assert outcome.out.endswith("train on it by --data frey_faces.\n")
    again = call("data", "prepare", "frey_faces", "--from", "nowhere").out
    assert again.startswith("frey_faces was prepared before and lies in ")
    listed = {one["name"]: one["status"] for one in json.loads(call("data", "list", "--json").out)["data"]}
    assert listed["frey_faces"] == "prepared"
    small = ["--data", "frey_faces", "--code", 2, "--hidden", 4, "--epochs", 1]
    assert call("train", "undercomplete", *small, "--out", "run").code == 0
    assert call("encode", "run").out == "codes.npy: float32, shape (393, 2)\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_prepared_images_are_compared(call, real_data, monkeypatch, tmp_path, name):
    monkeypatch.setenv("AE_JAX_DATA_DIR", str(tmp_path / "data"))
    assert call("data", "prepare", name, "--from", real_data / name).code == 0
    budget = ["--only", "undercomplete", "--epochs", 1, "--seeds", 1, "--batch-size", 1000]
    outcome = call("compare", "--data", name, *budget, "--json")
    assert outcome.code == 0, outcome.err
    results = json.loads(outcome.out)
    assert results["data"]["examples"] == {"train": 54_000, "validation": 6_000, "test": 10_000}
    values = {row["metric"]: row["value"] for row in results["rows"] if row["autoencoder"] == "undercomplete"}
    assert values["knn_accuracy"] > 0.6
    assert values["linear_probe_accuracy"] > 0.5
    assert (tmp_path / f"runs/compare-{name}/report.html").is_file()
