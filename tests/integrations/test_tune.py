"""Tuning by Optuna itself: trials as members, pruning, and storage in a file."""

import contextlib

import jax
import numpy as np
import pytest

optuna = pytest.importorskip("optuna")

import ae_jax  # noqa: E402
from ae_jax import InvalidInput  # noqa: E402
from ae_jax.data import from_arrays  # noqa: E402
from ae_jax.studies import tune  # noqa: E402
from ae_jax.training.compilation import watch_compilation  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.WARNING)
SETTINGS = {"epochs": 3, "batch_size": 16}


def of_rate(trial):
    return ae_jax.undercomplete(
        code=2, hidden=(4,), shortcut=False, learning_rate=trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    )


def test_trials_are_members_of_one_population_and_the_best_is_that_of_their_metrics(small):
    with watch_compilation() as compilation:
        study, best = tune(of_rate, small, trials=6, together=3, **SETTINGS, pruner=optuna.pruners.NopPruner())
    assert compilation.programs < 12
    rates = [trial.params["rate"] for trial in study.trials]
    run = ae_jax.fit([of_rate(optuna.trial.FixedTrial({"rate": rate})) for rate in rates[:3]], small, **SETTINGS)
    values = run.history["validation"]["loss"].min(axis=1)
    np.testing.assert_allclose([trial.value for trial in study.trials[:3]], values, rtol=1e-5)
    assert [sorted(trial.intermediate_values) for trial in study.trials] == [[1, 2, 3]] * 6
    assert best == of_rate(optuna.trial.FixedTrial(study.best_params))


def test_trials_are_pruned_by_epoch_and_a_population_without_trials_ends(small):
    never = optuna.pruners.ThresholdPruner(upper=0.0)
    with pytest.raises(InvalidInput, match="no trial of tune came to an end"):
        tune(of_rate, small, trials=2, together=2, epochs=50, batch_size=16, pruner=never, storage=(kept := memory()))
    (study,) = [optuna.load_study(study_name="tune", storage=kept)]
    assert [trial.state.name for trial in study.trials] == ["PRUNED", "PRUNED"]
    assert [max(trial.intermediate_values) for trial in study.trials] == [1, 1]


def memory():
    return optuna.storages.InMemoryStorage()


@contextlib.contextmanager
def opened(url):
    """A storage as one process has it."""
    storage = optuna.storages.RDBStorage(url)
    yield storage
    storage.remove_session()
    storage.engine.dispose()


def test_a_search_goes_on_where_it_was_killed(small, tmp_path):
    url = f"sqlite:///{tmp_path}/tune.db"
    with opened(url) as storage:
        tune(of_rate, small, trials=2, together=2, storage=storage, **SETTINGS)
        rate = of_rate(optuna.load_study(study_name="tune", storage=storage).ask()).optimizer.learning_rate
    with opened(url) as storage:
        study, _ = tune(of_rate, small, trials=4, together=2, storage=storage, **SETTINGS)
        assert [trial.state.name == "FAIL" for trial in study.trials] == [False, False, True, False, False]
        assert study.trials[3].params["rate"] == rate
        assert len(tune(of_rate, small, trials=4, storage=storage, **SETTINGS)[0].trials) == 5


def test_structures_are_populations_of_their_own_and_diverged_trials_fail(small):
    def make(trial):
        rate = trial.suggest_categorical("rate", [1e-3, 1e30])
        return ae_jax.undercomplete(code=trial.suggest_int("code", 1, 2), hidden=(), shortcut=False, learning_rate=rate)

    sampler = optuna.samplers.RandomSampler(seed=0)
    study, best = tune(make, small, trials=6, together=6, sampler=sampler, metric="squared_error", **SETTINGS)
    assert {trial.params["code"] for trial in study.trials} == {1, 2}
    ended = {(trial.params["rate"] < 1, trial.state.name) for trial in study.trials}
    assert ended == {(True, "COMPLETE"), (False, "FAIL")}
    assert jax.tree.leaves(best.optimizer) == [1e-3]


def test_data_and_metrics_that_cannot_be_used_are_refused(small):
    with pytest.raises(InvalidInput, match="without a validation split"):
        tune(of_rate, from_arrays(small.train.x, validation=0.0, test=0.0))
    with pytest.raises(InvalidInput, match="unknown validation metric 'lost': did you mean 'loss'"):
        tune(of_rate, small, metric="lost", trials=1, **SETTINGS)
