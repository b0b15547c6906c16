"""Trainings that start from a run's parameters."""

import dataclasses

import chex
import jax
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput, Run
from ae_jax.data import Dataset
from ae_jax.training import Checkpoints, untrained

SHORT = {"epochs": 2, "batch_size": 16}


def model(rate: float = 1e-3, code: int = 3) -> ae_jax.Autoencoder:
    return ae_jax.undercomplete(code=code, hidden=(12,), learning_rate=rate)


def test_members_start_from_their_own_parameters_with_another_rate_and_other_data(run: Run, small: Dataset):
    still = ae_jax.fit(model(rate=1e-12), small, init=run, seeds=7, **SHORT)
    chex.assert_trees_all_close(still.params, run.params, atol=1e-8)
    other = dataclasses.replace(small, train=small.test)
    trained = ae_jax.fit(model(rate=1e-12), other, init=run, seeds=5, epochs=1, batch_size=20)
    error = np.square((small.test.x - run.reconstruct(small.test.x)) / 16).sum(axis=(1, 2)).mean()
    np.testing.assert_allclose(trained.history["train"]["loss"], [[error]], rtol=1e-4)
    assert trained.record["init"] == {"autoencoder": "undercomplete", "seeds": [5], "epochs": 3}


def test_one_member_is_the_start_of_all(run: Run, small: Dataset):
    both = ae_jax.fit([model(1e-3), model(1e-12)], small, init=run, seeds=[5], **SHORT)
    alone = ae_jax.fit(model(), small, init=run, seeds=5, **SHORT)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[:1], b, rtol=1e-4, atol=1e-6), both.params, alone.params)
    pair = ae_jax.fit(run.autoencoder, small, seeds=[5, 6], **SHORT)
    assert len(ae_jax.fit(pair.autoencoder, small, init=pair, seeds=pair.seeds.tolist(), **SHORT)) == 2


@pytest.mark.usefixtures("unchecked")
def test_a_start_that_does_not_fit_is_refused(run: Run, population: Run, small: Dataset):
    flat = dataclasses.replace(untrained(model(), np.zeros((20, 5), np.float32)))
    for init, autoencoder, sentence in (
        ("runs/x", model(), "init='runs/x': expected a run, as fit and ae_jax.load return it"),
        (flat, model(), r"trained on examples of shape \(5,\), and data of shape \(8, 8\)"),
        (population, ae_jax.variational(code=3, hidden=(12,)), "a run of 4 members as init for a training of 1"),
        (
            run,
            model(code=4),
            "the run of undercomplete cannot be the init of undercomplete, as their parameters differ",
        ),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            ae_jax.fit(autoencoder, small, init=init, **SHORT)


@pytest.mark.usefixtures("unchecked")
def test_a_run_and_its_autoencoder_are_understood(run: Run, population: Run, small: Dataset):
    with pytest.raises(
        InvalidInput, match=r"a run of undercomplete: expected an autoencoder; fit\(run.autoencoder, data"
    ):
        ae_jax.fit(run, small, **SHORT)  # pyright: ignore[reportArgumentType]
    chex.assert_trees_all_equal(
        ae_jax.fit(run.autoencoder, small, seeds=5, **SHORT).params, ae_jax.fit(model(), small, seeds=5, **SHORT).params
    )
    again = ae_jax.fit(population.autoencoder, small, seeds=[5, 6], **SHORT)
    assert [member.optimizer.learning_rate for member in again.members] == [1e-3, 1e-3, 1e-2, 1e-2]
    assert again.seeds.tolist() == [5, 6, 5, 6]


def test_a_warm_start_is_resumed_from_its_checkpoints(run: Run, small: Dataset, tmp_path):
    how = SHORT | {"checkpoints": Checkpoints(folder=tmp_path), "seeds": 5}
    first = ae_jax.fit(model(), small, init=run, **how)
    chex.assert_trees_all_equal(ae_jax.fit(model(), small, init=run, resume=True, **how).params, first.params)
    for other in (None, first):
        with pytest.raises(InvalidInput, match=r"cannot be resumed with another configuration \(init"):
            ae_jax.fit(model(), small, init=other, resume=True, **how)
