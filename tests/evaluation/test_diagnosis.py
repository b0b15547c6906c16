"""Diagnosis: each fault is found in members that have it, by its figure, and not in those that have not."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import ae_jax
from ae_jax import Run
from ae_jax.evaluation import FAULTS, PCA, diagnose_training, disqualified, evaluate, sentences
from ae_jax.evaluation.diagnosis import fall_at_the_end, faults_of_codes, faults_of_reconstructions

SETTINGS: dict[str, Any] = {"seeds": [5], "epochs": 40, "batch_size": 16}


def faults(run: Run, dataset, member: int) -> set[str]:
    findings = evaluate(run, dataset).findings
    return {row["finding"] for row in findings if row["member"] == member}


@pytest.fixture(scope="module")
def contracted(small) -> Run:
    """A code that its penalty makes constant, and one without a penalty."""
    choices = [ae_jax.contractive(code=3, hidden=(), weight=weight, learning_rate=1e-2) for weight in (1e4, 0.0)]
    return ae_jax.fit(choices, small, **SETTINGS)


def test_a_constant_code_is_found_and_disqualifies(contracted, small):
    findings = [row for row in evaluate(contracted, small).findings if row["finding"] == "constant_code"]
    (found,) = findings
    made = contracted[0].reconstruct(small.test.x) / 16.0
    expected = np.sqrt(np.var(made, axis=0).sum() / np.var(small.test.x / 16.0, axis=0).sum())
    assert found["value"] == pytest.approx(expected, rel=1e-2, abs=1e-5)
    assert (found["autoencoder"], found["seed"], found["member"], found["limit"]) == ("contractive", 5, 0, 0.01)
    assert "contractive has a constant code, in 1 of 2 members, first with seed 5" in found["sentence"]
    assert "no result of it counts as the best" in found["sentence"]
    assert disqualified(findings) == {"contractive"}
    assert "constant_code" not in faults(contracted, small, 1)


def test_a_collapsed_posterior_is_found(small):
    choices = [ae_jax.variational(code=3, hidden=(12,), beta=beta, learning_rate=1e-2) for beta in (1e3, 0.01)]
    run = ae_jax.fit(choices, small, **SETTINGS)
    assert "collapsed_posterior" in faults(run, small, 0)
    assert not faults(run, small, 1) & {"collapsed_posterior", "constant_code", "dead_units"}


def test_members_that_diverged_are_told_by_the_sentence_of_their_training(small):
    choices = [ae_jax.undercomplete(code=3, hidden=(12,), learning_rate=rate) for rate in (1e30, 1e-2)]
    with pytest.warns(RuntimeWarning, match="diverged"):
        run = ae_jax.fit(choices, small, **SETTINGS)
    findings = evaluate(run, small).findings
    assert [row["finding"] for row in findings if row["member"] == 0] == ["diverged"]
    assert findings[0]["sentence"] == run.record["divergence"]
    assert disqualified(findings) == {"undercomplete"}
    assert [row for row in diagnose_training(run) if row["finding"] == "diverged"] == findings[:1]


def test_errors_are_compared_with_the_mean_example_and_pca(digits, small):
    """An untrained network is worse than the mean example; PCA itself is never worse than PCA."""
    run = ae_jax.fit(
        ae_jax.contractive(code=3, hidden=(12,), learning_rate=1e-9), small, **SETTINGS | dict[str, Any](epochs=1)
    )
    (found,) = (row for row in evaluate(run, small).findings if row["finding"] == "error_above_mean")
    x, train = small.test.x / 16.0, small.train.x / 16.0
    assert found["limit"] == pytest.approx(np.mean((x - train.mean(axis=0)) ** 2))
    assert found["value"] == pytest.approx(np.mean((run.reconstruct(small.test.x) / 16.0 - x) ** 2), rel=1e-5)
    assert evaluate(PCA.fit(digits, 3), digits).findings == []


@pytest.mark.parametrize(
    ("error", "spread", "kl", "expected"),
    [
        (0.1, 1.0, None, []),
        (0.1, 1.0, 5.0, []),
        (0.151, 1.0, None, []),  # 0.7% above PCA's is not worth a sentence
        (0.2, 1.0, None, [("error_above_pca", 0.15)]),
        (1.2, 1.0, None, [("error_above_mean", 1.0)]),
        (0.0, 0.005, None, [("constant_code", 0.01)]),
        (0.0, 0.005, 0.05, [("collapsed_posterior", 0.1)]),
        (0.1, 1.0, 0.05, [("collapsed_posterior", 0.1)]),
    ],
)
def test_only_the_most_serious_fault_of_reconstructions_is_told(error, spread, kl, expected):
    x = np.tile([[1.0, -1.0], [-1.0, 1.0]], (10, 1))  # of mean 0 and variance 1
    found = faults_of_reconstructions(spread * x + error**0.5, x, 1.0, 0.15, kl=kl)
    assert [(name, limit) for name, _, limit in found] == expected


@pytest.mark.parametrize(("dead", "expected"), [(0, []), (2, []), (3, [0.15])])
def test_units_that_never_vary_are_dead_if_they_are_more_than_a_tenth(dead, expected):
    """Codes of top_k or rectified units: dead ones are zero at every example, others at most examples."""
    codes = np.random.default_rng(0).exponential(size=(200, 20)) * (np.random.default_rng(1).random((200, 20)) < 0.1)
    codes[:, :dead] = 0.0
    assert [share for _, share, _ in faults_of_codes(codes)] == expected


def test_principal_components_are_alive_and_latents_without_information_are_not():
    codes = np.random.default_rng(0).normal(size=(200, 5)) * [1.0, 1.0, 0.5, 0.05, 0.05]
    assert faults_of_codes(codes) == []
    assert [share for _, share, _ in faults_of_codes(codes, latent=True)] == [0.4]


def test_a_loss_that_still_falls_is_found(contracted):
    epochs = np.arange(40.0)
    assert fall_at_the_end(100.0 - epochs) == pytest.approx(4.0 / (100.0 - epochs[32:36].mean()))
    assert fall_at_the_end(-100.0 - epochs) == pytest.approx(4.0 / (100.0 + epochs[32:36].mean()))
    for over in (
        np.full(40, 1.0),
        np.where(epochs < 30, 100 - epochs, 71.0),
        np.where(epochs < 38, 50 - epochs, np.nan),
    ):
        assert fall_at_the_end(over) == 0.0
    assert fall_at_the_end(epochs[:1]) == 0.0

    def told(losses: np.ndarray) -> list[str]:
        history = contracted.history | {"validation": {"loss": np.stack([losses, np.ones(40)])}}
        return sentences(diagnose_training(dataclasses.replace(contracted, history=history)))

    assert told(100.0 - epochs) == [
        "contractive was still improving at the last epoch, in 1 of 2 members, first with seed 5: its validation loss "
        "fell by 6.0% in the last tenth of the epochs; train for more epochs."
    ]
    assert told(1.0 + 10.0**-epochs) == []


def test_every_fault_says_what_to_do():
    for fault in FAULTS.values():
        assert fault.claim.format(value=0.5, limit=0.1)
        assert fault.remedy
