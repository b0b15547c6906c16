"""Rows of few columns on a curve, so that every test of an estimator shares its programs."""

from typing import Any

import numpy as np
import pytest

from ae_jax.estimators import AutoencoderTransformer


@pytest.fixture(scope="session")
def rows() -> np.ndarray:
    """60 rows of 6 columns of different units, the last of them constant."""
    way = np.linspace(-1.0, 1.0, 60)
    noise = np.random.default_rng(0).normal(scale=0.1, size=(60, 6))
    columns = np.stack([way, way**2, np.sin(3 * way), np.cos(3 * way), -way, np.zeros(60)], axis=1)
    noise[:, 5] = 0.0
    return (columns + noise) * np.array([1.0, 10.0, 100.0, 1e-3, 1.0, 1.0]) + np.array([0, 5, 1e3, 0, -7, 4])


@pytest.fixture(scope="session")
def narrow() -> dict[str, Any]:
    """Parameters whose programs compile and run fast."""
    return {"code": 2, "hyperparameters": {"hidden": (8,)}, "epochs": 3, "batch_size": 16, "random_state": 0}


@pytest.fixture(scope="session")
def fitted(rows, narrow) -> AutoencoderTransformer:
    return AutoencoderTransformer(**narrow).fit(rows)
