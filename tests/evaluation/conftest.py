"""What tests of evaluation share: real images, and how a test makes a run's networks by hand."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from ae_jax import Run


@pytest.fixture(scope="session")
def mnist_images() -> Callable[[Path, str], np.ndarray]:
    """Reads MNIST's images, ``"train"`` or ``"t10k"``, from the canonical idx files: sixteen bytes, then pixels."""

    def read(folder: Path, part: str) -> np.ndarray:
        content = gzip.decompress((folder / "mnist" / f"{part}-images-idx3-ubyte.gz").read_bytes())
        magic, count, height, width = np.frombuffer(content[:16], ">i4")
        assert (magic, height, width) == (2051, 28, 28)
        return np.frombuffer(content[16:], np.uint8).reshape(count, 28, 28)

    return read


@pytest.fixture(scope="session")
def bound() -> Callable[..., Any]:
    """One member's networks with its parameters, without the run's own machinery."""

    def networks(run: Run, member: int = 0) -> Any:
        return run.members[member].bind(run.shape, jax.tree.map(lambda leaf: leaf[member], run.params))

    return networks
