"""Files from the internet: in pieces that are resumed, within a time limit, and verified."""

import functools
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ae_jax.data.builders.checksums import file_digest, recorded
from ae_jax.data.builders.progress import OnProgress, Preparing
from ae_jax.data.builders.recipe import Recipe
from ae_jax.errors import InvalidInput

_PIECE = 1 << 18


def instead(name: str) -> str:
    """What to do where a data set cannot be downloaded."""
    return f"try again later, or build it from files at hand by `ae-jax data prepare {name} --from FOLDER`"


def fetch_all(recipe: Recipe, folder: Path, *, on_progress: OnProgress, timeout: float) -> None:
    """Downloads the original files of a data set that do not stand in a folder yet.

    Raises:
      InvalidInput: see :func:`fetch`.
    """
    for url, name in zip(recipe.urls, recipe.forms[0].files, strict=True):
        fetch(url, folder / name, recipe.name, on_progress=on_progress, timeout=timeout)


def fetch(url: str, target: Path, name: str, *, on_progress: OnProgress, timeout: float) -> None:
    """Downloads one file, unless it stands there whole.

    What came before an interruption stays beside it as ``.part``, and is resumed where the file's checksum is recorded
    and the server can.

    Args:
      url: of the file.
      target: where it is to stand.
      name: of the data set, for sentences.
      on_progress: told after every piece.
      timeout: seconds in which the server has to answer, each time.

    Raises:
      InvalidInput: the server cannot be reached, does not answer in time, has no such file, breaks off or sends
        another file than is recorded.
    """
    checksum = recorded().get(url)
    if target.is_file() if checksum is None else checksum.fits(target):
        return
    part = target.with_name(f"{target.name}.part")
    start = part.stat().st_size if checksum is not None and part.is_file() else 0
    with _sentences(url, name, timeout):
        if checksum is None or not checksum.fits(part):
            told = functools.partial(_tell, on_progress, f"{name}: download {target.name}")
            resumed = _receive(url, part, start, told, timeout)
            if resumed and checksum is not None and not checksum.fits(part):  # its beginning was of another file
                _receive(url, part, 0, told, timeout)
    if checksum is not None and not checksum.fits(part):
        found = f"{part.stat().st_size} bytes of SHA-256 {file_digest(part)[:12]}"
        part.unlink()
        raise InvalidInput(
            f"{url} sent {found}: expected {checksum.size} bytes of {checksum.sha256[:12]}, as recorded; "
            f"{instead(name)}."
        )
    part.replace(target)


def _tell(on_progress: OnProgress, what: str, done: int, total: int | None) -> None:
    on_progress(Preparing(what, done, total))


def _receive(url: str, part: Path, start: int, told: Any, timeout: float) -> bool:
    """Writes what the server sends, from ``start`` on if it can; whether it could."""
    import requests

    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
        if start and response.status_code == requests.codes.requested_range_not_satisfiable:
            return _receive(url, part, 0, told, timeout)
        response.raise_for_status()
        resumes = start > 0 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        done = start if resumes else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if resumes else "wb") as file:
            for piece in response.raw.stream(_PIECE, decode_content=False):
                file.write(piece)
                done += len(piece)
                told(done, total)
    return resumes


@contextmanager
def _sentences(url: str, name: str, timeout: float) -> Iterator[None]:
    """Turns what goes wrong with a connection into a sentence."""
    import requests
    import urllib3

    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise InvalidInput(f"{url} {_reason(error, timeout)}: expected the file; {instead(name)}.") from error


def _reason(error: Exception, timeout: float) -> str:
    import requests
    import urllib3

    causes = list(_causes(error))
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return f"did not answer within {timeout:g} s"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "names a host that is not known here"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "refuses the connection"
    if isinstance(error, requests.exceptions.SSLError):
        return f"cannot be trusted ({causes[-1]})"
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, urllib3.exceptions.ProtocolError)):
        return "broke off, and what came so far is kept"
    return f"cannot be reached ({str(causes[-1]).splitlines()[0] if str(causes[-1]) else type(error).__name__})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was raised over, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
