import gc
from pathlib import Path

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.training.checkpoint import read_arrays, write_arrays

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
