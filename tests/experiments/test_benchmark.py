"""The benchmark: its arithmetic against known numbers, and the whole of it at its smallest."""

import json

import jax
import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.types import Batch
from benchmark import main
from benchmarks import measure as measuring
from benchmarks.cost_model import CostModel, Size, data_parallel_epoch, fit_cost, predictions
from benchmarks.measure import measure
from benchmarks.roofline import Machine, step_flops
from benchmarks.startup import startup
from benchmarks.thresholds import Threshold, judge
from benchmarks.timing import Ratio, interleave, ratio
from benchmarks.workloads import WORKLOADS, blobs, digit_images, load_images, parameter_count

MODEL = CostModel(per_flop=5e-12, per_byte=1e-10, per_step=2e-5)
BASE = Size(examples=2048, batch=128, parameters=829_232)
MACHINE = Machine((10, 10, 10), 1.0, 1e9)


def row(workload, batch, baseline, ratio):
    return {"workload": workload, "batch": batch, "baseline": baseline, "ratio": ratio}


def test_every_trainer_runs_in_every_round_in_rotating_order():
    called = []

    def run(name):
        called.append(name)
        return float(len(called))

    seconds = interleave({name: lambda name=name: run(name) for name in "abc"}, rounds=3, warm_up=1)
    assert called == ["a", "b", "c", "b", "c", "a", "c", "a", "b", "a", "b", "c"]
    assert seconds == {"a": [6.0, 8.0, 10.0], "b": [4.0, 9.0, 11.0], "c": [5.0, 7.0, 12.0]}


def test_a_ratio_is_the_median_of_rounds():
    assert ratio([1.0, 10.0, 4.0], [1.0, 2.0, 1.0]) == Ratio(4.0, 1.0, 5.0)


def test_the_number_nearest_to_failing_decides():
    lower = Threshold("ratio", 2.0, ("vae", "autoencoder"), (64,), "pythae")
    upper = Threshold("cost per member", 1.0, at_most=True)
    rows = [row("vae", 64, "pythae", 2.5), row("autoencoder", 64, "pythae", 1.9), row("vae", 512, "pythae", 1.0)]
    costs = [{"widths": "w", "members": count, "cost": cost} for count, cost in ((1, 1.0), (2, 1.2))]
    found = judge({"rows": rows, "populations": costs}, [lower, upper])
    assert [(each["where"], each["measured"], each["met"]) for each in found] == [
        ("autoencoder, batch 64", 1.9, False),
        ("w, 2 members", 1.2, False),
    ]
    assert judge({"rows": rows[:1]}, [lower])[0]["met"] is True
    assert {each["met"] for each in judge({"rows": [row("vae", 64, "pythae", None)]})} == {None}


def test_an_epoch_costs_its_operations_its_bytes_and_its_steps():
    # 2 members, 3 steps of at most 10 examples, 5 parameters.
    size = Size(examples=21, batch=10, parameters=5, members=2)
    assert MODEL.epoch(size) == pytest.approx(2 * 3 * (6 * 5 * 10 * 5e-12 + 40 * 5 * 1e-10 + 2e-5))


def test_the_fit_recovers_the_cost_model():
    sizes = [BASE._replace(**changed) for changed in ({}, {"batch": 512}, {"parameters": 10**5}, {"members": 3})]
    found = fit_cost(sizes, [MODEL.epoch(size) for size in sizes])
    np.testing.assert_allclose(
        [found.per_flop, found.per_byte, found.per_step], [MODEL.per_flop, MODEL.per_byte, MODEL.per_step], rtol=1e-6
    )


def test_devices_share_examples_and_sum_gradients_in_a_ring():
    assert data_parallel_epoch(MODEL, BASE, 1) == MODEL.epoch(BASE)
    took = data_parallel_epoch(MODEL, BASE, 4, bandwidth=1e9, latency=1e-4)
    share = MODEL.epoch(BASE._replace(examples=512))
    assert took == pytest.approx(share + 4 * (2 * 3 / 4 * 4 * BASE.parameters / 1e9 + 2 * 2 * 1e-4))
    assert len(predictions(MODEL, BASE)) == 20


def test_matrix_products_are_nearly_all_operations_that_xla_counts():
    workload, batch = WORKLOADS["vae"], 64
    autoencoder = workload.autoencoders()[0]
    task = workload.task(blobs(batch), batch)
    assert parameter_count(task) == 784 * 512 + 512 + 512 * 32 + 32 + 16 * 512 + 512 + 512 * 784 + 784
    params, _ = jax.eval_shape(lambda: autoencoder.init(workload.shape, jax.random.key(0)))
    x = jax.ShapeDtypeStruct((batch, *workload.shape), np.float32)

    def loss(params, x):
        return autoencoder.objective(autoencoder.bind(workload.shape, params), jax.random.key(0), Batch(x), 0)[0]

    counted = jax.jit(jax.grad(loss)).lower(params, x).cost_analysis()["flops"]
    assert step_flops(task) <= counted <= 1.02 * step_flops(task)


def test_images_are_the_same_bytes_however_many_are_drawn():
    np.testing.assert_array_equal(blobs(32)[:8], blobs(8))
    assert 0.3 < (blobs(32) == 0).mean() < 0.95
    with pytest.raises(InvalidInput, match="28 by 28 bytes"):
        load_images("digits", 4)


def test_a_workload_takes_its_share_in_whole_batches():
    assert len(WORKLOADS["convolutional"].data(blobs(512), 128)) == 128
    assert len(WORKLOADS["contractive-step"].data(blobs(512), 100)) == 300
    np.testing.assert_array_equal(WORKLOADS["sweep"].data(blobs(512), 32), digit_images(512))
    with pytest.raises(InvalidInput, match="at least a batch of 128"):
        WORKLOADS["convolutional"].data(blobs(128), 128)


def test_rows_compare_baselines_and_say_why_one_could_not_run(monkeypatch):
    fakes = {"pytorch": (1.0, 2.01), "pythae": (1.0, 2.5), "pytorch-compiled": RuntimeError("no compiler.\nMore")}

    def training(seconds, loss):
        return lambda epochs: ([seconds] * epochs, [9.0] * (epochs - 1) + [loss])

    def prepare(name, task):
        if isinstance(fake := fakes[name], Exception):
            raise fake
        return training(*fake)

    monkeypatch.setattr(measuring, "_ours", lambda workload, task: training(0.5, 2.0))
    monkeypatch.setattr(measuring, "prepare", prepare)
    monkeypatch.setattr(measuring, "missing", lambda name: None if name in fakes else "a package")
    rows, _ = measure(WORKLOADS["sweep"], 32, blobs(512), MACHINE, memory=False, rounds=1)
    assert [(row["baseline"], row["ratio"], row.get("reason"), row.get("same_work")) for row in rows] == [
        ("pytorch", 64.0, None, True),  # 32 members, one after the other
        ("pytorch-compiled", None, "RuntimeError: no compiler", None),
        ("pythae", 64.0, None, False),
        ("jax-scan", None, "a package is not installed", None),
    ]


@pytest.mark.slow
def test_the_command_measures_writes_and_prints(tmp_path, capsys):
    options = ("--quick", "--measure", "baselines", "--workload", "sparse", "--baseline", "jax-scan")
    assert main([*options, "--json", str(tmp_path / "found.json")]) == 0
    results = json.loads((tmp_path / "found.json").read_text())
    (found,) = results["rows"]
    assert found["ratio_low"] <= found["ratio"] <= found["ratio_high"]
    assert found["same_work"]
    assert results["roofline"][0]["peak_gflops"] > 0
    printed = capsys.readouterr().out
    assert "sparse, batch 128" in printed
    assert "ratio against jax-scan at least 0.952" in printed


@pytest.mark.slow
def test_a_comparison_compiles_few_programs(monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    found = startup(rounds=1)
    assert 24 <= found["programs"] <= 28  # four for each of six autoencoders, and a few shared
    assert found["programs_compiled"] == found["programs"]
