"""What a user waits for before anything is trained."""

import subprocess

import pytest

from ae_jax.benchmarks import startup as room
from ae_jax.benchmarks.startup import startup


def test_processes_are_compared_and_a_comparison_counts_its_programs(monkeypatch):
    """Other processes stand for the dear ones, which the slow tests run."""
    monkeypatch.setattr(room, "IMPORTS", {"jax, flax and optax": "pass", "ae_jax": "import time; time.sleep(0.2)"})
    monkeypatch.setattr(room, "EPOCH", "pass")
    monkeypatch.setattr(room, "_CACHED", "")
    monkeypatch.setattr(room, "_COMPARISON", "print('{\"programs\": 28}')")
    found = startup(rounds=1)
    assert found["import_low"] == found["import_ratio"] == found["import_high"] > 1.5
    assert set(found["seconds"]) == {"jax, flax and optax", "ae_jax", "compiled", "cached"}
    assert found["programs"] == 28


def test_a_process_that_fails_is_an_error():
    with pytest.raises(subprocess.CalledProcessError):
        room._run("raise SystemExit(3)", "")


@pytest.mark.slow
def test_a_comparison_asks_for_few_programs():
    found = startup(rounds=1)
    assert (
        24 <= found["programs"] <= 32
    )  # four for each of six: initial values, steps, answers, codes; and a few shared
    assert found["programs_compiled"] == found["programs"]
    assert found["seconds"]["cached"] > 0
