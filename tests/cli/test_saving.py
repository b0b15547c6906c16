"""Whether results can be written somewhere, found out without leaving anything behind."""

import tempfile
from pathlib import Path

import pytest

from ae_jax import InvalidInput
from ae_jax.cli.saving import writable


def test_a_place_that_can_be_written_stays_as_it_was(tmp_path: Path):
    assert writable(tmp_path / "one" / "two") == tmp_path / "one" / "two"
    assert list(tmp_path.iterdir()) == []


def test_a_place_below_a_file_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match=r"file/two cannot be written \(.*\): choose another place with --out"):
        writable(tmp_path / "file" / "two")


def test_what_another_process_makes_meanwhile_is_left_to_it(tmp_path: Path, monkeypatch):
    made, opened, place = Path.mkdir, tempfile.TemporaryFile, tmp_path / "one" / "two"

    def make_twice(path: Path) -> None:
        if path == place:
            made(path)
        made(path)

    def write_as_well(*, dir: Path):
        (dir / "results.json").touch()
        return opened(dir=dir)

    monkeypatch.setattr(Path, "mkdir", make_twice)
    monkeypatch.setattr(tempfile, "TemporaryFile", write_as_well)
    writable(place)
    assert (place / "results.json").exists()
