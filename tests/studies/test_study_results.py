import signal
from pathlib import Path

import jax
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput, TrainingInterrupted
from ae_jax.evaluation import evaluate
from ae_jax.studies import study_results
from ae_jax.studies.study_results import StudyResults, conduct
from ae_jax.training.checkpoint import latest_checkpoint

SETTINGS = {"seeds": [5, 6], "epochs": 1, "batch_size": 16, "patience": None, "progress": None}


def tiny(**choices):
    return ae_jax.undercomplete(**({"code": 3, "hidden": (12,)} | choices))


def named(*populations):
    return {f"trial-{place}": population for place, population in enumerate(populations)}


def whole(so_far: StudyResults) -> StudyResults:
    return so_far


def test_each_population_is_trained_and_asked_in_turn(small):
    populations = [tiny(), [tiny(code=2, learning_rate=rate) for rate in (1e-3, 1e-2)]]
    found = conduct(named(*populations), small, whole, **SETTINGS)
    assert [len(run) for run in found.runs] == [2, 4]
    assert [run.autoencoder.networks.code for run in found.runs] == [3, 2]
    assert found.rows == [evaluate(run, small).rows for run in found.runs]
    assert found.messages == []


def test_the_record_says_what_was_asked_for_and_what_it_took(small):
    record = conduct(named(tiny()), small, whole, **SETTINGS).record
    assert record["settings"] == {
        "epochs": 1,
        "batch_size": 16,
        "patience": None,
        "on_divergence": "stop",
        "seeds": [5, 6],
    }
    assert record["wall_s"] >= 0
    assert record["versions"]["jax"] == jax.__version__
    assert {"compile_s", "programs", "programs_compiled", "device", "machine"} <= set(record)


def test_a_study_compiles_once_and_its_record_counts(small):
    # No other test has a code of seven.
    first, second = (
        conduct(named(tiny(code=7, learning_rate=rate)), small, whole, **SETTINGS) for rate in (1e-3, 2e-3)
    )
    assert first.record["programs"] >= first.record["programs_compiled"] > 0
    assert first.record["compile_s"] > 0
    assert second.record["programs"] == second.record["programs_compiled"] == 0


def test_divergence_of_everyone_is_a_message_and_the_rest_is_trained(small):
    found = conduct(named(tiny(learning_rate=1e30), tiny()), small, whole, **SETTINGS)
    assert [run.finite.tolist() for run in found.runs] == [[False, False], [True, True]]
    assert len(found.rows) == 2
    assert len(found.messages) == 1
    assert "in 2 of 2 members" in found.messages[0]


def test_divergence_of_some_is_a_warning_and_a_message(small):
    with pytest.warns(RuntimeWarning, match="in 2 of 4 members"):
        found = conduct(named([tiny(learning_rate=rate) for rate in (1e-3, 1e30)]), small, whole, **SETTINGS)
    assert len(found.messages) == 1
    assert "in 2 of 4 members" in found.messages[0]


def test_ctrl_c_while_a_run_is_asked_keeps_the_run(small, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(study_results, "evaluate", interrupted)
    with pytest.raises(TrainingInterrupted) as raised:
        conduct(named(tiny(), tiny(code=2)), small, whole, **SETTINGS)
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
        conduct(named(tiny()), small, whole, **(SETTINGS | settings))


def stop_at(name, epoch, number=signal.SIGTERM):
    """Progress that is asked for an end after an epoch of a training."""

    def told(progress):
        if (progress.name, progress.epoch) == (name, epoch):
            signal.raise_signal(number)

    return told


def pair():
    return named(tiny(), [tiny(code=2, learning_rate=rate) for rate in (1e-3, 1e-2)])


LONGER = SETTINGS | {"epochs": 4}


@pytest.fixture(scope="module")
def uninterrupted(small) -> StudyResults:
    return conduct(pair(), small, whole, **LONGER)


def assert_same(found: StudyResults, expected: StudyResults) -> None:
    assert found.rows == expected.rows
    for mine, other in zip(found.runs, expected.runs, strict=True):
        jax.tree.map(np.testing.assert_array_equal, mine.params, other.params)
        jax.tree.map(np.testing.assert_array_equal, mine.history, other.history)


def test_a_study_that_goes_on_trains_and_asks_nothing_twice(small, tmp_path: Path, uninterrupted, monkeypatch):
    with pytest.raises(TrainingInterrupted) as raised:
        conduct(pair(), small, whole, checkpoints=tmp_path, **LONGER | {"progress": _at_the_second(2)})
    assert raised.value.signal == signal.SIGTERM
    assert [run.record["interrupted"] for run in raised.value.run.runs] == [False, True]
    assert raised.value.run.rows == uninterrupted.rows[:1]
    asked, told = [], []
    monkeypatch.setattr(
        study_results, "evaluate", lambda run, dataset: asked.append(len(run)) or evaluate(run, dataset)
    )
    settings = LONGER | {"progress": lambda progress: told.append(progress.epoch), "checkpoints": tmp_path}
    assert_same(conduct(pair(), small, whole, resume=True, **settings), uninterrupted)
    assert (asked, told[-1]) == ([4], 4)
    assert len(told) < 4
    told.clear()
    with monkeypatch.context() as patch:
        patch.setattr(study_results, "evaluate", lambda *_: pytest.fail("was asked again"))
        finished = conduct(pair(), small, whole, resume=True, **settings)
    assert_same(finished, uninterrupted)
    assert told == []
    with pytest.raises(InvalidInput, match="was to have 4 epochs and is asked for 5: expected 4, or more where"):
        conduct(pair(), small, whole, resume=True, **settings | {"epochs": 5})
    assert conduct(pair(), small, whole, resume="extend", **settings | {"epochs": 5}).rows != uninterrupted.rows
    assert told == [5, 5]
    assert asked == [4, 2, 4]


def _at_the_second(epoch):
    """A signal after an epoch of the second training, which has two learning rates."""
    seen = []

    def told(progress):
        seen.append(progress.epoch)
        if seen.count(1) == 2 and progress.epoch == epoch:
            signal.raise_signal(signal.SIGTERM)

    return told


def test_what_a_study_cost_adds_up_over_its_interruptions(small, tmp_path: Path):
    settings = LONGER | {"checkpoints": tmp_path, "progress": stop_at("undercomplete", 2)}
    with pytest.raises(TrainingInterrupted) as raised:
        conduct(named(tiny()), small, whole, **settings)
    spent = latest_checkpoint(tmp_path / "trial-0").facts["record"]
    second, third = (conduct(named(tiny()), small, whole, resume=True, **settings) for _ in range(2))
    assert 0 < spent["wall_s"] <= raised.value.run.record["wall_s"]
    for key in ("wall_s", "compile_s", "programs_compiled"):
        assert second.runs[0].record[key] >= spent[key]
    for found in (second, third):
        training, questions = found.costs
        assert training["wall_s"] == found.runs[0].record["wall_s"]
        assert questions == second.costs[1]
        assert found.record["wall_s"] == pytest.approx(training["wall_s"] + questions["wall_s"], abs=2e-3)


def test_a_signal_while_a_run_is_asked_lets_it_be_asked_and_ends_before_the_next(small, tmp_path: Path, monkeypatch):
    def evaluate_and_signal(run, dataset):
        signal.raise_signal(signal.SIGINT)
        return evaluate(run, dataset)

    monkeypatch.setattr(study_results, "evaluate", evaluate_and_signal)
    with pytest.raises(TrainingInterrupted) as raised:
        conduct(pair(), small, whole, checkpoints=tmp_path, **SETTINGS)
    so_far = raised.value.run
    assert (len(so_far.runs), len(so_far.rows), raised.value.signal) == (1, 1, signal.SIGINT)
    assert (tmp_path / "trial-0" / "answers.json").is_file()
    assert not (tmp_path / "trial-1").exists()


def test_a_signal_in_the_last_epoch_ends_before_the_questions(small, tmp_path: Path):
    settings = SETTINGS | {"progress": stop_at("undercomplete", 1)}
    with pytest.raises(TrainingInterrupted) as raised:
        conduct(named(tiny()), small, whole, checkpoints=tmp_path, **settings)
    assert len(raised.value.run.runs) == 1
    assert raised.value.run.rows == []
    with pytest.raises(InvalidInput, match=r"unfinished study \(1 of 1 trainings are finished\): resume goes on"):
        conduct(named(tiny()), small, whole, checkpoints=tmp_path, **SETTINGS)
    assert len(conduct(named(tiny()), small, whole, checkpoints=tmp_path, resume=True, **SETTINGS).rows) == 1


def test_an_end_before_anything_is_saved_leaves_nothing(small, tmp_path: Path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(study_results, "fit", interrupted)
    with pytest.raises(TrainingInterrupted) as raised:
        conduct(pair(), small, whole, checkpoints=tmp_path, **SETTINGS)
    assert raised.value.run.runs == []
    assert list(tmp_path.iterdir()) == []


def full(*_: object) -> None:
    raise InvalidInput("answers.json cannot be written (No space left on device): choose another folder.")


def test_a_full_disk_does_not_end_a_study(small, tmp_path: Path, monkeypatch):
    for name in ("keep_answers", "finish"):
        monkeypatch.setattr(study_results, name, full)
    with (
        pytest.warns(UserWarning, match=r"No space left on device.*; going on with the study finds nothing left"),
        pytest.warns(UserWarning, match=r"No space left on device.*; the study goes on, and whoever resumes it asks"),
    ):
        found = conduct(pair(), small, whole, checkpoints=tmp_path, **SETTINGS)
    assert len(found.rows) == 2


def test_another_study_is_refused_before_its_first_training_goes_on(small, tmp_path: Path, monkeypatch):
    conduct(pair(), small, whole, checkpoints=tmp_path, **SETTINGS)
    monkeypatch.setattr(study_results, "fit", lambda *_, **__: pytest.fail("was trained"))
    other = named(tiny(), [tiny(code=2, learning_rate=rate) for rate in (1e-3, 5e-2)])
    with pytest.raises(InvalidInput, match=r"other autoencoders \(trial-1\.1\..*learning_rate: 0\.01 then, 0\.05 now"):
        conduct(other, small, whole, checkpoints=tmp_path, resume=True, **SETTINGS)


def test_what_differs_is_named_where_a_study_goes_on_otherwise(small, tmp_path: Path):
    conduct(named(tiny()), small, whole, checkpoints=tmp_path, **SETTINGS)
    with pytest.raises(InvalidInput, match=r"learning_rate: 0.002 then, 0.005 now"):
        conduct(named(tiny(learning_rate=5e-3)), small, whole, checkpoints=tmp_path, resume=True, **SETTINGS)
    with pytest.raises(InvalidInput, match=r"cannot be resumed with other trainings \(trial-0 then, trial-0, trial-1"):
        conduct(named(tiny(), tiny(code=2)), small, whole, checkpoints=tmp_path, resume=True, **SETTINGS)


@pytest.mark.usefixtures("unchecked")
def test_going_on_needs_checkpoints(small):
    with pytest.raises(InvalidInput, match="resume=True and no checkpoints: expected their folder"):
        conduct(named(tiny()), small, whole, resume=True, **SETTINGS)
