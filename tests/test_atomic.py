import contextlib

import pytest

from ae_jax import InvalidInput
from ae_jax.atomic import remove_scratch, replacing, write_text


def test_a_file_replaces_another(tmp_path):
    path = tmp_path / "new" / "notes.txt"
    assert write_text(path, "first") == path
    write_text(path, "second")
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_replaces_another(tmp_path):
    path = tmp_path / "run"
    for name in ("first", "second"):
        with replacing(path) as scratch:
            scratch.mkdir()
            (scratch / name).write_text(name)
    assert [one.name for one in path.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("folder", [False, True])
def test_a_block_that_fails_leaves_everything_as_it_was(tmp_path, folder):
    path = tmp_path / "run"
    if folder:
        path.mkdir()
    else:
        path.write_text("older")
    with contextlib.suppress(ZeroDivisionError), replacing(path) as scratch:
        scratch.mkdir()
        (scratch / "half").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == [path]
    assert path.is_dir() if folder else path.read_text() == "older"


def test_an_old_folder_comes_back_if_the_new_one_cannot_be_moved(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    (path / "older").write_text("")
    with pytest.raises(InvalidInput, match="cannot be written"), replacing(path):
        pass  # nothing was written, so there is nothing to move
    assert [one.name for one in path.iterdir()] == ["older"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match=r"cannot be written \(.*\): choose another place"):
        write_text(tmp_path / "file" / "notes.txt", "text")


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    run = tmp_path / "run"
    (tmp_path / ".run-abcd1234" / "replaced").mkdir(parents=True)  # killed between the two moves
    (tmp_path / ".run-abcd1234" / "replaced" / "older").write_text("")
    (tmp_path / ".other-abcd1234" / "other").mkdir(parents=True)
    remove_scratch(run)
    assert [one.name for one in run.iterdir()] == ["older"]
    (run / ".results.json-abcd1234").mkdir()
    (run / ".results.json-abcd1234" / "results.json").write_text("half")
    (run / ".notes-abcd1234").mkdir()
    (run / ".notes-abcd1234" / "mine").write_text("")
    remove_scratch(run)
    assert sorted(one.name for one in run.iterdir()) == [".notes-abcd1234", "older"]
    assert sorted(one.name for one in tmp_path.iterdir()) == [".other-abcd1234", "run"]
