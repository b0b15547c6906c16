"""Under what a result came about."""

import platform
from importlib import metadata
from typing import Any

import jax


def environment() -> dict[str, Any]:
    """Versions and device, as results state them."""
    packages = ("ae_jax", "jax", "flax", "optax", "numpy", "scikit-learn")
    return {
        "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in packages},
        "device": f"{jax.devices()[0].device_kind} x {jax.device_count()} ({jax.default_backend()})",
        "machine": f"{platform.machine()}, {platform.system()}",
    }
