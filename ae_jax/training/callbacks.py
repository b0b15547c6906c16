"""Callbacks: what a user's code may do while a training runs on the host."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ae_jax.training.plan import Plan


class Progress(NamedTuple):
    """The state of a training after an epoch.

    Attributes:
      name: of the autoencoder.
      epoch: number of epochs done, from 1.
      epochs: number of epochs at most.
      metrics: split -> term -> mean over the members that were training.
      running: number of members that still train.
      members: split -> term -> value of each member, ``[members]``, NaN of those that trained no more.
    """

    name: str
    epoch: int
    epochs: int
    metrics: dict[str, dict[str, float]]
    running: int
    members: Mapping[str, Mapping[str, np.ndarray]] = {}


class Callback:
    """Base of callbacks; override what you need. Only the main process calls them.

    An exception of a callback ends the training as a signal does: with a checkpoint, where there are any, and
    ``on_end``. The exception is then raised from :func:`ae_jax.fit`, with the run so far as its attribute ``run``.

    Example:
      >>> import ae_jax
      >>> class StopBelow(Callback):
      ...     def on_epoch(self, progress):
      ...         return progress.metrics["validation"]["loss"] < 1e6
      >>> model = ae_jax.undercomplete(code=2, hidden=())
      >>> run = ae_jax.fit(model, ae_jax.data.digits(), epochs=50, callbacks=[StopBelow()])
      >>> run.history["train"]["loss"].shape[1] < 5
      True
    """

    def on_start(self, plan: Plan) -> None:
        """Called before the first epoch with the population, its data and the settings."""

    def on_epoch(self, progress: Progress) -> bool | None:
        """Called after each epoch; true ends the training after the epochs that are already dispatched."""

    def on_checkpoint(self, folder: Path) -> None:
        """Called with the folder of a checkpoint soon after it is written, and before ``on_end``."""

    def on_end(self, run: Any) -> None:
        """Called with the :class:`ae_jax.Run` at the end, also of a training that was interrupted."""
