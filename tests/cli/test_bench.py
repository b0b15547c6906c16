"""``ae-jax bench``."""

import json

import pytest

from ae_jax.benchmarks import peers


@pytest.fixture(scope="module")
def quick(call_in, tmp_path_factory):
    """The smallest benchmark that measures something."""
    options = ("--quick", "--measure", "peers", "--work", "sparse", "--peer", "jax-scan", "--json", "bench.json")
    return call_in(tmp_path_factory.mktemp("bench"), "bench", *options)


def test_rows_are_written_and_shown(quick):
    assert quick.code == 0, quick.err
    results = json.loads((quick.folder / "bench.json").read_text())
    (row,) = results["rows"]
    assert (row["work"], row["batch"], row["peer"], row["members"]) == ("sparse", 128, "jax-scan", 1)
    assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
    for name in ("ours_s", "peer_s", "compile_s", "ours_loss", "peer_loss"):
        assert row[name] > 0
    assert results["roofline"][0]["peak_gflops"] > 0
    assert quick.out.startswith("sparse, batch 128\n")
    assert "\n jax-scan " in quick.out
    assert "\u2026" not in quick.out  # nothing was cut off for want of room
    assert "ratio against jax-scan at least 0.952" in quick.out
    assert "the GPU leg was left out" in quick.out
    assert "ae-jax: sparse, batch 128: 784-1000 sigmoid and back" in quick.err


def pretend(monkeypatch, **row):
    """A study that gives one row at once."""
    results = {name: [] for name in ("rows", "roofline", "populations", "scaling", "bars", "skipped")}
    row = {"work": "vae", "batch": 64, "peer": "pythae", "ratio": None, "reason": "pythae is not installed"} | row
    bar = {"what": "ratio", "value": 3.0, "peer": "pythae", "at_most": False, "where": "vae", "measured": 2.0}
    results |= {"rows": [row], "bars": [bar | {"met": False}, bar | {"met": None}]}
    monkeypatch.setattr("ae_jax.benchmarks.study.Study.run", lambda self, say: iter([results]))


def test_bars_that_are_missed_are_said_and_need_not_be_met(call, monkeypatch):
    pretend(monkeypatch)
    outcome = call("bench")
    assert outcome.code == 0
    assert "vae, batch 64\n pythae: pythae is not installed\n" in outcome.out
    assert outcome.out.count("MISSED: ratio against pythae at least 3: 2 (vae)") == 1
    assert call("bench", "--require").code == 1


def test_other_work_is_an_error(call, monkeypatch):
    compared = {"ratio_low": 1.0, "ratio_high": 2.0, "ours_s": 1.0, "peer_s": 2.0, "ours_loss": 3.0, "peer_loss": 9.0}
    pretend(monkeypatch, ratio=1.5, same_work=False, **compared)
    outcome = call("bench")
    assert outcome.code == 1
    assert "9 differs" in outcome.out
    assert outcome.err.splitlines()[-1] == (
        "ae-jax: the losses of a peer differ from ours: it did other work, and its ratio means nothing."
    )


def test_populations_and_growth_are_shown(call, monkeypatch):
    costs = {"widths": "64-128-8", "members": 2, "cost": 0.75, "cost_low": 0.7, "cost_high": 0.8}
    growth = {"axis": "features", "exponent": 0.91, "exponent_low": 0.9, "exponent_high": 0.95}
    results = {"rows": [], "roofline": [], "bars": [], "skipped": [], "populations": [costs], "scaling": [growth]}
    cells = [{"examples": 10**n, "devices": d, "epoch_s": 10.0**n / d} for n in (6, 10) for d in (1, 8)]
    results["startup"] = {"import_ratio": 1.1, "import_low": 1.0, "import_high": 1.15, "first_epoch_ratio": 0.7}
    results["startup"] |= {"programs": 28, "compile_s": 17.8}
    results["cost_model"] = {"predicted_s": 1.5, "measured_s": 1.25, "table": cells}
    monkeypatch.setattr("ae_jax.benchmarks.study.Study.run", lambda self, say: iter([results]))
    out = call("bench").out
    assert "0.70 to 0.80" in out
    assert "0.90 to 0.95" in out
    assert "1.5 s predicted, 1.25 s measured" in out
    assert "1.25e+09" in out
    assert "import: 1.10 (1.00 to 1.15) times that of JAX, Flax and Optax" in out


def test_a_peer_that_is_not_installed_is_one_sentence(call, monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda package: None)
    outcome = call("bench", "--peer", "pythae")
    assert outcome.code == 2
    assert outcome.err == (
        "ae-jax: the peer pythae needs pythae, which is not installed: expected pip install 'ae_jax[bench]' first.\n"
    )


def test_help_names_works_and_peers(call):
    text = " ".join(word for word in call("bench", "--help").out.split() if word != "│")
    for name in peers.PEERS:
        assert name in text
    assert "--batch N [N ...] examples in a step. (default: all that the works have)" in text
    assert "(default: 20000)" in text
