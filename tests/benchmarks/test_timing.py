"""Interleaved timing."""

import jax.numpy as jnp

from ae_jax.benchmarks.timing import Ratio, interleave, ratio, timed


def test_everybody_runs_in_every_round_in_an_order_that_rotates():
    called = []

    def run(name):
        called.append(name)
        return float(len(called))

    seconds = interleave({name: lambda name=name: run(name) for name in "abc"}, rounds=3, warm_up=1)
    assert called == ["a", "b", "c", "b", "c", "a", "c", "a", "b", "a", "b", "c"]
    assert seconds == {"a": [6.0, 8.0, 10.0], "b": [4.0, 9.0, 11.0], "c": [5.0, 7.0, 12.0]}


def test_a_ratio_is_of_rounds_and_not_of_medians():
    assert ratio([1.0, 10.0, 4.0], [1.0, 2.0, 1.0]) == Ratio(4.0, 1.0, 5.0)


def test_a_timed_call_is_called_and_waited_for():
    calls = []

    def call():
        calls.append(jnp.ones(4) * 2.0)
        return {"a": calls[-1], "b": None}

    assert timed(call)() > 0.0
    assert len(calls) == 1
