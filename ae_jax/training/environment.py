"""Library versions and hardware, recorded with every result."""

import platform
from importlib import metadata
from typing import Any

import jax


def environment() -> dict[str, Any]:
    """Versions of the libraries that decide a result, the device and the machine."""
    packages = ("ae_jax", "jax", "flax", "optax", "numpy", "scikit-learn")
    return {
        "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in packages},
        "device": f"{jax.devices()[0].device_kind} x {jax.device_count()} ({jax.default_backend()})",
        "machine": f"{platform.machine()}, {platform.system()}",
    }
