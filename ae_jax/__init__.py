"""Autoencoders as compositions of pure functions, trained as whole studies in JAX."""

from ae_jax import corruptions, data, losses, networks, objectives, schedules
from ae_jax.autoencoders import (
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
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput, TrainingDiverged
from ae_jax.optimizers import Optimizer
from ae_jax.training import Run, TrainingInterrupted, fit, load

__all__ = [
    "NAMED",
    "Autoencoder",
    "InvalidInput",
    "Optimizer",
    "Run",
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
