"""Autoencoders as compositions of pure functions, trained as whole studies in JAX."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ae_jax import corruptions, data, losses, networks, objectives, schedules
    from ae_jax.components import component, static
    from ae_jax.errors import InvalidInput, TrainingDiverged
    from ae_jax.models import (
        NAMED,
        Autoencoder,
        contractive,
        convolutional,
        denoising,
        named,
        sparse,
        undercomplete,
        variational,
    )
    from ae_jax.optimizers import Optimizer
    from ae_jax.training import Run, TrainConfig, TrainingInterrupted, fit, load

__all__ = [
    "NAMED",
    "Autoencoder",
    "InvalidInput",
    "Optimizer",
    "Run",
    "TrainConfig",
    "TrainingDiverged",
    "TrainingInterrupted",
    "component",
    "contractive",
    "convolutional",
    "corruptions",
    "data",
    "denoising",
    "fit",
    "load",
    "losses",
    "named",
    "networks",
    "objectives",
    "schedules",
    "sparse",
    "static",
    "undercomplete",
    "variational",
]

_HOMES = {
    "components": ("component", "static"),
    "errors": ("InvalidInput", "TrainingDiverged"),
    "optimizers": ("Optimizer",),
    "training": ("Run", "TrainConfig", "TrainingInterrupted", "fit", "load"),
}
"""Where names live that are neither rooms nor autoencoders."""


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first used, so that ``ae-jax --help`` need not wait for JAX."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("corruptions", "data", "losses", "networks", "objectives", "schedules"):
        return importlib.import_module(f"{__name__}.{name}")
    home = next((home for home, names in _HOMES.items() if name in names), "models")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__
