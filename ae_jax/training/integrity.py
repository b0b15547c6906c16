"""Whether a folder holds what was written into it, digest by digest; and files of JSON, read with suspicion."""

import contextlib
import hashlib
import json
import math
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ae_jax.errors import InvalidInput, first_line

SEAL = "digests.json"
"""The file that :func:`seal` writes."""

_LARGEST = 1 << 26
"""Bytes of a list that is read at all; the files of a folder are few."""

_LARGEST_OTHER = 1 << 30
"""Bytes of any other JSON that is read at all."""


def seal(folder: Path, *, apart: Collection[str] = ()) -> Path:
    """Writes what every file below a folder is into ``digests.json`` there, and forces all of it to the disk.

    Each file is listed by its path within the folder, with its size in bytes and its SHA-256; the list has a SHA-256
    of its own. What is moved into place after it was sealed is therefore whole there, even where the power fails.

    Args:
      folder: of regular files and folders alone.
      apart: names directly in the folder that the seal is not about.

    Returns:
      The path of the list.

    Raises:
      InvalidInput: something below the folder is neither a file nor a folder.

    Example:
      >>> import tempfile
      >>> folder = Path(tempfile.mkdtemp())
      >>> _ = (folder / "history.json").write_text("{}")
      >>> seal(folder).name
      'digests.json'
      >>> require_sealed(folder)

    References:
      NIST, *Secure hash standard*, FIPS 180-4, 2015.
    """
    listed = {}
    for name, path in _files(folder, apart):
        if not _is_regular(path):
            raise InvalidInput(f"{path} is no regular file: expected files and folders alone; remove it.")
        with path.open("r+b") as file:
            listed[name] = {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
            os.fsync(file.fileno())
    with (folder / SEAL).open("wb") as file:
        file.write(_as_written(listed))
        file.flush()
        os.fsync(file.fileno())
    for where, _, _ in os.walk(folder):
        force_entries(Path(where))
    return folder / SEAL


def force_entries(folder: Path) -> None:
    """Forces to the disk what a folder lists, such as a new name of what was moved; not that on systems that cannot."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_json(path: Path) -> Any:
    """What a file of JSON says; that of a strict writer, and no larger than there is any use for.

    Raises:
      OSError, ValueError, RecursionError: it cannot be read, or is none.
    """
    if not path.is_file() or path.stat().st_size > _LARGEST_OTHER:
        raise ValueError(f"{path.name} is no file of {_LARGEST_OTHER:,} bytes at most")
    return json.loads(
        path.read_text(encoding="utf-8"), object_pairs_hook=_object, parse_constant=_number, parse_float=_number
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{twice!r:.80} stands twice in an object")
    return members


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text:.80} is no finite number")
    return number


def require_sealed(folder: Path, *, apart: Collection[str] = ()) -> None:
    """Raises a sentence that names the first file that is not as :func:`seal` found it.

    Nothing is parsed but the list, and no path is taken from it: it is compared with what lies in the folder.

    Args:
      folder: that was sealed.
      apart: names directly in the folder that the seal is not about.

    Raises:
      InvalidInput: a file that is missing, was added or differs, or is not a regular file; no list, or a damaged one.
    """
    listed, found = _listed(folder), dict(_files(folder, apart))
    for name in sorted({*listed, *found}):
        if name not in found:
            raise _damaged(folder, name, "is missing")
        if name not in listed:
            raise _damaged(folder, name, "was added")
        if not _agrees(found[name], listed[name]):
            raise _damaged(folder, name, "is not what was written")


def _listed(folder: Path) -> dict[str, Any]:
    """The list, where it is byte for byte what :func:`seal` writes."""
    path = folder / SEAL
    try:
        if not _is_regular(path) or path.stat().st_size > _LARGEST:
            raise _damaged(folder, SEAL, "is missing" if not path.exists() else "is not what was written")
        raw = path.read_bytes()
        listed = json.loads(raw)["files"]
        if not isinstance(listed, dict) or _as_written(listed) != raw:
            raise _damaged(folder, SEAL, "is not what was written")
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise _damaged(folder, SEAL, f"cannot be read, {first_line(error)}") from error
    return listed


def _as_written(listed: dict[str, Any]) -> bytes:
    digest = hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
    return json.dumps({"files": listed, "sha256": digest}, indent=2, sort_keys=True).encode()


def _files(folder: Path, apart: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Everything below a folder but folders, by its path within; links are not followed."""
    for where, folders, names in os.walk(folder):
        within = Path(where).relative_to(folder)
        links = [name for name in folders if (Path(where) / name).is_symlink()]
        for name in (*names, *links):
            if within.parts or name not in {SEAL, *apart}:
                yield (within / name).as_posix(), Path(where) / name


def _agrees(path: Path, entry: Any) -> bool:
    """Whether a file is as listed; one of another size is not read, nor what a link or a pipe would give."""
    if not _is_regular(path) or not isinstance(entry, dict) or path.stat().st_size != entry.get("bytes"):
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == entry.get("sha256")


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _damaged(folder: Path, name: str, what: str) -> InvalidInput:
    shown = name if name.isprintable() else repr(name)
    return InvalidInput(
        f"{folder} is damaged ({shown:.200} {what}): expected the files that {SEAL} lists, as they were written; "
        "restore them from a copy, or train anew."
    )
