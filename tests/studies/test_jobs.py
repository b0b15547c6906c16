"""A sweep as lines of JSON, and what lines are refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.objectives import GaussianLikelihood
from ae_jax.studies.jobs import as_config, jobs_of, parts_of, read_jobs, write_jobs
from ae_jax.training import Checkpoints

GRID = {"code": [2, 3], "learning_rate": [1e-3, 1e-2, 0.1], "hidden": [(4,)]}


def made(dataset, grid=GRID, **choices):
    settings = {"source": "few.npz", "seeds": [5, 6, 7], "epochs": 2, "batch_size": 16, "out": "/nowhere/sweep"}
    return jobs_of("undercomplete", dataset, grid, **settings | choices)


def members(jobs) -> list[tuple[int, int]]:
    return [(place, seed) for job in jobs for place in job.places for seed in job.seeds]


@pytest.mark.parametrize(
    ("limit", "count"), [(None, 2), (100, 2), (9, 2), (8, 4), (6, 4), (5, 6), (3, 6), (2, 12), (1, 18)]
)
def test_every_member_is_in_one_job_and_none_has_too_many(small, limit, count):
    jobs = made(small, members_per_job=limit)
    assert members(jobs) == [(place, seed) for place in range(6) for seed in (5, 6, 7)]
    assert len(jobs) == count
    assert all(job.members <= (limit or 9) for job in jobs)
    assert [(job.number, job.count) for job in jobs] == [(number, count) for number in range(count)]
    assert all(len({setting["code"] for setting in job.settings}) == 1 for job in jobs)


def test_parts_follow_one_another(small):
    assert [part for part, _ in parts_of("abcde", [0], 2)] == ["ab", "cd", "e"]


def test_a_job_knows_its_structure_and_its_folders(small):
    first, second = made(small)
    assert (first.name, second.name) == ("undercomplete-1", "undercomplete-2")
    assert second.folder == Path("/nowhere/sweep.jobs/job-1")
    [only] = made(small, GRID | {"code": [2]}, checkpoints=Checkpoints(folder=Path("ignored"), every_epochs=3, keep=4))
    assert only.name == "undercomplete"
    cadence = {"every_epochs": 3, "every_steps": None, "every_minutes": 1.0, "keep": 4}
    assert only.checkpoints() == Checkpoints(folder=Path("/nowhere/sweep.jobs/job-0/checkpoints"), **cadence)


def test_jobs_are_the_same_from_wherever_they_are_run(small, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = made(small, source="few.npz", out="nested/../sweep")[0]
    assert first.folder == tmp_path / "sweep.jobs" / "job-0"
    assert first.fan_out.source == str(tmp_path / "few.npz")
    assert made(small, source="digits")[0].fan_out.source == "digits"


def test_what_is_written_is_read(small, tmp_path: Path):
    grid = GRID | {"likelihood": [GaussianLikelihood(scale=0.3)], "learning_rate": np.array([1e-3, 0.1 + 0.2])}
    jobs = made(small, grid, patience=7, on_divergence="skip", scaling="unit", members_per_job=2)
    path = write_jobs(tmp_path / "jobs.jsonl", jobs)
    assert read_jobs(path) == jobs
    lines = path.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [as_config(job) for job in jobs]
    write_jobs(path, jobs)  # the same once more
    with pytest.raises(InvalidInput, match="exists and holds something else: expected the name of a new file"):
        write_jobs(path, jobs[:1])
    assert path.read_text().splitlines() == lines


@pytest.mark.parametrize(
    ("grid", "choices", "sentence"),
    [
        ({"wieght": [1.0]}, {}, "unknown hyper-parameter of undercomplete 'wieght'"),
        (GRID, {"epochs": 0}, "epochs=0: expected a whole number above zero"),
        (GRID, {"members_per_job": 0}, "members_per_job=0: expected a whole number above zero"),
        (GRID, {"seeds": [1, 1]}, r"the seeds \[1, 1\]: expected each once"),
    ],
)
def test_what_cannot_be_trained_is_not_written(small, grid, choices, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        made(small, grid, **choices)


def lines_of(small) -> list[dict]:
    return [as_config(job) for job in made(small)]


def changed(key: str, value) -> "list":
    """What brings the second line to another value of a key, or of one of what jobs have in common."""

    def change(lines):
        lines[1][key] = value

    def change_common(lines):
        for line in lines:
            line["fan_out"] = line["fan_out"] | {key.removeprefix("fan_out."): value}

    return change_common if key.startswith("fan_out.") else change


def without(key: str):
    return lambda lines: lines[1].pop(key)


HOSTILE = [
    (changed("format", 2), "line 2 of .*is no job .it has format 2, and this version reads format 1"),
    (changed("format", "x" * 10_000), "line 2 of .*is no job"),
    (changed("study", "compare"), "line 2 of .*study is 'compare': expected sweep"),
    (changed("command", "rm -rf /"), "line 2 of .*unknown key 'command'"),
    (without("seeds"), "line 2 of .*it has no seeds"),
    (without("fan_out"), "line 2 of .*it has no fan_out"),
    (changed("number", 0), "line 2 of .*it is job 0 of 2, and stands as job 1 of 2"),
    (changed("number", -1), "line 2 of .*number, count or structure is -1"),
    (changed("count", 3), "line 2 of .*it is job 1 of 3, and stands as job 1 of 2"),
    (changed("structure", 7), "line 2 of .*structure is 7: expected below 2"),
    (changed("structure", True), "line 2 of .*number, count or structure is True"),
    (changed("places", []), "line 2 of .*places is .*: expected a place of each setting"),
    (changed("places", 3), "line 2 of .*places is 3: expected a list"),
    (changed("seeds", [5, 9]), "line 2 of .*seeds is .5, 9.: expected some of the sweep's"),
    (changed("seeds", ["5"]), "line 2 of .*seeds is '5': expected whole numbers"),
    (changed("settings", [{"code": 3}, {"code": -3}, {}]), "line 2 of .*code=-3: expected a whole number above zero"),
    (changed("settings", [{"cod": 3}, {}, {}]), "line 2 of .*unexpected keyword argument 'cod'"),
    (
        changed("settings", [{"likelihood": {"type": "os.system"}}, {}, {}]),
        "line 2 of .*unknown component 'os.system'",
    ),
    (changed("settings", [["code", 3], {}, {}]), "line 2 of .*a setting is .*: expected an object"),
    (changed("fan_out", None), "line 2 of .*fan_out is None: expected an object"),
    (changed("fan_out.autoencoder", "os"), "line 1 of .*unknown autoencoder 'os'"),
    (changed("fan_out.autoencoder", ["os"]), "line 1 of .*is no job"),
    (changed("fan_out.epochs", 0), "line 1 of .*epochs is 0: expected a whole number above zero"),
    (changed("fan_out.epochs", 10**400), "line 1 of .*epochs is 1000"),
    (changed("fan_out.batch_size", 2.5), "line 1 of .*batch_size is 2.5"),
    (changed("fan_out.patience", "long"), "line 1 of .*patience is 'long'"),
    (changed("fan_out.on_divergence", "ignore"), "line 1 of .*on_divergence is 'ignore': expected stop or skip or"),
    (changed("fan_out.out", ""), "line 1 of .*out is '': expected a text"),
    (changed("fan_out.source", 5), "line 1 of .*source is 5: expected a text"),
    (changed("fan_out.scaling", 5), "line 1 of .*scaling is 5: expected a name"),
    (changed("fan_out.seeds", [5, 5]), "line 1 of .*seeds is .5, 5.: expected each once"),
    (changed("fan_out.cadence", {"keep": 0}), "line 1 of .*keep=0: expected a whole number above zero"),
    (changed("fan_out.cadence", {"folder": "/etc"}), "line 1 of .*is no job"),
    (changed("fan_out.reading", {"type": "ReadOptions", "label": 5}), "line 1 of .*label is 5: expected a name"),
    (changed("fan_out.reading", {"type": "ReadOptions", "columns": [5]}), "line 1 of .*columns is .*: expected names"),
    (changed("fan_out.reading", {"type": "Masking"}), "line 1 of .*reading is .*: expected a ReadOptions"),
    (lambda lines: lines[1]["fan_out"].update(epochs=3), "line 2 of .*it is of another sweep than the first line"),
    (lambda lines: lines.pop(0), "line 1 of .*it is job 1 of 2, and stands as job 0 of 1"),
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("change", "sentence"), HOSTILE, ids=[sentence[:60] for _, sentence in HOSTILE])
def test_a_line_that_is_no_job_is_refused_by_its_number(small, tmp_path: Path, change, sentence):
    lines = lines_of(small)
    change(lines)
    path = tmp_path / "jobs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InvalidInput, match=sentence) as raised:
        read_jobs(path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600


TEXTS = {
    "": "has no lines: expected a job on each",
    "\n": "line 1 of",
    "{": "line 1 of",
    "null": "line 1 of .*it is None: expected an object",
    "[" * 100_000: "line 1 of",
    '{"format": 1, "format": 1}': "line 1 of .*it has a key twice",
    '{"format": NaN}': "line 1 of .*it holds NaN",
    "9" * 10_000: "line 1 of",
}


@pytest.mark.parametrize("text", TEXTS, ids=[text[:20] for text in TEXTS])
def test_what_is_no_json_is_refused_by_its_line(tmp_path: Path, text: str):
    path = tmp_path / "jobs.jsonl"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=TEXTS[text]) as raised:
        read_jobs(path)
    assert len(str(raised.value)) < 600


def test_what_is_no_text_or_not_there_is_refused(tmp_path: Path):
    (tmp_path / "jobs.jsonl").write_bytes(b"\x80\x04\x95")
    for name in ("jobs.jsonl", "nowhere.jsonl", "."):
        with pytest.raises(
            InvalidInput, match=r"cannot be read .* expected a file of jobs, as ae-jax sweep --emit-jobs"
        ):
            read_jobs(tmp_path / name)
