"""Files of data that somebody crafted: each is refused in one sentence, soon, and nothing in it is executed."""

import contextlib
import gzip
import pickle
import resource
import shutil
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.data import ReadOptions
from ae_jax.data.files import names_in, read

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


DATA = ("x.npy", "x.npz", "x.mat", "x.csv", "x.tsv", "x.parquet", "x.idx", "train-images-idx3-ubyte.gz", "class/x.png")


@pytest.mark.parametrize("name", DATA)
def test_a_pickle_that_is_named_as_data_is_not_loaded(tmp_path, canary, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(Bomb(canary)))
    source = path.parent if path.suffix == ".png" else path
    refusal(read, source)
    refusal(ae_jax.data.load, str(source))


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
    "beyond everything": header(f"({10**80}, 8)"),
    "negative": header("(-1, 8)"),
    "many axes": header(f"({'1, ' * 100})"),
    "no numbers": header("('a', 8)"),
    "code": header("__import__('os').abort()"),
    "a long type": header("(2, 2)", f"'<V{2**31 - 1}'"),
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


def idx(*sizes: int, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


@pytest.mark.parametrize(
    "raw",
    [
        idx(2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(8),
        idx(*[1] * 255) + bytes(1),
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
    assert r"b\x1b[2J" in refusal(read, tmp_path / "x.csv", ReadOptions(columns=("c",)))


def test_damaged_or_removed_files_that_are_streamed_are_a_sentence(tmp_path):
    pandas.DataFrame(np.eye(400, 3), columns=list("abc")).to_parquet(tmp_path / "x.parquet", row_group_size=40)
    whole = (tmp_path / "x.parquet").read_bytes()
    for place in (4, 100, len(whole) // 2, len(whole) - 900, len(whole) - 100, len(whole) - 20):
        (tmp_path / "y.parquet").write_bytes(whole[:place] + b"\xff" * 8 + whole[place + 8 :])
        with contextlib.suppress(InvalidInput):
            ae_jax.data.load(str(tmp_path / "y.parquet"), ReadOptions(budget=4000))
    np.save(tmp_path / "x.npy", np.zeros((400, 3), np.float32))
    for name in ("x.parquet", "x.npy"):
        data = ae_jax.data.load(str(tmp_path / name), ReadOptions(budget=4000))
        (tmp_path / name).unlink()
        refusal(data.stream.rows.read, 0, 0, 10)


def test_what_a_file_may_ask_for_is_bounded():
    refusal(ReadOptions, image_size=(60_000, 60_000))
    refusal(ae_jax.undercomplete, hidden=(2,) * 1000)
    refusal(ae_jax.data.load, "a\0b.npy")
