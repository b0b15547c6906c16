"""``data list`` and ``data prepare``, and kinds of sources as options read them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ae_jax
from ae_jax.evaluation import is_baseline

SMALL = ["--code", 2, "--hidden", 4, "--epochs", 1, "--batch-size", 8]


def test_list_shows_shapes_counts_and_status(call, monkeypatch, tmp_path):
    monkeypatch.setenv("AE_JAX_DATA_DIR", str(tmp_path / "data"))
    lines = [line.split() for line in call("data", "list").ok().out.splitlines()]
    assert ["digits", "embedded", "8", "x", "8", "1,258", "180", "359"] in lines
    assert ["mnist", "available", "28", "x", "28", "60,000", "by", "seed", "10,000"] in lines
    described = {one["name"]: one for one in call("data", "list", "--json").json()["data"]}
    assert set(described) == {"digits", *ae_jax.data.PUBLISHED}
    assert described["digits"]["examples"]["test"] == 359
    assert described["frey_faces"]["status"] == "available"


def test_a_data_set_is_prepared_listed_trained_on_and_encoded(call, real_data, monkeypatch, tmp_path):
    monkeypatch.setenv("AE_JAX_DATA_DIR", str(tmp_path / "data"))
    outcome = call("data", "prepare", "frey_faces", "--from", real_data / "frey_faces").ok()
    assert "train on it by --data frey_faces" in outcome.out
    assert "already prepared" in call("data", "prepare", "frey_faces", "--from", "nowhere").ok().out
    listed = {one["name"]: one["status"] for one in call("data", "list", "--json").json()["data"]}
    assert listed["frey_faces"] == "prepared"
    call("train", "undercomplete", "--data", "frey_faces", *SMALL, "--out", "run").ok()
    assert call("encode", "run").array("codes.npy").shape == (393, 2)


@pytest.mark.slow
def test_prepared_images_are_compared(call, real_data, monkeypatch, tmp_path):
    name = "mnist"
    monkeypatch.setenv("AE_JAX_DATA_DIR", str(tmp_path / "data"))
    call("data", "prepare", name, "--from", real_data / name).ok()
    budget = ["--autoencoders", "undercomplete", "--epochs", 1, "--seeds", 1, "--batch-size", 1000]
    results = call("compare", "--data", name, *budget, "--json").json()
    assert results["data"]["examples"] == {"train": 54_000, "validation": 6_000, "test": 10_000}
    values = {row["metric"]: row["value"] for row in results["rows"] if row["autoencoder"] == "undercomplete"}
    assert values["knn_accuracy"] > 0.6
    assert values["linear_probe_accuracy"] > 0.5


def test_a_folder_of_images_is_read_as_it_was_trained(call, tmp_path: Path):
    for place in range(12):
        folder = tmp_path / "pictures" / "ab"[place % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(place).integers(0, 256, (9, 12), np.uint8)
        Image.fromarray(pixels).save(folder / f"{place}.png")
    call("train", "undercomplete", "--data", "pictures", "--image-size", 6, 8, *SMALL).ok()
    outcome = call("encode", "runs/train-undercomplete-pictures", "--data", "pictures")
    assert outcome.array("codes.npy").shape == (12, 2)


def test_a_source_beyond_the_budget_is_streamed(call, digits, tmp_path: Path):
    np.save(tmp_path / "many.npy", digits.train.x)
    line = ["train", "undercomplete", "--data", "many.npy", *SMALL, "--device-budget", "40KB", "--json"]
    results = call(*line).json()
    assert results["data"]["examples"] == {"train": 1178, "validation": 40, "test": 40}
    again = call("evaluate", "runs/train-undercomplete-many", "--data", "many.npy", "--json").json()
    assert again["rows"] == [row for row in results["rows"] if not is_baseline(row["autoencoder"])]
