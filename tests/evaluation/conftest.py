"""Real images, models bound by hand, and runs with broken members."""

import dataclasses
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
    """Binds the model of one member without the run's own machinery."""

    def model(run: Run, member: int = 0) -> Any:
        variables = jax.tree.map(lambda leaf: leaf[member], (run.params, run.state))
        return run.members[member].bind(run.shape, *variables)

    return model


@pytest.fixture(scope="session")
def with_nan() -> Callable[..., Run]:
    """Gives a run NaN for the parameters of its encoder or decoder, of one member or of all."""

    def broken(run: Run, part: str, member: Any = slice(None)) -> Run:
        leaves = jax.tree.map(lambda leaf: np.array(leaf), run.params["networks"])
        for leaf in jax.tree.leaves(leaves[part]):
            leaf[member] = np.nan
        return dataclasses.replace(run, params=run.params | {"networks": leaves})

    return broken
