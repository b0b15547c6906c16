import datetime
import json
import random
import resource
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.training import checkpoint
from ae_jax.training.checkpoint import (
    Cadence,
    Checkpoint,
    Checkpoints,
    CheckpointWriter,
    checkpoint_info,
    latest_checkpoint,
    remove_checkpoints,
    set_damaged_aside,
)

ARRAYS = {
    "state.params.encoder.0.kernel": np.random.default_rng(0).normal(size=(3, 40, 50)).astype(np.float32),
    "special values": np.array([np.nan, np.inf, -0.0, 1e-45], np.float32),
    "scalar": np.float32(2),
    "empty": np.zeros((0, 2), np.float32),
    "running": np.array([True, False]),
    "count": np.arange(3, dtype=np.int32),
    "half": np.asarray(jnp.ones(4, jnp.bfloat16)),
}


def saved(step: int, *, of: int = 9) -> Checkpoint:
    facts = {"configuration": {"epochs": of}, "position": [step // 10 + 1, 0], "finished": step == 10 * of}
    return Checkpoint(step, facts, ARRAYS | {"count": np.full(3, step, np.int32)})


def write(folder: Path, *checkpoints: Checkpoint, keep: int = 2) -> None:
    writer = CheckpointWriter(Checkpoints(folder=folder, keep=keep), 10)
    for one in checkpoints:
        writer.write(one)
    writer.close()


def write_and_wait(writer: CheckpointWriter, one: Checkpoint) -> None:
    writer.write(one)
    writer.wait()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """Two checkpoints that no test may change."""
    folder = tmp_path_factory.mktemp("checkpoints")
    write(folder, saved(40), saved(50))
    return folder


@pytest.fixture
def folder(written, tmp_path) -> Path:
    """A copy of them."""
    return shutil.copytree(written, tmp_path / "checkpoints")


@pytest.mark.parametrize("name", ["every_epochs", "every_steps", "every_minutes", "keep"])
@pytest.mark.usefixtures("unchecked")
def test_a_number_that_is_not_above_zero_is_refused(name):
    with pytest.raises(InvalidInput, match=f"Checkpoints was given {name}=0"):
        Checkpoints(folder=Path("folder"), **{name: 0})


@pytest.mark.parametrize(
    ("steps", "seconds", "expected"),
    [
        ([], None, []),
        ([20], None, [20, 40, 60, 80]),
        ([25], None, [30, 50, 80]),
        ([60, 40], None, [40, 60, 80]),
        ([], 120.0, [40, 80]),
        ([40], 90.0, [30, 40, 70, 80]),
    ],
)
def test_a_checkpoint_is_due_by_whichever_interval_ends_first(steps, seconds, expected):
    """Asked every 10 steps, which take 30 seconds."""
    policy, previous = Cadence(steps, seconds), []
    for step in range(10, 90, 10):
        now = SimpleNamespace(step=step, time=policy.started + datetime.timedelta(seconds=3 * step))
        if policy.should_save(now, previous, context=None):
            previous.append(now)
    assert [one.step for one in previous] == expected


def test_a_checkpoint_is_asked_for_once_until_it_is_written(tmp_path):
    writer = CheckpointWriter(Checkpoints(folder=tmp_path, every_steps=10), 10)
    assert [writer.due(step) for step in (5, 10, 15, 20)] == [False, True, False, False]
    writer.write(saved(20))
    assert [writer.due(step) for step in (25, 30)] == [False, True]
    writer.close()


def test_the_newest_checkpoint_comes_back_bit_for_bit(written):
    found = latest_checkpoint(written)
    assert (found.step, found.facts["position"], found.facts["finished"]) == (50, [6, 0], False)
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in saved(50).arrays.items():
        assert (found.arrays[name].dtype, found.arrays[name].shape) == (array.dtype, np.shape(array))
        assert found.arrays[name].tobytes() == array.tobytes()


def test_the_latest_are_kept_and_nothing_else_is_left(tmp_path):
    write(tmp_path, *(saved(step) for step in (10, 20, 30, 40)), keep=3)
    assert names(tmp_path) == ["20", "30", "40"]
    write(tmp_path, saved(40), saved(100), keep=1)
    assert names(tmp_path) == ["100"]


def test_an_empty_or_missing_folder_has_none(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "10").write_text("a file of the user's")
    for folder in (tmp_path, tmp_path / "nothing"):
        assert latest_checkpoint(folder) is None
        assert checkpoint_info(folder) is None
        remove_checkpoints(folder)
    assert names(tmp_path) == ["10", "notes"]


def facts_of(folder: Path, step: int) -> Path:
    return folder / str(step) / "facts" / "metadata"


def test_what_a_killed_process_left_is_removed(folder):
    (folder / "60.orbax-checkpoint-tmp" / "arrays").mkdir(parents=True)
    (folder / "notes").mkdir()
    write(folder, saved(60))
    assert names(folder) == ["50", "60", "notes"]


def test_damaged_ones_are_set_aside_and_removed_with_all(folder):
    for _ in range(2):
        shutil.copytree(folder / "50", folder / "60")
        set_damaged_aside(folder, after=50)
    assert names(folder) == ["40", "50", "damaged-60"]
    remove_checkpoints(folder)
    assert names(folder) == []


def damage(path: Path, rng: random.Random) -> None:
    """Loses, empties, cuts or prolongs a file, or flips a bit of it."""
    content = bytearray(path.read_bytes())
    kind = rng.choice(["lose", "empty", "cut", "prolong", "flip", "flip", "flip"])
    if kind == "lose":
        path.unlink()
        return
    if kind == "flip" and content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "prolong": content + b"\0"}.get(kind, content))


def test_whatever_is_damaged_the_arrays_are_those_written_or_the_previous_checkpoint_is_used(written, tmp_path):
    rng, taken = random.Random(0), []
    files = [path for path in sorted((written / "50").rglob("*")) if path.is_file()]
    for number, path in enumerate(files):
        for trial in range(3):
            folder = shutil.copytree(written, tmp_path / f"{number} {trial}")
            damage(folder / path.relative_to(written), rng)
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                found = latest_checkpoint(folder)
            assert ["50 is damaged" in str(one.message) for one in told] == [True] * (found.step == 40)
            for name, array in saved(found.step).arrays.items():
                assert found.arrays[name].tobytes() == array.tobytes()
            taken.append(found.step)
    assert set(taken) == {40, 50}


def test_where_all_are_damaged_one_sentence_says_so(folder):
    for step in (40, 50):
        facts_of(folder, step).write_text("{}")
    with pytest.raises(InvalidInput, match=r"no checkpoint can be used: .*50 is damaged .*40 is damaged .*start anew"):
        latest_checkpoint(folder)


def rewrite(folder: Path, step: int, **changes) -> None:
    """Other facts, with the digest that belongs to them."""
    facts = json.loads(facts_of(folder, step).read_text())["facts"] | changes
    facts_of(folder, step).write_text(json.dumps({"sha256": checkpoint._digest(facts), "facts": facts}))


def test_another_format_is_refused_though_an_older_checkpoint_can_be_read(folder):
    rewrite(folder, 50, format=99)
    with pytest.raises(InvalidInput, match=r"50 has format 99: .*use the version that wrote it"):
        latest_checkpoint(folder)


def test_a_write_that_fails_is_a_warning_and_the_next_is_due_at_once(folder):
    """No file may be longer than some bytes, as if the disk was full."""
    writer = CheckpointWriter(Checkpoints(folder=folder, every_steps=100), 10)
    assert writer.due(100)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with pytest.warns(UserWarning, match=r"could not be written to .* \(.*\): the previous ones stay"):
            write_and_wait(writer, saved(100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(folder) == ["40", "50"]
    assert writer.due(101)
    writer.write(saved(101))
    writer.close()
    assert names(folder) == ["101", "50"]


def test_threads_save_to_folders_of_their_own(tmp_path):
    def save_and_read(number: int) -> tuple[int, int]:
        write(tmp_path / str(number), *(saved(step, of=number + 1) for step in (10, 20)))
        latest, info = latest_checkpoint(tmp_path / str(number)), checkpoint_info(tmp_path / str(number))
        assert latest is not None
        assert info is not None
        return latest.step, info.epochs

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(save_and_read, range(8))) == [(20, number + 1) for number in range(8)]
