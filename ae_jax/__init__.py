"""Autoencoders as compositions of pure functions, trained as whole studies in JAX."""

from ae_jax import corruptions, data, distributions, flows, losses, networks, objectives, priors, schedules
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput, TrainingDiverged
from ae_jax.models import (
    NAMED,
    Autoencoder,
    conditional,
    contractive,
    convolutional,
    denoising,
    factor,
    named,
    sparse,
    top_k,
    undercomplete,
    vamp,
    variational,
    vq,
)
from ae_jax.optimizers import Optimizer
from ae_jax.training import Callback, Run, TrainConfig, TrainingInterrupted, fit, load
from ae_jax.types import Batch

__all__ = [
    "NAMED",
    "Autoencoder",
    "Batch",
    "Callback",
    "InvalidInput",
    "Optimizer",
    "Run",
    "TrainConfig",
    "TrainingDiverged",
    "TrainingInterrupted",
    "component",
    "conditional",
    "contractive",
    "convolutional",
    "corruptions",
    "data",
    "denoising",
    "distributions",
    "factor",
    "fit",
    "flows",
    "load",
    "losses",
    "named",
    "networks",
    "objectives",
    "priors",
    "schedules",
    "sparse",
    "static",
    "top_k",
    "undercomplete",
    "vamp",
    "variational",
    "vq",
]
