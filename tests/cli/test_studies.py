"""The studies: what they print, write and return."""

import json
import signal
from importlib import import_module

import jax
import numpy as np
import pytest

import ae_jax
from ae_jax.cli.conduct import trained_runs
from ae_jax.locks import locked
from ae_jax.report import study_summary
from ae_jax.studies import Sweep


def written(outcome) -> set[str]:
    return {str(path.relative_to(outcome.folder)) for path in outcome.folder.rglob("*") if path.is_file()}


def test_compare_prints_a_table_and_where_everything_is(compared):
    assert compared.code == 0, compared.err
    for word in ("pca", "variational", "MSE ↓", "±", "*", "95% confidence interval"):
        assert word in compared.out
    assert max(map(len, compared.out.splitlines())) <= 80
    names = ["results.json", "report.html", "runs/variational"]
    places = compared.out.split("written:\n")[1].split()
    assert places == [f"runs/compare-few/{name}" for name in names]
    assert all((compared.folder / place).exists() for place in places)


def test_compare_shows_progress_on_stderr(compared):
    assert "variational: epoch 2/2, train loss" in compared.err


def test_compare_writes_what_it_did(compared):
    results = json.loads((compared.folder / "runs/compare-few/results.json").read_text())
    assert results["study"] == "compare"
    assert results["settings"]["seeds"] == [0, 1]
    assert {row["autoencoder"] for row in results["rows"]} == {"pca", "variational"}
    assert ae_jax.load(compared.folder / "runs/compare-few/runs/variational").seeds.tolist() == [0, 1]


def test_compare_leaves_nothing_else_behind_but_checkpoints_beside(compared):
    files = {path for path in written(compared) if "/runs/" not in path.removeprefix("runs/")}
    checkpoints = {path for path in files if path.startswith("runs/compare-few.checkpoints/")}
    assert files - checkpoints == {"runs/compare-few/results.json", "runs/compare-few/report.html"}
    places = {path.split("/")[2] for path in checkpoints}
    assert places == {"lock", "study.json", "variational"}


def test_train_prints_as_json_what_it_writes(trained, run_folder):
    assert trained.code == 0, trained.err
    assert trained.out == (run_folder / "results.json").read_text()
    results = json.loads(trained.out)
    assert results["study"] == "train"
    assert results["autoencoders"]["undercomplete"]["networks"]["hidden"] == [4]
    assert (run_folder / "report.html").read_text().startswith("<!")


def test_a_trained_run_of_one_seed_has_no_member_axis(run_folder):
    run = ae_jax.load(run_folder)
    assert run.single
    assert run.encode(np.zeros((2, 8, 8), np.uint8)).shape == (2, 2)
    assert run.settings == {"epochs": 2, "batch_size": 16, "patience": None, "on_divergence": "stop"}


def test_training_into_the_same_folder_replaces_the_run_and_its_checkpoints(call, small_one):
    for rate in (0.01, 0.02):
        outcome = call("train", *small_one, "--learning-rate", rate, "--out", "run")
        assert outcome.code == 0, outcome.err
    run = ae_jax.load(outcome.folder / "run")
    assert run.members[0].optimizer.learning_rate == pytest.approx(0.02)
    assert sorted(path.name for path in outcome.folder.iterdir()) == ["run", "run.checkpoints"]
    again = call("train", *small_one, "--learning-rate", 0.02, "--out", "run", "--resume")
    assert (again.code, "epoch" in again.err) == (0, False)
    refused = call("train", *small_one, "--learning-rate", 0.01, "--out", "run", "--resume")
    assert refused.code == 2
    assert "learning_rate: 0.02 then, 0.01 now" in refused.err


def test_sweep_prints_a_row_for_each_setting(swept):
    assert swept.code == 0, swept.err
    rows = [line.split()[0] for line in swept.out.splitlines() if line.startswith(("setting", "learning_rate"))]
    assert rows[:3] == ["setting", "learning_rate=0.001", "learning_rate=0.01"]
    folder = swept.folder / "runs" / "sweep-undercomplete-few"
    results = json.loads((folder / "results.json").read_text())
    assert results["grid"] == [{"code": 2, "hidden": [4], "learning_rate": rate} for rate in (0.001, 0.01)]
    assert len(ae_jax.load(folder / "runs" / "undercomplete")) == 2


def test_the_rows_of_a_sweep_are_named_by_what_differs(swept, embedded):
    results = json.loads((swept.folder / "runs/sweep-undercomplete-few/results.json").read_text())
    sweep = Sweep(dataset=embedded, settings=results["grid"], runs=[], rows=results["rows"], record={})
    summary, heading = study_summary(sweep)
    assert (list(summary), heading) == (["learning_rate=0.001", "learning_rate=0.01"], "setting")


def test_each_structure_of_a_sweep_is_a_run(swept, embedded):
    run = ae_jax.load(swept.folder / "runs/sweep-undercomplete-few/runs/undercomplete")
    sweep = Sweep(dataset=embedded, settings=[{}], runs=[run, run[0]], rows=[], record={})
    assert list(trained_runs(sweep)) == ["undercomplete-1", "undercomplete-2"]


def test_a_likelihood_that_is_chosen_stays_though_it_is_the_default(call, tmp_path):
    np.save(tmp_path / "wide.npy", np.linspace(-3, 3, 200, dtype=np.float32).reshape(20, 10))
    line = ["variational", "--data", "wide.npy", "--code", 2, "--seeds", 1, "--batch-size", 8, "--epochs", 1]
    outcome = call("sweep", *line, "--likelihood", "BernoulliLikelihood")
    assert outcome.code == 2
    assert "the Bernoulli likelihood of variational was given values from -3 to 3" in outcome.err


def test_divergence_is_said_and_kept_and_fails(call, small_one):
    outcome = call("train", *small_one, "--learning-rate", 1e30, "--out", "run")
    assert outcome.code == 3
    sentence = outcome.err.splitlines()[-1]
    assert sentence.startswith("ae-jax: undercomplete diverged in 1 of 1 members, first with seed 0 at epoch ")
    assert "squared_error" in sentence
    assert not ae_jax.load(outcome.folder / "run").finite.any()
    results = json.loads((outcome.folder / "run" / "results.json").read_text())
    assert results["messages"] == [sentence.removeprefix("ae-jax: ")]


def test_divergence_of_some_members_is_said_once_and_fails_too(call, small_one):
    outcome = call("sweep", *small_one, "--learning-rate", 0.001, 1e30, "--seeds", 1, "--out", "grid")
    assert outcome.code == 3
    assert outcome.err.count("undercomplete diverged in 1 of 2 members") == 1
    assert "0.001" in outcome.out
    assert (outcome.folder / "grid" / "report.html").is_file()


@pytest.mark.usefixtures("interrupted")
def test_a_warning_is_one_note(call, small_one):
    outcome = call("train", *small_one, "--batch-size", 500)
    assert outcome.err.startswith("ae-jax: note: batch_size=500 is above the 45 examples and was lowered to them.\n")


@pytest.mark.usefixtures("interrupted")
def test_an_interrupted_training_is_saved(call, small_one):
    outcome = call("train", *small_one)
    assert (outcome.code, outcome.out) == (130, "")
    place = "runs/train-undercomplete-few"
    sentence = f"interrupted: what was trained so far is in {place}; the same command with --resume goes on."
    assert outcome.err.endswith(f"ae-jax: {sentence}\n")
    run = ae_jax.load(outcome.folder / "runs/train-undercomplete-few")
    assert run.record["interrupted"]
    assert run.best_epoch.tolist() == [1]


@pytest.mark.usefixtures("interrupted")
def test_an_interrupted_comparison_keeps_what_was_trained(call, budget):
    outcome = call("compare", "--only", "variational", "sparse", "--seeds", 2, "--out", "study", *budget)
    kept(outcome, "compare", "variational")


@pytest.mark.usefixtures("interrupted")
def test_an_interrupted_sweep_keeps_what_was_trained(call, small_one):
    grid = ["--code", 2, 3, "--likelihood", "GaussianLikelihood", "--seeds", 1]
    results = kept(call("sweep", *small_one, *grid, "--out", "study"), "sweep", "undercomplete")
    assert [setting["code"] for setting in results["grid"]] == [2, 3]
    assert results["grid"][0]["likelihood"]["type"] == "GaussianLikelihood"


def kept(outcome, study: str, name: str) -> dict:
    assert (outcome.code, outcome.out) == (130, "")
    sentence = "interrupted: what was trained so far is in study; the same command with --resume goes on."
    assert outcome.err.endswith(f"ae-jax: {sentence}\n")
    [run] = (outcome.folder / "study" / "runs").iterdir()
    assert ae_jax.load(run).name == name
    results = json.loads((outcome.folder / "study" / "results.json").read_text())
    assert results["study"] == study
    return results


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_an_interruption_before_the_first_epoch_writes_nothing(call, budget, monkeypatch):
    monkeypatch.setattr(import_module("ae_jax.studies.study_results"), "fit", interrupt)
    outcome = call("compare", *budget)
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err == "ae-jax: interrupted before the first epoch: nothing was saved.\n"
    assert list(outcome.folder.iterdir()) == []


@pytest.mark.usefixtures("interrupted")
def test_a_second_interruption_quits(call, small_one, monkeypatch):
    monkeypatch.setattr(ae_jax.Run, "save", interrupt)
    outcome = call("train", *small_one)
    assert outcome.code == 130
    assert outcome.err == "ae-jax: interrupted before everything was written.\n"


@pytest.fixture
def stopped(monkeypatch):
    """SIGTERM after the first epoch of what is trained first."""
    seen = []

    def stop(_, progress):
        seen.append(progress.epoch)
        if len(seen) == 1:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("ae_jax.report.ProgressDisplay.__call__", stop)
    return seen


TIMES = ("wall_s", "compile_s", "programs", "programs_compiled")


def results_in(folder) -> dict:
    results = json.loads((folder / "results.json").read_text())
    return {key: value for key, value in results.items() if key not in TIMES}


def test_a_study_that_goes_on_writes_what_an_uninterrupted_one_does(call, stopped, file):
    line = ["compare", "--only", "undercomplete", "sparse", "--seeds", 2, "--data", file, "--epochs", 4]
    first = call(*line, "--out", "study")
    assert (first.code, first.out) == (143, "")
    assert first.err.endswith("is in study; the same command with --resume goes on.\n")
    refused = call(*line, "--out", "study")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert (
        "study.checkpoints holds an unfinished study (0 of 2 trainings are finished, undercomplete is at" in refused.err
    )
    assert "(on the command line --resume)" in refused.err
    assert "number of seeds" in call(*line, "--seeds", 3, "--out", "study", "--resume").err
    assert "with other trainings" in call(*line, "--only", "sparse", "--out", "study", "--resume").err
    stopped.clear()
    stopped.append(0)
    resumed = call(*line, "--out", "study", "--resume")
    assert resumed.code == 0, resumed.err
    assert stopped[-4:] == [1, 2, 3, 4]
    assert 0 < len(stopped[1:-4]) < 4
    whole = call(*line, "--out", "whole")
    assert whole.code == 0, whole.err
    assert results_in(resumed.folder / "study") == results_in(whole.folder / "whole")
    for name in ("undercomplete", "sparse"):
        runs = [ae_jax.load(whole.folder / place / "runs" / name) for place in ("study", "whole")]
        jax.tree.map(np.testing.assert_array_equal, *(run.params for run in runs))


def test_a_training_that_was_interrupted_goes_on(call, stopped, small_one):
    line = ["train", *small_one, "--epochs", 4]
    assert call(*line, "--out", "run").code == 143
    stopped.append(0)
    resumed = call(*line, "--out", "run", "--resume")
    assert resumed.code == 0, resumed.err
    whole = call(*line, "--out", "whole")
    assert results_in(resumed.folder / "run") == results_in(whole.folder / "whole")
    runs = [ae_jax.load(whole.folder / place) for place in ("run", "whole")]
    jax.tree.map(np.testing.assert_array_equal, *(run.params for run in runs))


def test_a_sweep_that_was_interrupted_goes_on(call, stopped, small_one):
    code = small_one.index("--code") + 2
    line = ["sweep", *small_one[:code], 3, *small_one[code:], "--epochs", 4, "--seeds", 1]
    assert call(*line, "--out", "grid").code == 143
    stopped.append(0)
    resumed = call(*line, "--out", "grid", "--resume")
    assert resumed.code == 0, resumed.err
    whole = call(*line, "--out", "whole")
    assert results_in(resumed.folder / "grid") == results_in(whole.folder / "whole")
    other = call(*line[:-2], "--learning-rate", 0.5, "--seeds", 1, "--out", "grid", "--resume")
    assert (other.code, "undercomplete-1.0.optimizer.learning_rate: " in other.err) == (2, True)


def test_nothing_is_trained_where_a_run_of_any_structure_would_replace_something(
    call, small_one, monkeypatch, tmp_path
):
    (tmp_path / "grid" / "runs" / "undercomplete-2").mkdir(parents=True)
    (tmp_path / "grid" / "runs" / "undercomplete-2" / "thesis.tex").touch()
    monkeypatch.setattr(
        import_module("ae_jax.studies.study_results"), "fit", lambda *_, **__: pytest.fail("was trained")
    )
    code = small_one.index("--code") + 2
    outcome = call("sweep", *small_one[:code], 3, *small_one[code:], "--seeds", 1, "--out", "grid")
    assert outcome.code == 2
    assert "undercomplete-2 exists and is no run: expected a new folder or one to replace." in outcome.err


def test_a_training_is_extended_where_that_is_asked_for(call, small_one):
    call("train", *small_one, "--out", "run")
    longer = [*small_one, "--out", "run", "--epochs", 3, "--resume"]
    refused = call("train", *longer)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "has 2 epochs and was resumed with 3" in refused.err
    outcome = call("train", *longer, "--extend")
    assert outcome.code == 0, outcome.err
    assert "epoch 2/3" not in outcome.err
    assert ae_jax.load(outcome.folder / "run").history["train"]["loss"].shape == (1, 3)


def test_checkpoints_are_as_frequent_and_as_many_as_asked_for(call, small_one):
    options = ["--checkpoint-epochs", 1, "--checkpoint-steps", 100, "--checkpoint-minutes", 30, "--keep", 3]
    outcome = call("train", *small_one, "--epochs", 5, "--out", "run", *options)
    assert outcome.code == 0, outcome.err
    names = {path.name for path in (outcome.folder / "run.checkpoints" / "undercomplete").iterdir() if path.is_dir()}
    assert len(names) == 3


def test_one_command_at_a_time_has_a_folder(call, small_one, tmp_path):
    with locked(tmp_path / "run.checkpoints" / "lock", "held."):
        outcome = call("train", *small_one, "--out", "run")
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "another process works in run.checkpoints: wait until it is done, or choose another --out" in outcome.err
    assert not (tmp_path / "run").exists()


def test_what_is_done_about_divergence_can_be_chosen(call, small_one):
    outcome = call("train", *small_one, "--learning-rate", 1e30, "--on-divergence", "rollback", "--out", "run")
    assert ae_jax.load(outcome.folder / "run").settings["on_divergence"] == "rollback"


def test_a_folder_without_a_name_has_its_checkpoints_beside_it_too(call_in, small_one, tmp_path):
    (tmp_path / "here").mkdir()
    outcome = call_in(tmp_path / "here", "sweep", *small_one, "--out", ".", "--seeds", 1)
    assert outcome.code == 0, outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "here.checkpoints"]
