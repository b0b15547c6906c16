"""Published data sets: downloaded from a server of the test's own, or from files at hand."""

import dataclasses
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ae_jax import InvalidInput
from ae_jax.data import PUBLISHED, RawData, ReadOptions, load, prepare, prepared_file, published
from ae_jax.data.downloads import content_digest
from ae_jax.data.published import Published

X = np.random.default_rng(0).integers(0, 256, (16, 2, 3), np.uint8)


def read_tiny(paths) -> dict[str, RawData]:
    x = np.load(paths[0])
    return {"train": RawData(x[:12], np.arange(12) % 2), "test": RawData(x[12:], np.arange(4) % 2)}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "at_hand"
    folder.mkdir()
    np.save(folder / "tiny.npy", X)
    return folder


@pytest.fixture
def tiny(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """A small data set among the published ones, verified by the digest of its file."""
    tiny = Published(
        name="tiny",
        shape=(2, 3),
        examples={"train": 12, "test": 4},
        homepage="http://127.0.0.1/",
        address="http://127.0.0.1:1/",
        files={"tiny.npy": hashlib.sha256((files / "tiny.npy").read_bytes()).hexdigest()},
        read=read_tiny,
        others={("other.npy",): read_tiny},
        digest=content_digest(read_tiny([files / "tiny.npy"])),
    )
    monkeypatch.setitem(PUBLISHED, "tiny", tiny)
    monkeypatch.setenv("AE_JAX_DATA_DIR", str(tmp_path / "data"))
    return tiny


@pytest.fixture
def served(tiny: Published, files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    """The small data set, with a server on this machine that has its file."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    monkeypatch.setenv("NO_PROXY", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(files))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        served = dataclasses.replace(tiny, address=f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setitem(PUBLISHED, "tiny", served)
        yield served
        server.shutdown()
        thread.join()


def test_a_data_set_is_downloaded_verified_and_loaded(served: Published) -> None:
    said = []
    file = prepare("tiny", progress=said.append)
    assert file == prepared_file("tiny")
    assert said[-1] == ("tiny: download tiny.npy", 224, 224)
    assert list(file.parent.iterdir()) == [file]
    data = load("tiny")
    assert data.spec.examples == {"train": 11, "validation": 1, "test": 4}
    np.testing.assert_array_equal(data.test.x, X[12:])
    assert data.classes == (0, 1)
    assert load("tiny", ReadOptions(budget=50)).stream is not None
    assert prepare("tiny", source="nowhere") == file


@pytest.mark.parametrize("name", ["tiny.npy", "other.npy"])
def test_files_at_hand_are_taken(tiny: Published, files: Path, name: str) -> None:
    (files / "tiny.npy").rename(files / name)
    prepare("tiny", source=files)
    np.testing.assert_array_equal(load("tiny").test.x, X[12:])


@pytest.mark.parametrize("name", ["tiny.npy", "other.npy"])
@pytest.mark.parametrize("values", [X + np.uint8(1), np.zeros(3)], ids=["other values", "nothing like it"])
def test_files_of_other_data_are_refused(tiny: Published, tmp_path: Path, name: str, values: np.ndarray) -> None:
    np.save(tmp_path / name, values)
    with pytest.raises(InvalidInput, match=r"SHA-256|a file of tiny"):
        prepare("tiny", source=tmp_path)
    assert not prepared_file("tiny").parent.exists()


def test_downloads_that_fail_are_refused(served: Published, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "tiny.npy").write_bytes(b"another file")
    with pytest.raises(InvalidInput, match="SHA-256"):
        prepare("tiny")
    (files / "tiny.npy").unlink()
    with pytest.raises(InvalidInput, match=r"tiny\.npy cannot be downloaded .*404.*--from FOLDER"):
        prepare("tiny")
    monkeypatch.setitem(PUBLISHED, "tiny", dataclasses.replace(served, address="http://127.0.0.1:1/"))
    with pytest.raises(InvalidInput, match=r"tiny\.npy cannot be downloaded .*refused"):
        prepare("tiny")


def test_what_is_not_prepared_or_damaged_is_refused(tiny: Published, files: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"tiny is not prepared: .*run `ae-jax data prepare tiny`"):
        load("tiny")
    file = prepare("tiny", source=files)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(InvalidInput, match=r"tiny\.npz cannot be read .*remove the file and run"):
        load("tiny")
    with pytest.raises(InvalidInput, match=r"tiny\.npz cannot be written"):
        prepare("tiny", source=files, data_dir=files / "tiny.npy")
    with pytest.raises(InvalidInput, match="unknown data set 'tyni': did you mean 'tiny'"):
        prepare("tyni")


def test_the_archive_of_cifar10_is_read(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (6, 2, 3073), np.uint8)
    with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
        for number, batch in enumerate(rows):
            name = "test_batch.bin" if number == 5 else f"data_batch_{number + 1}.bin"
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = batch.nbytes
            archive.addfile(entry, io.BytesIO(batch.tobytes()))
    splits = published.read_cifar10_archive([tmp_path / "cifar.tar.gz"])
    assert splits["train"].x.shape == (10, 32, 32, 3)
    np.testing.assert_array_equal(splits["test"].labels, rows[5, :, 0])
    assert splits["train"].x[3, 1, 2].tolist() == rows[1, 1, [1 + 34, 1 + 1024 + 34, 1 + 2048 + 34]].tolist()


def test_both_forms_of_binarized_mnist_are_read_alike(tmp_path: Path) -> None:
    bits = {name: np.random.default_rng(0).integers(0, 2, (3, 784), np.uint8) for name in ("train", "valid", "test")}
    np.savez(tmp_path / "bits.npz", **{name: np.packbits(rows, axis=1) for name, rows in bits.items()})
    for name, rows in bits.items():
        (tmp_path / name).write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
    packed = published.read_binarized_bits([tmp_path / "bits.npz"])
    text = published.read_binarized_text([tmp_path / name for name in bits])
    assert list(packed) == list(text) == ["train", "validation", "test"]
    for split in packed:
        np.testing.assert_array_equal(packed[split].x, text[split].x)
    np.testing.assert_array_equal(packed["test"].x.reshape(3, 784), bits["test"])


def test_drawings_of_omniglot_are_labelled_by_character(tmp_path: Path) -> None:
    drawings = {
        "images_background": ["Latin/a/1.png", "Latin/b/1.png", "Greek/a/1.png"],
        "images_evaluation": ["X/a/1.png"],
    }
    for part, names in drawings.items():
        with zipfile.ZipFile(tmp_path / part, "w") as archive:
            for name in names:
                Image.new("1", (105, 105), 1).save(file := io.BytesIO(), "png")
                archive.writestr(f"{part}/{name}", file.getvalue())
    splits = published.read_omniglot_archives([tmp_path / part for part in drawings])
    assert splits["train"].labels.tolist() == [0, 1, 2]  # Greek/a, Latin/a, Latin/b
    assert splits["test"].labels.tolist() == [3]
    assert splits["train"].x.shape == (3, 28, 28)
    assert not splits["train"].x.any()  # paper is 0, ink would be 255


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "binarized_mnist", "omniglot", "frey_faces"])
@pytest.mark.slow
def test_real_files_are_the_published_data(real_data: Path, tmp_path: Path, name: str) -> None:
    with np.load(prepare(name, source=real_data / name, data_dir=tmp_path)) as archive:
        found = {split: archive[f"{split}_x"].shape for split in PUBLISHED[name].examples}
    assert found == {split: (count, *PUBLISHED[name].shape) for split, count in PUBLISHED[name].examples.items()}
