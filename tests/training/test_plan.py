"""What is refused before anything is compiled."""

import jax
import numpy as np
import pandas as pd
import pytest

import ae_jax
from ae_jax import InvalidInput, TrainConfig
from ae_jax.data import from_arrays, from_splits
from ae_jax.networks import MLP, Convolutional
from ae_jax.objectives import BernoulliLikelihood, GaussianLikelihood, Reconstruction
from ae_jax.training.plan import plan
from ae_jax.training.population import unstack

X = np.random.default_rng(0).uniform(size=(8, 4, 4)).astype(np.float32)
WIDE = np.linspace(-1.0, 3.0, 60, dtype=np.float32).reshape(20, 3)
UNDERCOMPLETE = ae_jax.undercomplete(code=2, hidden=())


def conditional(classes: int = 3) -> ae_jax.Autoencoder:
    networks = MLP(hidden=(), code=2, condition=classes)
    return ae_jax.Autoencoder(name="mine", networks=networks, objective=Reconstruction())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"epochs": 0}, "epochs=0: expected a whole number above zero"),
        ({"epochs": 2.0}, "epochs=2.0: expected a whole number above zero"),
        ({"epochs": 2**31}, r"epochs=2147483648: expected a number below 2\*\*31"),
        ({"batch_size": -4}, "batch_size=-4: expected a whole number above zero"),
        ({"patience": 0}, "patience=0: expected a whole number above zero"),
        ({"on_divergence": 3}, "unknown policy of divergence '3'"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(settings, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        TrainConfig(**settings)


def test_an_unknown_setting_is_refused_with_the_nearest():
    with pytest.raises(InvalidInput, match="unknown setting of fit 'epoch': did you mean 'epochs'"):
        TrainConfig().with_settings({"epoch": 3})
    assert TrainConfig(patience=3).with_settings({"epochs": 2}) == TrainConfig(epochs=2, patience=3)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("seeds", "sentence"),
    [
        (0.5, "seeds=0.5: expected whole numbers"),
        ([[1], [2, 3]], r"seeds=\[\[1\], \[2, 3\]\]: expected whole numbers"),
        ([], "was given no seeds: expected at least one"),
        ([3, 3], r"the seeds \[3, 3\]: expected each once"),
        (-1, r"the seed -1: expected an integer from 0 to 2\*\*32 - 1"),
        ([0, 2**32], "the seed 4294967296: expected an integer"),
    ],
)
def test_seeds_are_different_whole_numbers(seeds, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        plan(UNDERCOMPLETE, X, TrainConfig(), seeds=seeds)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("autoencoder", "data", "sentence"),
    [
        (ae_jax.contractive, X, r"expected an autoencoder, such as ae_jax.contractive\(\)"),
        ([], X, "a population was given no autoencoder"),
        ([ae_jax.sparse(), ae_jax.contractive()], X, r"autoencoder 1 \(contractive\) differs from the first"),
        (UNDERCOMPLETE, np.where(WIDE > 2.9, np.nan, WIDE), r"NaN or infinite values, the first at index \(19, 1\)"),
        (UNDERCOMPLETE, X[:0], "is empty"),
        (UNDERCOMPLETE, WIDE[0], r"has shape \(3,\): expected \[examples, \*features\]"),
        (
            ae_jax.variational(likelihood=BernoulliLikelihood()),
            WIDE,
            r"Bernoulli likelihood of variational was given values from -1 to 3",
        ),
        (
            ae_jax.undercomplete(likelihood=BernoulliLikelihood()),
            from_arrays((WIDE > 0) * 16.0, validation=0.0),
            "Bernoulli likelihood of undercomplete was given values from 0 to 16",
        ),
        (ae_jax.convolutional(), WIDE, r"were given examples of shape \(3,\): expected images"),
        (ae_jax.undercomplete(code=2**31 - 1, hidden=()), X, r"parameters: expected fewer than 8,589,934,592"),
        (conditional(), X, "mine is conditional and .* has no class labels: expected one for each example"),
        (
            conditional(),
            from_splits((X, np.arange(8) % 4)),
            "mine was given data of 4 classes: expected at most 3",
        ),
    ],
)
def test_autoencoders_and_data_that_do_not_go_together_are_refused(autoencoder, data, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        plan(autoencoder, data, TrainConfig(epochs=1, batch_size=4), seeds=0)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"patience": 5}, "patience=5 and no validation split: expected one to judge by"),
        ({"epochs": 2**31 - 1, "batch_size": 4}, r"expected fewer than 2\*\*31 steps"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_refused(settings, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        plan(UNDERCOMPLETE, X, TrainConfig(**settings), seeds=0)


@pytest.mark.parametrize("networks", [MLP(condition=3), Convolutional(channels=(2,), condition=3)])
def test_batches_of_conditional_networks_hold_class_numbers(networks):
    labels = np.array(["b", "a", "c", "a", "b", "c", "a", "b"])
    choice = ae_jax.Autoencoder(name="mine", networks=networks, objective=Reconstruction())
    planned = plan(choice, from_splits((X, labels)), TrainConfig(), seeds=0)
    batch = planned.raw_batch(planned.dataset.train, slice(0, 4))
    assert batch.condition.tolist() == [1, 0, 2, 0]
    assert planned.config.batch_size == planned.examples == 8
    assert plan(UNDERCOMPLETE, X, TrainConfig(), seeds=0).raw_batch(planned.dataset.train).condition is None


@pytest.mark.parametrize(("budget", "asked"), [(10**9, {"member": 3}), (100, None)])
def test_members_are_divided_over_accelerators_that_have_memory_for_their_shares(monkeypatch, budget, asked):
    """Of 6 members on 4 accelerators; where a share would have to take turns, the first accelerator has them all."""
    found = []
    monkeypatch.setattr("ae_jax.training.plan.mesh_of", lambda mesh, **sizes: found.append(mesh))
    monkeypatch.setattr("ae_jax.training.plan.accelerators_for", lambda members: 3)
    monkeypatch.setattr("ae_jax.training.plan.memory_budget", lambda: budget)
    plan(UNDERCOMPLETE, X, TrainConfig(), seeds=range(6))
    plan(UNDERCOMPLETE, X, TrainConfig(mesh="data=2"), seeds=range(6))
    assert found == [asked, "data=2"]


def test_members_that_no_memory_holds_are_refused_before_anything_is_allocated(monkeypatch):
    with pytest.raises(InvalidInput, match="given 100,000 members: expected at most 10,000; train them in parts"):
        plan(UNDERCOMPLETE, X, TrainConfig(), seeds=range(100_000))
    monkeypatch.setattr("ae_jax.training.plan.state_budget", lambda: 1000)
    with pytest.raises(InvalidInput, match=r"6 members of undercomplete with .* each take .* expected at most 2,000"):
        plan(UNDERCOMPLETE, X, TrainConfig(), seeds=range(6))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("jax_numpy_dtype_promotion", "strict"),
        ("jax_debug_infs", True),
        ("jax_transfer_guard_host_to_device", "disallow"),
    ],
)
def test_settings_of_jax_that_are_not_supported_are_named(setting, value):
    before = getattr(jax.config, setting)
    jax.config.update(setting, value)
    try:
        with pytest.raises(InvalidInput, match=f"^{setting} is {value!r}, which is not supported: expected"):
            plan(UNDERCOMPLETE, X, TrainConfig(), seeds=0)
    finally:
        jax.config.update(setting, before)


def test_a_default_likelihood_follows_the_range_of_a_table():
    rows = np.random.default_rng(0).normal([3.0, 900.0, 0.0], [1.0, 50.0, 0.1], (40, 3))
    table = from_arrays(pd.DataFrame(rows, columns=list("abc")))
    for choice in (ae_jax.variational(code=1), ae_jax.vamp(code=1)):
        planned = plan(choice, table, TrainConfig(), seeds=0)
        likelihood = unstack(planned.autoencoder, 0).objective.likelihood
        assert isinstance(likelihood, GaussianLikelihood)
        assert 0.5 < likelihood.scale < 1.2  # of standardised columns
    assert not planned.autoencoder.objective.prior.unit_interval
    given = ae_jax.variational(code=1, likelihood=BernoulliLikelihood())
    with pytest.raises(InvalidInput, match=r"expected \[0, 1\]"):
        plan(given, table, TrainConfig(), seeds=0)
