"""Reading of one file or folder with options given by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ae_jax.data import RawData, ReadOptions, files


@pytest.fixture
def read() -> Callable[..., dict[str, RawData]]:
    def read(path: Path, *, key: str | None = None, **options: Any) -> dict[str, RawData]:
        return files.read(path, ReadOptions(**options), key=key)

    return read
