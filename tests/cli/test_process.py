"""Whole processes: start-up, Ctrl-C and the cache of compiled programs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import ae_jax

AE_JAX = [sys.executable, "-W", "error", "-m", "ae_jax"]


def test_help_of_the_module():
    process = subprocess.run([*AE_JAX, "--help"], capture_output=True, text=True, check=True)
    assert process.stdout.startswith("usage: ae-jax ")
    assert process.stderr == ""


def test_ctrl_c_saves_what_was_trained(tmp_path: Path, file: Path):
    line = ["train", "undercomplete", "--code", "2", "--hidden", "--epochs", "10000000", "--batch-size", "16"]
    environment = {**os.environ, "AE_JAX_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen(
        [*AE_JAX, *line, "--data", file, "--out", "run"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert first.startswith("undercomplete: epoch 1/10000000"), first + rest
    assert rest.splitlines()[-1] == "ae-jax: interrupted: what was trained so far is in run."
    assert process.returncode == 130
    assert ae_jax.load(tmp_path / "run").record["interrupted"]
    assert any((tmp_path / "cache").iterdir())
