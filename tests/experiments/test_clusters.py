"""The recipes for clusters: one runs here, one where Slurm is played, and one is a manifest as it should be."""

import itertools
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from ae_jax.cli.app import parse
from ae_jax.cli.session import DIVERGED, TERMINATED

CLUSTERS = Path(__file__).parents[2] / "experiments" / "clusters"
TINY = ["train", "undercomplete", "--hidden", "8", "--code", "2", "--epochs", "2", "--batch-size", "16"]
TINY += ["--data", "rows.npy", "--out", "out", "--json"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A few rows to train on, and a place for programs that play others."""
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(96, 5)).astype(np.float32))
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin" / "python", f'exec {shlex.quote(sys.executable)} "$@"')
    return tmp_path


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\n{script}\n")
    path.chmod(0o755)


def run(script: str, *arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    surroundings = os.environ | environment
    surroundings["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
    command = ["bash", str(CLUSTERS / script), *arguments]
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True)


def require_one_run(finished: subprocess.CompletedProcess[str], folder: Path, mesh: str) -> None:
    """One process printed results, of a run that lies there whole."""
    assert finished.returncode == 0, finished.stdout + finished.stderr
    printed = json.loads(finished.stdout)
    assert printed["study"] == "train"
    assert finished.stderr.count("epoch 2/2") == 1
    assert json.loads((folder / "out" / "configuration.json").read_text())["record"]["mesh"] == mesh


@pytest.mark.slow
def test_two_processes_train_together(folder):
    require_one_run(run("two_processes.sh", *TINY, folder=folder, DEVICES="2"), folder, "member=1,data=4")


@pytest.mark.slow
def test_ctrl_c_ends_both_processes_which_save(folder):
    surroundings = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    line = ["bash", str(CLUSTERS / "two_processes.sh"), *TINY, "--epochs", "10000000"]
    with subprocess.Popen(line, cwd=folder, env=surroundings, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = list(itertools.takewhile(lambda line: "epoch 1/" not in line, process.stderr))
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, "".join(told) + rest
    assert rest.count("interrupted: what was trained so far is in out; the same command with --resume continues.") == 1
    assert json.loads((folder / "out" / "configuration.json").read_text())["record"]["interrupted"]


@pytest.mark.slow
def test_the_command_of_slurm_trains_as_two_tasks(folder):
    program(
        folder / "bin" / "srun",
        'while [ "$1" != python ]; do shift; done\n'
        "export SLURM_NTASKS=2 SLURM_STEP_NODELIST=localhost SLURM_STEP_NUM_NODES=1\n"
        'SLURM_PROCID=1 SLURM_LOCALID=1 "$@" &\n'
        'SLURM_PROCID=0 SLURM_LOCALID=0 "$@"; code=$?; wait; exit $code',
    )
    finished = run("slurm.sh", *TINY, folder=folder, SLURM_JOB_ID=str(job_of_free_port()))
    require_one_run(finished, folder, "member=1,data=2")


def job_of_free_port() -> int:
    """A number of a job at whose port, by which JAX's tasks meet, nobody listens: 61440 and the rest by 4096."""
    for number in range(4096):
        with socket.socket() as bound:
            if bound.connect_ex(("127.0.0.1", 61440 + number)):
                return number
    raise AssertionError("every port is taken")


@pytest.mark.parametrize(("code", "requeued"), [(143, "requeue 17"), (0, ""), (1, "")])
def test_a_job_that_was_ended_early_asks_for_its_turn_once_more(folder, code, requeued):
    program(folder / "bin" / "srun", f'echo "$*" > asked; exit {code}')
    program(folder / "bin" / "scontrol", 'echo "$*" > requeued')
    assert run("slurm.sh", "train", "sparse", folder=folder, SLURM_JOB_ID="17").returncode == code
    asked = (folder / "asked").read_text().strip()
    assert asked == "--kill-on-bad-exit=1 python -m ae_jax train sparse --distributed --resume"
    written = folder / "requeued"
    assert (written.read_text().strip() if written.exists() else "") == requeued


@pytest.mark.parametrize(("code", "requeued"), [(143, True), (0, False)])
def test_a_signal_to_the_job_reaches_its_tasks_and_requeues_those_that_are_not_done(folder, code, requeued):
    program(folder / "bin" / "srun", f"trap 'kill $!; exit {code}' TERM; kill -TERM $PPID; sleep 600 & wait")
    program(folder / "bin" / "scontrol", 'echo "$*" > requeued')
    assert run("slurm.sh", "train", "sparse", folder=folder, SLURM_JOB_ID="17").returncode == code
    assert (folder / "requeued").exists() == requeued


def test_the_manifest_runs_a_command_that_is_one():
    service, job = yaml.safe_load_all((CLUSTERS / "kubernetes.yaml").read_text())
    spec = job["spec"]
    assert (spec["completionMode"], service["spec"]["clusterIP"]) == ("Indexed", "None")
    assert spec["completions"] == spec["parallelism"]
    template = spec["template"]["spec"]
    assert template["subdomain"] == service["metadata"]["name"]
    (container,) = template["containers"]
    assert container["command"] == ["python", "-m", "ae_jax"]
    train, name, *rest = [argument.replace("$(JOB_COMPLETION_INDEX)", "1") for argument in container["args"]]
    assert parse([train, name, *rest])
    first = f"{job['metadata']['name']}-0.{service['metadata']['name']}"
    assert rest[-1] == f"{first}:8476,1/{spec['completions']}"
    assert "--resume" in rest


def test_the_manifest_ends_what_would_fail_again_and_counts_no_pod_that_was_told_to_end():
    _, job = yaml.safe_load_all((CLUSTERS / "kubernetes.yaml").read_text())
    rules = {
        code: rule["action"]
        for rule in job["spec"]["podFailurePolicy"]["rules"]
        for code in rule.get("onExitCodes", {"values": ["taken away"]})["values"]
    }
    assert rules == {DIVERGED: "FailJob", TERMINATED: "Ignore", "taken away": "Ignore"}
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"  # a policy needs it
