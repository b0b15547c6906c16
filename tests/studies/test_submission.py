"""Jobs handed to a cluster; the cluster is this process or this machine."""

import builtins
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ae_jax import InvalidInput, TrainingInterrupted
from ae_jax.data import load
from ae_jax.locks import locked
from ae_jax.studies import submission
from ae_jax.studies.fan_out import collect, finished, run_job
from ae_jax.studies.jobs import Job, jobs_of, write_jobs
from ae_jax.studies.submission import SubmittedJob, submit_jobs
from ae_jax.training import stop_on_signal


@pytest.fixture(scope="module")
def source(tmp_path_factory, digits) -> str:
    path = tmp_path_factory.mktemp("data") / "few.npz"
    np.savez(path, x=digits.train.x[:64], y=digits.train.labels[:64] % 2)
    return str(path)


@pytest.fixture
def jobs(tmp_path: Path, source) -> list[Job]:
    """One structure in two jobs, in a file."""
    grid = {"code": [2], "hidden": [(4,)], "learning_rate": [1e-3, 1e-2]}
    training = {"seeds": [5], "epochs": 1, "batch_size": 16, "members_per_job": 1}
    made = jobs_of("undercomplete", load(source), grid, source=source, out=tmp_path / "sweep", **training)
    write_jobs(tmp_path / "jobs.jsonl", made)
    return made


def test_what_is_not_done_is_submitted_and_trained(tmp_path: Path, jobs, source):
    pytest.importorskip("submitit")
    settings = {"executor": "local", "logs": tmp_path / "logs", "minutes": 10}
    run_job(jobs[0], load(source))
    before = (jobs[0].folder / "done.json").stat().st_mtime_ns
    submitted = submit_jobs(tmp_path / "jobs.jsonl", jobs, **settings)
    assert list(submitted) == [1]
    assert finished(jobs[1]) is not None
    assert (jobs[0].folder / "done.json").stat().st_mtime_ns == before
    assert len(collect(jobs, load(source)).runs[0]) == 2
    assert submit_jobs(tmp_path / "jobs.jsonl", jobs, **settings) == {}


def test_what_a_job_raises_is_raised_here(tmp_path: Path, jobs, source, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setattr(submission, "data_of", lambda _: load("nowhere.npz"))
    with pytest.raises(InvalidInput, match=r"there is no file nowhere\.npz"):
        submit_jobs(tmp_path / "jobs.jsonl", jobs, executor="debug", logs=tmp_path / "logs")


def test_jobs_of_this_machine_that_failed_are_counted_and_the_first_is_explained(tmp_path: Path, jobs, source):
    pytest.importorskip("submitit")
    run_job(jobs[0], load(source))
    (tmp_path / "jobs.jsonl").unlink()
    with pytest.raises(InvalidInput) as raised:
        submit_jobs(tmp_path / "jobs.jsonl", jobs, executor="local", logs=tmp_path / "logs")
    assert str(raised.value).startswith(f"1 of 1 jobs failed, first job 1 ({tmp_path / 'jobs.jsonl'} cannot be read (")
    assert f"what they printed is in {tmp_path / 'logs'}" in str(raised.value)


def stopped_by(number: int):
    """What a job does that a signal reaches."""

    def run(*_: object) -> None:
        with stop_on_signal() as stop:
            signal.raise_signal(number)
            raise TrainingInterrupted(None, stop.signal or 0)

    return run


@pytest.fixture
def submitted(tmp_path: Path, jobs, monkeypatch) -> Iterator[SubmittedJob]:
    """A job as submitit calls it in a process of this machine, whose signals it handles; it ends early."""
    pytest.importorskip("submitit")
    from submitit.core.utils import DelayedSubmission, JobPaths
    from submitit.local.local import LocalJobEnvironment

    monkeypatch.setattr(submission, "run_job", stopped_by(signal.SIGTERM))
    monkeypatch.setenv("SUBMITIT_LOCAL_JOB_ID", "7")
    monkeypatch.setenv("SUBMITIT_LOCAL_GLOBALID", "0")
    call = SubmittedJob(tmp_path / "jobs.jsonl", 1)
    delayed = DelayedSubmission(call)
    delayed.set_timeout(60, 3)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGCONT, signal.SIGUSR2)}
    LocalJobEnvironment()._handle_signals(JobPaths(tmp_path / "logs", "7", 0), delayed)
    (tmp_path / "logs").mkdir()
    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_job_that_sigterm_ended_goes_back_into_the_queue(tmp_path: Path, submitted):
    from submitit.core.utils import DelayedSubmission
    from submitit.local.local import LOCAL_REQUEUE_RETURN_CODE

    with pytest.raises(SystemExit) as raised:
        submitted()
    assert raised.value.code == LOCAL_REQUEUE_RETURN_CODE
    assert DelayedSubmission.load(tmp_path / "logs" / "7_submitted.pkl").function == submitted


def test_a_job_that_ctrl_c_ended_does_not(submitted, monkeypatch):
    monkeypatch.setattr(submission, "run_job", stopped_by(signal.SIGINT))
    with pytest.raises(TrainingInterrupted):
        submitted()


def test_without_a_queue_a_job_that_sigterm_ended_is_interrupted(tmp_path: Path, jobs, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setattr(submission, "run_job", stopped_by(signal.SIGTERM))
    with pytest.raises(TrainingInterrupted):
        SubmittedJob(tmp_path / "jobs.jsonl", 1)()


def test_a_job_that_another_process_runs_is_not_done(tmp_path: Path, jobs):
    with (
        locked(jobs[1].folder / "lock", "held."),
        pytest.raises(InvalidInput, match="job 1 is being run by another process: submit the file again after it"),
    ):
        SubmittedJob(tmp_path / "jobs.jsonl", 1)()


def test_a_job_is_prepared_first(tmp_path: Path, jobs, monkeypatch):
    seen = []
    monkeypatch.setattr(submission, "run_job", lambda *_: seen.append("run") or "trained")
    assert SubmittedJob(tmp_path / "jobs.jsonl", 1, lambda: seen.append("prepared"))() == "trained"
    assert seen == ["prepared", "run"]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch) -> Path:
    """Programs that play Slurm's."""
    pytest.importorskip("submitit")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in (("srun", "exit 1"), ("sbatch", f"cp $1 {tmp_path / 'batch'}; echo Submitted batch job 17")):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_what_slurm_is_asked_for(tmp_path: Path, jobs, slurm):
    from submitit.core.utils import DelayedSubmission

    settings = {"partition": "gpu", "minutes": 90, "cpus": 3, "gpus": 1, "memory": 7, "at_once": 5}
    submitted = submit_jobs(tmp_path / "jobs.jsonl", jobs, logs=tmp_path / "logs", **settings)
    assert submitted == {0: "17_0", 1: "17_1"}
    asked = {line.removeprefix("#SBATCH --") for line in (tmp_path / "batch").read_text().splitlines()}
    expected = {"partition=gpu", "time=90", "cpus-per-task=3", "gpus-per-node=1", "mem=7GB", "array=0-1%2"}
    assert expected | {"job-name=ae-jax-undercomplete", "signal=USR2@90"} <= asked
    delayed = DelayedSubmission.load(tmp_path / "logs" / "17_1_submitted.pkl")
    assert (delayed.function, delayed._timeout_countdown) == (SubmittedJob(tmp_path / "jobs.jsonl", 1), 10_000)


def test_what_slurm_refuses_is_said(tmp_path: Path, jobs, slurm):
    (slurm / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpu' >&2; exit 1\n")
    sentence = r"the jobs were not submitted \(sbatch: error: invalid partition specified: gpu\): expected slurm to"
    with pytest.raises(InvalidInput, match=sentence):
        submit_jobs(tmp_path / "jobs.jsonl", jobs, logs=tmp_path / "logs", partition="gpu")


def test_a_job_that_is_put_back_into_the_queue_is_the_same_call(tmp_path: Path, jobs):
    pytest.importorskip("submitit")
    again = SubmittedJob(tmp_path / "jobs.jsonl", 1).checkpoint()
    assert (again.function.path, again.function.number) == (tmp_path / "jobs.jsonl", 1)
    assert (again.args, again.kwargs) == ((), {})


def test_without_submitit_the_extra_is_named(tmp_path: Path, jobs, monkeypatch):
    imported = builtins.__import__

    def without(name, *arguments, **options):
        if name == "submitit":
            raise ImportError(name)
        return imported(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        InvalidInput, match=r"not installed: pip install 'ae_jax\[slurm\]', or run them by ae-jax jobs run"
    ):
        submit_jobs(tmp_path / "jobs.jsonl", jobs, logs=tmp_path / "logs")


def test_without_slurm_there_is_another_way(tmp_path: Path, jobs, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidInput, match=r"slurm cannot be used here \(.*srun.*\): run the jobs by ae-jax jobs run"):
        submit_jobs(tmp_path / "jobs.jsonl", jobs, logs=tmp_path / "logs")


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"executor": "slrum"}, "unknown executor 'slrum': did you mean 'slurm'?"),
        ({"minutes": 0}, "minutes=0: expected a whole number above zero"),
        ({"cpus": -1}, "cpus=-1: expected a whole number above zero"),
        ({"gpus": -1}, "gpus=-1: expected zero or a whole number above"),
        ({"at_once": 0}, "at_once=0: expected a whole number above zero"),
        ({"executor": "local", "cpus": 2}, "cpus was given with the executor local: expected minutes, gpus."),
        ({"executor": "debug", "partition": "gpu"}, "partition was given with the executor debug: expected nothing of"),
    ],
)
def test_numbers_that_cannot_be_used_are_refused(tmp_path: Path, jobs, choices, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        submit_jobs(tmp_path / "jobs.jsonl", jobs, logs=tmp_path / "logs", **choices)
