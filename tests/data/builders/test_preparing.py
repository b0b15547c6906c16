"""Preparing from files at hand: what is verified, what is refused, and that nothing half-written is left."""

import dataclasses
import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data import RawData
from ae_jax.data.builders import RECIPES, Preparing, Recipe, folder_of, is_prepared, prepare
from ae_jax.data.builders.folders import alone, data_folder
from ae_jax.data.builders.preparing import content_digest
from ae_jax.data.prepared import prepared_records


def prepared_contents(name: str | Path, data_dir: Path | None = None) -> dict[str, RawData]:
    return {split: records.all() for split, records in prepared_records(name, data_dir=data_dir).items()}


def refused(source: Path | None, data: Path, name: str = "tiny") -> str:
    """The sentence that a preparation ends in."""
    with pytest.raises(InvalidInput) as caught:
        prepare(name, source=source, data_dir=data)
    return str(caught.value)


def replace(recipe: Recipe, monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    monkeypatch.setitem(RECIPES, recipe.name, dataclasses.replace(recipe, **changes))


def test_files_at_hand_are_read_back_in_their_order(
    tiny: Recipe, tiny_files: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not is_prepared("tiny", tmp_path)
    folder = prepare("tiny", source=tiny_files, data_dir=tmp_path)
    assert folder == folder_of("tiny", tmp_path)
    assert is_prepared("tiny", tmp_path)
    contents = prepared_contents("tiny", data_dir=tmp_path)
    np.testing.assert_array_equal(contents["train"].x, np.load(tiny_files / "tiny-train.npy"))
    np.testing.assert_array_equal(contents["train"].labels, np.arange(12))
    assert capfd.readouterr() == ("", "")


def test_what_is_prepared_is_not_prepared_again(tiny: Recipe, tiny_files: Path, tmp_path: Path) -> None:
    folder = prepare("tiny", source=tiny_files, data_dir=tmp_path)
    assert prepare("tiny", source=tmp_path / "nowhere", data_dir=tmp_path) == folder


def test_the_usual_folder_is_that_of_tfds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert data_folder() == Path.home() / "tensorflow_datasets"


def test_an_unknown_name_is_told_the_nearest(tmp_path: Path) -> None:
    assert refused(None, tmp_path, "fashion").startswith("unknown data set 'fashion': did you mean 'fashion_mnist'? ")
    with pytest.raises(InvalidInput, match="unknown data set 'mnost'"):
        is_prepared("mnost", tmp_path)


def test_a_folder_without_the_files(tiny: Recipe, tiny_files: Path, tmp_path: Path) -> None:
    (tiny_files / "tiny-test.npy").unlink()
    assert refused(tiny_files, tmp_path) == (
        f"{tiny_files} lacks files of tiny: expected tiny-train.npy, tiny-test.npy; complete it, or download them by "
        "`ae-jax data prepare tiny`."
    )
    nowhere = tmp_path / "nowhere"
    assert refused(nowhere, tmp_path, "frey_faces") == (
        f"{nowhere} is no folder with the files of frey_faces: expected frey_rawface.mat or freyfaces.npz; "
        "complete it, or download them by `ae-jax data prepare frey_faces`."
    )


def test_other_images_than_were_published(tiny: Recipe, tiny_files: Path, tmp_path: Path) -> None:
    images = np.load(tiny_files / "tiny-test.npy")
    images[3, 0, 0] ^= 1
    np.save(tiny_files / "tiny-test.npy", images)
    published = tiny.splits["test"].digests["image"][:12]
    assert refused(tiny_files, tmp_path) == (
        f"the test split of tiny has image values of SHA-256 {content_digest(images)[:12]}: expected {published}, as "
        "published; give the original files."
    )
    assert not is_prepared("tiny", tmp_path)


@pytest.mark.parametrize(("count", "dtype"), [(11, np.uint8), (12, np.float32)])
def test_images_of_another_count_or_type(tiny: Recipe, tiny_files: Path, tmp_path: Path, count: int, dtype) -> None:
    np.save(tiny_files / "tiny-train.npy", np.zeros((count, 2, 3), dtype))
    assert refused(tiny_files, tmp_path) == (
        f"the train split of tiny has images of shape ({count}, 2, 3) and type {np.dtype(dtype)}: expected (12, 2, 3) "
        "bytes; give the original files."
    )


def test_labels_of_another_count(
    tiny: Recipe, tiny_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(paths: list[Path]) -> dict:
        return {split: columns | {"label": np.arange(2)} for split, columns in tiny.forms[0].read(paths).items()}

    replace(tiny, monkeypatch, forms=(tiny.forms[0]._replace(read=read),))
    assert refused(tiny_files, tmp_path) == (
        "the train split of tiny has 2 values of label: expected one for each of 12 images; give the original files."
    )


def test_a_file_that_is_not_the_original_cannot_be_verified(
    served: Recipe, tiny_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(served, monkeypatch, forms=(served.forms[0]._replace(originals=True),))
    assert prepare("tiny", source=tiny_files, data_dir=tmp_path / "whole").is_dir()
    file = tiny_files / "tiny-test.npy"
    file.write_bytes(file.read_bytes() + b"\0")
    sentence = refused(tiny_files, tmp_path / "other")
    assert sentence.startswith(f"{file} has the SHA-256 ")
    assert "and cannot be verified: expected the original file of " in sentence
    assert sentence.endswith(f"from {served.urls[1]}; leave it as it was published.")


def test_a_download_without_a_checksum_is_verified_by_what_it_holds(
    served: Recipe, server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ae_jax.data.builders.checksums.TABLE", Path("/dev/null"))
    prepare("tiny", data_dir=tmp_path / "good")
    assert is_prepared("tiny", tmp_path / "good")
    server.files["tiny-test.npy"] = server.files["tiny-train.npy"]
    assert "the test split of tiny has images of shape (12, 2, 3)" in refused(None, tmp_path / "bad")
    assert not list((tmp_path / "bad" / "downloads" / "ae_jax" / "tiny").glob("*.npy"))


def test_a_folder_that_is_not_whole_is_not_taken_for_prepared(tiny: Recipe, tiny_files: Path, tmp_path: Path) -> None:
    folder = prepare("tiny", source=tiny_files, data_dir=tmp_path)
    next(folder.glob("tiny-test.array_record*")).unlink()
    assert not is_prepared("tiny", tmp_path)
    assert refused(tiny_files, tmp_path) == (
        f"{folder} is not whole: expected all files of tiny; remove it and prepare tiny again."
    )
    shutil.rmtree(folder)
    prepare("tiny", source=tiny_files, data_dir=tmp_path)
    assert is_prepared("tiny", tmp_path)


def test_an_interruption_leaves_nothing(tiny: Recipe, tiny_files: Path, tmp_path: Path) -> None:
    def interrupt(said: Preparing) -> None:
        if said.what == "tiny: write test":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare("tiny", source=tiny_files, data_dir=tmp_path, progress=interrupt)
    assert not is_prepared("tiny", tmp_path)
    assert list((tmp_path / "tiny").iterdir()) == []
    prepare("tiny", source=tiny_files, data_dir=tmp_path)
    assert is_prepared("tiny", tmp_path)


def test_what_a_killed_process_left_is_removed_and_nothing_else(tiny: Recipe, tiny_files: Path, tmp_path: Path) -> None:
    for leftover in ("incomplete.ABCDEF_0.1.0", "incomplete.ABCDEF_3.0.1"):
        (tmp_path / "tiny" / leftover).mkdir(parents=True)
        (tmp_path / "tiny" / leftover / "tiny-train.array_record-00000-of-00001").write_bytes(b"half")
    prepare("tiny", source=tiny_files, data_dir=tmp_path)
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == ["0.1.0", "incomplete.ABCDEF_3.0.1"]


def test_two_processes_do_not_prepare_the_same(tiny: Recipe, tiny_files: Path, tmp_path: Path) -> None:
    with alone("tiny", tmp_path):
        sentence = refused(tiny_files, tmp_path)
    assert sentence == (
        f"tiny is being prepared in {tmp_path / 'tiny'} by another process: wait until that one is done "
        f"(process {os.getpid()} holds {tmp_path / 'downloads' / 'ae_jax' / 'tiny' / 'lock'})."
    )
    assert prepare("tiny", source=tiny_files, data_dir=tmp_path).is_dir()


def test_a_folder_that_cannot_be_written(tiny: Recipe, tiny_files: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert refused(tiny_files, file) == (
        f"tiny cannot be prepared in {file} (Not a directory): expected a folder that can be written to and has room; "
        "make room, or name another folder."
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (
            RuntimeError('Failed to finalize writing of split "train": write() failed: No space left on device'),
            'Failed to finalize writing of split "train": write() failed: No space left on device',
        ),
    ],
)
def test_a_full_disk(
    tiny: Recipe, tiny_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    import tensorflow_datasets as tfds

    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(tfds.core.GeneratorBasedBuilder, "download_and_prepare", full)
    assert refused(tiny_files, tmp_path).startswith(f"tiny cannot be prepared in {tmp_path} ({reason}): expected a ")


def test_bars_of_tfds_stay_as_its_user_has_them(tiny: Recipe, tiny_files: Path, tmp_path: Path) -> None:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.utils import tqdm_utils

    assert tqdm_utils._active
    prepare("tiny", source=tiny_files, data_dir=tmp_path)
    assert tqdm_utils._active
    tfds.disable_progress_bar()
    prepare("tiny", source=tiny_files, data_dir=tmp_path / "other")
    assert not tqdm_utils._active
    tfds.enable_progress_bar()


@pytest.mark.parametrize(("name", "version"), [("mnist", "3.0.1"), ("binarized_mnist", "1.0.0")])
def test_tfds_gives_its_users_its_own_data_set_of_the_same_name(
    tiny: Recipe, tiny_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, version: str
) -> None:
    import tensorflow_datasets as tfds

    monkeypatch.setitem(RECIPES, name, dataclasses.replace(tiny, name=name))
    folder = prepare(name, source=tiny_files, data_dir=tmp_path)
    theirs = tfds.builder(name, data_dir=tmp_path)
    assert str(theirs.version) == version
    assert not theirs.data_path.exists()
    ours = tfds.builder(f"{name}:{folder.name}", data_dir=tmp_path)
    assert [int(example["label"]) for example in ours.as_data_source("train")] == list(range(12))


def test_recipes_fit_together() -> None:
    from ae_jax.data.builders.checksums import recorded

    for name, recipe in RECIPES.items():
        assert recipe.name == name
        first, *_ = recipe.forms
        assert tuple(url.rpartition("/")[2] for url in recipe.urls) == first.files
        assert all(expected.digests or first.originals for expected in recipe.splits.values())
        assert all(set(expected.digests) <= {"image", *recipe.labels} for expected in recipe.splits.values())
        known = [recorded()[url].file for url in recipe.urls if url in recorded()]
        assert known == list(first.files) or name == "frey_faces"
