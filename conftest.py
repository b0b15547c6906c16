"""What every test and every docstring example runs under; set before JAX starts."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True)
def names_of_examples(doctest_namespace: dict[str, object]) -> None:
    """Docstring examples use JAX and NumPy by their usual names, without importing them."""
    doctest_namespace.update(jax=jax, jnp=jnp, np=np)
