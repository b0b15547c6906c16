"""How an objective is minimised, over whole populations at once; knows nothing of particular objectives."""

from ae_jax.training.fit import Progress, fit
from ae_jax.training.population import stack, unstack
from ae_jax.training.run import Run, TrainingInterrupted, load

__all__ = ["Progress", "Run", "TrainingInterrupted", "fit", "load", "stack", "unstack"]
