"""The options of several devices and processes."""

import subprocess
import sys

import jax
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.cli.devices import FOUND, Devices, by_each, by_leader, leading, read_distributed


def test_processes_are_found_or_named():
    assert read_distributed([]) == FOUND
    assert read_distributed(["node1:8476,1/4"]) == ("node1:8476", 1, 4)
    assert read_distributed(["[::1]:80,0/1"]) == ("[::1]:80", 0, 1)


@pytest.mark.parametrize("text", ["node1", "node1:8476", "node1,0/2", ":8476,0/2", "node1:8476,0", "node1:8476,a/b"])
def test_what_names_no_process_is_refused(text):
    with pytest.raises(ValueError, match=r"expected HOST:PORT,INDEX/COUNT, such as node1:8476,0/2"):
        read_distributed([text])


def test_a_process_beyond_their_number_is_refused(call):
    outcome = call("train", "sparse", "--distributed", "node1:8476,2/2")
    assert outcome.code == 2
    assert "was given process 2 of 2: expected one from 0 to 1." in outcome.err


def test_a_mesh_that_does_not_fit_is_refused_before_training(call):
    outcome = call("train", "sparse", "--mesh", "data=3")
    assert outcome.code == 2
    assert outcome.err.startswith("ae-jax: the mesh member=1,data=3 takes 3 devices and there are 1: expected at most")


def test_jobs_that_are_only_written_have_no_devices(call):
    outcome = call("sweep", "sparse", "--emit-jobs", "jobs.jsonl", "--mesh", "data=1")
    assert outcome.code == 2
    assert "--emit-jobs was given with --mesh or --distributed: expected neither" in outcome.err


def test_what_is_of_no_use_is_refused_before_other_processes_are_waited_for(call, monkeypatch):
    monkeypatch.setattr(Devices, "join", lambda _: pytest.fail("was waiting"))
    for line, sentence in (
        (["--emit-jobs", "jobs.jsonl", "--distributed", "node1:8476,0/2"], "--emit-jobs was given with --mesh or"),
        (["--emit-jobs", "jobs.jsonl", "--resume"], "--resume was given with --emit-jobs, which trains nothing"),
        (["--members-per-job", 2, "--mesh", "data=1"], "--members-per-job was given without --emit-jobs"),
    ):
        outcome = call("sweep", "sparse", *line)
        assert outcome.code == 2
        assert outcome.err.startswith(f"ae-jax: {sentence}")


def test_joined_processes_meet_at_once(monkeypatch):
    done = []
    monkeypatch.setattr("ae_jax.cli.devices._keep_standard_output", lambda: None)
    monkeypatch.setattr("ae_jax.training.initialize", lambda *given: done.append(given))
    monkeypatch.setattr("ae_jax.training.distributed.signal_of_any", done.append)
    Devices(distributed=("node1:8476", 0, 2)).join()
    assert done == [("node1:8476", 2, 0), None]


@pytest.fixture
def second_gives_up(monkeypatch):
    """This process, as if it was the first of two, the second of which refuses whatever both do."""
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr("ae_jax.training.distributed._of_all", lambda _: np.array([[False], [True]]))


@pytest.mark.usefixtures("second_gives_up")
def test_where_another_process_refuses_its_part_this_one_ends_too(call, small_one):
    with pytest.raises(InvalidInput, match="process 1 of 2 failed, which ends this one too"):
        by_each(lambda: 3)
    for line in (["compare"], ["train", "undercomplete"], ["sweep", "undercomplete"]):
        outcome = call(*line, "--data", small_one[small_one.index("--data") + 1])
        assert outcome.code == 2
        assert outcome.err.startswith("ae-jax: process 1 of 2 failed, which ends this one too")


def test_nothing_joins_by_itself_inside_an_allocation_of_slurm(call, small_one, monkeypatch):
    variables = {"JOB_ID": 17, "PROCID": 1, "LOCALID": 1, "NTASKS": 2, "STEP_NODELIST": "node1", "STEP_NUM_NODES": 1}
    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.setattr(jax.distributed, "initialize", lambda *_, **__: pytest.fail("joined"))
    outcome = call("train", *small_one, "--out", "run")
    assert outcome.code == 0, outcome.err
    assert "mesh" not in ae_jax.load(outcome.folder / "run").record


MESH = ["--mesh", "data=2", "--epochs", "1", "--batch-size", "16", "--out", "run"]


def test_a_mesh_trains(tmp_path, file):
    line = ["train", "undercomplete", "--code", "2", "--hidden", "4", "--data", str(file), *MESH]
    command = [sys.executable, "-W", "error", "-m", "ae_jax", *line]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert ae_jax.load(tmp_path / "run").record["mesh"] == "member=1,data=2"


def test_alone_a_process_leads_and_joins_nobody():
    Devices().join()
    assert leading()
    assert by_leader(lambda: 3) == 3
    with pytest.raises(InvalidInput, match="expected neither"):
        Devices(mesh="data=1").require_none("--emit-jobs")
