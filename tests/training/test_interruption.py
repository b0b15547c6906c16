import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ae_jax.training import interruption
from ae_jax.training.interruption import stop_on_signal

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def handlers():
    """A second signal raises something of its own, and a test leaves no handler behind."""

    def raise_it(number, _):
        raise RuntimeError(f"obeyed {signal.Signals(number).name}")

    before = {number: signal.signal(number, raise_it) for number in SIGNALS}
    yield raise_it
    left = [signal.getsignal(number) for number in SIGNALS]
    for number, handler in before.items():
        signal.signal(number, handler)
    assert left == [raise_it, raise_it]


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_the_first_signal_is_noted_and_the_second_obeyed_as_before(first, second):
    with stop_on_signal() as stop:
        assert stop.signal is None
        signal.raise_signal(first)
        assert stop.signal == first
        with pytest.raises(RuntimeError, match=f"obeyed {second.name}"):
            signal.raise_signal(second)
        assert stop.signal == first


def test_the_second_signal_is_handled_as_the_caller_says():
    heard = []
    with stop_on_signal(again=lambda number, _: heard.append(number)) as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert (stop.signal, heard) == (signal.SIGTERM, [signal.SIGINT, signal.SIGTERM])


def test_a_block_inside_another_is_that_one(handlers):
    with stop_on_signal() as outer:
        with stop_on_signal() as inner:
            assert inner is outer
            signal.raise_signal(signal.SIGINT)
        assert outer.signal == signal.SIGINT
        with stop_on_signal() as later:
            assert later.signal == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) is handlers


def in_thread(work) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_in_another_thread_nothing_is_noted_and_nothing_changes(handlers):
    seen = []

    def work():
        with stop_on_signal() as stop:
            seen.append((stop.signal, signal.getsignal(signal.SIGINT)))

    in_thread(work)
    assert seen == [(None, handlers)]


@pytest.mark.parametrize("ignored", SIGNALS)
def test_a_signal_that_is_ignored_stays_so(ignored, handlers):
    (other,) = set(SIGNALS) - {ignored}
    signal.signal(ignored, signal.SIG_IGN)
    try:
        with stop_on_signal() as stop:
            signal.raise_signal(ignored)
            assert stop.signal is None
            signal.raise_signal(other)
            assert stop.signal == other
            assert signal.getsignal(ignored) == signal.SIG_IGN
        assert signal.getsignal(ignored) == signal.SIG_IGN
    finally:
        signal.signal(ignored, handlers)


WAITING = """
import ctypes, runpy, signal, sys
with runpy.run_path(sys.argv[1])["stop_on_signal"](again=signal.SIG_DFL):
    mutex = ctypes.create_string_buffer(64)
    print("ready", flush=True)
    for _ in range(2):
        ctypes.CDLL(None).pthread_mutex_lock(mutex)  # the second time it waits forever, whatever signals come
"""


def test_a_second_signal_ends_a_process_that_waits_in_native_code():
    command = [sys.executable, "-c", WAITING, interruption.__file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        while " S " not in Path(f"/proc/{process.pid}/stat").read_text():  # until it waits
            pass
        while process.poll() is None:
            process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
