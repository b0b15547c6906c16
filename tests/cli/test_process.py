"""Whole processes: start-up, signals, SIGKILL and the cache of compiled programs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ae_jax
from ae_jax.training.checkpoint import checkpoint_info

AE_JAX = [sys.executable, "-W", "error", "-m", "ae_jax"]


LINE = ["train", "undercomplete", "--code", "2", "--hidden", "--epochs", "10000000", "--batch-size", "16"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "AE_JAX_CACHE": str(tmp_path / "cache")}


def begun(line: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen([*AE_JAX, *line], cwd=folder, stderr=subprocess.PIPE, text=True, env=environment)


def test_a_signal_saves_what_was_trained(tmp_path: Path, file: Path, environment):
    with begun([*LINE, "--data", str(file), "--out", "run"], tmp_path, environment) as process:
        assert process.stderr is not None
        first = next(line for line in process.stderr if "epoch 1/" in line)
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert first.startswith("undercomplete: epoch 1/10000000")
    sentence = "interrupted: what was trained so far is in run; the same command with --resume continues."
    assert rest.splitlines()[-1] == f"ae-jax: {sentence}"
    assert process.returncode == 143
    assert ae_jax.load(tmp_path / "run").record["interrupted"]
    came = checkpoint_info(tmp_path / "run.checkpoints" / "undercomplete")
    assert came is not None
    assert (came.epochs, came.finished) == (10_000_000, False)
    assert any((tmp_path / "cache").iterdir())
