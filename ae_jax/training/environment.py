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
        "settings_of_jax": settings_of_jax(),
    }


def settings_of_jax() -> dict[str, Any]:
    """The settings of JAX that decide the bits of a result."""
    names = ("jax_default_prng_impl", "jax_threefry_partitionable", "jax_enable_x64")
    return {name: getattr(jax.config, name) for name in names}
