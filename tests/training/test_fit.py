import dataclasses
import warnings

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput, Optimizer, Run, TrainingDiverged, TrainingInterrupted, losses
from ae_jax.components import component
from ae_jax.data import Dataset, from_arrays
from ae_jax.objectives import BernoulliLikelihood
from ae_jax.training.compilation import watch_compilation
from ae_jax.types import Number

EPOCHS, BATCH = 3, 16
STEPS = 4  # of an epoch over 64 examples


@component
class Burst:
    """A learning rate that turns NaN after some steps."""

    steps: Number = 1e9

    def __call__(self, step):
        return jnp.where(step < self.steps, 1e-3, jnp.nan)


def undercomplete(rate=1e-3):
    return ae_jax.undercomplete(code=3, hidden=(12,), learning_rate=rate)


def variational(rate=1e-3, beta=1.0):
    return ae_jax.variational(code=3, hidden=(12,), learning_rate=rate, beta=beta)


def fit(autoencoder, data, **settings) -> Run:
    return ae_jax.fit(autoencoder, data, **({"epochs": EPOCHS, "batch_size": BATCH, "seeds": 5} | settings))


def finite(tree) -> bool:
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tree))


def test_training_lowers_the_loss_on_both_splits(run, population):
    for trained in (run, population):
        for split in ("train", "validation"):
            loss = trained.history[split]["loss"]
            assert loss.shape == (len(trained), EPOCHS)
            assert (loss[:, -1] < loss[:, 0]).all()


def test_history_has_every_term_of_both_splits(population):
    terms = {split: sorted(values) for split, values in population.history.items()}
    everyone = ["bernoulli_nll", "kl", "loss"]
    assert terms == {"train": everyone, "validation": everyone}
    for values in population.history.values():
        np.testing.assert_allclose(values["loss"], values["bernoulli_nll"] + values["kl"], rtol=1e-5)


def test_validation_losses_are_those_of_the_kept_parameters(run, small):
    x = jnp.asarray(small.validation.x / 16, jnp.float32)
    networks = run.autoencoder.bind((8, 8), jax.tree.map(lambda leaf: leaf[0], run.params))
    error = losses.squared_error(networks.decode(networks.encode(x)), x).mean()
    best = int(run.best_epoch[0])
    np.testing.assert_allclose(run.history["validation"]["loss"][0, best - 1], error, rtol=1e-5)
    assert best == 1 + np.argmin(run.history["validation"]["loss"][0])


def test_the_seed_decides_everything(run, small):
    again, other = fit(undercomplete(), small), fit(undercomplete(), small, seeds=6)
    chex.assert_trees_all_equal(again.params, run.params)
    np.testing.assert_array_equal(again.history["train"]["loss"], run.history["train"]["loss"])
    assert not np.array_equal(other.history["train"]["loss"], run.history["train"]["loss"])


def test_members_are_every_combination_of_autoencoder_and_seed(population):
    assert population.seeds.tolist() == [5, 6, 5, 6]
    np.testing.assert_allclose([m.optimizer.learning_rate for m in population.members], [1e-3, 1e-3, 1e-2, 1e-2])


def test_members_that_differ_only_in_numbers_share_initialisation_batches_and_noise(small):
    # At a learning rate near nothing, what is left of the first epoch is the data order and the noise.
    still = [variational(rate=1e-12, beta=beta) for beta in (1.0, 3.0)]
    trained = fit(still, small, seeds=[5, 6])
    for member in (0, 1):
        jax.tree.map(
            lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9),
            trained[member].params,
            trained[member + 2].params,
        )
        for term in ("bernoulli_nll", "kl"):
            values = trained.history["train"][term]
            np.testing.assert_allclose(values[member], values[member + 2], rtol=1e-6)
    assert (trained.history["train"]["loss"][2:] > trained.history["train"]["loss"][:2]).all()
    assert not np.array_equal(trained.params["encoder"][0]["kernel"][0], trained.params["encoder"][0]["kernel"][1])


def test_later_epochs_and_other_numbers_compile_nothing(small, population):
    fit([variational(1e-3), variational(1e-2)], small, seeds=[5, 6], epochs=1)
    with watch_compilation() as compilation:
        again = fit([variational(2e-3, beta=2.0), variational(3e-3)], small, seeds=[7, 8], epochs=5)
    assert compilation.programs == again.record["programs_compiled"] == 0
    assert again.history["train"]["loss"].shape == (4, 5)


@pytest.mark.parametrize("at_once", [1, 3])
def test_members_that_take_turns_are_those_that_train_map_members(small, population, at_once, monkeypatch):
    monkeypatch.setattr("ae_jax.training.loop.vmap_size", lambda *_: at_once)
    choices = [variational(rate) for rate in (1e-3, 1e-2)]
    turns = ae_jax.fit(choices, small, seeds=[5, 6], epochs=3, batch_size=BATCH)
    assert turns.record["vmap_size"] == at_once
    assert "vmap_size" not in population.record
    for ours, theirs in zip(jax.tree.leaves(turns.params), jax.tree.leaves(population.params), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_progress_tells_the_means_of_each_epoch(small, population):
    told = []
    again = fit([variational(1e-3), variational(1e-2)], small, seeds=[5, 6], progress=told.append)
    assert [(p.name, p.epoch, p.epochs, p.running) for p in told] == [("variational", n, 3, 4) for n in (1, 2, 3)]
    for epoch, progress in enumerate(told):
        for split, terms in progress.metrics.items():
            for term, value in terms.items():
                np.testing.assert_allclose(value, again.history[split][term][:, epoch].mean(), rtol=1e-5)


def test_an_array_is_trained_on_whole(small):
    x = small.train.x / np.float32(16)
    trained = fit(undercomplete(), x, epochs=1)
    assert list(trained.history) == ["train"]
    assert trained.best_epoch.tolist() == [1]
    assert trained.data.examples == {"train": 64, "validation": 0, "test": 0}


def test_without_a_validation_split_the_latest_parameters_are_kept(small):
    x = small.train.x / np.float32(16)
    trained = fit(undercomplete(), x, epochs=2)
    assert trained.best_epoch.tolist() == [2]
    assert trained.history["train"]["loss"].shape == (1, 2)


@pytest.fixture(scope="module")
def stopped(small):
    """Four members of which those with the larger learning rate run out of patience early."""
    choices = [variational(1e-3), variational(0.3)]
    return fit(choices, small, seeds=[5, 6], epochs=25, patience=2)


def test_a_member_stops_once_its_patience_ran_out(stopped):
    for member, best in enumerate(stopped.best_epoch):
        loss = stopped.history["validation"]["loss"][member]
        trained = int(np.isfinite(loss).sum())
        assert np.isfinite(loss[:trained]).all()
        assert np.isnan(loss[trained:]).all()
        assert best == 1 + np.nanargmin(loss)
        assert trained == min(best + 2, 25)
    assert len(set(stopped.best_epoch.tolist())) > 1
    assert np.isnan(stopped.history["train"]["kl"]).any()


def test_a_stopped_member_keeps_the_parameters_of_its_best_epoch(stopped, small):
    members = [int(np.argmin(stopped.best_epoch)), int(np.argmax(stopped.best_epoch))]
    for member in members:
        best = int(stopped.best_epoch[member])
        until = fit([variational(1e-3), variational(0.3)], small, seeds=[5, 6], epochs=best)
        assert int(until.best_epoch[member]) == best
        chex.assert_trees_all_equal(stopped[member].params, until[member].params)


def test_training_ends_when_every_member_has_stopped(small, population):
    told = []
    choices = [variational(0.3), variational(0.5)]
    trained = fit(choices, small, seeds=[5, 6], epochs=200, patience=1, progress=told.append)
    assert len(told) == trained.history["train"]["loss"].shape[1] < 200
    assert told[-1].running == 0
    assert all(p.running > 0 for p in told[:-1])


@pytest.mark.parametrize(
    ("steps", "term"),
    [(2 * STEPS + 1, r"squared_error \(train\)"), (3 * STEPS - 1, r"squared_error \(validation\)")],
)
def test_divergence_names_the_epoch_and_the_term_and_keeps_the_last_finite_parameters(steps, term, small):
    sentence = (
        rf"undercomplete diverged in 1 of 1 members, first with seed 5 at epoch 3 in {term}.*: "
        "the parameters of epoch 2 are kept; lower the learning rate or a weight"
    )
    with pytest.raises(TrainingDiverged, match=sentence) as raised:
        fit(undercomplete(Burst(steps=steps)), small, epochs=6)
    kept = raised.value.run
    assert kept.best_epoch.tolist() == [2]
    assert kept.finite.tolist() == [False]
    assert finite(kept.params)
    assert np.isfinite(kept.encode(small.test.x)).all()
    assert np.isfinite(kept.history["train"]["loss"][0, :2]).all()
    chex.assert_trees_all_equal(kept.params, fit(undercomplete(Burst()), small, epochs=2).params)


def test_divergence_in_the_first_epoch_keeps_the_initial_parameters(small):
    with pytest.raises(
        TrainingDiverged, match=r"at epoch 1 in squared_error \(train\).*the initial parameters are kept"
    ):
        fit(undercomplete(1e30), small)


def test_parameters_that_are_not_finite_are_named_where_no_term_shows_them(small):
    x = small.train.x / np.float32(16)
    with pytest.raises(
        TrainingDiverged, match="at epoch 2 in the parameters or the optimiser: the parameters of epoch 1 are kept"
    ):
        fit(undercomplete(Burst(steps=2 * STEPS - 1)), x, epochs=4)


def test_a_nan_among_the_data_is_refused_with_its_place(small):
    x = small.train.x.astype(np.float32)
    x[7, 2, 3] = np.nan
    with pytest.raises(InvalidInput, match=r"has 1 NaN or infinite values, the first at index \(7, 2, 3\)"):
        dataclasses.replace(small, train=small.train._replace(x=x))


def test_one_bad_member_is_frozen_and_reported_while_the_others_train_on(small):
    choices = [undercomplete(Burst(steps=steps)) for steps in (1e9, STEPS + 1)]
    with pytest.warns(RuntimeWarning, match=r"in 1 of 2 members, first with seed 5 at epoch 2 .*epoch 1 are kept"):
        trained = fit(choices, small, seeds=[5])
    assert trained.finite.tolist() == [True, False]
    assert finite(trained.params)
    assert np.isfinite(trained.history["train"]["loss"][0]).all()
    assert np.isnan(trained.history["train"]["loss"][1, 1:]).all()
    assert trained.best_epoch[1] == 1
    alone = fit(undercomplete(Burst()), small)
    for ours, theirs in zip(jax.tree.leaves(trained[0].params), jax.tree.leaves(alone.params), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


def test_an_interruption_hands_over_what_was_trained(small, run):
    def interrupt(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(TrainingInterrupted, match="what is trained so far is in the exception's run") as raised:
        fit(undercomplete(), small, epochs=9, progress=interrupt)
    kept = raised.value.run
    assert isinstance(raised.value, KeyboardInterrupt)
    assert kept.record["interrupted"]
    assert kept.history["train"]["loss"].shape == (1, 2)
    chex.assert_trees_all_equal(kept.params, fit(undercomplete(), small, epochs=2).params)
    assert kept.best_epoch.tolist() == [2]


def test_the_record_says_what_happened(run):
    assert run.settings == {"epochs": EPOCHS, "batch_size": BATCH, "patience": None, "on_divergence": "stop"}
    assert run.data.name == "small"
    assert not run.record["interrupted"]
    assert run.record["versions"]["jax"] == jax.__version__
    assert run.record["device"].endswith("(cpu)")


def test_a_batch_larger_than_the_data_is_lowered_with_one_warning(small):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trained = fit(undercomplete(), small, batch_size=100, epochs=1)
    assert [str(w.message) for w in caught] == ["batch_size=100 is above the 64 examples and was lowered to them."]
    assert caught[0].filename == __file__ or caught[0].filename.endswith("_decorator.py")
    assert trained.settings["batch_size"] == 64


X = np.linspace(-1.0, 3.0, 60, dtype=np.float32).reshape(20, 3)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"epochs": 0}, "fit was given epochs=0: expected a whole number above zero"),
        ({"batch_size": -4}, "fit was given batch_size=-4: expected a whole number above zero"),
        ({"patience": 0}, "fit was given patience=0: expected a whole number above zero"),
        ({"epochs": 2.0}, "fit was given epochs=2.0: expected a whole number above zero"),
        ({"seeds": [0.5]}, r"fit was given seeds=\[0.5\]: expected whole numbers"),
        ({"seeds": [3, 3]}, r"fit was given the seeds \[3, 3\]: expected each once"),
        ({"patience": 5}, "fit was given patience=5 and no validation split: expected one to judge by"),
        ({"seeds": []}, "fit was given no seeds: expected at least one"),
        ({"seeds": -1}, r"fit was given the seed -1: expected an integer from 0 to 2\*\*32 - 1"),
        ({"seeds": [0, 2**32]}, "fit was given the seed 4294967296: expected an integer"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_settings_that_cannot_be_used_are_refused(settings, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        ae_jax.fit(undercomplete(), X, **settings)


@pytest.mark.parametrize(
    ("autoencoder", "data", "sentence"),
    [
        (undercomplete(), np.where(X > 2.9, np.nan, X), r"has \d NaN or infinite values, the first at index \(19, 1\)"),
        (undercomplete(), X[:0], "is empty"),
        (undercomplete(), X[0], r"has shape \(3,\): expected \[examples, \*features\]"),
        (
            variational(),
            X,
            r"Bernoulli likelihood of variational was given values from -1 to 3: expected \[0, 1\]; scale",
        ),
        (
            ae_jax.undercomplete(likelihood=BernoulliLikelihood()),
            from_arrays((X > 0) * 16.0, validation=0.0),
            "Bernoulli likelihood of undercomplete was given values from 0 to 16",
        ),
        (ae_jax.convolutional(), X, r"convolutional networks were given examples of shape \(3,\): expected images"),
        ([], X, "a population was given no autoencoder"),
        ([undercomplete(), variational()], np.abs(X) / 3, r"autoencoder 1 \(variational\) differs from the first"),
    ],
)
def test_data_and_autoencoders_that_do_not_go_together_are_refused(autoencoder, data, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        ae_jax.fit(autoencoder, data, epochs=1, batch_size=4)


def test_values_outside_the_unit_interval_are_found_in_the_validation_split_too():
    data = from_arrays(np.clip(X, 0, 1), validation=0.2, test=0.0)
    data.validation.x[0, 0] = 1.5
    with pytest.raises(InvalidInput, match=r"values from 0 to 1.5: expected \[0, 1\]"):
        ae_jax.fit(variational(), data)


def test_a_linear_autoencoder_finds_the_subspace_of_pca():
    rng = np.random.default_rng(0)
    spread = np.array([3.0, 2.0, 1.5, 0.3, 0.2, 0.1])
    axes = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    x = (rng.normal(size=(256, 6)) * spread @ axes.T).astype(np.float32)
    x -= x.mean(axis=0)
    linear = ae_jax.Autoencoder(
        name="linear",
        networks=ae_jax.networks.MLP(hidden=(), code=3),
        objective=ae_jax.objectives.Reconstruction(),
        optimizer=Optimizer(learning_rate=ae_jax.schedules.Cosine(start=5e-2, end=0.0, steps=16 * 60)),
    )
    trained = ae_jax.fit(linear, x, epochs=60, batch_size=16)
    _, values, components = np.linalg.svd(x, full_matrices=False)
    error = np.square(trained.reconstruct(x) - x).sum(axis=1).mean()
    assert error < 1.02 * np.square(values[3:]).sum() / len(x)
    decoder = np.linalg.qr(np.asarray(trained.params["decoder"][0]["kernel"][0]).T)[0]
    cosines = np.linalg.svd(components[:3] @ decoder, compute_uv=False)  # of the principal angles
    assert cosines.min() > 0.999


def test_fit_takes_a_dataset_as_it_is(small, run):
    assert isinstance(small, Dataset)
    assert run.scaling == small.scaling
    assert run.shape == (8, 8)


def test_a_warm_up_does_not_choose_an_epoch_from_before_it_ends(small):
    warm_up = ae_jax.schedules.Linear(start=0.0, end=1.0, steps=STEPS * 6)
    trained = fit(ae_jax.variational(code=3, hidden=(12,), beta=warm_up), small, epochs=8, patience=8)
    assert trained.best_epoch[0] >= 6
    validation = {term: values[0] for term, values in trained.history["validation"].items()}
    np.testing.assert_allclose(validation["loss"], validation["bernoulli_nll"] + validation["kl"], rtol=1e-5)


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_autoencoder_is_refused(small):
    with pytest.raises(InvalidInput, match=r"expected an autoencoder, such as ae_jax.contractive\(\)"):
        ae_jax.fit(ae_jax.contractive, small)
