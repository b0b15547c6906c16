"""The Hugging Face hub: its own client against a stand-in of the hub's API on loopback."""

import base64
import dataclasses
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

pytest.importorskip("huggingface_hub")

from huggingface_hub import constants, hf_api

import ae_jax
from ae_jax import InvalidInput


class StandIn(BaseHTTPRequestHandler):
    """Repositories as dictionaries from name to content."""

    repositories: dict[str, dict[str, bytes]]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_): ...

    def answer(self, content, status=200, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        url = f"http://{self.headers['Host']}/mine/digits"
        if self.path == "/api/repos/create":
            self.repositories.setdefault("mine/digits", {})
            return self.answer({"url": url})
        if "/preupload/" in self.path:
            files = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                     for one in json.loads(body)["files"]]  # fmt: skip
            return self.answer({"files": files})
        if "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.repositories["mine/digits"][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return self.answer({"commitUrl": f"{url}/commit/{'0' * 40}", "commitOid": "0" * 40})
        return self.answer({"errors": [], "warnings": []})

    def do_GET(self):
        path = self.path.split("?")[0]
        if "/mine/digits" not in path:
            return self.answer({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        files = self.repositories["mine/digits"]
        if path.startswith("/api/models/"):
            tree = "/tree/" in path
            listed = [
                {"type": "file", "path": name, "size": len(files[name]), "oid": "0" * 40}
                if tree
                else {"rfilename": name}
                for name in files
            ]
            return self.answer(listed if tree else {"id": "mine/digits", "sha": "0" * 40, "siblings": listed})
        content = files[path.split("/resolve/")[1].split("/", 1)[1]]
        return self.answer(content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit="0" * 40)

    do_HEAD = do_GET  # noqa: N815


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    handler = type("Handler", (StandIn,), {"repositories": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "ENDPOINT": endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(hf_api.api, "endpoint", endpoint)
    yield handler.repositories
    server.shutdown()
    server.server_close()


def test_a_run_is_pushed_with_its_card_and_read_back(stand_in, population, small):
    address = population.push_to_hub("mine/digits", token="hf_token", data=small, license="apache-2.0")
    assert address.endswith("/mine/digits/commit/" + "0" * 40)
    files = stand_in["mine/digits"]
    assert {"README.md", "losses.png", "codes.png", "params.safetensors", "SHA256SUMS"} <= set(files)
    card = files["README.md"].decode()
    assert card.startswith(
        "---\nlibrary_name: ae_jax\ntags: [autoencoder, jax, variational]\nlicense: apache-2.0\n---\n"
    )
    assert 'ae_jax.from_hub("mine/digits")' in card
    assert "| mse, test split | " in card
    read = ae_jax.from_hub("mine/digits", token="hf_token")
    np.testing.assert_array_equal(read.encode(small.test.x), population.encode(small.test.x))


@pytest.mark.usefixtures("stand_in")
def test_a_repository_that_does_not_exist_is_one_sentence():
    with pytest.raises(InvalidInput, match=r"mine/nothing cannot be read from the hub .*: check its name"):
        ae_jax.from_hub("mine/nothing", token="hf_token")


def test_a_folder_for_the_hub_needs_no_network_and_is_a_run(run, tmp_path):
    folder = run.to_hub_folder(tmp_path / "run")
    assert (ae_jax.load(folder).seeds == run.seeds).all()
    assert "| parameters | " in (folder / "README.md").read_text()
    moved = dataclasses.replace(run, record=run.record | {"source": ["/home/me/secret/faces.npz:images", 3]})
    shared = ae_jax.load(moved.to_hub_folder(tmp_path / "moved"))
    assert shared.record["source"] == ["faces.npz:images", 3]
    assert not any(b"secret" in file.read_bytes() for file in (tmp_path / "moved").rglob("*") if file.is_file())
    with pytest.raises(InvalidInput, match="holds something already: expected a new or empty folder"):
        run.to_hub_folder(folder)
