import dataclasses
import json

import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput, Run, TrainingInterrupted
from ae_jax.data import Dataset, Split, from_arrays
from ae_jax.evaluation import PCA, Identity, evaluate, evaluate_baseline, sentences
from ae_jax.objectives import GaussianLikelihood
from ae_jax.studies import DEFAULT_AUTOENCODERS, Comparison, as_json, compare, summarise

SETTINGS = {"seeds": [5, 6], "epochs": 2, "batch_size": 16}


def tiny(name="tiny", **choices):
    choices = {"code": 3, "hidden": (12,), "shortcut": False} | choices
    return dataclasses.replace(ae_jax.undercomplete(**choices), name=name)


def sparse():
    return ae_jax.sparse(code=20)


@pytest.fixture(scope="module")
def comparison(small) -> Comparison:
    return compare(small, [tiny(), "sparse"], **SETTINGS)


@pytest.fixture(scope="module")
def measurements() -> Dataset:
    """Flat, real-valued data: five features around zero."""
    x = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    return from_arrays(x, np.arange(60) % 2, name="measurements")


def test_every_autoencoder_and_pca_answer_for_every_seed(comparison):
    whose = {(row["autoencoder"], row["member"], row["seed"]) for row in comparison.rows}
    baselines = {(name, None, None) for name in ("raw", "pca", "pca-64")}  # as many components as there are, not 128
    assert whose == baselines | {(name, m, s) for name in ("tiny", "sparse") for m, s in ((0, 5), (1, 6))}
    asked = {
        "code_units",
        "mse",
        "psnr_corrupted",
        "linear_probe_accuracy",
        "knn_accuracy",
        "mean_activation",
        "active_fraction",
        "jacobian_norm",
        "relative_jacobian",
        "parameters",
    }
    for name, members in (("pca", 1), ("pca-64", 1), ("tiny", 2), ("sparse", 2)):
        metrics = [row["metric"] for row in comparison.rows if row["autoencoder"] == name]
        assert sorted(metrics) == sorted(members * list(asked))
    assert {row["split"] for row in comparison.rows} == {"test"}
    assert list(summarise(comparison.rows)) == ["raw", "pca", "pca-64", "tiny", "sparse"]
    units = {row["autoencoder"]: row["value"] for row in comparison.rows if row["metric"] == "code_units"}
    assert units == {"raw": 64, "pca": 3, "pca-64": 64, "tiny": 3, "sparse": 128}
    assert {row["metric"] for row in comparison.rows if row["autoencoder"] == "raw"} == {
        "code_units",
        "linear_probe_accuracy",
        "knn_accuracy",
    }


def test_runs_are_those_of_fit_and_rows_those_of_evaluate(comparison, small):
    assert list(comparison.runs) == ["tiny", "sparse"]
    by_fit = ae_jax.fit(tiny(), small, **SETTINGS)
    np.testing.assert_array_equal(
        comparison.runs["tiny"].history["validation"]["loss"], by_fit.history["validation"]["loss"]
    )
    assert [row for row in comparison.rows if row["autoencoder"] == "tiny"] == evaluate(by_fit, small).rows


def test_means_over_test_examples_have_the_values_of_each_beside_them(comparison, small):
    beside = list(zip(comparison.rows, comparison.examples, strict=True))
    bare = {row["metric"] for row, values in beside if values is None}
    assert bare == {"code_units", "active_fraction", "parameters"}
    for row, values in beside:
        if values is not None:
            assert len(values) == len(small.test.x)
            assert np.mean(values, dtype=np.float64) == pytest.approx(row["value"], rel=1e-5, abs=1e-7)


def test_results_are_ready_for_json_and_say_how_they_came_about(comparison):
    results = json.loads(as_json(comparison.results()))
    assert results["study"] == "compare"
    assert results["settings"] == {
        "epochs": 2,
        "batch_size": 16,
        "patience": None,
        "on_divergence": "stop",
        "resplit": False,
        "precision": "float32",
        "seeds": [5, 6],
    }
    assert results["data"]["examples"] == {"train": 64, "validation": 24, "test": 20}
    assert {name: config["name"] for name, config in results["autoencoders"].items()} == {
        "tiny": "tiny",
        "sparse": "sparse",
    }
    assert results["autoencoders"]["sparse"]["networks"]["code"] == ae_jax.sparse().networks.code
    assert results["rows"] == comparison.rows
    assert results["messages"] == sentences(comparison.findings)
    found = next(row for row in results["findings"] if (row["autoencoder"], row["seed"]) == ("tiny", 6))
    assert found["finding"] == "error_above_mean"
    assert found["value"] > found["limit"]
    assert found["sentence"] in results["messages"]
    assert results["versions"]["jax"]
    assert results["wall_s"] > 0


def test_each_seed_has_its_own_split_unless_one_is_asked_for(redrawn):
    found = compare(redrawn, [tiny()], **SETTINGS)
    assert found.record["varied"] == "split, initialisation, batches, noise"
    assert found.rows == [
        *evaluate_baseline(lambda data: Identity(data.shape), redrawn, [5, 6]).rows,
        *evaluate_baseline(lambda data: PCA.fit(data, 3), redrawn, [5, 6]).rows,
        *evaluate(ae_jax.fit(tiny(), redrawn, resplit=True, **SETTINGS), redrawn).rows,
    ]
    assert found.tested["resampled"] == 22 / 75
    fixed = compare(redrawn, [tiny()], resplit=False, **SETTINGS)
    assert fixed.record["varied"] == "initialisation, batches, noise"
    assert fixed.rows == [
        *evaluate(Identity(redrawn.shape), redrawn).rows,
        *evaluate(PCA.fit(redrawn, 3), redrawn).rows,
        *evaluate(ae_jax.fit(tiny(), redrawn, **SETTINGS), redrawn).rows,
    ]
    assert fixed.tested["resampled"] is None


@pytest.mark.parametrize(
    ("autoencoders", "sentence"),
    [
        (["sparse", sparse()], "given the autoencoders sparse, sparse: expected each name once"),
        ([], "compare was given the autoencoders .*: expected each name once"),
        (["spars"], "unknown autoencoder 'spars': did you mean 'sparse'"),
    ],
)
def test_names_that_are_repeated_or_unknown_are_refused(autoencoders, sentence, small):
    with pytest.raises(InvalidInput, match=sentence):
        compare(small, autoencoders, **SETTINGS)


def test_what_cannot_be_trained_is_refused_before_anything_is(small, measurements, watch):
    watched = watch()
    with pytest.raises(InvalidInput, match=r"convolutional networks were given examples of shape \(5,\)"):
        compare(measurements, [tiny(), "convolutional"], callbacks=[watched], **SETTINGS)
    with pytest.raises(InvalidInput, match="the data set small has no test examples"):
        compare(dataclasses.replace(small, test=Split(small.test.x[:0])), [tiny()], callbacks=[watched], **SETTINGS)
    assert watched.seen == []


def test_flat_real_valued_data_leave_out_one_and_change_another_and_say_so(measurements):
    found = compare(measurements, seeds=[0], epochs=1, batch_size=16)
    assert list(found.runs) == [name for name in DEFAULT_AUTOENCODERS if name != "convolutional"]
    assert isinstance(found.runs["variational"].members[0].objective.likelihood, GaussianLikelihood)
    assert found.messages[0] == "convolutional is left out: examples of shape (5,) are no images."
    assert (
        sum("variational has code=2 and likelihood=GaussianLikelihood" in sentence for sentence in found.messages) == 1
    )
    assert found.results()["messages"] == list(found.messages)
    # Half as many as features, which PCA would reconstruct exactly.
    parameters = [row["value"] for row in found.rows if (row["autoencoder"], row["metric"]) == ("pca", "parameters")]
    assert parameters == [5 * 2 + 5]


def test_ctrl_c_hands_over_the_comparison_so_far(comparison, small, watch):
    last = tiny("never")
    with pytest.raises(TrainingInterrupted) as raised:
        compare(small, [tiny(), sparse(), last], callbacks=[watch(3)], **SETTINGS)
    so_far = raised.value.run
    assert isinstance(so_far, Comparison)
    assert list(so_far.runs) == ["tiny", "sparse"]
    assert isinstance(so_far.runs["sparse"], Run)
    # What was evaluated before stands; nothing was evaluated after.
    expected = [row for row in comparison.rows if row["autoencoder"] in ("raw", "tiny")]
    assert [row for row in so_far.rows if not row["autoencoder"].startswith("pca")] == expected
    assert json.loads(as_json(so_far.results()))["settings"]["epochs"] == 2
