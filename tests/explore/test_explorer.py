"""The contents of an explorer's page are the run's."""

import dataclasses
import json
import re
import sys
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
from scipy import special

import ae_jax
from ae_jax import InvalidInput, Run
from ae_jax.data import Dataset, from_arrays
from ae_jax.evaluation import anomaly_score
from ae_jax.explore import Explorer, explore
from ae_jax.explore.decoder import page_decoder
from ae_jax.networks import MLP
from ae_jax.objectives import LearnedGaussianLikelihood, Reconstruction
from ae_jax.training import untrained

from .conftest import floats

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": np.tanh, "gelu": jax.nn.gelu}


def forward(decoder: dict[str, Any], codes: np.ndarray, condition: int | None = None) -> np.ndarray:
    """The decoder of a page in NumPy, as the page's script runs it."""

    def affine(layer, inputs):
        bias = floats(layer["bias"])
        return inputs @ floats(layer["kernel"]).reshape(-1, len(bias)) + bias

    hidden = np.hstack([codes, np.tile(np.arange(decoder["condition"]) == condition, (len(codes), 1))])
    *layers, last = decoder["layers"]
    for layer in layers:
        hidden = np.asarray(ACTIVATIONS[decoder["activation"]](affine(layer, hidden)))
    outputs = affine(last, hidden) + sum(affine(layer, codes) for layer in decoder["linear"])
    outputs = outputs[:, :: decoder["outputs"]]
    outputs = special.expit(outputs) if decoder["logistic"] else outputs
    return outputs * floats(decoder["scale"]) + floats(decoder["offset"])


def test_contents_are_codes_reconstructions_errors_and_scores(explorer: Explorer, population: Run, small: Dataset):
    run, contents, x = population[1], explorer.contents, small.test.x
    np.testing.assert_allclose(floats(contents["codes"], 20, 3), run.encode(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(floats(contents["x"], 20, 8, 8), x)
    np.testing.assert_allclose(floats(contents["made"], 20, 8, 8), run.reconstruct(x), rtol=1e-5)
    assert list(contents["colours"]) == ["label", "reconstruction error", "anomaly score (error and knn)"]
    label, error, score = contents["colours"].values()
    assert [label["names"][place] for place in label["places"]] == [str(each) for each in small.test.labels]
    np.testing.assert_allclose(floats(error), anomaly_score(run, "reconstruction_error").score(x), rtol=1e-5)
    expected = anomaly_score(run, "error_and_knn", small.train.x).score(x)
    np.testing.assert_allclose(floats(score), expected, rtol=1e-4, atol=1e-5)
    assert (contents["kind"], contents["shape"], contents["rows"]) == ("image", [8, 8], list(range(20)))
    spread = run.encode(x).var(axis=0)
    assert [unit["unit"] for unit in contents["units"]] == np.argsort(-spread).tolist()


def test_kinds_of_data_and_large_data(run: Run):
    rng = np.random.default_rng(0)

    def contents(x, labels=None):
        return explore(untrained(ae_jax.undercomplete(code=2), from_arrays(x[:40])), x, labels).contents

    waves = np.sin(np.linspace(0, 6, 32) + rng.uniform(size=(40, 1)))
    assert contents(waves)["kind"] == "series"
    table = contents(rng.normal(size=(2500, 5)), np.linspace(0, 1, 2500))
    assert (table["kind"], len(table["rows"])) == ("table", 2000)
    assert table["note"] == "2,000 of 2,500 examples of the data, evenly spaced."
    np.testing.assert_allclose(floats(table["colours"]["label"]), np.linspace(0, 1, 2500)[table["rows"]], rtol=1e-6)
    named = explore(run, np.zeros((2, 8, 8)), ids=["a.png", "b.png"]).contents
    assert (named["ids"], table["ids"]) == (["a.png", "b.png"], None)
    with pytest.raises(InvalidInput, match="3 labels of 20 examples"):
        explore(run, np.zeros((20, 8, 8)), [0, 1, 2])


@pytest.mark.parametrize(
    "autoencoder",
    [
        ae_jax.undercomplete(code=3, hidden=(6,)),
        ae_jax.variational(code=3, hidden=(6, 5), activation="tanh"),
        ae_jax.Autoencoder(name="tied", networks=MLP(hidden=(6,), code=3, tied=True), objective=Reconstruction()),
        ae_jax.Autoencoder(
            name="scaled",
            networks=MLP(hidden=(6,), code=3, condition=10),
            objective=Reconstruction(likelihood=LearnedGaussianLikelihood()),
        ),
    ],
    ids=lambda autoencoder: autoencoder.name,
)
def test_the_page_decodes_as_the_run_does(autoencoder, small: Dataset):
    run, rng = untrained(autoencoder, small), np.random.default_rng(0)
    moved = jax.tree.map(lambda leaf: leaf + 0.1 * rng.normal(size=leaf.shape).astype(np.float32), run.params)
    run = dataclasses.replace(run, params=moved)
    decoder = page_decoder(run)
    assert decoder is not None
    codes = rng.normal(size=(4, autoencoder.networks.code)).astype(np.float32)
    conditional = autoencoder.conditional
    expected = run.decode(codes, run.data.classes[2] if conditional else None).reshape(4, -1)
    np.testing.assert_allclose(forward(decoder, codes, 2), expected, rtol=1e-4, atol=1e-4)
    found = explore(run, small).decode(codes, 2 if conditional else None)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_file_opens_offline_and_shows_traversals_of_decoders_that_it_lacks(
    explorer: Explorer, remote: Explorer, tmp_path
):
    held, lacking = (each.save(tmp_path / "page.html").read_text() for each in (explorer, remote))
    for page in (held, lacking):
        assert "connect-src 'none'" in page
        assert not re.search(r"https?://|@import|<link|src=", page)
    contents = json.loads(re.findall(r'id="contents">(.*?)</script>', lacking)[0])
    assert contents["decoder"] is None
    first = contents["units"][0]
    code = np.array(contents["mean"])
    code[first["unit"]] = first["high"]
    np.testing.assert_allclose(floats(contents["traversals"][6]), remote.decode([code])[0], rtol=1e-5)
    assert "traversals" not in json.loads(re.findall(r'id="contents">(.*?)</script>', held)[0])


def test_names_are_text(population: Run, small: Dataset):
    labels = np.array(["</script><script>alert(1)</script>", "b"])[np.arange(20) % 2]
    page = explore(population, small.test.x, labels).html()
    assert "<script>alert" not in page


@pytest.mark.parametrize("codes", [[[1.0, 2.0]], [[float("nan")] * 3], "x", [], np.zeros((257, 3)), None])
def test_codes_that_fit_no_decoder_are_refused(explorer: Explorer, codes):
    with pytest.raises(InvalidInput, match="the page asked for"):
        explorer.decode(codes)


def test_umap_is_a_map_where_it_is_installed(explorer: Explorer, population: Run, small: Dataset, monkeypatch):
    assert list(explorer.contents["maps"]) == ["PCA"]
    module = SimpleNamespace(
        UMAP=lambda **_: SimpleNamespace(fit_transform=lambda codes: codes[:, :2]), __spec__="here"
    )
    monkeypatch.setitem(sys.modules, "umap", module)
    maps = explore(population[1], small).contents["maps"]
    np.testing.assert_array_equal(
        floats(maps["UMAP"]["places"]), floats(explorer.contents["codes"], 20, 3)[:, :2].ravel()
    )


def test_the_widget_names_its_extra(run: Run, small: Dataset, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(InvalidInput, match=r'pip install "ae_jax\[explore\]"'):
        run.explore(small)
