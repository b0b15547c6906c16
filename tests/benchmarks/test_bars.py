"""Bars, and whether they are met."""

import math

import pytest

from ae_jax.benchmarks.bars import BARS, Bar, geometric_means, judge
from ae_jax.benchmarks.peers import PEERS
from ae_jax.benchmarks.works import WORKS


def row(work, batch, peer, ratio):
    return {"work": work, "batch": batch, "peer": peer, "ratio": ratio}


def test_every_bar_is_about_something_that_is_measured():
    for bar in BARS:
        assert bar.peer in {*PEERS, ""}
        for work in bar.works:
            assert set(bar.batches) <= set(WORKS[work].batches)
        if bar.peer and bar.works:
            assert any(bar.peer in WORKS[work].peers for work in bar.works)


def test_the_geometric_mean_leaves_out_contractive_and_sweep_and_those_who_could_not_take_part():
    rows = [row("vae", 64, "pytorch", 2.0), row("sparse", 128, "pytorch", 3.0), row("vae", 512, "pytorch", None)]
    rows += [row(name, 32, "pytorch", 50.0) for name in ("contractive", "contractive-step", "sweep")]
    assert geometric_means(rows) == {"pytorch": pytest.approx(math.sqrt(6.0))}


def test_the_worst_of_many_decides():
    bar = Bar("ratio", 2.0, ("vae", "autoencoder"), (64,), "pythae")
    rows = [row("vae", 64, "pythae", 2.5), row("autoencoder", 64, "pythae", 1.9), row("vae", 512, "pythae", 1.0)]
    assert judge({"rows": rows}, [bar])[0][1:] == ("autoencoder, batch 64", 1.9, False)
    assert judge({"rows": rows[:1]}, [bar])[0][1:] == ("vae, batch 64", 2.5, True)


def test_what_was_not_measured_is_neither_met_nor_missed():
    for verdict in judge({"rows": [row("vae", 64, "pythae", None)]}):
        assert verdict[1:] == ("", None, None)


def test_an_upper_bar():
    costs = [{"widths": "w", "members": count, "cost": cost} for count, cost in ((1, 1.0), (2, 1.2))]
    bar = Bar("cost per member", 1.0, at_most=True)
    assert judge({"populations": costs}, [bar])[0][1:] == ("w, 2 members", 1.2, False)
    assert judge({"populations": costs[:1]}, [bar])[0].met


def test_fractions_of_the_peak_and_geometric_means():
    roofline = [{"work": "vae", "batch": 512, "fraction": 0.8}, {"work": "vae", "batch": 64, "fraction": 0.1}]
    results = {"roofline": roofline, "geometric_means": {"pythae": 2.6}, "rows": []}
    bars = [Bar("fraction", 0.75, ("vae",), (512,)), Bar("geometric mean", 2.5, peer="pythae")]
    assert [verdict[1:] for verdict in judge(results, bars)] == [
        ("vae, batch 512", 0.8, True),
        ("all works", 2.6, True),
    ]
