"""Jobs handed to a cluster; the cluster is this process or this machine."""

import builtins
from pathlib import Path

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data import load
from ae_jax.studies import submission
from ae_jax.studies.fan_out import collect, finished, run_job
from ae_jax.studies.jobs import Job, jobs_of, write_jobs
from ae_jax.studies.submission import SubmittedJob, submit_jobs


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
    ],
)
def test_numbers_that_cannot_be_used_are_refused(tmp_path: Path, jobs, choices, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        submit_jobs(tmp_path / "jobs.jsonl", jobs, logs=tmp_path / "logs", **choices)
