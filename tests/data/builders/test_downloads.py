"""Downloads from a server on this machine: resumed, verified, and refused in sentences."""

import re
import socket
from pathlib import Path

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.data import RawData
from ae_jax.data.builders import Preparing, Recipe, prepare
from ae_jax.data.builders.checksums import recorded
from ae_jax.data.builders.downloads import fetch
from ae_jax.data.prepared import prepared_records

FROM = "or build it from files at hand by `ae-jax data prepare tiny --from FOLDER`"
FILE = "tiny-train.npy"


def prepared_contents(name: str | Path, data_dir: Path | None = None) -> dict[str, RawData]:
    return {split: records.all() for split, records in prepared_records(name, data_dir=data_dir).items()}


def ignore(_: Preparing) -> None: ...


def download(recipe: Recipe, folder: Path, *, timeout: float = 30.0, on_progress=ignore) -> Path:
    """Fetches the first file of a recipe."""
    fetch(recipe.urls[0], folder / FILE, recipe.name, on_progress=on_progress, timeout=timeout)
    return folder / FILE


def test_a_data_set_is_downloaded_verified_and_prepared(served: Recipe, server, tiny_files: Path, tmp_path: Path):
    said: list[Preparing] = []
    folder = prepare("tiny", data_dir=tmp_path / "data", progress=said.append)
    contents = prepared_contents(folder)
    np.testing.assert_array_equal(contents["train"].x, np.load(tiny_files / FILE))
    np.testing.assert_array_equal(contents["test"].labels, np.arange(4))
    size = len(server.files[FILE])
    assert said == [
        Preparing("tiny: download tiny-train.npy", size, size),
        Preparing(
            "tiny: download tiny-test.npy", len(server.files["tiny-test.npy"]), len(server.files["tiny-test.npy"])
        ),
        Preparing("tiny: write train", 12, 12),
        Preparing("tiny: write test", 4, 4),
    ]
    assert f'"downloadSize": "{sum(map(len, server.files.values()))}"' in (folder / "dataset_info.json").read_text()


def test_nothing_is_downloaded_twice(served: Recipe, server, tmp_path: Path) -> None:
    download(served, tmp_path)
    download(served, tmp_path)
    assert server.ranges == [None]


def test_a_download_that_broke_off_is_resumed_where_it_ended(served: Recipe, server, tmp_path: Path) -> None:
    server.breaks_after = 100
    with pytest.raises(InvalidInput, match=r"broke off, and what came so far is kept: expected the file; try again"):
        download(served, tmp_path)
    assert (tmp_path / f"{FILE}.part").read_bytes() == server.files[FILE][:100]
    server.breaks_after = None
    said: list[Preparing] = []
    assert download(served, tmp_path, on_progress=said.append).read_bytes() == server.files[FILE]
    assert server.ranges == [None, "bytes=100-"]
    assert said == [Preparing(f"tiny: download {FILE}", len(server.files[FILE]), len(server.files[FILE]))]
    assert not (tmp_path / f"{FILE}.part").exists()


def test_an_interruption_keeps_what_came(served: Recipe, server, tmp_path: Path) -> None:
    def interrupt(_: Preparing) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(served, tmp_path, on_progress=interrupt)
    assert (tmp_path / f"{FILE}.part").is_file()
    assert not (tmp_path / FILE).exists()


def test_a_server_that_ignores_ranges_sends_all_of_the_file(served: Recipe, server, tmp_path: Path) -> None:
    (tmp_path / f"{FILE}.part").write_bytes(server.files[FILE][:100])
    server.resumes = False
    assert download(served, tmp_path).read_bytes() == server.files[FILE]
    assert server.ranges == ["bytes=100-"]


@pytest.mark.parametrize("length", [100, 10_000])
def test_the_beginning_of_another_file_is_given_up(served: Recipe, server, tmp_path: Path, length: int) -> None:
    (tmp_path / f"{FILE}.part").write_bytes(bytes(length))
    assert download(served, tmp_path).read_bytes() == server.files[FILE]
    assert server.ranges == [f"bytes={length}-", None]


def test_a_file_that_came_whole_before_an_interruption_is_not_asked_for(served: Recipe, server, tmp_path: Path) -> None:
    (tmp_path / f"{FILE}.part").write_bytes(server.files[FILE])
    assert download(served, tmp_path).read_bytes() == server.files[FILE]
    assert server.ranges == []


def test_another_file_than_recorded_is_removed_and_refused(served: Recipe, server, tmp_path: Path) -> None:
    checksum = recorded()[served.urls[0]]
    server.files[FILE] = b"a page that says sorry"
    sentence = (
        rf"{served.urls[0]} sent 22 bytes of SHA-256 [0-9a-f]{{12}}: expected {checksum.size} bytes of "
        rf"{checksum.sha256[:12]}, as recorded; try again later, {FROM}."
    )
    with pytest.raises(InvalidInput, match=f"^{sentence}$"):
        download(served, tmp_path)
    assert not list(tmp_path.glob("tiny*"))


def test_what_the_server_does_not_have(served: Recipe, server, tmp_path: Path) -> None:
    del server.files[FILE]
    sentence = f"{served.urls[0]} answered 404 Not Found: expected the file; try again later, {FROM}."
    with pytest.raises(InvalidInput, match=f"^{sentence}$"):
        download(served, tmp_path)


def test_a_server_that_never_answers(served: Recipe, server, tmp_path: Path) -> None:
    server.silent = True
    sentence = rf"{served.urls[0]} did not answer within 0\.2 s: expected the file; try again later, {FROM}\."
    with pytest.raises(InvalidInput, match=f"^{sentence}$"):
        download(served, tmp_path, timeout=0.2)


def refused(url: str, tmp_path: Path) -> str:
    with pytest.raises(InvalidInput) as caught:
        fetch(url, tmp_path / FILE, "tiny", on_progress=ignore, timeout=5.0)
    return str(caught.value)


def test_a_server_that_refuses_the_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/{FILE}"
    assert refused(url, tmp_path) == f"{url} refuses the connection: expected the file; try again later, {FROM}."


def test_a_host_that_nobody_knows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    url = f"http://nowhere.invalid/{FILE}"
    sentence = f"{url} names a host that is not known here: expected the file; try again later, {FROM}."
    assert refused(url, tmp_path) == sentence


def test_a_server_that_cannot_be_trusted(server, tmp_path: Path) -> None:
    url = server.url(FILE).replace("http:", "https:")
    assert re.match(
        rf"{url} cannot be trusted \(.*\): expected the file; try again later, {FROM}", refused(url, tmp_path)
    )


def test_an_address_that_is_none(tmp_path: Path) -> None:
    assert refused("http://", tmp_path).startswith("http:// cannot be reached (Invalid URL")


def test_checksums_are_those_that_tfds_recorded() -> None:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import checksums

    theirs = checksums.get_all_url_infos() | checksums.load_url_infos(
        tfds.core.tfds_path() / "datasets" / "binarized_mnist" / "checksums.tsv"
    )
    for url, checksum in recorded().items():
        assert (int(theirs[url].size), theirs[url].checksum) == checksum[:2]
