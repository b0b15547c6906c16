"""Experiments: trials that are kept, budgets, results."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data import from_splits
from ae_jax.studies.experiment import RESULTS, Experiment, ExperimentLog

EXPERIMENT = Experiment(
    name="doubling",
    study=lambda log: None,
    budgets={
        "default": {"epochs": 3, "seeds": 2},
        "smoke": {"epochs": 1, "seeds": 1},
        "full": {"epochs": 100, "seeds": 5},
    },
    about={"epochs": "how often (count)", "seeds": "trainings (count)"},
    data=("mnist",),
    expected=lambda rows: {},
    table=lambda rows: "",
)


def row(value: float) -> dict[str, object]:
    return {"autoencoder": "a", "metric": "error", "value": value}


def test_a_trial_that_was_measured_is_not_measured_again(tmp_path: Path):
    measured = []

    def measure(folder: Path):
        measured.append(folder)
        return [row(0.1 + 0.2)]

    first, again = ExperimentLog(EXPERIMENT, tmp_path), ExperimentLog(EXPERIMENT, tmp_path)
    assert first.trial("a, seed 0", measure, epochs=3) == again.trial("a, seed 0", measure, epochs=3)
    assert len(measured) == 1
    assert again.rows == [row(0.1 + 0.2)]


def test_a_trial_of_other_settings_is_another_one_with_a_folder_of_its_own(tmp_path: Path):
    folders = []
    for epochs in (3, 4):
        ExperimentLog(EXPERIMENT, tmp_path).trial(
            "a", lambda folder: folders.append(folder) or [row(1.0)], epochs=epochs
        )
    assert len(set(folders)) == 2
    assert all(tmp_path in folder.parents for folder in folders)


def test_a_name_stands_for_one_trial(tmp_path: Path):
    log = ExperimentLog(EXPERIMENT, tmp_path)
    log.trial("a", lambda folder: [row(1.0)])
    with pytest.raises(InvalidInput, match="doubling was given a twice: expected each number of a budget once"):
        log.trial("a", lambda folder: [row(1.0)], epochs=4)


def test_numbers_of_numpy_are_kept(tmp_path: Path):
    log = ExperimentLog(EXPERIMENT, tmp_path)
    assert log.trial("a", lambda folder: [row(np.float32(0.5)), row(np.int64(3))]) == [row(0.5), row(3)]


def test_data_are_read_before_anything_is_trained_and_have_labels(tmp_path: Path):
    log = ExperimentLog(EXPERIMENT, tmp_path, sources=["digits"])
    assert list(log.datasets()) == ["digits"]
    blind = from_splits(np.zeros((9, 4), np.float32), name="blind")
    with pytest.raises(InvalidInput, match="digits has no labels: expected the class of each training example"):
        log.datasets(lambda source: blind)
    assert log.datasets(lambda source: blind, labelled=False) == {"digits": blind}


def test_what_is_damaged_is_measured_again(tmp_path: Path):
    ExperimentLog(EXPERIMENT, tmp_path).trial("a", lambda folder: [row(1.0)])
    (path,) = tmp_path.glob("trials/*/rows.json")
    path.write_text(path.read_text().replace("1.0", "2.0"))
    assert ExperimentLog(EXPERIMENT, tmp_path).trial("a", lambda folder: [row(3.0)]) == [row(3.0)]


def test_a_trial_that_fails_keeps_those_before_it(tmp_path: Path):
    log = ExperimentLog(EXPERIMENT, tmp_path)
    log.trial("a", lambda folder: [row(1.0)])
    with pytest.raises(ZeroDivisionError):
        log.trial("b", lambda folder: [row(1 / 0)])
    assert json.loads((tmp_path / RESULTS).read_text())["rows"] == [row(1.0)]


def test_results_say_under_what_they_came_about(tmp_path: Path):
    log = ExperimentLog(EXPERIMENT, tmp_path, budget="smoke", changes={"seeds": 4})
    log.trial("a", lambda folder: [row(1.0)])
    log.write(expected={"1.0 is at most 2": True})
    results = json.loads((tmp_path / RESULTS).read_text())
    assert results["budget"] == {"name": "smoke", "epochs": 1, "seeds": 4}
    assert results["data"] == ["digits"]
    assert results["expected"] == [{"expected": "1.0 is at most 2", "met": True}]
    assert {"versions", "device", "machine", "wall_s", "trials"} <= set(results)


@pytest.mark.parametrize(("budget", "changes"), [("large", {}), ("default", {"members": 2})])
def test_what_no_budget_has_is_refused(tmp_path: Path, budget: str, changes: dict[str, int]):
    with pytest.raises(InvalidInput, match=r"was given (large|members): expected one of default, smoke, full"):
        ExperimentLog(EXPERIMENT, tmp_path, budget=budget, changes=changes)


def test_budgets_have_the_same_keys():
    with pytest.raises(InvalidInput, match="each with the same keys"):
        dataclasses.replace(EXPERIMENT, budgets={**EXPERIMENT.budgets, "full": {"epochs": 1}})


def test_an_experiment_about_one_data_set_is_given_one(tmp_path: Path):
    assert ExperimentLog(EXPERIMENT, tmp_path, budget="smoke").source == "digits"
    with pytest.raises(InvalidInput, match="doubling was given the data mnist, digits: expected one"):
        ExperimentLog(EXPERIMENT, tmp_path, sources=("mnist", "digits")).source  # noqa: B018 - it is asked for
