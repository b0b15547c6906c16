import json
import pickle
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import ae_jax
from ae_jax import InvalidInput, Run
from ae_jax.training import run_folder

FILES = ["SHA256SUMS", "configuration.json", "history.json", "params.safetensors"]


def everything_in(folder) -> dict:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def saved(run: Run, tmp_path_factory) -> Path:
    """A saved run that no test may change."""
    return run.save(tmp_path_factory.mktemp("saved") / "run")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(saved, tmp_path / "run")


def test_numpy_reads_a_run_by_the_lines_of_the_documentation(saved, run, monkeypatch):
    (saved.parent / "runs").mkdir()
    (saved.parent / "runs" / "digits").symlink_to(saved)
    monkeypatch.chdir(saved.parent)
    lines = re.findall(r"^    (.*)$", run_folder.__doc__, re.MULTILINE)
    assert len(lines) == 5
    found = {}
    exec("\n".join(lines), found)
    assert (found["kernel"].shape, found["bias"].shape) == ((64, 12), (12,))
    assert found["members"][0]["seed"] == 5
    assert sum(array[0].size for array in found["arrays"].values()) == run.parameters


def test_an_older_run_is_replaced_with_what_the_command_line_wrote_beside_it(population, folder):
    for name in ("results.json", "report.html"):
        (folder / name).write_text("{}")
    assert len(ae_jax.load(folder)) == 1
    population.save(folder)
    assert len(ae_jax.load(folder)) == 4
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("name", ["thesis.tex", ".hidden", "params/a", "results.json/a"])
def test_a_folder_that_holds_anything_else_is_left_alone(run, folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("years of work")
    before = everything_in(folder)
    with pytest.raises(InvalidInput, match="exists and is no run: expected a new folder or one to replace"):
        run.save(folder)
    assert everything_in(folder) == before


def test_the_current_folder_is_left_alone(run, folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(InvalidInput, match="is the current folder or holds it: expected a folder that may be replaced"):
        run.save(folder)


def test_a_save_that_fails_leaves_the_older_run(run, folder, monkeypatch):
    before = everything_in(folder)
    monkeypatch.setattr(run_folder, "save", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.save(folder)
    assert everything_in(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("name", FILES[1:])
def test_a_damaged_file_is_named(folder, name):
    content, rng = (folder / name).read_bytes(), random.Random(name)
    flipped = bytearray(content)
    flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    for damaged in (flipped, content[:-1], content + b" ", b"", pickle.dumps({})):
        (folder / name).write_bytes(damaged)
        with pytest.raises(InvalidInput, match=rf"is damaged \({name} is not what was written"):
            ae_jax.load(folder)
    (folder / name).unlink()
    with pytest.raises(InvalidInput, match=rf"is damaged \({name} is missing"):
        ae_jax.load(folder)


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"0" * 64 + b"  history.json\n"])
def test_without_its_digests_a_run_is_damaged(folder, content):
    (folder / "SHA256SUMS").unlink()
    if content is not None:
        (folder / "SHA256SUMS").write_bytes(content)
    with pytest.raises(InvalidInput, match="is damaged"):
        ae_jax.load(folder)


def rewrite(folder: Path, change, name: str = "configuration.json") -> None:
    """Changes a file of JSON, with the digest that belongs to it."""
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))
    sign(folder)


def sign(folder: Path) -> None:
    names = ("configuration.json", "history.json", "params.safetensors")
    (folder / "SHA256SUMS").write_text("".join(run_folder._digest_line(folder / name) for name in names))


@pytest.mark.parametrize(
    "change",
    [
        lambda configuration: configuration.pop("members"),
        lambda configuration: configuration["members"].clear(),
        lambda configuration: configuration["members"][0].update(seed=-1),
        lambda configuration: configuration["members"][0].update(autoencoder=3),
        lambda configuration: configuration["members"][0]["autoencoder"].update(type="Unknown"),
        lambda configuration: configuration["data"].update(shape=[10**6, 10**6]),
        lambda configuration: configuration.update(data=configuration["members"][0]["autoencoder"]),
    ],
)
def test_a_configuration_that_no_run_has_is_refused(folder, change):
    rewrite(folder, change)
    with pytest.raises(InvalidInput):
        ae_jax.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("params.networks.encoder.0.bias"),
        lambda arrays: arrays.update(more=np.zeros(3, np.float32)),
        lambda arrays: arrays.update({"params.networks.encoder.0.bias": np.zeros((1, 13), np.float32)}),
        lambda arrays: arrays.update({"params.networks.encoder.0.bias": np.zeros((1, 12), np.float16)}),
    ],
)
def test_arrays_that_do_not_fit_the_configuration_are_refused(folder, change):
    arrays = load_file(folder / "params.safetensors")
    change(arrays)
    save_file(arrays, folder / "params.safetensors")
    sign(folder)
    with pytest.raises(
        InvalidInput, match=r"do not fit the run's configuration \((more|params\.networks\.encoder.0.b)"
    ):
        ae_jax.load(folder)


def test_another_format_is_refused(folder):
    rewrite(folder, lambda configuration: configuration.update(format=99))
    with pytest.raises(InvalidInput, match="has format 99: expected format"):
        ae_jax.load(folder)


def test_what_is_no_run_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(InvalidInput, match=r"is no run: expected a folder with configuration\.json"):
            ae_jax.load(path)
