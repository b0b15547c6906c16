"""What the original files are known by."""

import functools
import hashlib
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("checksums.tsv")
"""A line for each file, in TFDS's form and as TFDS recorded it: url, size, SHA-256 and file name."""


class Checksum(NamedTuple):
    """What a file must be.

    Attributes:
      size: in bytes.
      sha256: in hexadecimal digits.
      file: its name.
    """

    size: int
    sha256: str
    file: str

    def fits(self, path: Path) -> bool:
        """Whether a file is the one that was recorded."""
        return path.is_file() and path.stat().st_size == self.size and file_digest(path) == self.sha256


def recorded() -> dict[str, Checksum]:
    """Checksums by url.

    Example:
      >>> recorded()["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"].size
      170052171
    """
    return _read(TABLE)


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def _read(table: Path) -> dict[str, Checksum]:
    rows = (line.split("\t") for line in table.read_text().splitlines())
    return {url: Checksum(int(size), sha256, file) for url, size, sha256, file in rows}
