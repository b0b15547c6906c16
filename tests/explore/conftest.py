"""An explorer and its page's contents as arrays."""

import base64

import numpy as np
import pytest

import ae_jax
from ae_jax import Run
from ae_jax.data import Dataset
from ae_jax.explore import Explorer, explore
from ae_jax.training import untrained


def floats(text: str, *shape: int) -> np.ndarray:
    """Numbers as the page reads them."""
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(shape or -1)


@pytest.fixture(scope="session")
def explorer(population: Run, small: Dataset) -> Explorer:
    """Of a variational autoencoder of images, whose decoder the page holds."""
    return explore(population[1], small)


@pytest.fixture(scope="session")
def remote(small: Dataset) -> Explorer:
    """Of a convolutional autoencoder, whose decoder the page asks for."""
    return explore(untrained(ae_jax.convolutional(code=3, channels=(4,)), small), small)
