"""``compare``, ``train`` and ``sweep``: what they print, write and return, interrupted and resumed."""

import errno
import json
import signal
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.atomic import replacing
from ae_jax.locks import locked
from ae_jax.trackers import TRACKERS, Tracker


def test_compare_prints_a_table_and_where_everything_is(compared):
    for word in ("pca", "variational", "MSE ↓", "±", "95% confidence interval"):
        assert word in compared.ok().out
    assert max(map(len, compared.out.splitlines())) <= 80
    places = compared.out.split("written:\n")[1].split()
    assert places == [f"runs/compare-few/{name}" for name in ("results.json", "report.html", "runs/variational")]
    assert all((compared.folder / place).exists() for place in places)
    assert "variational: epoch 2/2, train loss" in compared.err
    assert "ae-jax: variational reconstructs worse than the mean example, in all members" in compared.err
    assert "no result of it counts as the best" in compared.err


def test_compare_writes_results_runs_and_checkpoints_beside(compared):
    results = json.loads((compared.folder / "runs/compare-few/results.json").read_text())
    assert (results["study"], results["settings"]["seeds"]) == ("compare", [0, 1])
    assert {row["autoencoder"] for row in results["rows"]} == {"raw", "pca", "variational"}
    assert ae_jax.load(compared.folder / "runs/compare-few/runs/variational").seeds.tolist() == [0, 1]
    names = {path.name for path in (compared.folder / "runs").iterdir()}
    assert names == {"compare-few", "compare-few.checkpoints"}
    names = {path.name for path in (compared.folder / "runs/compare-few.checkpoints").iterdir()}
    assert names == {"lock", "study.json", "variational"}


def test_train_prints_as_json_what_it_writes(trained, run_folder):
    assert trained.ok().out == (run_folder / "results.json").read_text()
    results = trained.json()
    assert results["study"] == "train"
    assert results["autoencoders"]["undercomplete"]["networks"]["hidden"] == [4]
    assert (run_folder / "report.html").read_text().startswith("<!")


def test_each_seed_has_its_own_split_unless_fixed(compared, call, small_one):
    results = json.loads((compared.folder / "runs/compare-few/results.json").read_text())
    assert results["varied"] == "split, initialisation, batches, noise"
    assert {row["seed"] for row in results["rows"] if row["autoencoder"] == "pca"} == {0, 1}
    fixed = call("train", *small_one, "--seeds", 2, "--fixed-split", "--json").json()
    assert (fixed["settings"]["resplit"], fixed["varied"]) == (False, "initialisation, batches, noise")


def test_sweep_prints_a_row_for_each_setting(swept):
    rows = [line.split()[0] for line in swept.ok().out.splitlines() if line.startswith(("setting", "learning_rate"))]
    assert rows[:3] == ["setting", "learning_rate=0.001", "learning_rate=0.01"]
    folder = swept.folder / "runs" / "sweep-undercomplete-few"
    results = json.loads((folder / "results.json").read_text())
    assert results["grid"] == [{"code": 2, "hidden": [4], "learning_rate": rate} for rate in (0.001, 0.01)]
    assert len(ae_jax.load(folder / "runs" / "undercomplete")) == 2


def two_codes(small_one: list[object]) -> list[object]:
    """The small autoencoder with two codes, which are two structures."""
    code = small_one.index("--code") + 2
    return ["sweep", *small_one[:code], 3, *small_one[code:], "--seeds", 1]


TIMES = ("wall_s", "compile_s", "programs", "programs_compiled")


def results_in(folder: Path) -> dict:
    results = json.loads((folder / "results.json").read_text())
    return {key: value for key, value in results.items() if key not in TIMES}


def test_chunks_that_are_submitted_are_the_sweep(call, small_one):
    line = [*two_codes(small_one), "--chunks", 2]
    submitted = call(*line, "--submit", "debug", "--out", "here").ok()
    assert "2 of 2 chunks submitted" in submitted.err
    assert "0 of 2 chunks submitted" in call(*line, "--submit", "debug", "--out", "here").ok().err
    collected = call(*line, "--collect", "--out", "here").ok()
    assert collected.out == submitted.out
    whole = call(*line, "--out", "whole").ok()
    assert results_in(whole.folder / "here") == results_in(whole.folder / "whole")
    call(*line, "--epochs", 3, "--collect", "--out", "here").refused("has 2 epochs and was resumed with 3")


def test_divergence_is_said_and_kept_and_has_an_exit_code(call, small_one):
    line = ["--learning-rate", 1e30, "--on-divergence", "skip", "--out", "run"]
    outcome = call("train", *small_one, *line)
    assert outcome.code == 3
    sentence = outcome.err.splitlines()[-1]
    assert sentence.startswith("ae-jax: undercomplete diverged in 1 of 1 members, first with seed 0 at epoch ")
    run = ae_jax.load(outcome.folder / "run")
    assert (run.finite.any(), run.settings["on_divergence"]) == (False, "skip")
    assert results_in(outcome.folder / "run")["messages"] == [sentence.removeprefix("ae-jax: ")]


GUESSED = "ae-jax: note: few: bytes up to 16 are divided by 16 (scaling 'bytes': by 255).\n"
"""What every training on the 64 digits says of their range."""


@pytest.mark.usefixtures("interrupted")
def test_a_warning_is_one_note_and_an_interrupted_training_is_saved(call, small_one):
    outcome = call("train", *small_one, "--batch-size", 500)
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err.startswith(f"{GUESSED}ae-jax: note: batch_size=500 was lowered to the 45 examples.\n")
    assert "is in runs/train-undercomplete-few; the same command with --resume continues." in outcome.err
    run = ae_jax.load(outcome.folder / "runs/train-undercomplete-few")
    assert (run.record["interrupted"], run.history["train"]["loss"].shape) == (True, (1, 1))


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_an_interruption_before_the_first_epoch_writes_nothing(call, budget, monkeypatch):
    monkeypatch.setattr(import_module("ae_jax.studies.study_results"), "fit", interrupt)
    outcome = call("compare", *budget)
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err == f"{GUESSED}ae-jax: interrupted before the first epoch: nothing was saved.\n"
    assert list(outcome.folder.iterdir()) == []


@pytest.fixture
def stopped(monkeypatch):
    """SIGTERM after the first epoch of the first training; the list has the epochs that were shown."""
    seen = []

    def stop(_, progress):
        seen.append(progress.epoch)
        if len(seen) == 1:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("ae_jax.training.progress.ProgressDisplay.on_epoch", stop)
    return seen


def test_a_resumed_study_writes_what_an_uninterrupted_one_does(call, stopped, file):
    line = ["compare", "--autoencoders", "undercomplete", "sparse", "--seeds", 2, "--data", file, "--epochs", 4]
    first = call(*line, "--out", "study")
    assert (first.code, first.out) == (143, "")
    call(*line, "--out", "study").refused("holds an unfinished study (0 of 2 trainings are finished)")
    call(*line, "--seeds", 3, "--out", "study", "--resume").refused("number of seeds")
    call(*line, "--autoencoders", "sparse", "--out", "study", "--resume").refused(
        "cannot be resumed with other autoencoders"
    )
    stopped.clear()
    stopped.append(0)
    resumed = call(*line, "--out", "study", "--resume").ok()
    assert stopped[-4:] == [1, 2, 3, 4]
    assert 0 < len(stopped[1:-4]) < 4
    whole = call(*line, "--out", "whole").ok()
    assert results_in(resumed.folder / "study") == results_in(whole.folder / "whole")
    for name in ("undercomplete", "sparse"):
        x = ae_jax.data.load(str(file)).test.x
        codes = [ae_jax.load(whole.folder / place / "runs" / name).encode(x) for place in ("study", "whole")]
        np.testing.assert_array_equal(*codes)


def test_a_resumed_sweep_writes_what_an_uninterrupted_one_does(call, stopped, small_one):
    line = [*two_codes(small_one), "--epochs", 4]
    assert call(*line, "--out", "grid").code == 143
    stopped.append(0)
    resumed = call(*line, "--out", "grid", "--resume").ok()
    whole = call(*line, "--out", "whole").ok()
    assert results_in(resumed.folder / "grid") == results_in(whole.folder / "whole")
    other = call(*line, "--learning-rate", 0.5, "--out", "grid", "--resume")
    other.refused("undercomplete-1.0.optimizer.learning_rate: ")


def test_a_training_is_extended_where_that_is_asked_for(call, small_one):
    call("train", *small_one, "--out", "run").ok()
    longer = ["train", *small_one, "--out", "run", "--epochs", 3, "--resume"]
    call(*longer).refused("has 2 epochs and was resumed with 3")
    outcome = call(*longer, "--extend").ok()
    assert "epoch 2/3" not in outcome.err
    assert ae_jax.load(outcome.folder / "run").history["train"]["loss"].shape == (1, 3)


def test_one_command_at_a_time_has_a_folder(call, small_one, tmp_path):
    with locked(tmp_path / "run.checkpoints" / "lock", "held."):
        outcome = call("train", *small_one, "--out", "run")
    outcome.refused("another process works in run.checkpoints")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_waited_for(tmp_path, monkeypatch, capsys):
    tries = []

    def save(run, folder):
        tries.append(folder)
        with replacing(folder):
            if len(tries) < 3:
                raise OSError(errno.ENOSPC, "No space left on device")

    study = import_module("ae_jax.cli.results")
    monkeypatch.setattr(study, "_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(ae_jax.Run, "save", save)
    with pytest.raises(InvalidInput, match="No such file"):  # the third try, whose block writes nothing
        study.save_patiently(object.__new__(ae_jax.Run), tmp_path / "run")
    assert len(tries) == 3
    said = capsys.readouterr().err
    assert said.count("No space left on device): free some space, or choose another place. The run stays in") == 1


def test_trainings_are_tracked(call, file, monkeypatch):
    sent = []

    class Noting(Tracker):
        package = module = "json"

        def open(self, name, parameters):
            sent.append((name, parameters["epochs"]))

        def finish(self, run, shown):
            sent.append(len(shown.x))

    monkeypatch.setitem(TRACKERS, "wandb", Noting)
    line = ["train", "undercomplete", "--hidden", 8, "--data", file, "--epochs", 2, "--track", "wandb", "--out", "run"]
    assert call(*line).code == 0
    assert sent[0] == ("undercomplete", 2)
    assert len(sent) == 2
