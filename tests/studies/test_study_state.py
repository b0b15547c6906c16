"""What a study remembers beside its checkpoints."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data import Split
from ae_jax.studies.study_state import (
    ANSWERS,
    STUDY,
    Answers,
    begin,
    digest_of,
    finish,
    forget,
    keep_answers,
    kept_answers,
    remember,
    remembered,
)
from ae_jax.training.checkpoint import Checkpoint, Checkpoints, CheckpointWriter

ANSWERED = Answers(
    [{"metric": "mse", "value": float("nan"), "member": 0}, {"metric": "mse", "value": 0.1}], {"wall_s": 1.5}
)


def test_what_was_written_is_remembered_to_the_bit(tmp_path: Path):
    facts = {"value": 0.1 + 0.2, "none": None, "list": [1, "two", {"three": 3.0}]}
    remember(tmp_path / "facts.json", facts)
    assert remembered(tmp_path / "facts.json") == facts
    assert [path.name for path in tmp_path.iterdir()] == ["facts.json"]


@pytest.mark.parametrize("place", range(0, 120, 7))
def test_a_bit_that_flipped_is_forgotten(tmp_path: Path, place: int):
    path = tmp_path / "facts.json"
    remember(path, {"value": 1.25, "name": "something"})
    raw = bytearray(path.read_bytes())
    raw[place % (len(raw) - 1)] ^= 1  # but for the line's end, which says nothing
    path.write_bytes(raw)
    assert remembered(path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '{"facts": 1}', "[" * 100_000])
def test_what_is_no_such_file_is_nothing(tmp_path: Path, text: str):
    (tmp_path / "facts.json").write_text(text)
    assert remembered(tmp_path / "facts.json") is None
    assert remembered(tmp_path / "nowhere.json") is None
    remember(tmp_path / "facts.json", {"trials": []})
    assert remembered(tmp_path / "facts.json", "trials", "finished") is None


def test_answers_are_kept_for_the_same_parameters_and_data_alone(tmp_path: Path, run, population, small):
    keep_answers(tmp_path, run, small, ANSWERED)
    kept = kept_answers(tmp_path, run, small)
    assert kept is not None
    assert np.isnan(kept.rows[0]["value"])
    assert (kept.rows[1], kept.cost) == (ANSWERED.rows[1], ANSWERED.cost)
    other = dataclasses.replace(run, params=jax.tree.map(lambda leaf: leaf + 1e-6, run.params))
    assert kept_answers(tmp_path, other, small) is None
    assert kept_answers(tmp_path, population, small) is None
    relabelled = dataclasses.replace(small, test=Split(small.test.x, small.test.labels[::-1].copy()))
    assert kept_answers(tmp_path, run, relabelled) is None
    later = dataclasses.replace(run, record=run.record | {"versions": run.record["versions"] | {"ae_jax": "9"}})
    assert kept_answers(tmp_path, later, small) is None


def test_the_digest_of_data_sees_examples_labels_and_how_they_are_scaled(small):
    changed = small.test.x.copy()
    changed[3, 4, 5] += 1
    others = [
        dataclasses.replace(small, test=Split(changed, small.test.labels)),
        dataclasses.replace(small, train=Split(small.train.x, None)),
        dataclasses.replace(small, scaling=type(small.scaling)(scale=8.0)),
        dataclasses.replace(small, name="other"),
    ]
    digests = [digest_of(dataset) for dataset in (small, *others)]
    assert len(set(digests)) == 5
    assert digest_of(dataclasses.replace(small)) == digests[0]


TWO = {"one": {"code": 2, "rate": 0.1}, "two": [{"code": 3, "rate": 0.1}, {"code": 3, "rate": 0.2}]}


def saved(folder: Path, epoch: int, *, finished: bool) -> None:
    """Writes a checkpoint that says how far a training came, without one."""
    facts = {"configuration": {"epochs": 9}, "position": [epoch + 1, 0], "finished": finished}
    writer = CheckpointWriter(Checkpoints(folder=folder), 1)
    writer.write(Checkpoint(epoch, facts, {"count": np.zeros(1)}))
    writer.close()


def test_an_unfinished_study_is_not_begun_anew(tmp_path: Path):
    begin(tmp_path, TWO, resume=False)
    begin(tmp_path, TWO, resume=False)  # nothing is saved yet
    saved(tmp_path / "one", 9, finished=True)
    saved(tmp_path / "two", 4, finished=False)
    with pytest.raises(InvalidInput) as raised:
        begin(tmp_path, TWO, resume=False)
    assert str(raised.value) == (
        f"{tmp_path} holds an unfinished study (1 of 2 trainings are finished, two is at epoch 4 of 9): resume goes on "
        "with it (on the command line --resume); remove the folder to start anew."
    )
    begin(tmp_path, TWO, resume=True)


def test_a_study_does_not_go_on_with_other_trainings(tmp_path: Path):
    begin(tmp_path, TWO, resume=False)
    sentence = r"cannot be resumed with other trainings \(one, two then, one now\): expected the same ones; or remove"
    for resume in (True, "extend"):
        with pytest.raises(InvalidInput, match=sentence):
            begin(tmp_path, {"one": {}}, resume=resume)


def test_a_study_does_not_go_on_with_other_autoencoders(tmp_path: Path):
    begin(tmp_path, TWO, resume=False)
    other = TWO | {"two": [{"code": 3, "rate": 0.1}, {"code": 3, "rate": 0.5}]}
    sentence = r"with other autoencoders \(two\.1\.rate: 0\.2 then, 0\.5 now\): expected the same ones; or remove"
    with pytest.raises(InvalidInput, match=sentence):
        begin(tmp_path, other, resume=True)
    begin(tmp_path, json.loads(json.dumps(TWO)), resume=True)


def test_checkpoints_that_cannot_be_read_are_not_thrown_away(tmp_path: Path):
    begin(tmp_path, TWO, resume=False)
    (tmp_path / "two" / "4").mkdir(parents=True)
    with pytest.raises(InvalidInput, match=r"no checkpoint can be used: .*; remove .*two to start anew"):
        begin(tmp_path, TWO, resume=False)
    assert (tmp_path / "two" / "4").is_dir()


def test_a_finished_study_gives_way_to_another_and_leaves_nothing_of_it(tmp_path: Path):
    begin(tmp_path, TWO, resume=False)
    saved(tmp_path / "one", 9, finished=True)
    (tmp_path / "one" / ANSWERS).touch()
    finish(tmp_path)
    begin(tmp_path, {"two": {}, "three": {}}, resume=False)
    assert list((tmp_path / "one").iterdir()) == []
    assert remembered(tmp_path / STUDY) == {"trials": ["two", "three"], "autoencoders": [{}, {}], "finished": False}


def test_a_study_of_which_nothing_is_saved_is_forgotten(tmp_path: Path):
    begin(tmp_path, {"one": {}}, resume=False)
    forget(tmp_path, ["one"])
    assert list(tmp_path.iterdir()) == []
    begin(tmp_path, {"one": {}}, resume=False)
    saved(tmp_path / "one", 2, finished=False)
    forget(tmp_path, ["one"])
    assert remembered(tmp_path / STUDY) == {"trials": ["one"], "autoencoders": [{}], "finished": False}
