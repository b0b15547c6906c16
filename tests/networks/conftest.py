"""What tests of networks share."""

from collections.abc import Callable
from typing import Any

import jax
import pytest

from ae_jax.networks import ModelSpec, functional


def made(builder: Any, shape: tuple[int, ...], outputs: int = 1, key: Any = None) -> tuple[Any, Any]:
    """Networks in evaluation mode, and their parameters."""
    spec = ModelSpec(builder, shape, outputs)
    params, state = functional.init(spec, jax.random.key(0) if key is None else key)
    return functional.bind(spec, params, state).networks, params["networks"]


@pytest.fixture(scope="session")
def networks_of() -> Callable[..., tuple[Any, Any]]:
    return made
