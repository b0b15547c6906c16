"""The state of a study beside its checkpoints."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data import Split
from ae_jax.evaluation import Evaluation, TaskResult
from ae_jax.studies.study_state import (
    ROWS,
    STATE,
    begin_study,
    digest_of_run,
    finish_study,
    path_component,
    read_rows,
    read_state,
    write_rows,
    write_state,
)

TWO = {"one": {"code": 2, "rate": 0.1}, "two": [{"code": 3, "rate": 0.1}, {"code": 3, "rate": 0.2}]}


@pytest.mark.parametrize("name", ["..", ".", "", "/etc/passwd", "a\0b", "a\nb", "..\\x", ".hidden", "x" * 500])
def test_a_name_is_one_component_of_a_path(name, tmp_path: Path):
    place = tmp_path / path_component(name)
    place.mkdir()
    assert place.resolve().parent == tmp_path.resolve()
    assert not place.name.startswith(".")


@pytest.mark.parametrize("place", range(0, 120, 40))
def test_a_damaged_file_counts_as_missing(tmp_path: Path, place: int):
    path = tmp_path / "facts.json"
    write_state(path, {"value": 1.25, "name": "something"})
    raw = bytearray(path.read_bytes())
    raw[place % (len(raw) - 1)] ^= 1  # but for the line's end, which holds nothing
    path.write_bytes(raw)
    assert read_state(path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"facts": 1}', "[" * 100_000])
def test_another_file_counts_as_missing(tmp_path: Path, text: str):
    (tmp_path / "facts.json").write_text(text)
    assert read_state(tmp_path / "facts.json") is None
    assert read_state(tmp_path / "nowhere.json") is None
    write_state(tmp_path / "facts.json", {"one": []})
    assert read_state(tmp_path / "facts.json", "one", "two") is None


def test_rows_are_kept_for_the_same_parameters_and_data_alone(tmp_path: Path, run, population, small):
    rows = [{"metric": "mse", "value": float("nan"), "member": 0}, {"metric": "mse", "value": 0.1}]
    found = Evaluation(
        [TaskResult("summary", rows, findings=[{"finding": "dead_units"}], examples=[None, np.array([0.0, 0.2])])]
    )
    write_rows(tmp_path, run, small, found, {"wall_s": 1.5})
    kept, findings, examples, cost = read_rows(tmp_path, run, small)
    assert np.isnan(kept[0]["value"])
    assert findings == found.findings
    assert (kept[1], examples[0], examples[1].tolist(), cost) == (rows[1], None, [0.0, 0.2], {"wall_s": 1.5})
    other = dataclasses.replace(run, params=jax.tree.map(lambda leaf: leaf + 1e-6, run.params))
    later = dataclasses.replace(run, record=run.record | {"versions": run.record["versions"] | {"ae_jax": "9"}})
    for changed in (other, later, population):
        assert read_rows(tmp_path, changed, small) is None
    (tmp_path / "examples.npz").write_bytes(b"damaged")
    assert read_rows(tmp_path, run, small) is None


def test_the_digest_depends_on_examples_labels_and_scaling(small, run):
    changed = small.test.x.copy()
    changed[3, 4, 5] += 1
    others = [
        dataclasses.replace(small, test=Split(changed, small.test.labels)),
        dataclasses.replace(small, train=Split(small.train.x, None)),
        dataclasses.replace(small, scaling=type(small.scaling)(scale=8.0)),
        dataclasses.replace(small, name="other"),
    ]
    digests = [digest_of_run(run, dataset) for dataset in (small, *others)]
    assert len(set(digests)) == 5
    assert digest_of_run(run, dataclasses.replace(small)) == digests[0]


def test_another_study_is_not_resumed(tmp_path: Path):
    with pytest.raises(InvalidInput, match="holds no study: expected the one to extend"):
        begin_study(tmp_path, TWO, resume="extend")
    begin_study(tmp_path, TWO, resume=False)
    other = TWO | {"two": [{"code": 3, "rate": 0.1}, {"code": 3, "rate": 0.5}]}
    for resume in (True, "extend"):
        with pytest.raises(InvalidInput, match=r"its trainings are one, two, those asked for are one"):
            begin_study(tmp_path, {"one": {}}, resume=resume)
        with pytest.raises(InvalidInput, match=r"\(two\.1\.rate: 0\.2 then, 0\.5 now\): expected the same"):
            begin_study(tmp_path, other, resume=resume)
    begin_study(tmp_path, json.loads(json.dumps(TWO)), resume=True)


def test_checkpoints_that_cannot_be_read_are_not_removed(tmp_path: Path):
    begin_study(tmp_path, TWO, resume=False)
    (tmp_path / "two" / "4").mkdir(parents=True)
    with pytest.raises(InvalidInput, match="no checkpoint can be used"):
        begin_study(tmp_path, TWO, resume=False)
    assert (tmp_path / "two" / "4").is_dir()


@pytest.mark.parametrize("name", ["../outside", "/outside", ".."])
def test_a_record_that_names_folders_outside_removes_nothing(tmp_path: Path, name: str):
    folder = tmp_path / "study"
    (tmp_path / "outside" / "4").mkdir(parents=True)
    write_state(folder / STATE, {"populations": {name: {}}, "finished": True})
    with pytest.raises(InvalidInput, match=f"names folders outside of {folder}: expected the record of a study"):
        begin_study(folder, TWO, resume=False)
    assert (tmp_path / "outside" / "4").is_dir()


def test_a_finished_study_gives_way_to_another(tmp_path: Path):
    begin_study(tmp_path, TWO, resume=False)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / ROWS).touch()
    finish_study(tmp_path)
    begin_study(tmp_path, {"two": {}, "three": {}}, resume=False)
    assert not (tmp_path / "one" / ROWS).exists()
    assert read_state(tmp_path / STATE) == {"populations": {"two": {}, "three": {}}, "finished": False}
