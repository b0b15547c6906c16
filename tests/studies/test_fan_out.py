"""Jobs that are trained once each, and merged into what the sweep would have been."""

import dataclasses
import json
import signal
from pathlib import Path

import jax
import numpy as np
import pytest

from ae_jax import InvalidInput, TrainingInterrupted
from ae_jax.data import load
from ae_jax.locks import locked
from ae_jax.studies import Sweep, as_json, fan_out, sweep
from ae_jax.studies import study_results as trials_of
from ae_jax.studies.fan_out import collect, data_of, finished, run_job
from ae_jax.studies.jobs import Job, jobs_of

GRID = {"code": [2, 3], "learning_rate": [1e-3, 1e-2], "hidden": [(4,)]}
TRAINING = {"seeds": [5, 6], "epochs": 2, "batch_size": 16}
TIMES = ("wall_s", "compile_s", "programs", "programs_compiled")


@pytest.fixture(scope="module")
def source(tmp_path_factory, digits) -> str:
    path = tmp_path_factory.mktemp("data") / "few.npz"
    np.savez(path, x=digits.train.x[:64], y=digits.train.labels[:64] % 2)
    return str(path)


@pytest.fixture(scope="module")
def few(source):
    return load(source)


@pytest.fixture(scope="module")
def in_process(few) -> Sweep:
    return sweep("undercomplete", few, GRID, **TRAINING)


def jobs_in(folder: Path, few, source: str, grid=GRID, **choices) -> list[Job]:
    return jobs_of("undercomplete", few, grid, source=source, out=folder / "sweep", **TRAINING | choices)


def results(study: Sweep) -> dict:
    return {key: value for key, value in json.loads(as_json(study.results())).items() if key not in TIMES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, few, source) -> list[Job]:
    """The jobs of a sweep, a whole structure each, all done."""
    jobs = jobs_in(tmp_path_factory.mktemp("whole"), few, source)
    assert [run_job(job, few) for job in jobs] == ["trained", "trained"]
    return jobs


def test_jobs_of_whole_structures_are_the_sweep_bit_for_bit(whole, few, in_process):
    collected = collect(whole, data_of(whole[0].fan_out))
    assert results(collected) == results(in_process)
    assert collected.names == in_process.names == ["undercomplete-1", "undercomplete-2"]
    for mine, other in zip(collected.runs, in_process.runs, strict=True):
        jax.tree.map(np.testing.assert_array_equal, mine.params, other.params)
        jax.tree.map(np.testing.assert_array_equal, mine.history, other.history)
        assert mine.configuration()["members"] == other.configuration()["members"]
    assert collected.record["wall_s"] == pytest.approx(
        sum((finished(job) or {})["record"]["wall_s"] for job in whole), abs=2e-3
    )


@pytest.mark.parametrize("members", [3, 1])
def test_jobs_of_parts_are_the_sweep_to_rounding(tmp_path: Path, few, source, in_process, members):
    jobs = jobs_in(
        tmp_path,
        few,
        source,
        {key: values[:1] if key == "code" else values for key, values in GRID.items()},
        members_per_job=members,
    )
    for job in reversed(jobs):
        run_job(job, few)
    collected = collect(jobs, few)
    expected = [row for row in in_process.rows if row["code"] == 2]
    assert len(collected.rows) == len(expected)
    for mine, other in zip(collected.rows, expected, strict=True):
        assert {**mine, "value": None} == {**other, "value": None}
        assert mine["value"] == pytest.approx(other["value"], rel=1e-5, abs=1e-6)
    assert len(collected.runs) == 1
    assert collected.runs[0].seeds.tolist() == [5, 6, 5, 6]


def test_a_job_that_is_done_is_not_run_again(whole, few, monkeypatch):
    before = [(job.folder / "done.json").stat().st_mtime_ns for job in whole]
    monkeypatch.setattr(trials_of, "fit", lambda *_, **__: pytest.fail("was trained"))
    assert [run_job(job, few) for job in whole] == ["done before", "done before"]
    assert [(job.folder / "done.json").stat().st_mtime_ns for job in whole] == before


def test_what_a_process_left_that_was_killed_while_it_saved_is_removed(tmp_path: Path, few, source):
    job = jobs_in(tmp_path, few, source)[0]
    (job.folder / ".run-abcd" / "run").mkdir(parents=True)
    run_job(job, few)
    assert sorted(path.name for path in job.folder.iterdir()) == ["checkpoints", "done.json", "lock", "run"]


class Killed(BaseException):
    """What ends a process between two files."""


def test_a_job_that_was_killed_once_it_had_saved_is_neither_trained_nor_asked_again(
    tmp_path: Path, few, source, monkeypatch
):
    def killed(*_):
        raise Killed

    job = jobs_in(tmp_path, few, source)[0]
    with monkeypatch.context() as patch:
        patch.setattr(fan_out, "remember", killed)
        with pytest.raises(Killed):
            run_job(job, few)
    assert (job.folder / "run").is_dir()
    assert finished(job) is None
    monkeypatch.setattr(trials_of, "evaluate", lambda *_: pytest.fail("was asked again"))
    assert run_job(job, few, progress=lambda _: pytest.fail("was trained again")) == "trained"


def test_a_job_that_another_process_runs_is_left_alone(tmp_path: Path, few, source):
    job = jobs_in(tmp_path, few, source)[0]
    with locked(job.folder / "lock", "held."):
        assert run_job(job, few) == "running elsewhere"
    assert finished(job) is None
    assert [path.name for path in job.folder.iterdir()] == ["lock"]


def stop_early(progress) -> None:
    if progress.epoch == 1:
        signal.raise_signal(signal.SIGTERM)


def test_a_job_that_is_interrupted_goes_on(tmp_path: Path, few, source):
    job, same = (jobs_in(tmp_path / name, few, source, epochs=4)[0] for name in ("one", "other"))
    with pytest.raises(TrainingInterrupted) as raised:
        run_job(job, few, progress=stop_early)
    assert raised.value.signal == signal.SIGTERM
    assert finished(job) is None
    told = []
    assert run_job(job, few, progress=lambda progress: told.append(progress.epoch)) == "trained"
    assert 1 not in told
    assert told[-1] == 4
    run_job(same, few)
    assert finished(job)["rows"] == finished(same)["rows"]


def test_what_is_not_done_is_named(tmp_path: Path, few, source):
    jobs = jobs_in(tmp_path, few, source)
    sentence = r"2 of 2 jobs are not done \(0, 1\): expected all of them; ae-jax jobs run goes on with them"
    with pytest.raises(InvalidInput, match=sentence):
        collect(jobs, few)


def test_a_damaged_job_is_run_again_or_said(tmp_path: Path, few, source, whole, monkeypatch):
    [job] = jobs_in(tmp_path, few, source, GRID | {"code": [2]})
    run_job(job, few)
    done, before = job.folder / "done.json", (job.folder / "done.json").read_text()
    monkeypatch.setattr(trials_of, "evaluate", lambda *_: pytest.fail("was asked again"))
    done.write_text(before[:-40])
    assert run_job(job, few, progress=lambda _: pytest.fail("was trained again")) == "trained"
    assert json.loads(done.read_text())["facts"]["rows"] == json.loads(before)["facts"]["rows"]
    (job.folder / "run" / "history.json").write_text("{}")
    with pytest.raises(
        InvalidInput, match=r"what job 0 trained cannot be read \(.*history.json.*\): remove .*done.json"
    ):
        collect([job], few)
    done.unlink()
    assert run_job(job, few) == "trained"
    assert len(collect([job], few).runs) == 1


def test_a_job_of_another_sweep_is_not_taken_for_done(whole, few):
    other = dataclasses.replace(whole[0], fan_out=dataclasses.replace(whole[0].fan_out, epochs=9))
    with pytest.raises(InvalidInput, match="holds a job of another sweep: expected job 0 of this one; remove"):
        run_job(other, few)


def test_an_unfinished_job_of_another_sweep_is_not_gone_on_with(tmp_path: Path, few, source):
    job = jobs_in(tmp_path, few, source, epochs=4)[0]
    with pytest.raises(TrainingInterrupted):
        run_job(job, few, progress=stop_early)
    other = jobs_in(tmp_path, few, source, epochs=4, seeds=[5, 7])[0]
    with pytest.raises(InvalidInput, match=r"another configuration .*seeds"):
        run_job(other, few)


def test_other_data_than_then_are_refused(tmp_path: Path, few, source):
    path = tmp_path / "few.npz"
    path.write_bytes(Path(source).read_bytes())
    written = jobs_in(tmp_path, load(str(path)), str(path))[0].fan_out
    assert data_of(written).name == "few"
    np.savez(path, x=few.train.x, y=few.train.labels)
    with pytest.raises(InvalidInput, match="are not what they were when the jobs were written: expected the same"):
        data_of(written)


def test_jobs_that_do_not_make_a_grid_are_not_merged(whole, few):
    twice = [whole[0], dataclasses.replace(whole[0], number=1)]
    with pytest.raises(InvalidInput):
        collect(twice, few)
