"""Training of whole populations at once; independent of particular objectives."""

from ae_jax.training.callbacks import Callback, Progress
from ae_jax.training.checkpoint import Checkpoints
from ae_jax.training.config import OnDivergence, TrainConfig
from ae_jax.training.distributed import initialize
from ae_jax.training.fine_tuning import Classifier, fine_tune
from ae_jax.training.fit import fit, train_one_epoch, untrained
from ae_jax.training.interruption import stop_on_signal
from ae_jax.training.mesh import provide_cpu_devices
from ae_jax.training.plan import Plan
from ae_jax.training.population import stack, unstack
from ae_jax.training.progress import ProgressDisplay
from ae_jax.training.run import Run, TrainingInterrupted, load
from ae_jax.training.stacking import fit_layerwise
from ae_jax.training.step import Algorithm, algorithm

__all__ = [
    "Algorithm",
    "Callback",
    "Checkpoints",
    "Classifier",
    "OnDivergence",
    "Plan",
    "Progress",
    "ProgressDisplay",
    "Run",
    "TrainConfig",
    "TrainingInterrupted",
    "algorithm",
    "fine_tune",
    "fit",
    "fit_layerwise",
    "initialize",
    "load",
    "provide_cpu_devices",
    "stack",
    "stop_on_signal",
    "train_one_epoch",
    "unstack",
    "untrained",
]
