import warnings

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax
from ae_jax import Optimizer, Run, TrainConfig, TrainingDiverged, TrainingInterrupted, losses
from ae_jax.components import component
from ae_jax.evaluation import PCA
from ae_jax.training import Callback, load, untrained
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.loop import start_from_data
from ae_jax.training.plan import plan
from ae_jax.types import Number

EPOCHS, BATCH = 3, 16
STEPS = 4  # of an epoch over 64 examples


@component
class Burst:
    """A learning rate that turns NaN after some steps."""

    steps: Number = 1e9

    def __call__(self, step):
        return jnp.where(step < self.steps, 1e-3, jnp.nan)


class Recorder(Callback):
    """Records every call, and does something after each epoch."""

    def __init__(self, act=lambda progress: None):
        self.act, self.started, self.told, self.ended = act, [], [], []

    def on_start(self, plan):
        self.started.append((plan.autoencoder.name, plan.config.epochs))

    def on_epoch(self, progress):
        self.told.append(progress)
        return self.act(progress)

    def on_end(self, run):
        self.ended.append(run)


def undercomplete(rate=1e-3):
    return ae_jax.undercomplete(code=3, hidden=(12,), learning_rate=rate)


def variational(rate=1e-3, beta=1.0):
    return ae_jax.variational(code=3, hidden=(12,), learning_rate=rate, beta=beta)


def fit(autoencoder, data, **settings) -> Run:
    return ae_jax.fit(autoencoder, data, **({"epochs": EPOCHS, "batch_size": BATCH, "seeds": 5} | settings))


def finite(tree) -> bool:
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tree))


def test_history_has_every_term_of_both_splits_and_losses_fall(population):
    terms = {split: sorted(values) for split, values in population.history.items()}
    assert terms == {"train": ["bernoulli_nll", "kl", "loss"], "validation": ["bernoulli_nll", "kl", "loss"]}
    for values in population.history.values():
        np.testing.assert_allclose(values["loss"], values["bernoulli_nll"] + values["kl"], rtol=1e-5)
        assert values["loss"].shape == (4, EPOCHS)
        assert (values["loss"][:, -1] < values["loss"][:, 0]).all()
    assert population.seeds.tolist() == [5, 6, 5, 6]
    np.testing.assert_allclose([m.optimizer.learning_rate for m in population.members], [1e-3, 1e-3, 1e-2, 1e-2])


def test_validation_losses_are_those_of_the_kept_parameters(run, small):
    x = jnp.asarray(small.validation.x / 16, jnp.float32)
    model = run.autoencoder.bind((8, 8), jax.tree.map(lambda leaf: leaf[0], run.params))
    error = losses.squared_error(model.decode(model.encode(x)), x).mean()
    best = int(run.best_epoch[0])
    np.testing.assert_allclose(run.history["validation"]["loss"][0, best - 1], error, rtol=1e-5)
    assert best == 1 + np.argmin(run.history["validation"]["loss"][0])


def test_the_seed_decides_everything_and_a_configuration_is_handed_on_whole(run, small):
    config = TrainConfig(epochs=9, batch_size=BATCH)
    again = ae_jax.fit(undercomplete(), small, config, seeds=5, epochs=EPOCHS)
    chex.assert_trees_all_equal(again.params, run.params)
    chex.assert_trees_all_equal(again.history, run.history)
    expected = {"epochs": EPOCHS, "batch_size": BATCH, "patience": None, "on_divergence": "stop", "resplit": False}
    assert again.settings == expected | {"precision": "float32"}
    other = fit(undercomplete(), small, seeds=6)
    assert not np.array_equal(other.history["train"]["loss"], run.history["train"]["loss"])


def test_members_that_differ_only_in_numbers_share_initialisation_batches_and_noise(small):
    # At a learning rate near nothing, what is left of the first epoch is the data order and the noise.
    still = [variational(rate=1e-12, beta=beta) for beta in (1.0, 3.0)]
    trained = fit(still, small, seeds=[5, 6], epochs=1)
    for member in (0, 1):
        for ours, theirs in zip(*(jax.tree.leaves(trained[m].params) for m in (member, member + 2)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
        for term in ("bernoulli_nll", "kl"):
            values = trained.history["train"][term]
            np.testing.assert_allclose(values[member], values[member + 2], rtol=1e-6)
    assert (trained.history["train"]["loss"][2:] > trained.history["train"]["loss"][:2]).all()
    kernels = trained.params["networks"]["encoder"][0]["kernel"]
    assert not np.array_equal(kernels[0], kernels[1])


def test_later_epochs_and_other_numbers_compile_nothing(small, population):
    fit([variational(1e-3), variational(1e-2)], small, seeds=[5, 6], epochs=1)
    with watch_compilation() as compilation:
        again = fit([variational(2e-3, beta=2.0), variational(3e-3)], small, seeds=[7, 8], epochs=5)
    assert compilation.programs == again.record["programs_compiled"] == 0
    assert again.history["train"]["loss"].shape == (4, 5)


@pytest.mark.parametrize("size", [1, 3])
def test_members_that_take_turns_are_those_that_train_side_by_side(small, population, size, monkeypatch):
    monkeypatch.setattr("ae_jax.training.loop.vmap_size", lambda *_: size)
    turns = fit([variational(rate) for rate in (1e-3, 1e-2)], small, seeds=[5, 6])
    assert turns.record["vmap_size"] == size
    assert "vmap_size" not in population.record
    for ours, theirs in zip(jax.tree.leaves(turns.params), jax.tree.leaves(population.params), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_callbacks_are_called_and_one_of_them_ends_the_training(small):
    watching, stopping = Recorder(), Recorder(lambda progress: progress.epoch == 2)
    run = fit(variational(), small, seeds=[5, 6], epochs=9, callbacks=[watching, stopping])
    assert watching.started == [("variational", 9)]
    assert watching.ended == [run]
    assert [(p.name, p.epoch, p.epochs, p.running) for p in watching.told] == [
        ("variational", number + 1, 9, 2) for number in range(run.history["train"]["loss"].shape[1])
    ]
    assert len(watching.told) in (2, 3)  # one was dispatched ahead
    for epoch, progress in enumerate(watching.told):
        np.testing.assert_allclose(
            progress.metrics["train"]["kl"], run.history["train"]["kl"][:, epoch].mean(), rtol=1e-5
        )
        chex.assert_trees_all_equal(
            progress.members["train"], {term: of[:, epoch] for term, of in run.history["train"].items()}
        )


@pytest.fixture(scope="module")
def stopped(small):
    """Four members of which those with the larger learning rate run out of patience early."""
    return fit([variational(1e-3), variational(0.3)], small, seeds=[5, 6], epochs=12, patience=2)


def test_a_member_stops_once_its_patience_ran_out_and_keeps_its_best_epoch(stopped, small):
    for member, best in enumerate(stopped.best_epoch):
        loss = stopped.history["validation"]["loss"][member]
        trained = int(np.isfinite(loss).sum())
        assert np.isfinite(loss[:trained]).all()
        assert best == 1 + np.nanargmin(loss)
        assert trained == min(best + 2, 12)
    assert len(set(stopped.best_epoch.tolist())) > 1
    member = int(np.argmin(stopped.best_epoch))
    until = fit([variational(1e-3), variational(0.3)], small, seeds=[5, 6], epochs=int(stopped.best_epoch[member]))
    chex.assert_trees_all_equal(stopped[member].params, until[member].params)


@pytest.mark.parametrize(
    ("steps", "term"),
    [(2 * STEPS + 1, r"squared_error \(train\)"), (3 * STEPS - 1, r"squared_error \(validation\)")],
)
def test_divergence_names_the_epoch_and_the_term_and_keeps_the_last_finite_parameters(steps, term, small):
    with pytest.raises(TrainingDiverged, match=rf"first with seed 5 at epoch 3 in {term}.*epoch 2 are kept") as raised:
        fit(undercomplete(Burst(steps=steps)), small, epochs=6)
    kept = raised.value.run
    assert (kept.best_epoch.tolist(), kept.finite.tolist()) == ([2], [False])
    assert np.isfinite(kept.encode(small.test.x)).all()
    chex.assert_trees_all_equal(kept.params, fit(undercomplete(Burst()), small, epochs=2).params)


def test_parameters_that_are_not_finite_are_named_where_no_term_shows_them(small):
    with pytest.raises(TrainingDiverged, match="at epoch 2 in the parameters or the optimiser"):
        fit(undercomplete(Burst(steps=2 * STEPS - 1)), small.train.x / np.float32(16), epochs=4)


def test_an_interruption_holds_the_run_so_far(small):
    def interrupt(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    watching = Recorder(interrupt)
    with pytest.raises(TrainingInterrupted) as raised:
        fit(undercomplete(), small, epochs=9, callbacks=[watching])
    kept = raised.value.run
    assert kept.record["interrupted"]
    assert kept.history["train"]["loss"].shape[1] in (2, 3)
    assert watching.ended == [kept]


def test_a_batch_larger_than_the_data_is_lowered_with_one_warning(small):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trained = fit(undercomplete(), small, batch_size=100, epochs=1)
    assert [str(w.message) for w in caught] == ["batch_size=100 was lowered to the 64 examples."]
    assert trained.settings["batch_size"] == 64


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
    decoder = np.linalg.qr(np.asarray(trained.params["networks"]["decoder"][0]["kernel"][0]).T)[0]
    cosines = np.linalg.svd(components[:3] @ decoder, compute_uv=False)  # of the principal angles
    assert cosines.min() > 0.999


def test_a_warm_up_does_not_choose_an_epoch_from_before_it_ends(small):
    warm_up = ae_jax.schedules.Linear(start=0.0, end=1.0, steps=STEPS * 6)
    trained = fit(variational(beta=warm_up), small, epochs=8, patience=8)
    assert trained.best_epoch[0] >= 6
    validation = {term: values[0] for term, values in trained.history["validation"].items()}
    np.testing.assert_allclose(validation["loss"], validation["bernoulli_nll"] + validation["kl"], rtol=1e-5)


def test_untrained_parameters_are_those_that_training_begins_with(small):
    """Adam's first step changes no parameter by more than its rate."""
    begun = untrained(undercomplete(), small, seeds=5)
    trained = ae_jax.fit(undercomplete(), small, seeds=5, epochs=1, batch_size=64)
    pairs = list(zip(jax.tree.leaves(begun.params), jax.tree.leaves(trained.params), strict=True))
    moved = [float(np.abs(mine - other).max()) for mine, other in pairs]
    assert 0 < max(moved) < 1.01e-3


def test_an_untrained_run_is_a_run_of_no_epoch(small, tmp_path):
    run = untrained(undercomplete(), small, seeds=[5, 6])
    assert (run.best_epoch.tolist(), run.history, run.single) == ([0, 0], {}, False)
    codes = run.encode(small.test.x)
    assert codes.shape == (2, 20, 3)
    np.testing.assert_array_equal(load(run.save(tmp_path / "run")).encode(small.test.x), codes)
    np.testing.assert_array_equal(
        untrained(undercomplete(), small, seeds=6).encode(small.test.x), run[1].encode(small.test.x)
    )


def test_joined_processes_have_an_untrained_run_too(small, monkeypatch):
    """Which divide the batches of a training, but nothing is trained here."""
    asked = []
    monkeypatch.setattr("ae_jax.training.plan.mesh_of", lambda mesh, **sizes: asked.append(sizes))
    monkeypatch.setattr(jax, "device_count", lambda: 4)
    untrained(undercomplete(), small, seeds=5)
    assert asked == [{"members": 1, "batch_size": 4}]


def test_networks_that_start_from_data_are_never_worse_than_their_start(small):
    slow, fast = (ae_jax.undercomplete(code=3, hidden=(12,), learning_rate=rate) for rate in (1e-3, 10.0))
    run = fit([slow, fast], small, seeds=[5, 6])
    start = untrained(slow, small, seeds=[5, 6])
    assert run.best_epoch.tolist() == [EPOCHS, EPOCHS, 0, 0]
    error = PCA.fit(small, 3).reconstruct(x := np.asarray(small.scaling(small.validation.x))) - x
    losses_of_start = np.square(error).sum(axis=(1, 2)).mean()
    assert (run.history["validation"]["loss"][:2, -1] < losses_of_start).all()
    assert (run.history["validation"]["loss"][2:] > losses_of_start).all()
    jax.tree.map(lambda kept, leaf: np.testing.assert_array_equal(kept[2:], leaf), run.params, start.params)


def test_each_member_starts_from_the_rows_that_it_trains_on(small):
    rows = np.array([[0, 1, 2, 3], [4, 5, 6, 7]], np.int32)
    planned = plan(undercomplete(), small, TrainConfig(epochs=1, batch_size=2), seeds=[5, 6])
    params, _ = start_from_data(planned._replace(subsets=rows))
    for own, bias in zip(rows, params["networks"]["from_code"]["bias"], strict=True):
        np.testing.assert_allclose(bias, small.scaling(small.train.x[own]).mean(axis=0).ravel(), atol=1e-6)
