"""The command line that scripts of experiments share."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from ae_jax.cli.experiments import run_experiment
from ae_jax.report import means_table
from ae_jax.studies.experiment import Experiment, ExperimentLog


def study(log: ExperimentLog) -> None:
    for seed in range(log.budget["seeds"]):
        log.trial(f"seed {seed}", lambda folder, seed=seed: [{"autoencoder": "a", "metric": "mse", "value": seed}])


EXPERIMENT = Experiment(
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


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AE_JAX_CACHE", "")


def test_it_prints_writes_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run_experiment(EXPERIMENT, "Counts.", ["--seeds", "2"]) == 0
    out = capsys.readouterr().out
    assert "| a           | 0.50 ± 6.35 |" in out
    assert "met    2 rows are at least 2" in out
    results = json.loads((tmp_path / "runs/counting/results.json").read_text())
    assert [row["value"] for row in results["rows"]] == [0, 1]
    assert results["expected"] == [{"expected": "2 rows are at least 2", "met": True}]
    assert (tmp_path / "runs/counting/counting.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_missed_is_an_exit_code_but_of_a_smoke_run(capsys: pytest.CaptureFixture[str]):
    assert run_experiment(EXPERIMENT, "Counts.", ["--seeds", "1"]) == 4
    assert run_experiment(EXPERIMENT, "Counts.", ["--smoke"]) == 0
    assert capsys.readouterr().out.count("MISSED 1 rows are at least 2") == 2


def test_help_says_what_each_number_is(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        run_experiment(EXPERIMENT, "Counts.", ["--help"])
    assert "trainings (count) (default 3, smoke 1, full 9)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("chosen", [["--seeds", "0"], ["--rates", "0.1", "-1"], ["--seeds", "-3"]])
def test_a_budget_of_nothing_is_refused(chosen: list[str], capsys: pytest.CaptureFixture[str]):
    assert run_experiment(EXPERIMENT, "Counts.", chosen) == 2
    assert re.search(r"counting was given \w+=[-.\d]+: expected a number above zero", capsys.readouterr().err)


def test_budget_data_and_folder_are_options(tmp_path: Path):
    chosen = ["--full", "--data", "digits", "here.npy", "--rates", "0.3", "0.4", "--seeds", "2", "--out", "there"]
    assert run_experiment(EXPERIMENT, "Counts.", chosen) == 0
    results = json.loads((tmp_path / "there/results.json").read_text())
    assert results["budget"] == {"name": "full", "seeds": 2, "rates": [0.3, 0.4]}
    assert results["data"] == ["digits", "here.npy"]


def test_bad_input_is_a_sentence(capsys: pytest.CaptureFixture[str]):
    def refused(log: ExperimentLog) -> None:
        import ae_jax

        ae_jax.data.load(*log.sources)

    assert run_experiment(dataclasses.replace(EXPERIMENT, study=refused), "Counts.", ["--data", "nowhere.npy"]) == 2
    assert capsys.readouterr().err.startswith("ae-jax: there is no file nowhere.npy")
