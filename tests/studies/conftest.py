"""Callbacks that note what is trained and send signals."""

import signal
from collections.abc import Callable

import pytest

from ae_jax.training import Callback, Progress


class Watch(Callback):
    """Notes name and epoch of everything that is trained, and raises a signal after so many epochs in all.

    Attributes:
      seen: (name, epoch) of each epoch.
    """

    def __init__(self, stop_after: int | None = None, number: int = signal.SIGTERM):
        self.stop_after, self.number = stop_after, number
        self.seen: list[tuple[str, int]] = []

    def on_epoch(self, progress: Progress) -> None:
        self.seen.append((progress.name, progress.epoch))
        if len(self.seen) == self.stop_after:
            signal.raise_signal(self.number)


@pytest.fixture
def watch() -> Callable[..., Watch]:
    """Makes callbacks that note what is trained."""
    return Watch
