"""One command at a time in a folder of checkpoints, which does not stay where nothing was saved."""

import shutil
from pathlib import Path

import pytest

from ae_jax import InvalidInput
from ae_jax.cli.checkpointing import alone_in


def test_a_folder_that_was_made_for_the_lock_alone_does_not_stay(tmp_path: Path):
    with alone_in(tmp_path / "runs" / "one.checkpoints"):
        assert (tmp_path / "runs" / "one.checkpoints" / "lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_one_command_at_a_time_has_it(tmp_path: Path):
    sentence = r"another process works in .*one\.checkpoints: wait until it is done, or choose another --out"
    second = alone_in(tmp_path / "one.checkpoints")
    with alone_in(tmp_path / "one.checkpoints"), pytest.raises(InvalidInput, match=sentence):
        second.__enter__()


def test_a_folder_that_is_gone_is_no_error_of_its_own(tmp_path: Path):
    with alone_in(tmp_path / "one.checkpoints"):
        shutil.rmtree(tmp_path / "one.checkpoints")
    assert list(tmp_path.iterdir()) == []
