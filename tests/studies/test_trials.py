import jax
import pytest

import ae_jax
from ae_jax import InvalidInput, TrainingInterrupted
from ae_jax.evaluation import evaluate
from ae_jax.studies import trials
from ae_jax.studies.trials import Trials, conduct

SETTINGS = {"seeds": [5, 6], "epochs": 1, "batch_size": 16, "patience": None, "progress": None}


def tiny(**choices):
    return ae_jax.undercomplete(**({"code": 3, "hidden": (12,)} | choices))


def whole(so_far: Trials) -> Trials:
    return so_far


def test_each_population_is_trained_and_asked_in_turn(small):
    populations = [tiny(), [tiny(code=2, learning_rate=rate) for rate in (1e-3, 1e-2)]]
    found = conduct(populations, small, whole, **SETTINGS)
    assert [len(run) for run in found.runs] == [2, 4]
    assert [run.autoencoder.networks.code for run in found.runs] == [3, 2]
    assert found.rows == [evaluate(run, small) for run in found.runs]
    assert found.messages == []


def test_the_record_says_what_was_asked_for_and_what_it_took(small):
    record = conduct([tiny()], small, whole, **SETTINGS).record
    assert record["settings"] == {"epochs": 1, "batch_size": 16, "patience": None, "seeds": [5, 6]}
    assert record["wall_s"] >= 0
    assert record["versions"]["jax"] == jax.__version__
    assert {"compile_s", "programs", "programs_compiled", "device", "machine"} <= set(record)


def test_a_study_compiles_once_and_its_record_counts(small):
    # No other test has a code of seven.
    first, second = (conduct([tiny(code=7, learning_rate=rate)], small, whole, **SETTINGS) for rate in (1e-3, 2e-3))
    assert first.record["programs"] >= first.record["programs_compiled"] > 0
    assert first.record["compile_s"] > 0
    assert second.record["programs"] == second.record["programs_compiled"] == 0


def test_divergence_of_everyone_is_a_message_and_the_rest_is_trained(small):
    found = conduct([tiny(learning_rate=1e30), tiny()], small, whole, **SETTINGS)
    assert [run.finite.tolist() for run in found.runs] == [[False, False], [True, True]]
    assert len(found.rows) == 2
    assert len(found.messages) == 1
    assert "in 2 of 2 members" in found.messages[0]


def test_divergence_of_some_is_a_warning_and_a_message(small):
    with pytest.warns(RuntimeWarning, match="in 2 of 4 members"):
        found = conduct([[tiny(learning_rate=rate) for rate in (1e-3, 1e30)]], small, whole, **SETTINGS)
    assert len(found.messages) == 1
    assert "in 2 of 4 members" in found.messages[0]


def test_ctrl_c_while_a_run_is_asked_keeps_the_run(small, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(trials, "evaluate", interrupted)
    with pytest.raises(TrainingInterrupted) as raised:
        conduct([tiny(), tiny(code=2)], small, whole, **SETTINGS)
    so_far = raised.value.run
    assert [run.autoencoder.networks.code for run in so_far.runs] == [3]
    assert so_far.rows == []
    assert so_far.record["settings"]["seeds"] == [5, 6]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"seeds": 5}, "the study was given seeds=5: expected a list of seeds"),
        ({"seeds": []}, "no seeds: expected at least one"),
        ({"epochs": 0}, "epochs=0: expected a whole number above zero"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings, sentence, small):
    with pytest.raises(InvalidInput, match=sentence):
        conduct([tiny()], small, whole, **(SETTINGS | settings))
