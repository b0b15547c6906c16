"""Training that was ended and went on comes to the bits of training that was not."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput, Run, TrainingInterrupted
from ae_jax.data import Dataset, ReadOptions
from ae_jax.data.shards import ArrayRows
from ae_jax.data.splits import from_rows
from ae_jax.schedules import Linear
from ae_jax.training import Checkpoints, checkpoint, continuation, data_iterator, stop_on_signal
from ae_jax.training.checkpoint import checkpoint_info, newest
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.data_iterator import DataIterator
from ae_jax.training.integrity import SEAL, seal

EPOCHS = 6
KILL_TEST = Path(__file__).parents[2] / "experiments" / "kill_test.py"


class Crash(Exception):
    """What no part of the library expects."""


def undercomplete(rate: float = 1e-3) -> ae_jax.Autoencoder:
    return ae_jax.undercomplete(code=3, hidden=(12,), learning_rate=rate)


def variational(rate: float = 1e-3, beta: Any = 1.0) -> ae_jax.Autoencoder:
    return ae_jax.variational(code=3, hidden=(12,), learning_rate=rate, beta=beta)


@pytest.fixture(scope="module")
def streamed(digits: Dataset) -> Dataset:
    """160 digits in chunks of 32, but for what is held out."""
    rows = ArrayRows(digits.train.x[:160], digits.train.labels[:160])
    return from_rows(rows, name="streamed", scaling="unit", reading=ReadOptions(budget=16 * 64 * 32))


@dataclasses.dataclass(frozen=True)
class Training:
    """What ``fit`` is told, but for checkpoints and resuming."""

    autoencoder: Any
    data: Any
    settings: dict[str, Any]

    def fit(self, **settings) -> Run:
        given = {"epochs": EPOCHS, "batch_size": 16, "seeds": 5} | self.settings | settings
        return ae_jax.fit(self.autoencoder, self.data, **given)


TRAININGS = {
    "single": (undercomplete(), {}),
    "patience": ([variational(1e-3), variational(0.3)], {"seeds": [5, 6], "patience": 2}),
    "warm-up": (variational(beta=Linear(start=0.0, end=1.0, steps=4 * EPOCHS)), {}),
    "streamed": (undercomplete(), {"seeds": [5, 6]}),
    "in chunks": (undercomplete(), {}),
}


@pytest.fixture
def training(request, small, streamed, monkeypatch) -> Training:
    """The one of that name; an epoch in chunks has three of unequal length, of four steps."""
    if request.param == "in chunks":
        monkeypatch.setattr(data_iterator, "_CHUNK_STEPS", (2, 2))
        small = dataclasses.replace(small, train=small.train._replace(x=small.train.x[:40], labels=None))
    autoencoder, settings = TRAININGS[request.param]
    return Training(autoencoder, streamed if request.param == "streamed" else small, settings)


of_every_kind = pytest.mark.parametrize("training", TRAININGS, indirect=True)
of_one_kind = pytest.mark.parametrize("training", ["single"], indirect=True)
in_the_middle_of_epochs = pytest.mark.parametrize("training", ["streamed", "in chunks"], indirect=True)

_uninterrupted: dict[str, Run] = {}


@pytest.fixture
def whole(request, training) -> Run:
    """The training that nothing ended."""
    name = request.node.callspec.params["training"]
    if name not in _uninterrupted:
        _uninterrupted[name] = training.fit()
    return _uninterrupted[name]


def assert_same(run: Run, other: Run) -> None:
    for ours, theirs in ((run.params, other.params), (run.history, other.history)):
        assert jax.tree.structure(ours) == jax.tree.structure(theirs)
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    assert run.best_epoch.tolist() == other.best_epoch.tolist()
    assert run.finite.tolist() == other.finite.tolist()


def send(number: signal.Signals):
    """An end by a signal, after an epoch."""
    return lambda: signal.raise_signal(number)


def crash() -> None:
    raise Crash


def after(epoch: int, end) -> Any:
    """A progress callback that ends training after an epoch."""
    return lambda told: end() if told.epoch == epoch else None


ENDS = {
    "SIGINT after the first epoch": [(1, send(signal.SIGINT))],
    "SIGTERM, twice": [(2, send(signal.SIGTERM)), (4, send(signal.SIGTERM))],
    "a crash": [(4, crash)],
    "a crash after a resume": [(2, send(signal.SIGINT)), (5, crash)],
    "before anything was saved": [(1, crash)],
}


@of_every_kind
@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_it_comes_to_the_same_bits(training, whole, ends, tmp_path):
    checkpoints = Checkpoints(folder=tmp_path, every_epochs=2, every_minutes=None)
    for epoch, end in ends:
        with pytest.raises((TrainingInterrupted, Crash)):
            training.fit(checkpoints=checkpoints, resume=True, progress=after(epoch, end))
    assert_same(training.fit(checkpoints=checkpoints, resume=True), whole)


@of_every_kind
@pytest.mark.parametrize("cadence", [{"every_epochs": 1}, {"every_steps": 3}, {"every_steps": 9}, {}])
def test_checkpoints_change_nothing_of_what_is_trained(training, whole, cadence, tmp_path):
    run = training.fit(checkpoints=Checkpoints(folder=tmp_path, **cadence))
    assert_same(run, whole)
    assert checkpoint_info(tmp_path).finished


class Parts:
    """Counts the chunks of epochs that are trained on, and ends training before the one of some number, from 0."""

    def __init__(self, monkeypatch, before: int = -1, end=crash):
        self.positions, epoch = [], DataIterator.epoch

        def counted(iterator, position):
            for chunk in epoch(iterator, position):
                if len(self.positions) == before:
                    end()
                self.positions.append((int(chunk.counters[0]), chunk.after))
                yield chunk

        monkeypatch.setattr(DataIterator, "epoch", counted)


@in_the_middle_of_epochs
@pytest.mark.parametrize("before", [1, 4, 7])
@pytest.mark.parametrize("end", [crash, send(signal.SIGTERM)], ids=["crash", "SIGTERM"])
def test_in_the_middle_of_an_epoch_it_goes_on_there(training, whole, before, end, tmp_path, monkeypatch):
    with monkeypatch.context() as ended:
        ended_there = Parts(ended, before, end)
        with pytest.raises((Crash, TrainingInterrupted)):
            training.fit(checkpoints=Checkpoints(folder=tmp_path, every_steps=1))
    with monkeypatch.context() as counted:
        went_on = Parts(counted)
        run = training.fit(checkpoints=tmp_path, resume=True)
    assert_same(run, whole)
    with monkeypatch.context() as counted:
        everything = Parts(counted)
        training.fit()
    assert went_on.positions == everything.positions[-len(went_on.positions) :]
    again = len(ended_there.positions) + len(went_on.positions) - len(everything.positions)
    # Of a crash, what was dispatched and not yet read is done again.
    assert 0 <= again <= (2 if end is crash else 0)


@of_one_kind
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training_with_what_was_under_way_saved(training, tmp_path, number):
    with pytest.raises(TrainingInterrupted) as told:
        training.fit(checkpoints=tmp_path, progress=after(2, send(number)))
    stopped = told.value
    assert stopped.signal == number
    assert stopped.run.record["interrupted"]
    assert stopped.run.history["train"]["loss"].shape == (1, 3)  # one was dispatched ahead
    assert checkpoint_info(tmp_path) == (3, EPOCHS, False)
    assert_same(stopped.run, training.fit(epochs=3))


@of_one_kind
@pytest.mark.parametrize("epoch", [EPOCHS - 1, EPOCHS])
def test_a_signal_with_the_last_epoch_is_raised_with_the_whole_run(training, whole, tmp_path, epoch):
    with pytest.raises(TrainingInterrupted) as told:
        training.fit(checkpoints=tmp_path, progress=after(epoch, send(signal.SIGTERM)))
    assert told.value.signal == signal.SIGTERM
    assert not told.value.run.record["interrupted"]
    assert_same(told.value.run, whole)
    assert checkpoint_info(tmp_path).finished


@of_one_kind
def test_a_signal_with_the_last_epoch_is_left_to_the_block_around(training, whole):
    with stop_on_signal() as stop:
        assert_same(training.fit(progress=after(EPOCHS, send(signal.SIGTERM))), whole)
    assert stop.signal == signal.SIGTERM


@of_one_kind
def test_a_second_signal_is_obeyed_at_once_and_what_was_saved_stays(training, whole, tmp_path):
    def twice() -> None:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)  # which raises KeyboardInterrupt

    with pytest.raises(TrainingInterrupted) as told:
        training.fit(checkpoints=Checkpoints(folder=tmp_path, every_epochs=1), progress=after(3, twice))
    assert told.value.signal == signal.SIGTERM
    assert checkpoint_info(tmp_path).epoch < EPOCHS
    assert_same(training.fit(checkpoints=tmp_path, resume=True), whole)


@of_one_kind
def test_what_follows_a_signal_is_handled_as_before(training, tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(TrainingInterrupted):
        training.fit(checkpoints=tmp_path, progress=after(1, send(signal.SIGTERM)))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize("training", ["patience"], indirect=True)
def test_members_that_had_stopped_stay_so(training, whole, tmp_path):
    with pytest.raises(TrainingInterrupted) as told:
        training.fit(checkpoints=tmp_path, progress=after(4, send(signal.SIGINT)))
    saved = newest(tmp_path).arrays
    assert sorted(set(saved["running"].tolist())) == [False, True]
    assert np.isnan(told.value.run.history["train"]["loss"][:, -1]).tolist() == (~saved["ran"][:, -1]).tolist()
    assert_same(training.fit(checkpoints=tmp_path, resume=True), whole)


@of_one_kind
def test_a_checkpoint_is_written_when_its_minutes_are_over(training, tmp_path, monkeypatch):
    clock, names = SimpleNamespace(now=0.0), []
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: clock.now))
    write = checkpoint._write
    monkeypatch.setattr(checkpoint, "_write", lambda where, what: names.append(what.name) or write(where, what))

    def pass_the_time(_) -> None:
        clock.now += 31.0

    training.fit(checkpoints=Checkpoints(folder=tmp_path, every_minutes=1.0), progress=pass_the_time)
    # What is due is asked once the next epoch is dispatched: after 0, 31, 62, ... seconds.
    assert names == ["000004-000000", "000006-000000"] or names == ["000003-000000", "000005-000000", "000006-000000"]


@of_one_kind
def test_the_latest_checkpoints_stay_and_the_last_is_of_the_end(training, tmp_path):
    training.fit(checkpoints=Checkpoints(folder=tmp_path, every_epochs=1, keep=3))
    assert sorted(path.name for path in tmp_path.iterdir()) == [*(f"{epoch:06d}-000000" for epoch in (4, 5, 6)), "lock"]


@of_every_kind
def test_what_is_finished_is_given_back_with_nothing_trained_or_compiled(training, whole, tmp_path, monkeypatch):
    finished = training.fit(checkpoints=tmp_path)
    monkeypatch.setattr(DataIterator, "epoch", lambda *_: pytest.fail("it trained"))
    with watch_compilation() as compilation:
        again = training.fit(checkpoints=tmp_path, resume=True)
    assert compilation.programs == 0
    assert_same(again, whole)
    assert again.record["wall_s"] >= newest(tmp_path).facts["record"]["wall_s"] > 0
    assert again.record["programs_compiled"] == finished.record["programs_compiled"]
    assert again.settings == finished.settings


@of_one_kind
def test_where_nothing_is_saved_resume_begins(training, whole, tmp_path):
    assert_same(training.fit(checkpoints=tmp_path / "new" / "folder", resume=True), whole)


@of_every_kind
def test_an_extension_equals_the_longer_training(training, whole, tmp_path):
    shorter = dataclasses.replace(training, settings=training.settings | {"epochs": EPOCHS - 2})
    if "Linear" in repr(training.autoencoder):
        shorter.fit(checkpoints=tmp_path)
        with pytest.raises(InvalidInput, match=r"the training cannot be extended: Linear\(.*train anew"):
            training.fit(checkpoints=tmp_path, resume="extend")
        return
    shorter.fit(checkpoints=tmp_path)
    with pytest.raises(InvalidInput, match=r"was to have 4 epochs and is asked for 6: expected 4, or more where"):
        training.fit(checkpoints=tmp_path, resume=True)
    assert_same(training.fit(checkpoints=tmp_path, resume="extend"), whole)
    with pytest.raises(InvalidInput, match=r"was to have 6 epochs and is asked for 4: expected 6, or more"):
        shorter.fit(checkpoints=tmp_path, resume="extend")


@of_one_kind
def test_an_unfinished_training_is_neither_replaced_nor_resumed_unasked(training, whole, tmp_path):
    with pytest.raises(TrainingInterrupted):
        training.fit(checkpoints=tmp_path, progress=after(1, send(signal.SIGINT)))
    with pytest.raises(
        InvalidInput,
        match=r"holds an unfinished training, at epoch 2 of 6: resume=True goes on with it \(on the command line "
        r"--resume\); remove the folder to start anew",
    ):
        training.fit(checkpoints=tmp_path)
    assert_same(training.fit(checkpoints=tmp_path, resume=True), whole)


@of_one_kind
def test_what_cannot_be_read_is_not_replaced_unasked(training, tmp_path):
    (tmp_path / "000004-000000").mkdir()
    for resume in (False, True):
        with pytest.raises(InvalidInput, match=r"no checkpoint can be used: .*; remove .* to start anew"):
            training.fit(checkpoints=tmp_path, resume=resume)
    assert (tmp_path / "000004-000000").is_dir()


@of_one_kind
def test_a_finished_training_is_replaced(training, whole, tmp_path):
    dataclasses.replace(training, settings={"seeds": 8}).fit(checkpoints=tmp_path, epochs=2)
    assert_same(training.fit(checkpoints=tmp_path), whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000006-000000", "lock"]


@of_one_kind
def test_another_configuration_is_refused_and_what_is_there_stays(training, whole, tmp_path):
    with pytest.raises(TrainingInterrupted):
        training.fit(checkpoints=tmp_path, progress=after(1, send(signal.SIGINT)))
    other = dataclasses.replace(training, autoencoder=undercomplete(2e-3))
    with pytest.raises(
        InvalidInput,
        match=r"cannot be resumed with another configuration \(autoencoders\.0\.optimizer\.learning_rate: 0\.001 then, "
        r"0\.002 now; batch_size: 16 then, 8 now\): expected the same one",
    ):
        other.fit(checkpoints=tmp_path, batch_size=8, resume=True)
    assert_same(training.fit(checkpoints=tmp_path, resume=True), whole)


@of_one_kind
@pytest.mark.usefixtures("unchecked")
def test_resuming_from_nowhere_or_in_an_unknown_way_is_refused(training, tmp_path):
    with pytest.raises(InvalidInput, match="resume=True and no checkpoints: expected their folder"):
        training.fit(resume=True)
    with pytest.raises(InvalidInput, match="resume='yes': expected True, False or 'extend'"):
        training.fit(checkpoints=tmp_path, resume="yes")


@of_one_kind
def test_what_killed_processes_left_is_removed(training, whole, tmp_path):
    with pytest.raises(Crash):
        training.fit(checkpoints=Checkpoints(folder=tmp_path, every_epochs=2), progress=after(4, crash))
    newer = tmp_path / ".000005-000000"
    shutil.copytree(tmp_path / newest(tmp_path).name, newer)
    assert_same(training.fit(checkpoints=tmp_path, resume=True), whole)
    assert not newer.exists()


HOLD = """
import pathlib, sys, time
from ae_jax.locks import locked
with locked(pathlib.Path(sys.argv[1]), "it is held."):
    print("held", flush=True)
    sys.stdin.read()
"""


@of_one_kind
def test_a_folder_in_use_is_refused_and_a_killed_process_uses_none(training, whole, tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(
            InvalidInput,
            match=rf"is in use by another training: wait for it, or choose another folder \(process {holder.pid} holds",
        ):
            training.fit(checkpoints=tmp_path)
        holder.kill()
        holder.wait()
    assert_same(training.fit(checkpoints=tmp_path), whole)


@of_one_kind
def test_a_training_locks_its_folder_until_it_ends(training, tmp_path):
    said = []

    def intrude(told) -> None:
        if told.epoch == 1:
            with pytest.raises(InvalidInput, match="is in use by another training") as refused:
                training.fit(checkpoints=tmp_path, resume=True)
            said.append(str(refused.value))

    training.fit(checkpoints=tmp_path, progress=intrude)
    assert len(said) == 1
    assert f"process {os.getpid()} holds" in said[0]
    training.fit(checkpoints=tmp_path, resume=True)


@of_every_kind
def test_of_a_damaged_checkpoint_the_one_before_is_taken_and_nothing_is_lost(training, whole, tmp_path):
    checkpoints = Checkpoints(folder=tmp_path, every_epochs=1)
    with pytest.raises(TrainingInterrupted):
        training.fit(checkpoints=checkpoints, progress=after(3, send(signal.SIGTERM)))
    older, newer = sorted(path.name for path in tmp_path.glob("*-*"))
    data = max((tmp_path / newer).rglob("d/*"), key=lambda path: path.stat().st_size)
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 16
    data.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged") as told:
        run = training.fit(checkpoints=tmp_path, resume=True)
    (said,) = [str(one.message) for one in told]
    assert str(tmp_path / newer) in said
    assert data.name in said
    assert str(tmp_path / older) in said
    assert_same(run, whole)


@of_one_kind
def test_a_checkpoint_of_another_format_is_neither_passed_over_nor_removed(training, tmp_path):
    checkpoints = Checkpoints(folder=tmp_path, every_epochs=1)
    with pytest.raises(TrainingInterrupted):
        training.fit(checkpoints=checkpoints, progress=after(3, send(signal.SIGTERM)))
    newer = max(tmp_path.glob("*-*"))
    facts = json.loads((newer / "checkpoint.json").read_text())
    reseal(newer, facts | {"format": 99})
    with pytest.raises(
        InvalidInput, match=rf"^the checkpoint {newer} has format 99: .*; use the version that wrote it"
    ):
        training.fit(checkpoints=checkpoints, resume=True)
    assert newer.is_dir()


@of_one_kind
def test_a_training_that_goes_on_under_other_versions_says_so(training, whole, tmp_path):
    with pytest.raises(TrainingInterrupted):
        training.fit(checkpoints=tmp_path, progress=after(3, send(signal.SIGTERM)))
    folder = tmp_path / newest(tmp_path).name
    facts = json.loads((folder / "checkpoint.json").read_text())
    now, facts["environment"]["versions"]["jax"] = facts["environment"]["versions"]["jax"], "0.1"
    reseal(folder, facts)
    with pytest.warns(UserWarning, match=rf"was saved elsewhere \(versions.jax: 0.1 then, {now} now\): it goes on"):
        run = training.fit(checkpoints=tmp_path, resume=True)
    assert_same(run, whole)


@of_one_kind
def test_data_are_hashed_once(training, tmp_path, monkeypatch):
    hashed, digest = [], continuation._digest
    monkeypatch.setattr(continuation, "_digest", lambda dataset: hashed.append(dataset) or digest(dataset))
    training.fit(checkpoints=tmp_path, epochs=1)
    assert len(hashed) == 1
    training.fit(checkpoints=tmp_path, epochs=1, resume=True)
    assert len(hashed) == 2
    training.fit(epochs=1)
    assert len(hashed) == 2


def reseal(folder: Path, facts: dict[str, Any]) -> None:
    """Other facts, sealed as if they had been written so."""
    (folder / "checkpoint.json").write_text(json.dumps(facts))
    (folder / SEAL).unlink()
    seal(folder)


@of_one_kind
@pytest.mark.parametrize("key", ["environment", "record", "configuration"])
def test_a_checkpoint_that_lacks_something_is_refused_in_a_sentence(training, tmp_path, key):
    """Sealed all the same, as no training writes it."""
    training.fit(checkpoints=tmp_path, epochs=1)
    folder = tmp_path / newest(tmp_path).name
    facts = json.loads((folder / "checkpoint.json").read_text())
    for change in ({}, {key: 3}, {key: None}):
        reseal(folder, {name: value for name, value in facts.items() if name != key} | change)
        with pytest.raises(InvalidInput, match=rf"^the checkpoint {folder} lacks its {key}: .*use that one, or train"):
            training.fit(checkpoints=tmp_path, epochs=1, resume=True)


def test_killed_at_random_moments_it_comes_to_the_same_bits(tmp_path):
    """Six of the hundred runs that the script makes by default."""
    command = [sys.executable, str(KILL_TEST), "--runs", "6", "--signals", "SIGKILL", "--json"]
    finished = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    rows = json.loads(finished.stdout)
    assert sum(row["runs"] for row in rows) == 6
    assert [row["faults"] for row in rows] == [[], [], []]
    assert all(sum(row["ended"].values()) >= row["runs"] for row in rows)
