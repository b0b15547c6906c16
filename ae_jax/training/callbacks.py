"""Callbacks: what a user's code may do while a training runs on the host."""

from typing import Any, NamedTuple


class Progress(NamedTuple):
    """The state of a training after an epoch.

    Attributes:
      name: of the autoencoder.
      epoch: number of epochs done, from 1.
      epochs: number of epochs at most.
      metrics: split -> term -> mean over the members that were training.
      running: number of members that still train.
    """

    name: str
    epoch: int
    epochs: int
    metrics: dict[str, dict[str, float]]
    running: int


class Callback:
    """Base of callbacks; override what you need. Only the main process calls them.

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

    def on_start(self, name: str, epochs: int) -> None:
        """Called before the first epoch with the autoencoder's name and the number of epochs at most."""

    def on_epoch(self, progress: Progress) -> bool | None:
        """Called after each epoch; true ends the training after the epochs that are already dispatched."""

    def on_end(self, run: Any) -> None:
        """Called with the :class:`ae_jax.Run` at the end, also of a training that was interrupted."""
