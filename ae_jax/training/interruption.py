"""Notes the first signal that asks for an end, so that the current work can be finished and saved."""

import dataclasses
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_active: "list[Stop]" = []


@dataclasses.dataclass(eq=False)
class Stop:
    """The number of the signal that asked for an end, or None."""

    signal: int | None = None


def inside_stop_on_signal() -> bool:
    """Whether a block of :func:`stop_on_signal` is active, so that its owner handles the signal."""
    return bool(_active)


@contextmanager
def stop_on_signal(*, again: Any = None) -> Iterator[Stop]:
    """Notes the first SIGINT or SIGTERM inside the block; a second signal is handled as before the block.

    Where that handler ends the process, a thread does so even if the main thread waits in native code. A nested block
    shares the outer one. Only the main thread can handle signals: in another thread nothing is noted.
    Signals that are ignored, as SIGINT is for background jobs of a shell, stay ignored.

    Args:
      again: handler of the second signal, as ``signal.signal`` takes it; ``signal.SIG_DFL`` ends the process
        immediately. By default the handler from before the block.

    Example:
      >>> with stop_on_signal() as stop:
      ...     signal.raise_signal(signal.SIGTERM)
      ...     stop.signal == signal.SIGTERM
      True
    """
    if _active or threading.current_thread() is not threading.main_thread():
        yield _active[-1] if _active else Stop()
        return
    stop = Stop()
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    # None stands for a handler that was not set from Python and cannot be set again.
    before = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}

    def note(number: int, _: Any) -> None:
        stop.signal = number
        for each, handler in before.items():
            signal.signal(each, handler if again is None else again)

    ending = [number for number, handler in before.items() if signal.SIG_DFL in (handler, again)]
    for number in before:
        signal.signal(number, note)
    _active.append(stop)
    try:
        with _end_by_second(stop, ending):
            yield stop
    finally:
        _active.remove(stop)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _end_by_second(stop: Stop, ending: Sequence[int]) -> Iterator[None]:
    """Ends the process by the second of some signals if the main thread has not come to handle the first."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)

    def watch() -> None:
        met = 0
        while received := os.read(reads, 1):  # Python's handler in C writes the number of each signal
            met += received[0] in ending
            if met > 1 and stop.signal is None:
                os._exit(128 + received[0])

    before = signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writes)
        watcher.join()
        os.close(reads)
