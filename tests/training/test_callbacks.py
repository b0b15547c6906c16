"""Callbacks: what they are told, and what becomes of a training in which one of them fails."""

from pathlib import Path
from typing import Any

import chex
import pytest

import ae_jax
from ae_jax import Run, TrainingInterrupted
from ae_jax.data import Dataset
from ae_jax.studies import compare
from ae_jax.training import Callback, Checkpoints
from ae_jax.training.checkpoint import checkpoint_info


class Failing(Callback):
    """Notes what it is told, and raises an exception when told it for the nth time."""

    def __init__(self, hook: str = "", number: int = 1, error: BaseException | None = None):
        self.hook, self.number, self.error, self.told = hook, number, error or KeyError("broken"), []

    def note(self, hook: str, news: Any) -> None:
        self.told.append((hook, news))
        if hook == self.hook and [name for name, _ in self.told].count(hook) == self.number:
            raise self.error

    def on_start(self, plan) -> None:
        self.note("start", plan)

    def on_epoch(self, progress) -> None:
        self.note("epoch", progress)

    def on_checkpoint(self, folder) -> None:
        self.note("checkpoint", folder)

    def on_end(self, run) -> None:
        self.note("end", run)


def fit(data: Dataset, *callbacks: Callback, **settings: Any) -> Run:
    model = ae_jax.undercomplete(code=3, hidden=(12,))
    return ae_jax.fit(model, data, **{"epochs": 6, "batch_size": 16} | settings, callbacks=callbacks)


def assert_same(run: Run, other: Run) -> None:
    chex.assert_trees_all_equal((run.params, run.history), (other.params, other.history))


@pytest.mark.parametrize(("hook", "number"), [("epoch", 2), ("epoch", 6), ("checkpoint", 1), ("end", 1)])
def test_an_exception_saves_the_training_which_goes_on_later(small, tmp_path: Path, hook: str, number: int):
    failing, watching = Failing(hook, number), Failing()
    where = Checkpoints(folder=tmp_path, every_epochs=1)
    with pytest.raises(KeyError, match="broken") as raised:
        fit(small, failing, watching, checkpoints=where)
    kept: Any = raised.value.run  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(kept, Run)
    epochs = kept.history["train"]["loss"].shape[1]
    assert [name for name, _ in watching.told][-1] == "end"
    info: Any = checkpoint_info(tmp_path)
    assert (info.epoch, info.finished) == (epochs, epochs == 6)
    assert epochs >= number if hook == "epoch" else epochs > 0
    assert_same(fit(small, checkpoints=where, resume=True), fit(small))


def test_an_exception_without_checkpoints_holds_the_run_so_far(small):
    with pytest.raises(KeyError) as raised:
        fit(small, Failing("epoch", 2))
    kept: Any = raised.value.run  # pyright: ignore[reportAttributeAccessIssue]
    assert kept.record["interrupted"]
    assert kept.encode(small.test.x).shape == (20, 3)
    with pytest.raises(TrainingInterrupted) as interrupted:
        fit(small, Failing("epoch", 2, KeyboardInterrupt()))
    assert isinstance(interrupted.value.run, Run)


def test_an_exception_in_a_study_holds_the_study_so_far(small):
    choices = [ae_jax.undercomplete(code=2, hidden=()), ae_jax.sparse(code=4, hidden=())]
    with pytest.raises(KeyError) as raised:
        compare(small, choices, seeds=[0], epochs=3, batch_size=16, callbacks=[Failing("epoch", 4)])
    study: Any = raised.value.run  # pyright: ignore[reportAttributeAccessIssue]
    assert list(study.runs) == ["undercomplete", "sparse"]
    assert {row["autoencoder"] for row in study.rows} >= {"pca", "undercomplete"}


def test_a_callback_is_told_of_every_checkpoint_that_was_written(small, tmp_path: Path):
    watching = Failing()
    fit(small, watching, checkpoints=Checkpoints(folder=tmp_path, every_epochs=2, keep=9))
    told = [news for hook, news in watching.told if hook == "checkpoint"]
    assert told == sorted((path for path in tmp_path.iterdir() if path.is_dir()), key=lambda path: int(path.name))
    assert [int(path.name) for path in told] == [8, 16, 24]
    assert [hook for hook, _ in watching.told][-2:] == ["checkpoint", "end"]
