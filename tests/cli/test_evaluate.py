"""``evaluate``: the table of a saved run, and with ``--tasks`` tables, results.json and a page."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import ae_jax
from ae_jax.evaluation import PCA, evaluate, is_baseline

CHEAP = ["--tasks", "reconstruction", "anomaly"]


@pytest.fixture(scope="module")
def asked(call_in, run_folder, file, tmp_path_factory):
    """Two tasks of a run on 64 digits whose labels are 0 and 1."""
    return call_in(tmp_path_factory.mktemp("asked"), "evaluate", run_folder, "--data", file, *CHEAP)


def test_tables_are_printed_and_paths_named(asked):
    lines = [line.strip() for line in asked.ok().out.splitlines()]
    assert lines.index("reconstruction") < lines.index("anomaly")
    assert {"pca", "undercomplete", "undercomplete, knn_code"} <= {line.split("  ")[0] for line in lines}
    folder = "runs/evaluate-undercomplete-few"
    assert lines[-3:] == ["written:", f"{folder}/results.json", f"{folder}/report.html"]
    assert (asked.folder / folder / "report.html").read_text().startswith("<!")


def test_results_are_those_of_the_library(asked, run_folder, file):
    results = json.loads((asked.folder / "runs" / "evaluate-undercomplete-few" / "results.json").read_text())
    found = evaluate(ae_jax.load(run_folder), ae_jax.data.load(str(file)), CHEAP[1:])
    expected = [{"task": result.task, **row} for result in found for row in result.rows]
    assert [{**row, "value": 0} for row in results["rows"]] == [{**row, "value": 0} for row in expected]
    values = [[row["value"] for row in rows] for rows in (results["rows"], expected)]
    np.testing.assert_allclose(*values, rtol=1e-5, atol=1e-6)
    assert (results["study"], results["run"], results["data"]["name"]) == ("evaluate", str(run_folder), "few")
    assert results["members"][0]["autoencoder"]["name"] == "undercomplete"
    assert [f"ae-jax: {message}" for message in results["messages"]] == asked.err.splitlines()


def test_json_is_what_was_written(call, run_folder, file):
    chosen = ["--tasks", "reconstruction", "--split", "validation", "--out", "here", "--json"]
    outcome = call("evaluate", run_folder, "--data", file, *chosen)
    assert outcome.ok().out == (outcome.folder / "here" / "results.json").read_text()
    assert {row["split"] for row in outcome.json()["rows"]} == {"validation"}


def test_without_tasks_it_prints_the_numbers_of_training_and_writes_nothing(call, trained, run_folder, file):
    outcome = call("evaluate", run_folder, "--data", file, "--json")
    assert outcome.json()["rows"] == [row for row in trained.json()["rows"] if not is_baseline(row["autoencoder"])]
    assert list(outcome.folder.iterdir()) == []


def test_a_sweep_has_a_row_for_each_member(call, swept, file):
    outcome = call("evaluate", swept.folder / "runs/sweep-undercomplete-few/runs/undercomplete", "--data", file).ok()
    rows = [line.split()[0] for line in outcome.out.splitlines() if line]
    assert rows[rows.index("member") + 2 :][:2] == ["0", "1"]


def test_all_rows_of_another_file_are_judged_beside_baselines_of_the_training_data(call, run_folder, file, x, tmp_path):
    rng = np.random.default_rng(0)
    odd = rng.permuted(x[:30].reshape(30, 64), axis=1).reshape(30, 8, 8)
    np.savez(tmp_path / "mostly.npz", x=np.concatenate([odd, x[:8]]), y=np.repeat([1, 0], [30, 8]))
    line = ["evaluate", run_folder, "--data", "mostly.npz", "--tasks", "anomaly", "--json"]
    rows = [row for row in call(*line).json()["rows"] if row["metric"] == "roc_auc"]
    found = {row["score"]: row for row in rows if is_baseline(row["autoencoder"])}
    run, train = ae_jax.load(run_folder), ae_jax.data.load(file).train
    pca = PCA.fit(np.asarray(run.scaling(train.x)), 2)
    scaled = np.asarray(run.scaling(np.concatenate([odd, x[:8]])))
    errors = np.square(pca.reconstruct(scaled) - scaled).sum(axis=(1, 2))
    expected = roc_auc_score(np.repeat([1, 0], [30, 8]), errors)
    assert found["reconstruction_error"]["value"] == pytest.approx(expected)
    np.save(tmp_path / "normal.npy", x[:40])
    given = call(*line, "--reference", "normal.npy", "--out", "other").json()["messages"]
    assert any("Scores compare with 40 normal training examples" in message for message in given)


REFUSED = {
    "--tasks retreival": "unknown task 'retreival': did you mean 'retrieval'?",
    "--tasks anomaly --abnormal cat": "unknown label 'cat'",
    "--abnormal 1": "--abnormal was given without --tasks",
    "--out here": "--out was given without --tasks",
    "--tasks generation": "has no prior to sample from",
    "--tasks all nonsense": "expected all alone",
    "--tasks all --split tset": "invalid choice 'tset'",
}


@pytest.mark.parametrize("line", REFUSED)
def test_tasks_that_cannot_be_done_are_refused(call, run_folder, file, line):
    outcome = call("evaluate", run_folder, "--data", file, *line.split())
    outcome.refused(REFUSED[line])
    assert list(outcome.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text"), [("configuration.json", "{}"), ("results.json", '{"study": "compare"}'), ("results.json", "no")]
)
def test_results_of_other_commands_are_kept(call, run_folder, file, tmp_path, name, text):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / name).write_text(text)
    outcome = call("evaluate", run_folder, "--data", file, "--tasks", "reconstruction", "--out", "here")
    outcome.refused("expected another folder")
    assert [path.read_text() for path in (tmp_path / "here").iterdir()] == [text]
