"""Trackers, each by its real package, without a network: what was sent is read back."""

import json
import os
import socket
import sqlite3
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput, Run
from ae_jax.data import Dataset
from ae_jax.trackers import TRACKERS, MLflow, TensorBoard, Trackio, WandB, tracker

pytest.importorskip("tensorboardX")

# The trackers leave connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def train(small: Dataset, tracking: Any, **settings: Any) -> Run:
    """Two weights of the divergence and two seeds, for three epochs."""
    choices = [ae_jax.variational(code=3, hidden=(12,), beta=beta) for beta in (1.0, 2.0)]
    return ae_jax.fit(choices, small, seeds=[5, 6], epochs=3, batch_size=16, callbacks=[tracking], **settings)


def expected(run: Run) -> dict[str, list[float]]:
    """The terms that a tracker is sent, by epoch."""
    losses = run.history["validation"]["loss"]
    return {"validation/loss": losses.mean(axis=0).tolist(), "validation/loss/beta=2": losses[2:].mean(axis=0).tolist()}


def test_an_event_file_has_scalars_a_picture_and_a_projection(small: Dataset, tmp_path: Path):
    from tensorboardX.proto.event_pb2 import Event

    run = train(small, TensorBoard(tmp_path))
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("variational-")
    (file,) = folder.glob("events.*")
    content, scalars, tags = file.read_bytes(), {}, set()
    while content:  # length, checksum, event, checksum
        (length,) = struct.unpack("<Q", content[:8])
        for value in Event.FromString(content[12 : 12 + length]).summary.value:
            tags.add(value.tag)
            scalars.setdefault(value.tag, []).append(value.simple_value)
        content = content[16 + length :]
    for name, values in expected(run).items():
        np.testing.assert_allclose(scalars[name.replace("=", "_")], values, rtol=1e-5)
    assert {"reconstructions", "parameters/text_summary"} <= tags
    assert len(list(folder.rglob("tensors.tsv"))) == len(list(folder.rglob("sprite.png"))) == 1
    (codes,), (labels,) = (list(folder.rglob(name)) for name in ("tensors.tsv", "metadata.tsv"))
    np.testing.assert_allclose(np.loadtxt(codes), run[0].encode(small.validation.x), rtol=1e-4, atol=1e-6)
    assert labels.read_text().split() == [str(label) for label in small.validation.labels]


def test_an_offline_run_of_weights_and_biases_is_written(small: Dataset, tmp_path: Path, monkeypatch: Any):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = train(small, WandB(mode="offline", dir=str(tmp_path)))
    wandb.teardown()  # which waits until the file is whole
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    (record,) = folder.glob("*.wandb")
    history, configuration = read_wandb(record)
    for name, values in expected(run).items():
        np.testing.assert_allclose([row[name] for row in history if name in row], values, rtol=1e-5)
    assert configuration["swept.beta"] == "[1.0, 1.0, 2.0, 2.0]"
    assert list(folder.glob("files/media/images/reconstructions*.png"))


def read_wandb(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The history and the configuration of a run that Weights & Biases wrote."""
    from wandb.proto.wandb_internal_pb2 import Record

    history, configuration = [], {}
    for data in records_of(path.read_bytes()):
        record = Record.FromString(data)
        if record.HasField("history"):
            items = record.history.item
            history.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
        for update in [*record.run.config.update, *record.config.update]:
            configuration[update.key or ".".join(update.nested_key)] = json.loads(update.value_json)
    return history, configuration


def records_of(content: bytes) -> Iterator[bytes]:
    """Records of a log in LevelDB's format, in blocks of 32 KiB, after a header of seven bytes."""
    place, whole = 7, b""
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:  # padding at the end of a block
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a full record, or the last part of one
            yield whole
            whole = b""


def assert_tracked(client: Any, run: Run, tmp_path: Path) -> None:
    """What MLflow holds is what was trained."""
    (experiment,) = [one for one in client.search_experiments() if one.name == "ae_jax"]
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.run_name, found.info.status) == ("variational", "FINISHED")
    assert found.data.params["epochs"] == "3"
    assert found.data.params["swept.beta"] == "[1.0, 1.0, 2.0, 2.0]"
    for name, values in expected(run).items():
        metrics = client.get_metric_history(found.info.run_id, name.replace("=", "_"))
        np.testing.assert_allclose([metric.value for metric in sorted(metrics, key=lambda one: one.step)], values)
    assert {file.path for file in client.list_artifacts(found.info.run_id)} >= {"run", "reconstructions.png"}
    folder = client.download_artifacts(found.info.run_id, "run", str(tmp_path))
    np.testing.assert_array_equal(ae_jax.load(folder).best_epoch, run.best_epoch)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of MLflow
def test_mlflow_keeps_a_training_in_a_database(small: Dataset, tmp_path: Path, monkeypatch: Any):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert_tracked(mlflow.MlflowClient(uri), train(small, MLflow(uri=uri)), tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_mlflow_sends_a_training_to_a_server(small: Dataset, tmp_path: Path, monkeypatch: Any):
    mlflow = pytest.importorskip("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = [
        "--backend-store-uri",
        f"sqlite:///{tmp_path / 'mlflow.db'}",
        "--artifacts-destination",
        str(tmp_path / "a"),
    ]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    log = (tmp_path / "log").open("w")
    server = subprocess.Popen([*command, *store], stdout=log, stderr=log, start_new_session=True)
    try:
        uri = f"http://127.0.0.1:{port}"
        wait_for(f"{uri}/health", server)
        assert_tracked(mlflow.MlflowClient(uri), train(small, MLflow(uri=uri)), tmp_path)
    finally:
        os.killpg(server.pid, 15)
        server.wait()
        log.close()


def wait_for(address: str, server: subprocess.Popen) -> None:
    """Returns once a server answers; fails if it ends first."""
    while server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail("the server ended")


@pytest.mark.filterwarnings("default")  # those of trackio
def test_trackio_keeps_a_training_in_its_local_store(small: Dataset, tmp_path: Path, monkeypatch: Any):
    pytest.importorskip("trackio")
    for module in ("trackio.utils", "trackio.sqlite_storage"):
        monkeypatch.setattr(f"{module}.TRACKIO_DIR", tmp_path)
    run = train(small, Trackio(project="mine"))
    (database,) = tmp_path.glob("mine*.db")
    with closing(sqlite3.connect(database)) as connection:
        rows = [json.loads(metrics) for (metrics,) in connection.execute("select metrics from metrics order by step")]
    for name, values in expected(run).items():
        np.testing.assert_allclose([row[name] for row in rows if name in row], values, rtol=1e-5)
    assert any("reconstructions" in row for row in rows)


def test_a_tracker_closes_after_a_failure_and_unknown_ones_are_refused(small: Dataset, tmp_path: Path):
    class Failing(ae_jax.Callback):
        def on_epoch(self, progress: Any) -> None:
            raise KeyError(progress.epoch)

    tracking = TensorBoard(tmp_path)
    with pytest.raises(KeyError):
        ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), small, epochs=9, callbacks=[Failing(), tracking])
    assert tracking.writer.file_writer is None or tracking.writer.all_writers is None
    with pytest.raises(InvalidInput, match="unknown tracker 'tensorbord': did you mean 'tensorboard'"):
        tracker("tensorbord")
    assert set(TRACKERS) == {"tensorboard", "wandb", "mlflow", "trackio"}
