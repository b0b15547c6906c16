"""Library versions and hardware, recorded with every result."""

import platform
from importlib import metadata
from typing import Any

import jax

from ae_jax.errors import InvalidInput

_SUPPORTED = {"jax_numpy_dtype_promotion": ("standard",), "jax_debug_infs": (False,)}
_SUPPORTED |= dict.fromkeys(
    ("jax_transfer_guard_host_to_device", "jax_transfer_guard_device_to_host"), (None, "allow", "log")
)
"""Settings of JAX and the values of them under which training and evaluation work."""


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


def require_supported_settings() -> None:
    """Raises for a setting of JAX under which nothing can be trained or evaluated."""
    for name, supported in _SUPPORTED.items():
        value = getattr(jax.config, name)
        value = getattr(value, "value", value)
        if value not in supported:
            raise InvalidInput(f"{name} is {value!r}, which is not supported: expected {supported[-1]!r}; set it back.")
