"""A tiny data set to prepare, and a server of the test's own to download it from."""

import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from ae_jax.data.builders import RECIPES, Recipe
from ae_jax.data.builders.recipe import Expected, Form

FILES = ("tiny-train.npy", "tiny-test.npy")


def read_arrays(paths: list[Path]) -> dict[str, dict[str, np.ndarray]]:
    arrays = [np.load(path) for path in paths]
    return {split: {"image": x, "label": np.arange(len(x))} for split, x in zip(("train", "test"), arrays, strict=True)}


@pytest.fixture
def tiny_files(tmp_path: Path) -> Path:
    """A folder with twelve images to train on and four to test on, each 2 x 3."""
    folder = tmp_path / "at_hand"
    folder.mkdir()
    random = np.random.default_rng(0)
    for file, count in zip(FILES, (12, 4), strict=True):
        np.save(folder / file, random.integers(0, 256, (count, 2, 3), np.uint8))
    return folder


@pytest.fixture
def tiny(tiny_files: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Its recipe, among the others for one test."""
    digests = [hashlib.sha256(np.load(tiny_files / file).tobytes()).hexdigest() for file in FILES]
    recipe = Recipe(
        name="tiny",
        description="Noise.",
        homepage="http://127.0.0.1/",
        citation="None.",
        licence="MIT",
        shape=(2, 3),
        labels=("label",),
        urls=tuple(f"http://127.0.0.1:1/{file}" for file in FILES),
        forms=(Form(FILES, read_arrays),),
        splits={
            split: Expected(count, {"image": digest})
            for split, count, digest in zip(("train", "test"), (12, 4), digests, strict=True)
        },
    )
    monkeypatch.setitem(RECIPES, "tiny", recipe)
    return recipe


class Server:
    """Serves bytes by path, in whatever way a test asks for, and remembers what was asked.

    Attributes:
      files: what it serves.
      ranges: of every request, the Range header or None.
      resumes: whether it heeds ranges.
      breaks_after: bytes after which it hangs up, or None.
      silent: whether it never answers.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges: list[str | None] = []
        self.resumes, self.silent = True, False
        self.breaks_after: int | None = None
        self.done = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def url(self, file: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{file}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.ranges.append(request.headers["Range"])
        if self.silent:
            self.done.wait()
            return
        content = self.files.get(request.path.removeprefix("/"))
        if content is None:
            return request.send_error(404)
        start = int(self.ranges[-1].removeprefix("bytes=").removesuffix("-")) if self.ranges[-1] and self.resumes else 0
        if start >= len(content):
            return request.send_error(416)
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(content) - start))
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.end_headers()
        request.wfile.write(content[start : self.breaks_after])

    def close(self) -> None:
        self.done.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on this machine, which no proxy stands before."""
    monkeypatch.setenv("NO_PROXY", "*")
    made = Server()
    yield made
    made.close()


@pytest.fixture
def served(tiny: Recipe, tiny_files: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The tiny data set, served, with the checksums of its files recorded."""
    server.files = {file: (tiny_files / file).read_bytes() for file in FILES}
    recipe = dataclasses.replace(tiny, urls=tuple(server.url(file) for file in FILES))
    rows = [
        f"{server.url(file)}\t{len(content)}\t{hashlib.sha256(content).hexdigest()}\t{file}\n"
        for file, content in server.files.items()
    ]
    table = tmp_path / "checksums.tsv"
    table.write_text("".join(rows))
    monkeypatch.setattr("ae_jax.data.builders.checksums.TABLE", table)
    monkeypatch.setitem(RECIPES, "tiny", recipe)
    return recipe
