"""Peaks of memory."""

import numpy as np
import pytest

from ae_jax.benchmarks.images import blobs
from ae_jax.benchmarks.memory import device_peak, peak_of, resident_peak


def test_the_peak_holds_what_was_once_there():
    kept = np.ones(16 << 20, np.uint8)
    peak = resident_peak()
    assert peak > kept.nbytes
    del kept
    assert resident_peak() > peak - (1 << 20)  # the kernel's books are a few pages out


def test_a_process_of_its_own_says_its_peak():
    peak = peak_of("sweep", "jax-scan", 32, blobs(64))
    assert peak is not None
    assert 32 < peak < 4096


def test_what_goes_wrong_there_is_raised_here():
    with pytest.raises(KeyError):
        peak_of("nothing", "jax-scan", 32, blobs(64))


def test_a_cpu_has_no_memory_of_its_own():
    assert device_peak() == 0
