"""What an epoch would cost elsewhere."""

import numpy as np
import pytest

from ae_jax.benchmarks.cost_model import CostModel, Links, Size, divided_epoch, fit_cost, table

MODEL = CostModel(per_flop=5e-12, per_byte=1e-10, per_step=2e-5)
BASE = Size(examples=2048, batch=128, parameters=829_232)


def test_an_epoch_is_its_operations_its_bytes_and_its_steps():
    # 2 members, 3 steps of at most 10 examples, 5 parameters.
    size = Size(examples=21, batch=10, parameters=5, members=2)
    assert MODEL.epoch(size) == pytest.approx(2 * 3 * (6 * 5 * 10 * 5e-12 + 40 * 5 * 1e-10 + 2e-5))


def test_the_fit_finds_the_model_that_measured_times_come_from_and_no_cost_below_zero():
    sizes = [BASE._replace(**changed) for changed in ({}, {"batch": 512}, {"parameters": 10**5}, {"members": 3})]
    sizes += [BASE._replace(batch=8, parameters=5_000)]
    found = fit_cost(sizes, [MODEL.epoch(size) for size in sizes])
    np.testing.assert_allclose(
        [found.per_flop, found.per_byte, found.per_step], [MODEL.per_flop, MODEL.per_byte, MODEL.per_step], rtol=1e-6
    )
    constant = fit_cost(sizes, [0.1] * len(sizes))
    assert min(constant.per_flop, constant.per_byte, constant.per_step) >= 0


def test_one_device_waits_for_nobody():
    assert divided_epoch(MODEL, BASE, 1) == MODEL.epoch(BASE)


def test_devices_share_examples_and_sum_gradients_in_a_ring():
    links = Links(bandwidth=1e9, latency=1e-4)
    took = divided_epoch(MODEL, BASE, 4, links)
    share = MODEL.epoch(BASE._replace(examples=512))
    assert took == pytest.approx(share + 4 * (2 * 3 / 4 * 4 * BASE.parameters / 1e9 + 2 * 2 * 1e-4))


def test_the_table_has_every_size_over_every_number_of_devices():
    rows = table(MODEL, BASE._replace(batch=512))
    assert [(row["examples"], row["devices"]) for row in rows] == [
        (10**examples, devices) for examples in range(6, 11) for devices in (1, 8, 64, 1024)
    ]
    by = {(row["examples"], row["devices"]): row for row in rows}
    assert by[10**10, 1]["epoch_s"] == pytest.approx(10 * by[10**9, 1]["epoch_s"], rel=1e-4)
    assert by[10**8, 8]["epoch_s"] < by[10**8, 1]["epoch_s"] < 8.0001 * by[10**8, 8]["epoch_s"]
    assert by[10**6, 1024]["batch"] == 512 * 1024
