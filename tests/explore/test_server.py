"""The server answers this machine's own page and nobody else."""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.explore import Explorer, serve

from .conftest import floats

Ask = Callable[..., tuple[int, bytes]]
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def ask(remote: Explorer) -> Iterator[Ask]:
    """Sends a request to a running server."""
    server, address = serve(remote)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    _, _, host, token, _ = address.split("/")

    def send(method: str, path: str = "", body: object = None, known: str = token, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(host, timeout=60)
        text = body if isinstance(body, str | None) else json.dumps(body)
        connection.request(method, f"/{known}/{path}", text, headers)
        with contextlib.closing(connection), connection.getresponse() as answer:
            return answer.status, answer.read()

    yield send
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_page_and_decoded_codes_are_served(ask: Ask, remote: Explorer):
    status, page = ask("GET")
    assert status == 200
    assert b"connect-src 'self'" in page
    codes = [[0.0, 0.5, 1.0], [1.0, 0.0, 0.0]]
    status, answer = ask("POST", "decode", {"codes": codes, "condition": None}, **JSON)
    assert status == 200
    np.testing.assert_allclose([floats(each) for each in json.loads(answer)], remote.decode(codes), rtol=1e-6)


def test_foreign_pages_and_unknown_paths_are_refused(ask: Ask):
    assert ask("GET", known="guess")[0] == ask("GET", "other")[0] == ask("POST", "", "{}", **JSON)[0] == 404
    assert ask("GET", Host="evil.example")[0] == ask("GET", Host="evil.example:80")[0] == 403
    assert ask("POST", "decode", "{}", Origin="http://evil.example", **JSON)[0] == 403
    assert ask("GET", Host="localhost:8888")[0] == 200  # a forwarded port


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "{}", {"codes": "x"}, {"codes": [[1.0]]}, {"codes": [[0, 0, 0]], "condition": 99}]
)
def test_what_is_no_request_is_refused(ask: Ask, body: object):
    status, sentence = ask("POST", "decode", body, **JSON)
    assert (status, b"Traceback" in sentence) == (400, False)
    assert b"expected" in sentence or b"the page asked" in sentence
    assert ask("POST", "decode", body)[0] == 400  # no JSON by its type, as a form of a foreign page


def test_a_port_in_use_is_one_sentence(remote: Explorer):
    server, address = serve(remote)
    with server, pytest.raises(InvalidInput, match="expected a free one"):
        serve(remote, server.server_port)
    assert address.startswith(f"http://127.0.0.1:{server.server_port}/")
    with pytest.raises(InvalidInput, match="port 70000 cannot be used"):
        serve(remote, 70000)
