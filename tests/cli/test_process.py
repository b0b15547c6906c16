"""Whole processes: start-up, signals, SIGKILL and the cache of compiled programs."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ae_jax
from ae_jax.cli import main
from ae_jax.training.checkpoint import checkpoint_info

AE_JAX = [sys.executable, "-W", "error", "-m", "ae_jax"]


def test_help_of_the_module():
    process = subprocess.run([*AE_JAX, "--help"], capture_output=True, text=True, check=True)
    assert process.stdout.startswith("usage: ae-jax ")
    assert process.stderr == ""


LINE = ["train", "undercomplete", "--code", "2", "--hidden", "--epochs", "10000000", "--batch-size", "16"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "AE_JAX_CACHE": str(tmp_path / "cache")}


def begun(line: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen([*AE_JAX, *line], cwd=folder, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_what_was_trained(tmp_path: Path, file: Path, environment, number, code):
    with begun([*LINE, "--data", str(file), "--out", "run"], tmp_path, environment) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(number)
        rest = process.stderr.read()
    assert first.startswith("undercomplete: epoch 1/10000000"), first + rest
    sentence = "interrupted: what was trained so far is in run; the same command with --resume goes on."
    assert rest.splitlines()[-1] == f"ae-jax: {sentence}"
    assert process.returncode == code
    assert ae_jax.load(tmp_path / "run").record["interrupted"]
    came = checkpoint_info(tmp_path / "run.checkpoints" / "undercomplete")
    assert came is not None
    assert (came.epochs, came.finished) == (10_000_000, False)
    assert any((tmp_path / "cache").iterdir())


def test_a_fan_out_that_is_killed_does_each_job_once(tmp_path: Path, file: Path, environment):
    line = ["sweep", "undercomplete", "--code", "2", "3", "--hidden", "4", "--data", str(file), "--batch-size", "16"]
    line += ["--epochs", "40", "--seeds", "1", "--out", "grid"]
    with contextlib.chdir(tmp_path):
        assert main([*line, "--emit-jobs", "jobs.jsonl", "--checkpoint-epochs", "1"]) == 0
    jobs = [tmp_path / "grid.jobs" / f"job-{number}" for number in (0, 1)]
    with begun(["jobs", "run", "jobs.jsonl"], tmp_path, environment) as process:
        assert process.stderr is not None
        told = list(itertools.takewhile(lambda line: not (seen(jobs[0]) and "epoch 4/40" in line), process.stderr))
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert seen(jobs[0]), told
    assert not seen(jobs[1])
    before = (jobs[0] / "done.json").stat()
    workers = [begun(["jobs", "run", "jobs.jsonl"], tmp_path, environment) for _ in range(2)]
    said = [worker.communicate()[1].splitlines() for worker in workers]
    assert [lines[0] for lines in said] == ["ae-jax: job 0: done before."] * 2, said
    assert sum(lines.count("ae-jax: job 1: trained.") for lines in said) == 1, said
    assert sorted(worker.returncode for worker in workers) in ([0, 0], [0, 2])  # one may leave while the other trains
    after = (jobs[0] / "done.json").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    with contextlib.chdir(tmp_path):
        assert main(["collect", "jobs.jsonl"]) == 0


def seen(job: Path) -> bool:
    return (job / "done.json").exists()
