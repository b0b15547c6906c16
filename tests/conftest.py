"""What every test runs under, set before JAX starts, and what tests share: precision, data and trained runs."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["AE_JAX_CACHE"] = ""  # no program of one test serves another
# Tests compile far more than they compute: a quarter of their time goes with XLA's dearer passes.
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

import jax
import jaxtyping
import numpy as np
import pytest

import ae_jax
from ae_jax import Run
from ae_jax.data import Dataset, Scaling, Split, from_arrays

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.local_devices()  # now, before a command that a test calls makes the CPU several of them


@pytest.fixture(scope="module", autouse=True)
def room_for_programs() -> Iterator[None]:
    """Drops compiled programs before memory maps run out: each takes three, and LLVM dies where Linux gives no more."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and len(maps.read_bytes().splitlines()) > 20_000:  # of 65,530 by default
        jax.clear_caches()


@pytest.fixture
def x64() -> Iterator[None]:
    """Double precision for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def unchecked() -> Iterator[None]:
    """The package as users run it, without run-time type checks, so that its own sentences are reached."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data that AE_JAX_TEST_DATA names; a test that needs a file of it fails where it is missing."""
    folder = os.environ.get("AE_JAX_TEST_DATA")
    if not folder:
        pytest.skip("AE_JAX_TEST_DATA is not set: it names a folder with real data, such as MNIST's files.")
    if not Path(folder).is_dir():
        pytest.fail(f"AE_JAX_TEST_DATA names {folder}, which is no folder.")
    return Path(folder)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return ae_jax.data.digits()


@pytest.fixture(scope="session")
def small(digits: Dataset) -> Dataset:
    """64 digits to train on, 24 to validate, 20 to test; batches of 16 divide neither of the last two."""

    def first(split: Split, count: int) -> Split:
        return Split(split.x[:count], split.labels[:count])

    return Dataset(
        name="small",
        train=first(digits.train, 64),
        validation=first(digits.validation, 24),
        test=first(digits.test, 20),
        scaling=Scaling(scale=16.0),
    )


@pytest.fixture(scope="session")
def redrawn(digits: Dataset) -> Dataset:
    """108 digits, 75 of them to train on, 11 to validate and 22 to test, split at random."""
    return from_arrays(digits.train.x[:108], digits.train.labels[:108], name="redrawn", scaling=Scaling(scale=16.0))


@pytest.fixture(scope="session")
def run(small: Dataset) -> Run:
    """A single run."""
    return ae_jax.fit(
        ae_jax.undercomplete(code=3, hidden=(12,), learning_rate=1e-3), small, seeds=5, epochs=3, batch_size=16
    )


@pytest.fixture(scope="session")
def population(small: Dataset) -> Run:
    """Two learning rates and two seeds of a variational autoencoder."""
    choices = [ae_jax.variational(code=3, hidden=(12,), learning_rate=rate) for rate in (1e-3, 1e-2)]
    return ae_jax.fit(choices, small, seeds=[5, 6], epochs=3, batch_size=16)


@pytest.fixture(scope="session")
def noise() -> np.ndarray:
    """Independent uniform noise of the shape of digits, in [0, 1]."""
    return np.random.default_rng(0).uniform(size=(256, 8, 8)).astype(np.float32)
