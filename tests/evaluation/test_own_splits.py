"""Evaluation of members that were trained on splits of their own."""

import dataclasses

import numpy as np
import pytest

import ae_jax
from ae_jax import Run
from ae_jax.data import Dataset, Split
from ae_jax.evaluation import PCA, evaluate, evaluate_baseline

SEEDS = [6, 5]


@pytest.fixture(scope="module")
def population(redrawn: Dataset) -> Run:
    """Two learning rates and two seeds."""
    choices = [ae_jax.undercomplete(code=3, hidden=(12,), learning_rate=rate) for rate in (1e-3, 1e-2)]
    return ae_jax.fit(choices, redrawn, seeds=SEEDS, epochs=2, batch_size=16, resplit=True)


def errors(rows, name: str = "undercomplete") -> dict:
    return {
        (row["member"], row["seed"]): row["value"]
        for row in rows
        if (row["autoencoder"], row["metric"]) == (name, "mse")
    }


def error(made: np.ndarray, split: Split) -> float:
    return float(np.mean(np.square((made - split.x) / 16)))


def test_each_member_is_tested_on_its_own_test_split_before_and_after_it_is_saved(population, redrawn, tmp_path):
    found = errors(evaluate(population, redrawn).rows)
    assert list(found) == [(0, 6), (2, 6), (1, 5), (3, 5)]
    for (member, seed), value in found.items():
        test = redrawn.resplit(seed).test
        np.testing.assert_allclose(value, error(population[member].reconstruct(test.x), test), rtol=1e-5)
    loaded = ae_jax.load(population.save(tmp_path / "run"))
    assert errors(evaluate(loaded, redrawn.resplit(9)).rows) == found
    np.testing.assert_allclose(errors(evaluate(loaded[3], redrawn).rows)[0, 5], found[3, 5], rtol=1e-5)


def test_data_of_one_split_are_used_as_they_are(population, redrawn):
    given = dataclasses.replace(redrawn, test=Split(redrawn.test.x))
    for (member, _), value in errors(evaluate(population, given).rows).items():
        np.testing.assert_allclose(value, error(population[member].reconstruct(given.test.x), given.test), rtol=1e-5)


def test_baselines_are_fitted_to_each_split_and_have_its_seed(population, redrawn):
    [result] = evaluate(population, redrawn, "reconstruction")
    assert result.messages[0] == "Each member is evaluated on the split that it was trained on, which its seed drew."
    found = errors(result.rows, "pca")
    assert list(found) == [(None, 6), (None, 5)]
    for (_, seed), value in found.items():
        own = redrawn.resplit(seed)
        made = PCA.fit(own, 3).reconstruct(own.test.x / np.float32(16))
        np.testing.assert_allclose(value, np.mean(np.square(made - own.test.x / 16)), rtol=1e-5)
    summary = evaluate_baseline(lambda data: PCA.fit(data, 3), redrawn, SEEDS)
    assert errors(summary.rows, "pca") == pytest.approx(found)


def test_curves_are_of_the_first_finite_member_and_broken_ones_have_their_numbers(population, redrawn, with_nan):
    broken = dataclasses.replace(with_nan(population, "encoder", [0, 3]), finite=np.array([False, True, True, True]))
    how = {"tasks": ["representation", "anomaly"], "abnormal": [1, 8]}
    representation, anomaly = evaluate(broken, redrawn, **how)
    said = [message for message in representation.messages if "NaN" in message]
    assert [message.split(" are ")[0] for message in said] == ["The codes of member 0", "The codes of member 3"]
    (shown,) = {scored.abnormal.tobytes() for scored in anomaly.curves.values()}
    assert shown == np.isin(redrawn.resplit(5).test.labels, [1, 8]).tobytes()  # of member 1
