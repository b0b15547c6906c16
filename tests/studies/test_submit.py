"""Chunks of a sweep as jobs; the cluster is this process or this machine."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from ae_jax import InvalidInput, TrainingInterrupted
from ae_jax.studies import SweepSpec, submit_sweep, sweep
from ae_jax.studies.submit import SweepJob
from ae_jax.training import Checkpoints, TrainConfig, stop_on_signal

GRID = {"code": [2], "hidden": [(4,)], "learning_rate": [1e-3, 1e-2]}
NAMES = ["undercomplete-1", "undercomplete-2"]


@pytest.fixture
def spec(tmp_path: Path, digits) -> SweepSpec:
    """One structure in two chunks."""
    pytest.importorskip("submitit")
    from ae_jax.data import ReadOptions

    np.savez(tmp_path / "few.npz", x=digits.train.x[:64], y=digits.train.labels[:64] % 2)
    return SweepSpec(
        autoencoder="undercomplete",
        grid=GRID,
        source=str(tmp_path / "few.npz"),
        reading=ReadOptions(),
        seeds=(5,),
        chunks=2,
        checkpoints=Checkpoints(folder=tmp_path / "sweep.checkpoints"),
        config=TrainConfig(epochs=1, batch_size=16),
    )


def test_what_is_unfinished_is_submitted_and_then_collected(spec, watch):
    data = spec.load()
    SweepJob(spec, NAMES[0])()
    assert spec.unfinished(data) == NAMES[1:]
    assert list(submit_sweep(spec, data, executor="local", options={"timeout_min": 10})) == NAMES[1:]
    assert spec.unfinished(data) == []
    assert submit_sweep(spec, data, executor="local") == {}
    watched = watch()
    collected = spec.sweep(data, callbacks=[watched])
    assert watched.seen == []
    whole = sweep("undercomplete", data, GRID, spec.config, seeds=[5])
    for row, expected in zip(collected.rows, whole.rows, strict=True):
        assert row == expected | {"member": 0, "value": pytest.approx(expected["value"], rel=1e-4)}


@pytest.mark.usefixtures("unchecked")
def test_an_executor_that_cannot_be_used_is_refused(spec, monkeypatch):
    data = spec.load()
    with pytest.raises(InvalidInput, match="unknown executor 'slrum': did you mean 'slurm'"):
        submit_sweep(spec, data, executor="slrum")
    with pytest.raises(InvalidInput, match="debug refused the sweep"):
        submit_sweep(spec, data, executor="debug", options={"timeout": 3})
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidInput, match="slurm refused the sweep"):
        submit_sweep(spec, data)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InvalidInput, match=r'pip install "ae_jax\[slurm\]"'):
        submit_sweep(spec, data)


def test_a_slurm_array_is_submitted_with_the_options(spec, tmp_path, monkeypatch):
    """``sbatch`` is a script that keeps the file that it is given."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in {"sbatch": f'cp "$1" {tmp_path}/batch.sh; echo Submitted batch job 17', "srun": ""}.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    jobs = submit_sweep(spec, spec.load(), options={"timeout_min": 7, "slurm_partition": "gpu"})
    assert jobs == {NAMES[0]: "17_0", NAMES[1]: "17_1"}
    batch = (tmp_path / "batch.sh").read_text()
    assert [line in batch for line in ("--time=7", "--partition=gpu", "--array=0-1")] == [True] * 3


def ended_by(number: int):
    """A sweep that a signal ends."""

    def run(*_: object, **__: object) -> None:
        with stop_on_signal() as stop:
            signal.raise_signal(number)
            raise TrainingInterrupted(None, stop.signal or 0)

    return run


def test_a_job_that_sigterm_ended_goes_back_into_the_queue(spec, tmp_path, monkeypatch):
    from submitit.core.utils import DelayedSubmission, JobPaths
    from submitit.local.local import LOCAL_REQUEUE_RETURN_CODE, LocalJobEnvironment

    monkeypatch.setattr(SweepSpec, "sweep", ended_by(signal.SIGTERM))
    monkeypatch.setenv("SUBMITIT_LOCAL_JOB_ID", "7")
    monkeypatch.setenv("SUBMITIT_LOCAL_GLOBALID", "0")
    job = SweepJob(spec, NAMES[0])
    delayed = DelayedSubmission(job)
    delayed.set_timeout(60, 3)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGCONT, signal.SIGUSR2)}
    LocalJobEnvironment()._handle_signals(JobPaths(tmp_path / "logs", "7", 0), delayed)
    (tmp_path / "logs").mkdir()
    try:
        with pytest.raises(SystemExit) as raised:
            job()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert raised.value.code == LOCAL_REQUEUE_RETURN_CODE
    assert DelayedSubmission.load(tmp_path / "logs" / "7_submitted.pkl").function == job


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_queue_a_job_is_interrupted(spec, monkeypatch, number):
    monkeypatch.setattr(SweepSpec, "sweep", ended_by(number))
    with pytest.raises(TrainingInterrupted):
        SweepJob(spec, NAMES[0])()
