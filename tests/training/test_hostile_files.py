"""What a stranger's file may hold: whatever that is, it is one sentence, soon, and nothing in it is executed.

The runs are sealed again after they were changed, as whoever knows the format can do: a seal tells of damage, not of
intent.
"""

import contextlib
import gzip
import json
import os
import pickle
import resource
import shutil
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput, Run
from ae_jax.data.files import names_in, read
from ae_jax.training.checkpoint import newest, read_arrays, write_arrays
from ae_jax.training.integrity import seal
from ae_jax.training.run_folder import read_run

ROOM = 1 << 30
"""Bytes of memory that a refusal may take beyond what the process had: far below what the files announce."""


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self):
        return Path.touch, (self.canary,)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """What a pickle would make, were it loaded; afterwards, that it was not."""
    canary = tmp_path / "canary"
    pickle.loads(pickle.dumps(Bomb(canary)))
    assert canary.exists()
    canary.unlink()
    yield canary
    assert not canary.exists()


@pytest.fixture(autouse=True)
def _no_more_memory() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < ROOM


@pytest.fixture(scope="module")
def saved(run: Run, tmp_path_factory) -> Path:
    return run.save(tmp_path_factory.mktemp("saved") / "run")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "run")


def refusal(load, *arguments, **options) -> str:
    """The one sentence that loading something gives."""
    with pytest.raises(InvalidInput) as caught:
        load(*arguments, **options)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert sentence.endswith(".")
    assert len(sentence) < 2000
    return sentence


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_pickle_in_place_of_any_file_of_a_run_is_not_loaded(folder, canary):
    for path in files_in(folder):
        before = path.read_bytes()
        path.write_bytes(pickle.dumps(Bomb(canary)))
        if path.name != "digests.json":
            seal(folder)
        # Of some files of Orbax's nothing is read.
        with contextlib.suppress(InvalidInput) if "params" in path.parts else pytest.raises(InvalidInput):
            ae_jax.load(folder)
        path.write_bytes(before)


def test_a_pickle_beside_a_run_is_not_loaded(folder, canary):
    for name in ("params.pkl", "__init__.py", "params/state/x.npy", "conftest.py"):
        (folder / name).write_bytes(pickle.dumps(Bomb(canary)))
    seal(folder)
    assert len(ae_jax.load(folder)) == 1


DEEP = 100_000


@pytest.mark.parametrize(
    "text",
    [
        "[" * DEEP,
        '{"a":' * DEEP,
        "[" * DEEP + "]" * DEEP,
        '{"type": "MLP", "hidden":' + "[" * 500 + "]" * 500 + "}",
        "9" * DEEP,
        "1e999",
        "-1e999",
        "NaN",
        "-Infinity",
        '{"format": 3, "format": 3}',
        "{" + ", ".join(f'"{number % 4999}": 0' for number in range(5000)) + "}",
        '"\\ud800"',
        "\ufeff{}",
        "\0",
        "",
    ],
)
@pytest.mark.parametrize("name", ["configuration.json", "history.json"])
def test_json_that_nobody_writes_is_refused(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    seal(folder)
    assert f"the run in {folder} is damaged (" in refusal(ae_jax.load, folder)


def test_json_in_another_encoding_is_refused(folder):
    path = folder / "configuration.json"
    path.write_bytes(path.read_text().encode("utf-16"))
    seal(folder)
    refusal(ae_jax.load, folder)


def test_json_of_a_terabyte_is_not_read(folder, monkeypatch):
    os.truncate(folder / "history.json", 1 << 40)
    # as if somebody had taken the day that sealing it takes
    monkeypatch.setattr("ae_jax.training.run_folder.require_sealed", lambda *_, **__: None)
    assert "history.json is no file of 1,073,741,824 bytes at most" in refusal(ae_jax.load, folder)


def within(tree, *path):
    """The part of a nested dict or list at a path."""
    for step in path:
        tree = tree[step]
    return tree


NETWORKS = ("members", 0, "autoencoder", "networks")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ((*NETWORKS, "code"), 10**12),
        ((*NETWORKS, "code"), 10**30),
        ((*NETWORKS, "code"), 1e300),
        ((*NETWORKS, "hidden"), [10**12]),
        ((*NETWORKS, "hidden"), [10**6] * 5),
        ((*NETWORKS, "hidden"), [1] * 20_000),
        ((*NETWORKS, "hidden"), "/etc/passwd"),
        ((*NETWORKS, "activation"), "../../../etc/passwd"),
        ((*NETWORKS, "activation"), "__import__('os').system('true')"),
        ((*NETWORKS, "type"), "../../MLP"),
        ((*NETWORKS, "type"), "builtins.eval"),
        ((*NETWORKS, "type"), "a\nb\x1b[2J"),
        (("members", 0, "autoencoder", "name"), ["a"] * 3),
        (("members", 0, "seed"), 10**100),
        (("members", 0, "best_epoch"), 10**100),
        (("members",), []),
        (("data", "shape"), [10**12]),
        (("data", "shape"), [10**6, 10**6]),
        (("data", "shape"), [1] * 1000),
        (("data", "dtype"), "object, /etc/passwd"),
        (("data", "dtype"), "O"),
        (("data", "dtype"), "(1000000000000,)f8"),
        (("data", "low"), 10**400),
        (("data", "scaling"), {"type": "Scaling", "scale": 10**400}),
        (("data", "scaling"), {"type": "Scaling", "scale": [1.0] * 65}),
        (("data", "reading"), {"type": "ReadOptions", "budget": -1}),
        (("data", "reading"), {"type": "ReadOptions", "shape": [10**12, "../.."]}),
        (("single",), "true"),
        (("format",), "../../3"),
        (("format",), [3] * 10_000),
    ],
)
def test_a_configuration_that_nobody_saved_is_refused(folder, where, value):
    path = folder / "configuration.json"
    configuration = json.loads(path.read_text())
    within(configuration, *where[:-1])[where[-1]] = value
    path.write_text(json.dumps(configuration))
    seal(folder)
    refusal(ae_jax.load, folder)


def test_a_run_without_arrays_is_refused(folder):
    shutil.rmtree(folder / "params")
    seal(folder)
    assert "the arrays in" in refusal(ae_jax.load, folder)


@pytest.mark.parametrize(
    "arrays",
    [
        {"../../../outside": np.zeros(3, np.float32)},
        {"/absolute": np.zeros(3, np.float32)},
        {"encoder.0.kernel": np.zeros((1, 64, 12), np.float32)},
        {"encoder.0.kernel\n\x1b[2J": np.zeros(3, np.float32)},
    ],
)
def test_arrays_of_other_names_are_refused_and_nothing_is_written_elsewhere(folder, arrays):
    shutil.rmtree(folder / "params")
    write_arrays(folder / "params", arrays)
    seal(folder)
    before = files_in(folder.parent)
    refusal(ae_jax.load, folder)
    assert files_in(folder.parent) == before


def test_arrays_of_another_type_are_refused(folder):
    arrays = read_arrays(folder / "params")
    shutil.rmtree(folder / "params")
    write_arrays(folder / "params", arrays | {"encoder.0.bias": arrays["encoder.0.bias"].astype(np.int32)})
    seal(folder)
    assert "the run's arrays do not fit its configuration (encoder.0.bias)" in refusal(ae_jax.load, folder)


@pytest.mark.parametrize("what", ["shape", "chunk"])
def test_arrays_that_announce_too_much_are_refused_before_there_is_room_made_for_them(folder, what):
    # Its storage would end the process where there is no room.
    announce(folder / "params", b"encoder.0.kernel/zarr.json", what)
    seal(folder)
    assert "the run's arrays do not fit its configuration (encoder.0.kernel)" in refusal(ae_jax.load, folder)


@pytest.fixture(scope="module")
def saved_checkpoint(small, tmp_path_factory) -> Path:
    """The checkpoint of a training that was ended after its first epoch."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    resume(folder, small, epochs=1)
    return folder


@pytest.fixture
def checkpoint(saved_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of it, beside which there is no older one."""
    return shutil.copytree(saved_checkpoint, tmp_path / "checkpoints") / "000001-000000"


def resume(folder: Path, data, epochs: int = 2) -> Run:
    autoencoder = ae_jax.undercomplete(code=3, hidden=(12,))
    return ae_jax.fit(autoencoder, data, epochs=epochs, batch_size=16, checkpoints=folder, resume="extend")


def test_a_pickle_in_place_of_any_file_of_a_checkpoint_is_not_loaded(checkpoint, small, canary):
    for path in files_in(checkpoint):
        before = path.read_bytes()
        path.write_bytes(pickle.dumps(Bomb(canary)))
        if path.name != "digests.json":
            seal(checkpoint)
        # Of some files of Orbax's nothing is read.
        with contextlib.suppress(InvalidInput) if "arrays" in path.parts else pytest.raises(InvalidInput):
            newest(checkpoint.parent)
        path.write_bytes(before)
    for name in ("arrays.pkl", "__init__.py", "arrays/x.npy", "conftest.py"):
        (checkpoint / name).write_bytes(pickle.dumps(Bomb(canary)))
    seal(checkpoint)
    assert len(resume(checkpoint.parent, small)) == 1


FACTS = {"format": 1, "configuration": {"epochs": 1}, "record": {}, "environment": {}}


@pytest.mark.parametrize(
    "text",
    [
        "[" * DEEP,
        '{"a":' * DEEP,
        "9" * DEEP,
        '{"format": 1e999}',
        '{"format": NaN}',
        '{"format": 1, "format": 1}',
        '{"format": "../../1"}',
        '{"format": ' + "9" * 4000 + "}",
        json.dumps(FACTS | {"configuration": {"epochs": "1"}}),
        json.dumps(FACTS | {"configuration": {"epochs": 1, "seeds": "../../etc/passwd"}}),
        json.dumps(FACTS | {"configuration": {"epochs": 1, "data": json.loads("[" * 500 + "]" * 500)}}),
        json.dumps(FACTS | {"record": {"wall_s": "long"}}),
        "\0",
    ],
    ids=lambda text: text[:40],
)
def test_facts_of_a_checkpoint_that_nobody_wrote_are_refused(checkpoint, small, text):
    (checkpoint / "checkpoint.json").write_text(text)
    seal(checkpoint)
    refusal(resume, checkpoint.parent, small)


@pytest.mark.parametrize(
    "arrays",
    [
        {"../../../outside": np.zeros(3, np.float32)},
        {"/absolute": np.zeros(3, np.float32)},
        {"state.params.encoder.0.bias": np.zeros((1, 13), np.float32)},
        {"history.train.loss": np.zeros((1, 1), np.float32)},
        {"running": np.zeros(10**6, bool)},
    ],
)
def test_arrays_of_a_checkpoint_that_nobody_wrote_are_refused(checkpoint, small, arrays):
    shutil.rmtree(checkpoint / "arrays")
    write_arrays(checkpoint / "arrays", arrays)
    seal(checkpoint)
    before = files_in(checkpoint.parent.parent)
    refusal(resume, checkpoint.parent, small)
    assert set(files_in(checkpoint.parent.parent)) == {*before, checkpoint.parent / "lock"}


@pytest.mark.parametrize("what", ["shape", "chunk"])
def test_arrays_of_a_checkpoint_that_announce_too_much_are_refused(checkpoint, small, what):
    announce(checkpoint / "arrays", b"state.params.encoder.0.bias/zarr.json", what)
    seal(checkpoint)
    assert "they are said to have 4,000,000,0" in refusal(resume, checkpoint.parent, small)


def test_a_checkpoint_under_another_name_is_refused(checkpoint, small):
    checkpoint.rename(checkpoint.with_name("000002-000000"))
    assert "the checkpoint's arrays do not fit the population" in refusal(resume, checkpoint.parent, small)


def announce(folder: Path, key: bytes, what: str) -> None:
    """Has an array announced of another shape, or in other chunks, by what Orbax says of it within its database."""
    tensorstore = pytest.importorskip("tensorstore")
    arrays = tensorstore.KvStore.open({"driver": "ocdbt", "base": f"file://{folder}/state/"}).result()
    metadata, many = json.loads(arrays[key]), [1, 10**6, 10**6]
    if what == "shape":
        metadata["shape"] = many[-len(metadata["shape"]) :]
    else:
        many = many[-len(metadata["shape"]) :]
        metadata["chunk_grid"]["configuration"]["chunk_shape"] = many
        metadata["codecs"][0]["configuration"]["chunk_shape"] = many
    arrays[key] = json.dumps(metadata).encode()


def test_links_out_of_the_folder_are_not_followed(folder, saved):
    for name in ("configuration.json", "params"):
        inside = folder / name
        shutil.rmtree(inside) if inside.is_dir() else inside.unlink()
        inside.symlink_to(saved / name)
        refusal(ae_jax.load, folder)
        inside.unlink()
        shutil.copytree(saved / name, inside) if (saved / name).is_dir() else shutil.copy(saved / name, inside)
    assert read_run(folder)["seeds"].tolist() == [5]


DATA = ("x.npy", "x.npz", "x.mat", "x.csv", "x.tsv", "x.parquet", "x.idx", "train-images-idx3-ubyte.gz", "class/x.png")


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_that_is_named_as_data_is_not_loaded(tmp_path, canary, name, protocol):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(Bomb(canary), protocol))
    source = path.parent if path.suffix == ".png" else path
    refusal(read, source)
    refusal(ae_jax.data.load, str(source))


def test_a_pickle_among_mnist_s_files_is_not_loaded(tmp_path, canary):
    for split in ("train", "t10k"):
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            (tmp_path / f"{split}-{kind}").write_bytes(pickle.dumps(Bomb(canary)))
    refusal(ae_jax.data.load, str(tmp_path))


@pytest.mark.parametrize("where", ["x", "y", "beside"])
def test_objects_in_numpy_s_files_are_not_loaded(tmp_path, canary, where):
    bombs = np.array([[Bomb(canary)], [Bomb(canary)]], object)
    np.save(tmp_path / "x.npy", bombs, allow_pickle=True)
    refusal(read, tmp_path / "x.npy")
    refusal(ae_jax.data.load, str(tmp_path / "x.npy"))
    arrays = {"x": np.zeros((2, 2)), "y": np.zeros(2)} | {where: bombs}
    np.savez(tmp_path / "x.npz", **arrays)
    if where == "beside":
        assert read(tmp_path / "x.npz")["all"].x.shape == (2, 2)
    else:
        refusal(read, tmp_path / "x.npz")


def header(shape: str, descr: str = "'<f4'") -> bytes:
    """The beginning of a ``.npy`` file of format 1.0."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


HEADERS = {
    "many": header(f"({10**12}, 8)"),
    "beyond 64 bits": header(f"({2**40}, {2**40})"),
    "beyond everything": header(f"({10**80}, 8)"),
    "negative": header("(-1, 8)"),
    "many axes": header(f"({'1, ' * 100})"),
    "no numbers": header("('a', 8)"),
    "code": header("__import__('os').abort()"),
    "deep": header("(" * 5000 + ")" * 5000),
    "a long type": header("(2, 2)", f"'<V{2**31 - 1}'"),
    "a nested type": header(f"({10**6}, 2)", f"[('a', '<f8', ({10**6},))]"),
    "objects": header(f"({10**12},)", "'|O'"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_announces_too_much_is_refused(tmp_path, name):
    (tmp_path / "x.npy").write_bytes(HEADERS[name] + bytes(64))
    refusal(read, tmp_path / "x.npy")
    refusal(ae_jax.data.load, str(tmp_path / "x.npy"))
    (tmp_path / "shards").mkdir()
    shutil.copy(tmp_path / "x.npy", tmp_path / "shards")
    refusal(ae_jax.data.load, str(tmp_path / "shards"))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", HEADERS[name] + bytes(64))
    refusal(read, tmp_path / "x.npz")


def test_an_archive_s_names_are_names_and_no_paths(tmp_path):
    evil = "../../outside\n\x1b[2J"
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name in (evil, "/absolute"):
            with archive.open(f"{name}.npy", "w") as file:
                np.save(file, np.zeros((2, 2)))
    before = files_in(tmp_path.parent)
    assert names_in(tmp_path / "x.npz") == (evil, "/absolute")
    assert r"holds ../../outside\n\x1b[2J, /absolute: expected the examples under x" in refusal(
        read, tmp_path / "x.npz"
    )
    assert read(tmp_path / "x.npz", key=evil)["all"].x.shape == (2, 2)
    assert files_in(tmp_path.parent) == before


def test_an_archive_that_does_not_hold_what_its_directory_says_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(64, 64)))
    raw = (tmp_path / "x.npz").read_bytes()
    for start in range(0, len(raw), 4096):
        (tmp_path / "x.npz").write_bytes(raw[:start] + bytes(64) + raw[start + 64 :])
        refusal(read, tmp_path / "x.npz")


def idx(*sizes: int, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


@pytest.mark.parametrize(
    "raw",
    [
        idx(2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(8),
        idx(10**9, 8, kind=14) + bytes(8),
        idx(*[1] * 255) + bytes(1),
        idx(*[1] * 64, 0),
        bytes([0, 0, 8, 255]),
    ],
)
@pytest.mark.parametrize("name", ["x.idx", "x-idx3-ubyte.gz"])
def test_an_idx_file_that_announces_too_much_is_refused(tmp_path, raw, name):
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    refusal(read, tmp_path / name)


def test_an_idx_file_that_swells_when_it_is_opened_is_not_swallowed(tmp_path):
    with gzip.open(tmp_path / "x-idx2-ubyte.gz", "wb", compresslevel=1) as file:
        file.write(idx(2, 2))
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    sentence = refusal(read, tmp_path / "x-idx2-ubyte.gz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "announces 4 bytes of values, of shape (2, 2), and holds more" in sentence
    assert peak < 1 << 22


def test_matlab_s_file_that_announces_too_much_is_refused(tmp_path):
    # version 4: type, rows, columns, imaginary part, length of the name; then name and values
    four = struct.pack("<5i", 0, 2**31 - 1, 2**31 - 1, 0, 2) + b"x\0" + bytes(64)
    # version 5: a compressed element that is longer than the file
    five = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + struct.pack("<2I", 15, 2**32 - 1) + bytes(64)
    for raw in (four, five):
        (tmp_path / "x.mat").write_bytes(raw)
        refusal(read, tmp_path / "x.mat")


def test_a_table_s_names_do_not_steer_the_terminal(tmp_path):
    (tmp_path / "x.csv").write_text('a,"b\x1b[2J"\n1,2\n3,4\n')
    assert r"b\x1b[2J" in refusal(read, tmp_path / "x.csv", columns=("c",))


@pytest.mark.parametrize("content", ["1" * 5000 + ",1\n1,1\n", f"a,b\n{10**400},1\n", "a,b\nNaN,1\n", '"' * 9999])
def test_a_table_of_impossible_numbers_is_refused(tmp_path, content):
    (tmp_path / "x.csv").write_text(content)
    refusal(ae_jax.data.load, str(tmp_path / "x.csv"))
