"""``evaluate --tasks``: tables, results.json and a page, or one sentence."""

import json

import numpy as np
import pytest

import ae_jax
from ae_jax.evaluation import evaluate

CHEAP = ["--tasks", "reconstruction", "anomaly", "retrieval"]


@pytest.fixture(scope="module")
def asked(call_in, run_folder, file, tmp_path_factory):
    """Three questions of a run on 64 digits whose labels are 0 and 1."""
    return call_in(tmp_path_factory.mktemp("asked"), "evaluate", run_folder, "--data", file, *CHEAP)


@pytest.fixture(scope="module")
def results(asked):
    return json.loads((asked.folder / "runs" / "evaluate-undercomplete-few" / "results.json").read_text())


def test_every_question_has_its_table(asked):
    assert asked.code == 0, asked.err
    lines = [line.strip() for line in asked.out.splitlines()]
    places = [lines.index(question) for question in CHEAP[1:]]
    assert places == sorted(places)
    rows = [line.split("  ")[0] for line in lines]
    assert {"pca", "undercomplete", "raw, knn", "undercomplete, knn_code", "code, cosine"} <= set(rows)
    assert max(map(len, asked.out.splitlines())) <= 80


def test_what_was_written_is_said(asked):
    folder = asked.folder / "runs" / "evaluate-undercomplete-few"
    assert asked.out.splitlines()[-3:] == [
        "written:",
        "  runs/evaluate-undercomplete-few/results.json",
        "  runs/evaluate-undercomplete-few/report.html",
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "results.json"]
    page = (folder / "report.html").read_text()
    assert "Evaluation of undercomplete on few" in page
    assert page.count("<section") == 4


def test_results_are_those_of_the_library(results, run_folder, file):
    run = ae_jax.load(run_folder)
    dataset = ae_jax.data.load(str(file))
    answers = evaluate(run, dataset, CHEAP[1:])
    expected = [{"task": answer.task, **row} for answer in answers for row in answer.rows]
    assert [{**row, "value": 0} for row in results["rows"]] == [{**row, "value": 0} for row in expected]
    values = [[row["value"] for row in rows] for rows in (results["rows"], expected)]
    np.testing.assert_allclose(*values, rtol=1e-5, atol=1e-6)
    assert results["messages"] == [f"{answer.task}: {text}" for answer in answers for text in answer.messages]


def test_results_state_the_run_and_its_configuration(results, run_folder):
    assert results["study"] == "evaluate"
    assert results["run"] == str(run_folder)
    assert results["members"][0]["autoencoder"]["name"] == "undercomplete"
    assert results["data"]["name"] == "few"


def test_messages_are_notes(asked, results):
    assert results["messages"]
    for message in results["messages"]:
        assert f"ae-jax: {message}\n" in asked.err


def test_json_is_what_was_written(call, run_folder, file):
    chosen = ["--tasks", "reconstruction", "--split", "validation", "--out", "here", "--json"]
    outcome = call("evaluate", run_folder, "--data", file, *chosen)
    assert outcome.code == 0, outcome.err
    assert outcome.out == (outcome.folder / "here" / "results.json").read_text()
    assert {row["split"] for row in json.loads(outcome.out)["rows"]} == {"validation"}


def test_abnormal_labels_are_named(call, run_folder, file):
    chosen = ["--tasks", "anomaly", "--abnormal", 0, "--out", "here", "--json"]
    found = json.loads(call("evaluate", run_folder, "--data", file, *chosen).out)
    other = json.loads(call("evaluate", run_folder, "--data", file, *chosen[:2], *chosen[4:]).out)
    counts = [results["messages"][0] for results in (found, other)]
    assert all(count.startswith("anomaly: Scores compare with") for count in counts)
    assert counts[0] != counts[1]


def test_without_questions_nothing_is_written(call, run_folder, file):
    outcome = call("evaluate", run_folder, "--data", file)
    assert outcome.code == 0
    assert list(outcome.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tasks", "retreival"], "unknown task 'retreival': did you mean 'retrieval'? Known are"),
        (["--tasks"], "--tasks was given no value: expected at least one."),
        (["--tasks", "anomaly", "--abnormal", "cat"], "unknown label 'cat': Known are 0, 1."),
        (["--abnormal", "1"], "--abnormal was given without --tasks, which alone uses it: name some, or all."),
        (["--out", "here"], "--out was given without --tasks, which alone uses it"),
        (["--tasks", "generation"], "undercomplete has no prior to sample from: expected a variational"),
        (
            ["--tasks", "all", "nonsense"],
            "--tasks was given all beside nonsense: expected all alone",
        ),
        (["--tasks", "all", "--split", "tset"], "unknown split 'tset': did you mean 'test'"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(call, run_folder, file, arguments, sentence):
    outcome = call("evaluate", run_folder, "--data", file, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert list(outcome.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text", "held"),
    [
        ("configuration.json", "{}", "a run"),
        ("results.json", '{"study": "compare"}', "results of something else"),
        ("results.json", "[]", "results of something else"),
        ("results.json", "no JSON", "results of something else"),
    ],
)
def test_what_others_wrote_is_kept(call, run_folder, file, tmp_path, name, text, held):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / name).write_text(text)
    outcome = call("evaluate", run_folder, "--data", file, "--tasks", "reconstruction", "--out", "here")
    assert (outcome.code, outcome.out) == (2, "")
    assert f"here holds {held}: expected another folder for the answers; choose one with --out." in outcome.err
    assert [path.read_text() for path in (tmp_path / "here").iterdir()] == [text]


def test_a_folder_that_cannot_be_written_is_found_out_first(call, run_folder, file):
    outcome = call("evaluate", run_folder, "--data", file, "--tasks", "all", "--out", file)
    assert outcome.code == 2
    assert "cannot be written" in outcome.err
