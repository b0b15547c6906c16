"""How an objective is minimised, over whole populations at once; knows nothing of particular objectives."""

from ae_jax.training.checkpoint import Checkpoints
from ae_jax.training.classifier import Classifier
from ae_jax.training.distributed import initialize
from ae_jax.training.fine_tuning import fine_tune
from ae_jax.training.fit import fit
from ae_jax.training.interruption import stop_on_signal
from ae_jax.training.loop import Progress
from ae_jax.training.mesh import provide_cpu_devices
from ae_jax.training.population import stack, unstack
from ae_jax.training.run import Run, TrainingInterrupted, load
from ae_jax.training.stacking import fit_layerwise
from ae_jax.training.untrained import untrained

__all__ = [
    "Checkpoints",
    "Classifier",
    "Progress",
    "Run",
    "TrainingInterrupted",
    "fine_tune",
    "fit",
    "fit_layerwise",
    "initialize",
    "load",
    "provide_cpu_devices",
    "stack",
    "stop_on_signal",
    "unstack",
    "untrained",
]
