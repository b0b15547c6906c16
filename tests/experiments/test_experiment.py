"""The harness of experiments: kept trials, budgets, results and the command line."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from ae_jax import InvalidInput
from ae_jax.data import from_splits, load
from ae_jax.report import means_table


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AE_JAX_CACHE", "")
    return tmp_path


def row(value: float) -> dict[str, object]:
    return {"autoencoder": "a", "metric": "mse", "value": value}


def study(log) -> None:
    for seed in range(log.budget["seeds"]):
        log.trial(f"seed {seed}", lambda folder, seed=seed: [row(seed)])


@pytest.fixture
def counting():
    from experiment import Experiment

    return Experiment(
        name="counting",
        study=study,
        budgets={
            "default": {"seeds": 3, "rates": (0.1,)},
            "smoke": {"seeds": 1, "rates": (0.5,)},
            "full": {"seeds": 9, "rates": (0.1, 0.2)},
        },
        about={"seeds": "trainings (count)", "rates": "of learning"},
        data=("mnist",),
        expected=lambda rows: {f"{len(rows)} rows are at least 2": len(rows) >= 2},
        table=means_table,
        draw=lambda rows: Figure(),
    )


@pytest.fixture
def new_log(counting, folder):
    from experiment import ExperimentLog

    return lambda *options, **given: ExperimentLog(counting, folder, *options, **given)


@pytest.fixture
def run(counting):
    from experiment import run_experiment

    return lambda *arguments, **changes: run_experiment(dataclasses.replace(counting, **changes), "Counts.", arguments)


def test_a_trial_is_measured_once_for_each_setting(new_log, folder):
    measured = []
    for epochs in (3, 3, 4):
        log = new_log()
        rows = log.trial("a", lambda folder: measured.append(folder) or [row(np.float32(0.5))], epochs=epochs)
        assert rows == log.rows == [row(0.5)]
    assert len(set(measured)) == len(measured) == 2
    assert all(folder in place.parents for place in measured)
    with pytest.raises(InvalidInput, match="counting was given a twice"):
        log.trial("a", lambda folder: [row(1.0)])


def test_damaged_rows_are_measured_again(new_log, folder):
    new_log().trial("a", lambda folder: [row(1.0)])
    (path,) = folder.glob("trials/*/rows.json")
    path.write_text(path.read_text().replace("1.0", "2.0"))
    assert new_log().trial("a", lambda folder: [row(3.0)]) == [row(3.0)]


def test_a_trial_that_fails_keeps_those_before_it(new_log, folder):
    log = new_log()
    log.trial("a", lambda folder: [row(1.0)])
    with pytest.raises(ZeroDivisionError):
        log.trial("b", lambda folder: [row(1 / 0)])
    assert json.loads((folder / "results.json").read_text())["rows"] == [row(1.0)]


def test_data_need_labels_and_an_experiment_on_one_data_set_one_source(new_log):
    log = new_log("smoke")
    assert (log.source, list(log.datasets())) == ("digits", ["digits"])
    with pytest.raises(InvalidInput, match="digits has no labels"):
        log.datasets(lambda source: from_splits(np.zeros((9, 4), np.float32)))
    with pytest.raises(InvalidInput, match="counting was given the data mnist, digits: expected one"):
        new_log(sources=("mnist", "digits")).source  # noqa: B018 - it is asked for


def test_a_command_prints_writes_and_draws(run, folder, capsys):
    chosen = ["--full", "--data", "digits", "here.npy", "--rates", "0.3", "0.4", "--seeds", "2", "--out", "there"]
    assert run(*chosen) == 0
    out = capsys.readouterr().out
    assert "| a           | 0.50 " in out
    assert "met    2 rows are at least 2" in out
    results = json.loads((folder / "there" / "results.json").read_text())
    assert [found["value"] for found in results["rows"]] == [0, 1]
    assert results["budget"] == {"name": "full", "seeds": 2, "rates": [0.3, 0.4]}
    assert results["data"] == ["digits", "here.npy"]
    assert results["expected"] == [{"expected": "2 rows are at least 2", "met": True}]
    assert {"versions", "device", "machine", "wall_s", "trials"} <= set(results)
    assert (folder / "there" / "counting.png").read_bytes().startswith(b"\x89PNG")


def test_a_missed_expectation_is_an_exit_code_and_a_smoke_run_judges_none(run, capsys):
    assert run("--seeds", "1") == 4
    assert "MISSED 1 rows are at least 2" in capsys.readouterr().out
    assert (run("--smoke"), run("--smoke", "--seeds", "2")) == (0, 0)
    out = capsys.readouterr().out
    assert "rows are at least 2" not in out


def test_help_describes_each_number(run, capsys):
    with pytest.raises(SystemExit):
        run("--help")
    assert "trainings (count) (default 3, smoke 1, full 9)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("chosen", [["--seeds", "0"], ["--rates", "0.1", "-1"]])
def test_a_budget_of_nothing_is_refused(run, chosen, capsys):
    assert run(*chosen) == 2
    assert re.search(r"counting was given \w+=[-.\d]+: expected a number above zero", capsys.readouterr().err)


def test_bad_input_is_a_sentence(run, capsys):
    assert run("--data", "nowhere.npy", study=lambda log: load(*log.sources)) == 2
    assert capsys.readouterr().err.startswith("ae-jax: there is no file nowhere.npy")
