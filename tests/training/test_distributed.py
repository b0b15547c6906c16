"""One training on one device, on eight of one process, and on those of two processes: the same curves."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ae_jax.training.checkpoint import checkpoint_info

TOPOLOGY = Path(__file__).with_name("topology.py")
FLAGS = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_collective_call_terminate_timeout_seconds=600 --xla_force_host_platform_device_count={devices}"
)
TOLERANCE = 1e-5
MOVED = {"name": "sparse", "members": 2, "stream": True}
"""What is ended in the middle of its second epoch, and goes on elsewhere."""
EIGHT = "member=2,data=4"


@pytest.fixture(scope="module")
def train():
    """Training in this process, on its one device."""
    spec: Any = importlib.util.spec_from_file_location("topology", TOPOLOGY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.train


def start(folder: Path, tasks: dict[str, dict[str, Any]], *, devices: int, processes: int = 1) -> dict[str, Any]:
    """What tasks give in new processes of so many devices each, by title."""
    listed = folder / f"{next(iter(tasks))}-{processes}.json"
    listed.write_text(json.dumps(tasks))
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": FLAGS.format(devices=devices)}
    command = [sys.executable, str(TOPOLOGY), str(folder), str(listed)]
    address = f"127.0.0.1:{free_port()}"
    started = [
        subprocess.Popen(
            [*command, *([address, str(index), str(processes)] if processes > 1 else [])],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index in range(processes)
    ]
    said = [process.communicate(timeout=900)[0] for process in started]
    assert [process.returncode for process in started] == [0] * processes, "\n".join(said)
    return {title: dict(np.load(folder / f"{title}.npz")) for title in tasks}


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def require_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Curves within the tolerance or the rounding of the terms that cancel in a divergence near zero, parameters within
    the tolerance of the largest of their array.
    """
    assert set(found) == set(expected)
    for name, values in expected.items():
        atol = TOLERANCE * np.abs(values).max() if "[" in name else 1e-7
        np.testing.assert_allclose(found[name], values, rtol=TOLERANCE, atol=atol, err_msg=name)


@pytest.fixture(scope="module")
def moved(tmp_path_factory, train) -> dict[str, Any]:
    """Each of three topologies ends a training early, and others go on with it; and the folder of all that."""
    folder = tmp_path_factory.mktemp("moved")
    whole = train(**MOVED)
    ended = train(**MOVED, checkpoints=str(folder / "one"), ended_by=0)
    eight = {
        "eight": MOVED | {"mesh": EIGHT, "checkpoints": str(folder / "eight"), "ended_by": 0},
        "one-to-eight": going_on(folder, "one", "eight", mesh=EIGHT),
        "work-8": {"name": "undercomplete", "mesh": "data=8"},
        "work-1": {"name": "undercomplete"},
    }
    found = start(folder, eight, devices=8)
    two = {
        "two": MOVED | {"checkpoints": str(folder / "two"), "ended_by": 1},
        "one-to-two": going_on(folder, "one", "two"),
        "eight-to-two": going_on(folder, "eight", "two"),
    }
    found |= start(folder, two, devices=2, processes=2)
    for source in ("eight", "two"):
        with pytest.warns(
            UserWarning, match=r"in another environment \(device: \S+ x [48] \(cpu\) then, \S+ x 1 \(cpu\) now\)"
        ):
            found[f"{source}-to-one"] = train(**going_on(folder, source, "one"))
    return found | {"one": ended, "whole": whole, "folder": folder}


def going_on(folder: Path, source: str, target: str, **choice: Any) -> dict[str, Any]:
    """The task of going on elsewhere with a copy of the checkpoints of a topology."""
    copy = folder / f"{source}-to-{target}.checkpoints"
    shutil.copytree(folder / source, copy)
    return MOVED | {"checkpoints": str(copy), "resume": True} | choice


@pytest.mark.parametrize("title", ["one-to-eight", "one-to-two", "eight-to-one", "eight-to-two", "two-to-one"])
def test_a_checkpoint_goes_on_elsewhere_to_the_same_end(moved, title):
    require_equal(moved[title], moved["whole"])


@pytest.mark.parametrize("title", ["one", "eight", "two"])
def test_a_signal_to_any_process_ends_training_in_all_of_them(moved, title):
    assert moved[title]["stopped"] == signal.SIGTERM
    assert moved[title]["train.loss"].shape == (2, 1)
    assert checkpoint_info(moved["folder"] / title) == (1, 3, False)


def test_work_is_divided_among_devices(moved):
    alone, eighth = moved["work-1"], moved["work-8"]
    assert alone["sums"] == 0 < eighth["sums"]
    assert eighth["flops"] < 0.4 * alone["flops"]
    assert alone["programs"] == eighth["programs"] == 0


# One and two members meet streamed data and data in memory, each with another autoencoder.
KINDS = [
    {"name": "undercomplete", "members": 1, "stream": False, "resplit": False},
    {"name": "sparse", "members": 2, "stream": False, "resplit": True},
    {"name": "variational", "members": 2, "stream": True, "resplit": False},
    {"name": "convolutional", "members": 1, "stream": True, "resplit": False},
]


@pytest.mark.slow
def test_curves_of_every_kind_are_those_of_one_device(tmp_path, train):
    eight = {
        f"{place}-on-8": kind | {"mesh": (None, "data=8", EIGHT)[kind["members"]]} for place, kind in enumerate(KINDS)
    }
    found = start(tmp_path, eight, devices=8)
    two = {f"{place}-by-2": kind for place, kind in enumerate(KINDS)}
    found |= start(tmp_path, two, devices=2, processes=2)
    for place, kind in enumerate(KINDS):
        expected = train(**kind)
        require_equal(found[f"{place}-on-8"], expected)
        require_equal(found[f"{place}-by-2"], expected)
