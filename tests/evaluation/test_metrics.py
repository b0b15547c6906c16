import dataclasses

import jax
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.corruptions import Gaussian, Masking
from ae_jax.data import Split
from ae_jax.evaluation import (
    METRICS,
    active_fraction,
    evaluate,
    jacobian_norm,
    knn_accuracy,
    linear_probe_accuracy,
    mean_activation,
    mean_squared_error,
    negative_elbo,
    psnr_corrupted,
)

ELBO_METRICS = {"negative_elbo", "negative_log_likelihood", "kl"}
PROBES = {"linear_probe_accuracy", "knn_accuracy"}
COMPARED = [
    "mse",
    "psnr_corrupted",
    "linear_probe_accuracy",
    "knn_accuracy",
    "mean_activation",
    "active_fraction",
    "jacobian_norm",
    "negative_elbo",
    "negative_log_likelihood",
    "kl",
    "parameters",
]
"""What a comparison asks, in the order of its table."""


@pytest.fixture(scope="module")
def rows(population, small):
    return evaluate(population, small)


def by_metric(rows, member=0):
    return {row["metric"]: row["value"] for row in rows if row["member"] == member}


def test_a_variational_autoencoder_is_asked_everything(rows):
    assert [name for name in METRICS if name in COMPARED] == COMPARED
    for member in range(4):
        assert sorted(row["metric"] for row in rows if row["member"] == member) == sorted(COMPARED)


def test_rows_say_whose_value_of_what_they_hold(rows, population):
    assert all({"autoencoder", "seed", "member", "metric", "value", "split"} <= set(row) for row in rows)
    assert {(row["autoencoder"], row["split"]) for row in rows} == {("variational", "test")}
    assert sorted({(row["member"], row["seed"]) for row in rows}) == [(0, 5), (1, 6), (2, 5), (3, 6)]
    assert all(type(row["value"]) is float and np.isfinite(row["value"]) for row in rows)
    assert len(rows) == 4 * len(COMPARED)


@pytest.mark.parametrize("split", ["test", "validation"])
def test_values_are_those_of_the_pure_functions(split, population, small):
    part = getattr(small, split)
    rows = evaluate(population, small, split=split, seed=3)
    assert {row["split"] for row in rows} == {split}
    x = part.x.astype(np.float32) / 16
    for member in range(4):
        one = population[member]

        def reconstruct(examples, one=one):
            return one.reconstruct(examples * 16) / 16

        codes, train = one.encode(part.x), one.encode(small.train.x)
        elbo = negative_elbo(one, part.x, seed=3)
        expected = {
            "mse": mean_squared_error(reconstruct(x), x),
            "psnr_corrupted": psnr_corrupted(reconstruct, Gaussian(scale=0.3), jax.random.key(3), x),
            "linear_probe_accuracy": linear_probe_accuracy(train, small.train.labels, codes, part.labels),
            "knn_accuracy": knn_accuracy(train, small.train.labels, codes, part.labels),
            "mean_activation": mean_activation(codes),
            "active_fraction": active_fraction(codes),
            "jacobian_norm": jacobian_norm(one, part.x).mean(),
            **{name: values.mean() for name, values in elbo.items()},
            # 64 - 12 - two heads of 3, and 3 - 12 - 64, with biases.
            "parameters": (64 * 12 + 12 + 12 * 6 + 6) + (3 * 12 + 12 + 12 * 64 + 64),
        }
        found = by_metric(rows, member)
        assert sorted(found) == sorted(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_single_run_answers_as_it_does_among_others(rows, population, small):
    alone = evaluate(population[3], small)
    assert {(row["member"], row["seed"]) for row in alone} == {(0, 6)}
    for name, value in by_metric(alone).items():
        np.testing.assert_allclose(value, by_metric(rows, 3)[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_deterministic_autoencoder_has_no_bound(run, small):
    assert set(by_metric(evaluate(run, small))) == set(COMPARED) - ELBO_METRICS


def test_parameters_of_an_autoencoder_are_its_weights_and_biases(run, small):
    expected = (64 * 12 + 12 + 12 * 3 + 3) + (3 * 12 + 12 + 12 * 64 + 64)
    assert by_metric(evaluate(run, small))["parameters"] == expected


def test_unlabelled_data_leave_the_probes_out(run, small):
    unlabelled = dataclasses.replace(small, train=Split(small.train.x), test=Split(small.test.x))
    labelled, bare = by_metric(evaluate(run, small)), by_metric(evaluate(run, unlabelled))
    assert set(labelled) - set(bare) == PROBES
    assert bare == {name: value for name, value in labelled.items() if name not in PROBES}


def test_the_damage_is_the_caller_s(run, small):
    plain, masked, reseeded = (
        by_metric(evaluate(run, small, **settings))
        for settings in ({}, {"corruption": Masking(probability=0.9)}, {"seed": 1})
    )
    assert len({values["psnr_corrupted"] for values in (plain, masked, reseeded)}) == 3
    for other in (masked, reseeded):
        assert {**other, "psnr_corrupted": 0} == {**plain, "psnr_corrupted": 0}


def test_splits_that_are_not_there_are_refused(run, small):
    with pytest.raises(InvalidInput, match="unknown split 'tset': did you mean 'test'"):
        evaluate(run, small, split="tset")
    with pytest.raises(InvalidInput, match="the data set small has no test examples: expected some"):
        evaluate(run, dataclasses.replace(small, test=Split(small.test.x[:0])))


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_says_what_it_means_and_how_it_is_printed(name):
    metric = METRICS[name]
    assert metric.label
    assert metric.unit
    assert metric.meaning
    assert float(format(1234.5, metric.format).replace(",", "")) == pytest.approx(1234.5, abs=0.5)
    assert metric.better in ("low", "high", None)


def test_better_is_what_the_field_takes_for_better():
    low = {"mse", "jacobian_norm", "negative_elbo", "frechet_distance", "kernel_distance"}
    neither = {"mean_activation", "active_fraction", "code_correlation", "effective_samples", "kl", "parameters"}
    neither |= {"negative_log_likelihood"}
    assert {name for name, metric in METRICS.items() if metric.better == "low"} == low
    assert {name for name, metric in METRICS.items() if metric.better is None} == neither
