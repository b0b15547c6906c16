"""Signals that ask for an end: the first is noted, so that what is under way can be finished and saved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_noting: "list[Stop]" = []


class Stop:
    """Whether an end was asked for.

    Attributes:
      signal: the number of the signal that asked, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None


def noting() -> bool:
    """Whether a block of :func:`stop_on_signal` is under way, and whoever entered it sees to what was noted."""
    return bool(_noting)


@contextmanager
def stop_on_signal(*, again: Any = None) -> Iterator[Stop]:
    """Notes the first SIGINT or SIGTERM inside the block instead of obeying it; a second one is obeyed.

    Inside another such block it is that one. Python lets only the main thread handle signals: in another one nothing
    is noted, and nothing changes; nor of a signal that is ignored, as SIGINT is of what a shell runs in the background.

    Args:
      again: how the second is handled, as ``signal.signal`` takes it: ``signal.SIG_DFL`` ends the process at once; by
        default as it was before the block.

    Example:
      >>> with stop_on_signal() as stop:
      ...     signal.raise_signal(signal.SIGTERM)
      ...     stop.signal == signal.SIGTERM
      True
    """
    if _noting or threading.current_thread() is not threading.main_thread():
        yield _noting[-1] if _noting else Stop()
        return
    stop = Stop()
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    # None is a handler that Python did not set, and cannot set again.
    before = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}

    def note(number: int, _: Any) -> None:
        stop.signal = number
        for each, handler in before.items():
            signal.signal(each, handler if again is None else again)

    for number in before:
        signal.signal(number, note)
    _noting.append(stop)
    try:
        yield stop
    finally:
        _noting.remove(stop)
        for number, handler in before.items():
            signal.signal(number, handler)
