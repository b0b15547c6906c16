"""Serves an explorer's page on this machine alone."""

import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from ae_jax.errors import InvalidInput
from ae_jax.explore.decoder import encoded
from ae_jax.explore.explorer import Explorer

_LONGEST = 1 << 22
"""Bytes of a request, at most."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    page: bytes
    token: str
    explorer: Explorer


class _Handler(BaseHTTPRequestHandler):
    """Answers whoever knows the token and addresses this machine by its own name: no foreign page does both."""

    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        if self._is_known("/"):
            self._answer(200, "text/html; charset=utf-8", self.server.page)

    def do_POST(self) -> None:
        if not self._is_known("/decode"):
            return
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json" or not length.isdigit() or int(length) > _LONGEST:
            self._answer(400, "text/plain", b"expected JSON of at most 4 MiB.")
            return
        try:
            asked = json.loads(self.rfile.read(int(length)))
            decoded = self.server.explorer.decode(asked["codes"], asked.get("condition"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            sentence = str(error) if isinstance(error, InvalidInput) else "expected JSON with codes."
            self._answer(400, "text/plain; charset=utf-8", sentence.encode())
            return
        self._answer(200, "application/json", json.dumps([encoded(example) for example in decoded]).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing: addresses hold the token."""

    def _is_known(self, path: str) -> bool:
        """Whether a request is for a page of this server; answers it if not."""
        names = [urlsplit(f"//{self.headers.get('Host', '')}").hostname]
        if origin := self.headers.get("Origin"):
            names.append(urlsplit(origin).hostname)
        known = secrets.compare_digest(self.path.encode(), f"/{self.server.token}{path}".encode())
        if not (known and all(name in ("127.0.0.1", "localhost") for name in names)):
            self._answer(404 if not known else 403, "text/plain", b"not found.")
            return False
        return True

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store"}
        headers |= {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def serve(explorer: Explorer, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """Starts listening on 127.0.0.1; ``serve_forever`` of the server answers.

    Args:
      explorer: what is served.
      port: of the address; 0 chooses a free one.

    Returns:
      The server, and the address of the page with a random token.

    Raises:
      InvalidInput: the port cannot be used.
    """
    try:
        server = _Server(("127.0.0.1", port), _Handler)
    except (OSError, OverflowError) as error:
        raise InvalidInput(f"port {port} cannot be used ({error}): expected a free one; 0 chooses one.") from None
    server.explorer, server.token = explorer, secrets.token_urlsafe(24)
    explorer.decode([explorer.contents["mean"]], 0 if explorer.contents["conditions"] else None)  # compiled once, here
    server.page = explorer.html(live=True).encode()
    return server, f"http://127.0.0.1:{server.server_port}/{server.token}/"
