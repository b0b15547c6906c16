"""Training and evaluating several populations: order, records, divergence, interruptions and resuming."""

import signal
from pathlib import Path

import jax
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput, TrainingInterrupted
from ae_jax.evaluation import evaluate, sentences
from ae_jax.studies import StudyResults, study_results
from ae_jax.studies.study_results import run_study

SETTINGS = {"seeds": [5, 6], "epochs": 1, "batch_size": 16}
LONGER = SETTINGS | {"epochs": 4}


def tiny(**choices):
    return ae_jax.undercomplete(**({"code": 3, "hidden": (12,)} | choices))


def pair():
    return {"one": tiny(), "two": [tiny(code=2, learning_rate=rate) for rate in (1e-3, 1e-2)]}


def study(dataset, populations=None, **settings) -> StudyResults:
    return run_study(StudyResults(dataset=dataset), populations or pair(), **SETTINGS | settings)


@pytest.fixture(scope="module")
def whole(small) -> StudyResults:
    return study(small, **LONGER)


def assert_same(found: StudyResults, expected: StudyResults) -> None:
    assert (found.rows, found.findings) == (expected.rows, expected.findings)
    np.testing.assert_equal(found.examples, expected.examples)
    for mine, other in zip(found.runs.values(), expected.runs.values(), strict=True):
        jax.tree.map(np.testing.assert_array_equal, mine.params, other.params)
        jax.tree.map(np.testing.assert_array_equal, mine.history, other.history)


def test_each_population_is_trained_and_evaluated_in_turn(small, whole):
    assert {name: len(run) for name, run in whole.runs.items()} == {"one": 2, "two": 4}
    assert whole.rows == [row for run in whole.runs.values() for row in evaluate(run, small).rows]
    assert whole.findings == [row for run in whole.runs.values() for row in evaluate(run, small).findings]
    assert whole.messages == sentences(whole.findings)


def test_the_record_states_settings_versions_and_cost(whole):
    record = whole.record
    expected = {"epochs": 4, "batch_size": 16, "patience": None, "on_divergence": "stop", "resplit": False}
    assert record["settings"] == expected | {"seeds": [5, 6], "precision": "float32"}
    assert record["versions"]["jax"] == jax.__version__
    assert {"compile_s", "programs", "programs_compiled", "device", "machine"} <= set(record)
    assert record["wall_s"] == pytest.approx(sum(cost["wall_s"] for cost in whole.costs), abs=2e-3)


def test_other_numbers_compile_nothing(small):
    # No other test has a code of seven.
    first, second = (study(small, {"one": tiny(code=7, learning_rate=rate)}) for rate in (1e-3, 2e-3))
    assert first.record["programs"] >= first.record["programs_compiled"]
    assert first.record["programs"] > 0
    assert second.record["programs"] == second.record["programs_compiled"] == 0


def test_divergence_is_a_message_and_the_rest_is_trained(small):
    with pytest.warns(RuntimeWarning, match="in 2 of 4 members"):
        found = study(small, {"all": tiny(learning_rate=1e30), "some": [tiny(), tiny(learning_rate=1e30)]})
    assert [run.finite.tolist() for run in found.runs.values()] == [[False] * 2, [True, True, False, False]]
    assert ["in 2 of 2 members" in found.messages[0], "in 2 of 4 members" in found.messages[1]] == [True, True]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ({"seeds": 5}, "seeds=5: expected a list of seeds"),
        ({"seeds": []}, "no seeds"),
        ({"epochs": 0}, "epochs=0"),
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"resume": True}, "no checkpoints"),
        ({"populations": {"a/b": tiny(), "a b": tiny()}}, "expected names that differ as folders"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings, fragment, small):
    with pytest.raises(InvalidInput, match=fragment):
        study(small, **settings)


def test_a_resumed_study_repeats_nothing(small, tmp_path: Path, whole, watch, monkeypatch):
    with pytest.raises(TrainingInterrupted) as raised:
        study(small, checkpoints=tmp_path, callbacks=[watch(6)], **LONGER)
    assert raised.value.signal == signal.SIGTERM
    assert [run.record["interrupted"] for run in raised.value.run.runs.values()] == [False, True]
    assert raised.value.run.rows == whole.rows[: len(raised.value.run.rows)]
    evaluated, second, third = [], watch(), watch()
    monkeypatch.setattr(study_results, "evaluate", lambda run, data: evaluated.append(len(run)) or evaluate(run, data))
    assert_same(study(small, checkpoints=tmp_path, resume=True, callbacks=[second], **LONGER), whole)
    assert (evaluated, second.seen[-1][1]) == ([4], 4)
    assert len(second.seen) < 4  # epochs that were dispatched before the signal are done
    assert_same(study(small, checkpoints=tmp_path, resume=True, callbacks=[third], **LONGER), whole)
    assert (evaluated, third.seen) == ([4], [])
    with pytest.raises(InvalidInput, match="has 4 epochs and was resumed with 5"):
        study(small, checkpoints=tmp_path, resume=True, **LONGER | {"epochs": 5})
    extended = study(small, checkpoints=tmp_path, resume="extend", callbacks=[third], **LONGER | {"epochs": 5})
    assert [epoch for _, epoch in third.seen] == [5, 5]
    assert extended.rows != whole.rows
    monkeypatch.setattr(study_results, "fit", lambda *_, **__: pytest.fail("was trained"))
    for other, fragment in (
        ({"one": tiny(learning_rate=5e-3), "two": pair()["two"]}, r"learning_rate: 0.0005 then, 0.005 now"),
        ({"one": tiny()}, "its trainings are one, two, those asked for are one"),
    ):
        with pytest.raises(InvalidInput, match=fragment):
            study(small, other, checkpoints=tmp_path, resume=True)


def test_a_signal_while_a_run_is_evaluated_ends_the_study_before_the_next(small, tmp_path: Path, monkeypatch):
    def evaluate_and_signal(run, dataset):
        signal.raise_signal(signal.SIGINT)
        return evaluate(run, dataset)

    monkeypatch.setattr(study_results, "evaluate", evaluate_and_signal)
    with pytest.raises(TrainingInterrupted) as raised:
        study(small, checkpoints=tmp_path)
    assert (list(raised.value.run.runs), raised.value.signal) == (["one"], signal.SIGINT)
    assert raised.value.run.rows
    assert not (tmp_path / "two").exists()


def test_an_end_before_anything_is_saved_leaves_nothing(small, tmp_path: Path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(study_results, "fit", interrupt)
    with pytest.raises(TrainingInterrupted) as raised:
        study(small, checkpoints=tmp_path)
    assert raised.value.run.runs == {}
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_does_not_end_a_study(small, tmp_path: Path, monkeypatch):
    def full(*_: object) -> None:
        raise InvalidInput("answers.json cannot be written (No space left on device): choose another folder.")

    for name in ("write_rows", "finish_study"):
        monkeypatch.setattr(study_results, name, full)
    with (
        pytest.warns(UserWarning, match="No space left on device.*finds nothing left to do"),
        pytest.warns(UserWarning, match="No space left on device.*evaluates this run again"),
    ):
        assert study(small, checkpoints=tmp_path).rows
