"""The options that commands share: sizes, several devices and processes."""

import subprocess
import sys

import jax
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.cli.options import parse_distributed
from ae_jax.cli.study import by_each


@pytest.mark.parametrize("text", ["node1", "node1:8476", "node1,0/2", ":8476,0/2", "node1:8476,0", "node1:8476,2/2"])
def test_an_address_that_cannot_be_read_is_refused(text):
    with pytest.raises(InvalidInput, match="expected HOST:PORT,INDEX/COUNT"):
        parse_distributed((text,))


def test_where_another_process_refuses_its_part_this_one_ends_too(call, file, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr("ae_jax.training.distributed._of_all", lambda _: np.array([[False], [True]]))
    with pytest.raises(InvalidInput, match="process 1 of 2 failed"):
        by_each(lambda: 3)
    for line in (["compare"], ["train", "undercomplete"], ["sweep", "undercomplete", "--code", 2]):
        call(*line, "--data", file).refused("process 1 of 2 failed")


def test_nothing_joins_by_itself_inside_an_allocation_of_slurm(call, small_one, monkeypatch):
    variables = {"JOB_ID": 17, "PROCID": 1, "LOCALID": 1, "NTASKS": 2, "STEP_NODELIST": "node1", "STEP_NUM_NODES": 1}
    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.setattr(jax.distributed, "initialize", lambda *_, **__: pytest.fail("joined"))
    outcome = call("train", *small_one, "--out", "run").ok()
    assert "mesh" not in ae_jax.load(outcome.folder / "run").record


def test_a_mesh_trains(tmp_path, small_one):
    line = ["train", *map(str, small_one), "--mesh", "data=2", "--epochs", "1", "--out", "run"]
    command = [sys.executable, "-W", "error", "-m", "ae_jax", *line]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert ae_jax.load(tmp_path / "run").record["mesh"] == "member=1,data=2"
