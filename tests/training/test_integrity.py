import hashlib
import json
import os
from pathlib import Path

import pytest

from ae_jax import InvalidInput
from ae_jax.training.integrity import read_json, require_sealed, seal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sealed" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "sealed" / "a.json").write_text("{}")
    (tmp_path / "sealed" / "deep" / "er" / "b").write_bytes(bytes(range(256)))
    (tmp_path / "sealed" / "deep" / "empty").touch()
    return tmp_path / "sealed"


def refused(folder: Path, **settings) -> str:
    with pytest.raises(InvalidInput) as caught:
        require_sealed(folder, **settings)
    sentence = str(caught.value)
    assert sentence.isprintable()
    return sentence.removeprefix(f"{folder} is damaged (").removesuffix(
        "): expected the files that digests.json lists, as they were written; restore them from a copy, or train anew."
    )


def test_every_file_is_listed_with_its_size_and_digest(folder):
    listed = json.loads(seal(folder).read_text())["files"]
    assert list(listed) == ["a.json", "deep/empty", "deep/er/b"]
    assert listed["deep/er/b"] == {"bytes": 256, "sha256": hashlib.sha256(bytes(range(256))).hexdigest()}
    # FIPS 180-4's digest of nothing
    assert listed["deep/empty"]["sha256"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_what_was_sealed_is_let_pass_and_sealing_again_changes_nothing(folder):
    first = seal(folder).read_bytes()
    require_sealed(folder)
    assert seal(folder).read_bytes() == first


def test_every_file_and_every_folder_is_forced_to_the_disk(folder, monkeypatch):
    forced, fsync = set(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: forced.add(os.fstat(file).st_ino) or fsync(file))
    seal(folder)
    assert forced == {path.stat().st_ino for path in (folder, *folder.rglob("*"))}


def test_json_is_read_of_a_strict_writer_only(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": [1.5, "ä"]}', encoding="utf-8")
    assert read_json(path) == {"a": [1.5, "ä"]}
    for text in ("1e999", "NaN", '{"a": 1, "a": 1}', "{", "\ufeff{}"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"\S"):
            read_json(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match=r"x\.json is no file of 1,073,741,824 bytes at most"):
        read_json(path)


def test_a_folder_that_moved_is_still_sealed(folder, tmp_path):
    seal(folder)
    require_sealed(folder.replace(tmp_path / "moved"))


def test_names_apart_are_no_part_of_it_and_only_directly_in_the_folder(folder):
    seal(folder, apart=("results.json",))
    (folder / "results.json").write_text("1")
    require_sealed(folder, apart=("results.json",))
    assert refused(folder) == "results.json was added"
    (folder / "deep" / "results.json").write_text("1")
    assert refused(folder, apart=("results.json",)) == "deep/results.json was added"


def test_the_first_file_that_differs_is_named(folder):
    seal(folder)
    (folder / "deep" / "er" / "b").write_bytes(bytes(256))
    assert refused(folder) == "deep/er/b is not what was written"
    (folder / "a.json").unlink()
    assert refused(folder) == "a.json is missing"
    (folder / "a").touch()
    assert refused(folder) == "a was added"


def test_a_file_of_another_size_is_not_read(folder, monkeypatch):
    seal(folder)
    os.truncate(folder / "a.json", 1 << 40)  # sparse: it takes no room, and hours to read
    assert refused(folder) == "a.json is not what was written"


def test_a_link_is_no_file_even_to_the_same_bytes(folder, tmp_path):
    seal(folder)
    (folder / "a.json").replace(tmp_path / "elsewhere")
    (folder / "a.json").symlink_to(tmp_path / "elsewhere")
    assert refused(folder) == "a.json is not what was written"
    with pytest.raises(InvalidInput, match=r"a.json is no regular file: expected files and folders alone; remove it"):
        seal(folder)


def test_a_link_to_a_folder_is_not_followed(folder):
    seal(folder)
    (folder / "deep" / "around").symlink_to(folder)
    assert refused(folder) == "deep/around was added"


def test_a_pipe_is_not_waited_for(folder):
    seal(folder)
    (folder / "a.json").unlink()
    os.mkfifo(folder / "a.json")
    assert refused(folder) == "a.json is not what was written"
    (folder / "digests.json").unlink()
    os.mkfifo(folder / "digests.json")
    assert refused(folder) == "digests.json is not what was written"


def written(listed, digest=None) -> bytes:
    """A list as anybody may write it who knows how."""
    right = hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
    return json.dumps({"files": listed, "sha256": digest or right}, indent=2, sort_keys=True).encode()


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "digests.json cannot be read, Expecting value: line 1 column 1 (char 0)"),
        (b"[]", "digests.json cannot be read, list indices must be integers or slices, not str"),
        (b"{}", "digests.json cannot be read, 'files'"),
        (b"\xff\xfe", "digests.json cannot be read, "),
        (b"[" * 100_000, "digests.json cannot be read, maximum recursion depth exceeded"),
        (b'{"files": {}, "sha256": ""}', "digests.json is not what was written"),
        (written({}, "0" * 64), "digests.json is not what was written"),
        (written({}).replace(b" ", b"\t"), "digests.json is not what was written"),
        (written({}), "a.json was added"),
        (written([]), "digests.json is not what was written"),
        (written(3), "digests.json is not what was written"),
        (written({"a.json": 3}), "a.json is not what was written"),
        (written({"a.json": {"bytes": 2}}), "a.json is not what was written"),
        (written({"../../etc/passwd": {}}), "../../etc/passwd is missing"),
        (written({"/etc/passwd": {}}), "/etc/passwd is missing"),
        (written({"\n": {}}), r"'\n' is missing"),
        (written({"!" * 1000: {}}), "!" * 200 + " is missing"),
    ],
)
def test_a_list_that_is_not_what_was_written_is_refused_and_no_path_taken_from_it(folder, raw, sentence):
    (folder / "digests.json").write_bytes(raw)
    assert sentence in refused(folder)


def test_a_list_that_is_missing_or_absurdly_long_is_refused(folder):
    assert refused(folder) == "digests.json is missing"
    (folder / "digests.json").touch()
    os.truncate(folder / "digests.json", 1 << 40)
    assert refused(folder) == "digests.json is not what was written"
    (folder / "digests.json").unlink()
    (folder / "digests.json").mkdir()
    assert refused(folder) == "digests.json is not what was written"
