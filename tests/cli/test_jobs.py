"""Many jobs: written by a sweep, trained by whoever comes first, collected into one."""

import json
from importlib import import_module
from pathlib import Path

import pytest

import ae_jax
from ae_jax.locks import locked

TIMES = ("wall_s", "compile_s", "programs", "programs_compiled")


@pytest.fixture(scope="session")
def grid(small_one) -> list[object]:
    """Two structures, each over two learning rates and one seed."""
    code = small_one.index("--code") + 2
    return [*small_one[:code], 3, *small_one[code:], "--learning-rate", 0.001, 0.01, "--seeds", 1]


@pytest.fixture(scope="module")
def emitted(call_in, tmp_path_factory, grid):
    """Jobs of the grid, all trained."""
    folder = tmp_path_factory.mktemp("emitted")
    return call_in(folder, "sweep", *grid, "--emit-jobs", "jobs.jsonl", "--out", "grid")


@pytest.fixture(scope="module")
def ran(call_in, emitted):
    return call_in(emitted.folder, "jobs", "run", "jobs.jsonl")


def test_a_sweep_is_written_as_jobs_and_nothing_is_trained(emitted):
    assert emitted.code == 0, emitted.err
    assert emitted.out.splitlines() == [
        "jobs.jsonl: 2 jobs of 4 members, which have 2 structures",
        "ae-jax jobs run jobs.jsonl trains them; ae-jax collect jobs.jsonl merges what they gave into grid.",
    ]
    lines = [json.loads(line) for line in (emitted.folder / "jobs.jsonl").read_text().splitlines()]
    assert [line["places"] for line in lines] == [[0, 1], [2, 3]]
    assert Path(lines[0]["fan_out"]["source"]).is_absolute()
    assert lines[0]["fan_out"]["out"] == str(emitted.folder / "grid")


def test_jobs_are_counted_as_json(call, grid):
    outcome = call("sweep", *grid, "--emit-jobs", "jobs.jsonl", "--members-per-job", 1, "--json")
    assert json.loads(outcome.out) == {"jobs": "jobs.jsonl", "count": 4, "members": 4, "structures": 2}
    assert [path.name for path in outcome.folder.iterdir()] == ["jobs.jsonl"]


def test_every_job_is_run_and_said(ran):
    assert ran.code == 0, ran.err
    assert ran.out == ""
    said = [line for line in ran.err.splitlines() if line.startswith("ae-jax: ")]
    assert said == ["ae-jax: job 0: trained.", "ae-jax: job 1: trained."]
    assert "undercomplete: epoch 2/2" in ran.err


def test_what_is_collected_is_what_the_sweep_writes(call_in, ran, grid):
    collected = call_in(ran.folder, "collect", "jobs.jsonl")
    assert collected.code == 0, collected.err
    swept = call_in(ran.folder, "sweep", *grid, "--out", "swept")
    tables = [outcome.out.split("written:")[0] for outcome in (collected, swept)]
    assert tables[0] == tables[1]
    results = [json.loads((ran.folder / place / "results.json").read_text()) for place in ("grid", "swept")]
    mine, other = ({key: value for key, value in one.items() if key not in TIMES} for one in results)
    assert mine == other
    assert (ran.folder / "grid" / "report.html").read_text().startswith("<!")
    for name in ("undercomplete-1", "undercomplete-2"):
        assert len(ae_jax.load(ran.folder / "grid" / "runs" / name)) == 2


def test_jobs_that_are_done_are_not_run_again(call_in, ran, monkeypatch):
    monkeypatch.setattr(
        import_module("ae_jax.studies.study_results"), "fit", lambda *_, **__: pytest.fail("was trained")
    )
    again = call_in(ran.folder, "jobs", "run", "jobs.jsonl")
    assert (again.code, again.err) == (0, "ae-jax: job 0: done before.\nae-jax: job 1: done before.\n")
    one = call_in(ran.folder, "jobs", "run", "jobs.jsonl", "--job", 1)
    assert (one.code, one.err) == (0, "ae-jax: job 1: done before.\n")


def test_slurm_s_task_is_taken_where_that_is_asked_for_alone(call_in, ran, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    assert call_in(ran.folder, "jobs", "run", "jobs.jsonl").err.count("done before") == 2
    assert call_in(ran.folder, "jobs", "run", "jobs.jsonl", "--job", "slurm").err == "ae-jax: job 1: done before.\n"
    for given, sentence in (("x", "SLURM_ARRAY_TASK_ID names no job"), ("2", "there is no job 2: expected a number")):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", given)
        outcome = call_in(ran.folder, "jobs", "run", "jobs.jsonl", "--job", "slurm")
        assert outcome.code == 2
        assert sentence in outcome.err
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID")
    outcome = call_in(ran.folder, "jobs", "run", "jobs.jsonl", "--job", "slurm")
    assert "expected a task of a Slurm array; or give a number" in outcome.err


def test_what_is_not_done_is_not_collected(call, grid):
    call("sweep", *grid, "--emit-jobs", "jobs.jsonl", "--out", "grid")
    outcome = call("collect", "jobs.jsonl")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "ae-jax: 2 of 2 jobs are not done (0, 1): expected all of them; ae-jax jobs run goes on with them.\n"
    )
    assert [path.name for path in outcome.folder.iterdir()] == ["jobs.jsonl"]


def test_jobs_that_others_run_are_said(call, grid, tmp_path):
    call("sweep", *grid, "--emit-jobs", "jobs.jsonl", "--out", "grid")
    with (
        locked(tmp_path / "grid.jobs" / "job-0" / "lock", "held."),
        locked(tmp_path / "grid.jobs" / "job-1" / "lock", "held."),
    ):
        outcome = call("jobs", "run", "jobs.jsonl")
    assert outcome.err == (
        "ae-jax: job 0: running elsewhere.\nae-jax: job 1: running elsewhere.\n"
        "ae-jax: 2 of 2 jobs are not done (0, 1): expected all of them; ae-jax jobs run goes on with them.\n"
    )
    assert outcome.code == 2


def test_a_job_that_is_refused_leaves_the_others_to_be_trained(call, grid, tmp_path):
    call("sweep", *grid, "--emit-jobs", "jobs.jsonl", "--out", "grid")
    (tmp_path / "grid.jobs").mkdir()
    (tmp_path / "grid.jobs" / "job-0").touch()  # where a folder should be
    outcome = call("jobs", "run", "jobs.jsonl")
    said = [line for line in outcome.err.splitlines() if line.startswith("ae-jax: ")]
    assert said[0].startswith(f"ae-jax: job 0: {tmp_path / 'grid.jobs' / 'job-0' / 'lock'} cannot be written (")
    assert said[1:] == [
        "ae-jax: job 1: trained.",
        "ae-jax: 1 of 2 jobs are not done (0): expected all of them; ae-jax jobs run goes on with them.",
    ]
    assert outcome.code == 2


def test_a_job_of_another_sweep_is_said_once(call_in, ran, grid):
    line = ["sweep", *grid, "--epochs", 3, "--emit-jobs", "others.jsonl", "--out", "grid"]
    assert call_in(ran.folder, *line).code == 0
    outcome = call_in(ran.folder, "jobs", "run", "others.jsonl", "--job", 1)
    assert outcome.err.count("holds a job of another sweep") == 1
    assert "1 of 1 jobs are not done (1)" in outcome.err
    assert outcome.code == 2


def test_of_jobs_that_are_done_no_data_are_read(call_in, ran, monkeypatch):
    monkeypatch.setattr(import_module("ae_jax.studies.fan_out"), "load", lambda *_, **__: pytest.fail("was read"))
    assert call_in(ran.folder, "jobs", "run", "jobs.jsonl").code == 0


@pytest.mark.usefixtures("interrupted")
def test_an_interrupted_job_is_said(call, grid):
    call("sweep", *grid, "--emit-jobs", "jobs.jsonl", "--out", "grid")
    outcome = call("jobs", "run", "jobs.jsonl")
    assert outcome.code == 130
    assert outcome.err == "ae-jax: interrupted at job 0: the same command goes on with it.\n"


def test_jobs_that_diverge_fail_when_they_are_done(call, small_one):
    line = ["sweep", *small_one, "--learning-rate", 0.001, 1e30, "--seeds", 1, "--emit-jobs", "jobs.jsonl"]
    assert call(*line).code == 0
    for command in (["jobs", "run"], ["collect"]):
        outcome = call(*command, "jobs.jsonl")
        assert outcome.code == 3
        assert outcome.err.count("undercomplete diverged in 1 of 2 members") == 1


def test_one_command_at_a_time_collects(call_in, ran):
    with locked(ran.folder / "grid.checkpoints" / "lock", "held."):
        outcome = call_in(ran.folder, "collect", "jobs.jsonl")
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "another process works in " in outcome.err


def test_what_is_of_no_use_where_jobs_are_submitted_is_refused(call, grid):
    call("sweep", *grid, "--emit-jobs", "jobs.jsonl", "--out", "grid")
    outcome = call("jobs", "submit", "jobs.jsonl", "--executor", "debug", "--at-once", 3)
    assert outcome.code == 2
    assert outcome.err == "ae-jax: at_once was given with the executor debug: expected nothing of the kind.\n"


def test_jobs_are_submitted(call, grid):
    pytest.importorskip("submitit")
    call("sweep", *grid, "--emit-jobs", "jobs.jsonl", "--out", "grid")
    outcome = call("jobs", "submit", "jobs.jsonl", "--executor", "debug")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == "2 of 2 jobs submitted; ae-jax collect jobs.jsonl merges what they give."
    assert call("collect", "jobs.jsonl").code == 0
    again = call("jobs", "submit", "jobs.jsonl", "--executor", "debug")
    assert again.out.startswith("0 of 2 jobs submitted")


def test_a_damaged_line_is_named(call, grid, tmp_path):
    call("sweep", *grid, "--emit-jobs", "jobs.jsonl")
    path = tmp_path / "jobs.jsonl"
    path.write_text(path.read_text().replace('"number": 1', '"number": 0'))
    for command in (["jobs", "run"], ["jobs", "submit"], ["collect"]):
        outcome = call(*command, "jobs.jsonl")
        assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        assert outcome.err.startswith("ae-jax: line 2 of jobs.jsonl is no job (it is job 0 of 2")
