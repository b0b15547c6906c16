import contextlib
import errno
import gc
import json
import os
import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.training import checkpoint, integrity
from ae_jax.training.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    Checkpoints,
    Writer,
    checkpoint_info,
    clear,
    newest,
    read_arrays,
    write_arrays,
)
from ae_jax.training.integrity import seal

ARRAYS = {
    "encoder.0.kernel": np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32),
    "encoder.0.bias": np.array([np.nan, np.inf, -0.0, 1e-45], np.float32),
    "scalar": np.zeros((1,), np.float32),
}


def test_arrays_come_back_bit_for_bit(tmp_path):
    write_arrays(tmp_path / "params", ARRAYS)
    read = read_arrays(tmp_path / "params")
    assert sorted(read) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        assert read[name].dtype == array.dtype
        assert read[name].shape == array.shape
        assert read[name].tobytes() == array.tobytes()


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"the arrays in .*nothing cannot be read .*: the folder is damaged"):
        read_arrays(tmp_path / "nothing")


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("not arrays")
    with pytest.raises(InvalidInput, match=r"cannot be read .*: the folder is damaged; train anew"):
        read_arrays(tmp_path)


def test_arrays_that_cannot_be_written_are_an_error_of_the_system(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="exists"):
        write_arrays(tmp_path / "file" / "params", ARRAYS)


def test_what_orbax_says_of_arrays_that_cannot_be_written_is_one_too(tmp_path, monkeypatch):
    def save(*_):
        raise ValueError("RESOURCE_EXHAUSTED: no space\nleft")

    monkeypatch.setattr(checkpoint, "_orbax", lambda: contextlib.nullcontext(SimpleNamespace(save=save)))
    with pytest.raises(OSError, match=r"^the arrays in .*params cannot be written: RESOURCE_EXHAUSTED: no space$"):
        write_arrays(tmp_path / "params", ARRAYS)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot ask for room")
def test_room_is_asked_for_before_anything_is_written(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "posix_fallocate", lambda _, start, size: asked.append((start, size)))
    monkeypatch.setattr(checkpoint, "_orbax", lambda: contextlib.nullcontext(SimpleNamespace(save=lambda *_: None)))
    write_arrays(tmp_path / "new" / "params", {"a": np.zeros((1000, 1000), np.float32), "b": np.zeros(3, bool)})
    ((start, size),) = asked
    assert start == 0
    assert 4_000_003 < size < 5_000_000
    assert list((tmp_path / "new").iterdir()) == []


def empty(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


def truncate_the_arrays(folder: Path) -> None:
    for path in folder.rglob("d/*"):
        path.write_bytes(path.read_bytes()[:20])


def lose_the_manifests(folder: Path) -> None:
    for path in folder.rglob("manifest.ocdbt"):
        path.unlink()


@pytest.mark.parametrize("damage", [empty, truncate_the_arrays, lose_the_manifests])
def test_a_damaged_folder_is_refused_and_nothing_else_is_said(tmp_path, caplog, damage):
    folder = tmp_path / "params"
    write_arrays(folder, {"kernel": ARRAYS["encoder.0.kernel"]})
    damage(folder)
    with pytest.raises(
        InvalidInput, match=r"the arrays in .* cannot be read \(.*\): the folder is damaged; train anew"
    ):
        read_arrays(folder)
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"every_epochs": 0}, "Checkpoints was given every_epochs=0: expected a whole number above zero"),
        ({"every_steps": -1}, "Checkpoints was given every_steps=-1: expected a whole number above zero"),
        ({"every_steps": 1.5}, "Checkpoints was given every_steps=1.5: expected a whole number above zero"),
        ({"keep": 0}, "Checkpoints was given keep=0: expected a whole number above zero"),
        ({"every_minutes": 0.0}, "Checkpoints was given every_minutes=0.0: expected"),
        ({"every_minutes": float("nan")}, "Checkpoints was given every_minutes=nan: expected"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_cadences_that_mean_nothing_are_refused(settings, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        Checkpoints(folder=Path("folder"), **settings)


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """What the writer takes for the time, in seconds; it stands still."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.mark.parametrize(
    ("cadence", "expected"),
    [
        ({"every_minutes": None}, [False] * 8),
        ({"every_minutes": None, "every_epochs": 1}, [False, True] * 4),
        ({"every_minutes": None, "every_epochs": 3}, [False] * 5 + [True] + [False] * 2),
        ({"every_minutes": None, "every_steps": 10}, [True] * 8),
        ({"every_minutes": None, "every_steps": 25}, [False, False, True, False, False, True, False, False]),
        ({"every_minutes": 2.0}, [False, False, False, True, False, False, False, True]),
        ({"every_minutes": 2.0, "every_epochs": 2}, [False, False, False, True, False, False, False, True]),
        ({"every_minutes": 1.5, "every_steps": 20}, [False, True] * 4),
    ],
)
def test_a_checkpoint_is_due_by_whichever_cadence_comes_first(tmp_path, clock, cadence, expected):
    """Asked after every half of an epoch of 20 steps that takes a minute."""
    writer = Writer(Checkpoints(folder=tmp_path, **cadence))
    found = []
    for half in range(len(expected)):
        clock.now += 30.0
        found.append(writer.due(steps=10, epochs=half % 2))
    writer.close()
    assert found == expected


def saved(epochs: int, parts: int = 0, *, of: int = 9) -> Checkpoint:
    facts = {"configuration": {"epochs": of}, "finished": epochs == of}
    return Checkpoint(epochs, parts, facts, {"kernel": np.full(3, epochs + parts / 10, np.float32)})


def write(folder: Path, *checkpoints: Checkpoint, keep: int = 2) -> None:
    writer = Writer(Checkpoints(folder=folder, keep=keep))
    for one in checkpoints:
        writer.write(one)
    writer.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """Two checkpoints that no test may change."""
    folder = tmp_path_factory.mktemp("checkpoints")
    write(folder, saved(4), saved(5, 2))
    return folder


@pytest.fixture
def folder(written, tmp_path) -> Path:
    """A copy of them."""
    return shutil.copytree(written, tmp_path / "checkpoints")


def test_the_newest_checkpoint_comes_back(written):
    found = newest(written)
    assert (found.name, found.epochs, found.parts) == ("000005-000002", 5, 2)
    assert found.facts == {"format": checkpoint.FORMAT, "configuration": {"epochs": 9}, "finished": False}
    np.testing.assert_array_equal(found.arrays["kernel"], np.full(3, 5.2, np.float32))


def test_the_latest_are_kept_and_nothing_else_is_left(tmp_path):
    write(tmp_path / "a", *(saved(epochs) for epochs in range(1, 5)), keep=3)
    assert names(tmp_path / "a") == ["000002-000000", "000003-000000", "000004-000000"]
    write(tmp_path / "b", saved(1, 9), saved(1, 10), saved(2), keep=1)
    assert names(tmp_path / "b") == ["000002-000000"]


def test_of_a_million_epochs_the_newest_is_still_the_newest(tmp_path):
    write(tmp_path, saved(999_999), saved(1_000_000), saved(999_998))
    assert names(tmp_path) == ["1000000-000000", "999999-000000"]
    assert newest(tmp_path).epochs == 1_000_000


def test_the_one_that_training_went_on_from_is_not_written_again(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "write_arrays", lambda *_: pytest.fail("it was written again"))
    writer = Writer(Checkpoints(folder=folder), written=newest(folder))
    writer.write(saved(5, 2))
    writer.close()
    assert names(folder) == ["000004-000000", "000005-000002"]


def test_an_empty_or_missing_folder_has_none(tmp_path):
    for folder in (tmp_path, tmp_path / "nothing"):
        assert newest(folder) is None
        assert checkpoint_info(folder) is None
        clear(folder)
    (tmp_path / "notes").mkdir()
    (tmp_path / "000001-000000").write_text("a file of the user's")
    assert newest(tmp_path) is None


def test_progress_is_that_of_the_newest_that_says_so(folder):
    assert checkpoint_info(folder) == CheckpointInfo(epoch=5, epochs=9, finished=False)
    (folder / "000005-000002" / "checkpoint.json").write_text("{")
    assert checkpoint_info(folder) == CheckpointInfo(epoch=4, epochs=9, finished=False)
    write(folder, saved(9))
    assert checkpoint_info(folder) == CheckpointInfo(epoch=9, epochs=9, finished=True)


@pytest.mark.parametrize("spoil", ["number", "pipe"])
def test_progress_is_not_asked_of_what_nobody_wrote(folder, spoil):
    path = folder / "000005-000002" / "checkpoint.json"
    path.unlink()
    if spoil == "pipe":
        os.mkfifo(path)
    else:
        path.write_text('{"configuration": {"epochs": 1e999}, "finished": false}')
    assert checkpoint_info(folder) == CheckpointInfo(epoch=4, epochs=9, finished=False)


def test_what_a_failed_write_leaves_behind_its_back_is_removed_with_the_next(folder):
    writer = Writer(Checkpoints(folder=folder))
    (folder / ".000005-000009" / "arrays").mkdir(parents=True)
    writer.write(saved(6))
    writer.wait()
    assert names(folder) == ["000005-000002", "000006-000000"]
    (folder / ".000007-000000").mkdir()
    (folder / ".of-the-user").mkdir()
    writer.close()
    assert names(folder) == [".of-the-user", "000005-000002", "000006-000000"]


def test_what_killed_processes_left_is_removed_and_what_others_put_there_stays(folder):
    (folder / ".000006-000000" / "arrays").mkdir(parents=True)
    (folder / "000007-000000").mkdir()
    (folder / "lock").write_text("")
    (folder / "notes").mkdir()
    (folder / "000008-000000").write_text("a file of the user's")
    (folder / ".000008-000000").write_text("a file of the user's")
    (folder / "000009-000000").symlink_to(folder / "notes")
    others = [".000008-000000", "000008-000000", "000009-000000", "lock", "notes"]
    clear(folder, after=saved(5, 2))
    assert names(folder) == sorted(["000004-000000", "000005-000002", "damaged-000007-000000", *others])
    clear(folder, after=saved(4))
    aside = ["damaged-000005-000002", "damaged-000007-000000"]
    assert names(folder) == sorted(["000004-000000", *aside, *others])
    assert newest(folder).name == "000004-000000"
    clear(folder)
    assert names(folder) == others


def test_what_is_set_aside_is_the_latest_of_its_name(folder):
    for content in ("first", "second"):
        (folder / "000007-000000").mkdir()
        (folder / "000007-000000" / "arrays").write_text(content)
        clear(folder, after=saved(5, 2))
    assert (folder / "damaged-000007-000000" / "arrays").read_text() == "second"


def lose(path: Path) -> None:
    path.unlink()


def add(path: Path) -> None:
    path.with_name("another").write_bytes(b"?")


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def clear_it(path: Path) -> None:
    path.write_bytes(b"")


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << random.Random(place).randrange(8)
    path.write_bytes(content)


def damages(path: Path) -> list:
    """All that is done to a file; one that is empty as it should be can only be lost or grow."""
    size = path.stat().st_size
    places = sorted({0, size // 2, size - 1, *(random.Random(size).randrange(size) for _ in range(3))}) if size else []
    shorter = [cut, clear_it] if size else []
    return [lose, add, grow, make_a_folder, *shorter, *[lambda path, at=at: flip(path, at) for at in places]]


def test_damage_of_any_file_is_found_and_the_one_before_is_taken(written, tmp_path, monkeypatch):
    arrays = {"kernel": np.zeros(3, np.float32)}
    monkeypatch.setattr(checkpoint, "read_arrays", lambda _: arrays)  # the seal alone is to find it
    whole = written / "000005-000002"
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    assert {"checkpoint.json", "digests.json"} < {path.as_posix() for path in files}
    count = 0
    for path in files:
        for damage in damages(whole / path):
            folder = shutil.copytree(written, tmp_path / str(count))
            count += 1
            damage(folder / whole.name / path)
            with pytest.warns(UserWarning, match=r"is damaged") as told:
                found = newest(folder)
            assert found.name == "000004-000000"
            (said,) = told
            named = "another" if damage is add else path.name
            assert named in str(said.message)
            assert str(said.message).endswith(f": training goes on from the one before, {folder / found.name}.")
            assert f"{folder / whole.name} is damaged" in str(said.message)
            shutil.rmtree(folder)
    assert count > 60


def test_where_all_are_damaged_one_sentence_says_so(folder):
    (folder / "000004-000000" / "checkpoint.json").unlink()
    (folder / "000005-000002" / "digests.json").write_text("")
    with pytest.raises(InvalidInput) as told:
        newest(folder)
    sentence = str(told.value)
    assert sentence.startswith("no checkpoint can be used: ")
    assert "000004-000000 is damaged (checkpoint.json is missing)" in sentence
    assert "000005-000002 is damaged (digests.json" in sentence
    assert sentence.endswith(f"; remove {folder} to start anew.")


def rewrite(folder: Path, text: str) -> None:
    """Other facts, sealed as if they had been written so."""
    (folder / "checkpoint.json").write_text(text)
    (folder / integrity.SEAL).unlink()
    seal(folder)


def test_another_format_is_refused_with_the_reason_though_an_older_checkpoint_can_be_read(folder):
    rewrite(folder / "000005-000002", json.dumps({"format": checkpoint.FORMAT + 1}))
    before = names(folder)
    with pytest.raises(
        InvalidInput,
        match=rf"^the checkpoint \S+000005-000002 has format {checkpoint.FORMAT + 1}: this version reads format "
        rf"{checkpoint.FORMAT}; use the version that wrote it\.$",
    ):
        newest(folder)
    assert names(folder) == before


@pytest.mark.parametrize("name", ["digests.json", "checkpoint.json"])
def test_a_disk_that_cannot_be_read_is_as_damage(folder, monkeypatch, name):
    read_bytes, read_text = Path.read_bytes, Path.read_text

    def broken(read):
        def reading(path, *arguments, **settings):
            if path.name == name and path.parent.name == "000005-000002":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return read(path, *arguments, **settings)

        return reading

    monkeypatch.setattr(Path, "read_bytes", broken(read_bytes))
    monkeypatch.setattr(Path, "read_text", broken(read_text))
    with pytest.warns(
        UserWarning, match=r"000005-000002 .*Input/output error\): .*training goes on from the one before"
    ):
        assert newest(folder).name == "000004-000000"


def test_a_file_that_cannot_be_opened_is_as_damage(folder, monkeypatch):
    """As where too many are open, which the checkpoint is not to blame for."""
    digest = integrity.hashlib.file_digest

    def file_digest(file, name):
        if "000005-000002" in file.name:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return digest(file, name)

    with monkeypatch.context() as busy:
        busy.setattr(integrity.hashlib, "file_digest", file_digest)
        with pytest.warns(
            UserWarning, match=r"000005-000002 cannot be read \(.*Too many open files\): training goes on"
        ):
            clear(folder, after=newest(folder))
    (folder / "damaged-000005-000002").rename(folder / "000005-000002")
    assert newest(folder).name == "000005-000002"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "3", '"format"', "{}", "[" * 100_000, '{"format": ' * 100_000, '{"format": [1]}', "\udcff"],
    ids=lambda text: repr(text[:12]),
)
def test_facts_that_are_none_are_refused_in_one_sentence(folder, text):
    shutil.rmtree(folder / "000004-000000")
    (folder / "000005-000002" / "checkpoint.json").write_bytes(text.encode(errors="surrogateescape"))
    (folder / "000005-000002" / integrity.SEAL).unlink()
    seal(folder / "000005-000002")
    with pytest.raises(InvalidInput, match=r"^no checkpoint can be used: .*; remove .* to start anew\.$") as told:
        newest(folder)
    assert len(str(told.value)) < 600
    assert "\n" not in str(told.value)
    assert checkpoint_info(folder) is None


def test_arrays_that_cannot_be_read_though_sealed_are_refused(folder):
    newer = folder / "000005-000002"
    truncate_the_arrays(newer / "arrays")
    rewrite(newer, (newer / "checkpoint.json").read_text())
    with pytest.warns(UserWarning, match=r"the arrays in .* cannot be read .*: training goes on from the one before"):
        assert newest(folder).name == "000004-000000"


def fill_the_disk(folder: Path, *_) -> None:
    """As much as there was room for, and the error."""
    folder.mkdir(exist_ok=True)
    (folder / "half").write_bytes(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_a_warning_and_leaves_what_was_written_before(folder, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(checkpoint, "write_arrays", fill_the_disk)
        writer = Writer(Checkpoints(folder=folder))
        writer.write(saved(6))
        with pytest.warns(
            UserWarning,
            match=r"a checkpoint could not be written to .*checkpoints \(.*No space left on device\): "
            r"what was written before stays\.",
        ):
            writer.wait()
    assert names(folder) == ["000004-000000", "000005-000002"]
    assert newest(folder).name == "000005-000002"
    assert writer.due(steps=1, epochs=0)  # again, as soon as may be
    writer.write(saved(7))
    writer.wait()
    assert not writer.due(steps=1, epochs=0)
    writer.close()
    assert names(folder) == ["000005-000002", "000007-000000"]


def test_a_disk_that_is_full_at_the_seal_leaves_nothing_half_done(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "seal", fill_the_disk)
    with pytest.warns(UserWarning, match="could not be written"):
        write(folder, saved(6))
    assert names(folder) == ["000004-000000", "000005-000002"]


def test_that_a_write_failed_is_found_when_the_next_part_is_over(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "write_arrays", fill_the_disk)
    writer = Writer(Checkpoints(folder=folder))
    writer.write(saved(6))
    writer._thread.shutdown()
    with pytest.warns(UserWarning, match="could not be written"):
        assert writer.due(steps=1, epochs=0)


def test_a_checkpoint_is_on_the_disk_before_older_ones_are_removed(folder, monkeypatch):
    seen = []
    monkeypatch.setattr(checkpoint, "force_entries", lambda where: seen.append((where, names(where))))
    write(folder, saved(6), saved(7))
    assert seen == [
        (folder, ["000004-000000", "000005-000002", "000006-000000"]),
        (folder, ["000005-000002", "000006-000000", "000007-000000"]),
    ]
