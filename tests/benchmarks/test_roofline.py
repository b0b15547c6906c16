"""Counts of operations against XLA's own, and the measured limits."""

import dataclasses

import jax
import numpy as np
import pytest

from ae_jax.benchmarks.images import blobs
from ae_jax.benchmarks.roofline import Machine, bytes_of, flops_of, fraction_row, look_at_machine, product
from ae_jax.benchmarks.works import WORKS


# What XLA counts beyond products: activations, losses, and of the contractive one squares of the kernel, batch 100.
@pytest.mark.parametrize(
    ("name", "batch", "beyond"),
    [("autoencoder", 64, 0.01), ("vae", 512, 0.01), ("sparse", 128, 0.01), ("contractive", 100, 0.45)],
)
def test_products_are_nearly_all_that_xla_counts(name, batch, beyond):
    work = WORKS[name]
    autoencoder = work.autoencoders()[0]
    params = jax.eval_shape(lambda: autoencoder.init(work.shape, jax.random.key(0)))
    x = jax.ShapeDtypeStruct((batch, *work.shape), np.float32)

    def gradient(params, x):
        return jax.grad(
            lambda params: autoencoder.objective(autoencoder.bind(work.shape, params), jax.random.key(0), x, 0)[0]
        )(params)

    counted = jax.jit(gradient).lower(params, x).cost_analysis()["flops"]
    ours = flops_of(work.task(blobs(batch * round(1 / work.share)), batch))
    assert ours <= counted <= (1 + beyond) * ours


def test_products_of_a_convolutional_work_are_those_of_its_windows(small_task):
    task = small_task("convolutional").task
    forward = [14**2 * 9 * 16, 7**2 * 9 * 16 * 32, 1568 * 16, 16 * 1568, 7**2 * 9 * 32 * 64, 14**2 * 9 * 16 * 4]
    assert flops_of(task) == 2 * 8 * (3 * sum(forward) - forward[0])


def test_bytes_are_of_parameters_once_and_of_outputs_for_each_example(small_task):
    task = small_task("contractive").task
    larger = dataclasses.replace(task, batch_size=16)
    assert bytes_of(larger) - bytes_of(task) == 8 * (784 + 4 * 4 * (500 + 784))
    parameters = 784 * 500 + 500 + 500 * 784 + 784
    assert 2 * bytes_of(task) - bytes_of(larger) == 40 * parameters


def test_a_product_is_that_product():
    np.testing.assert_allclose(product((3, 5, 2))(), np.full((3, 2), 0.5), atol=0.5)


def test_the_machine_is_known_by_its_best():
    machine = look_at_machine([(4, 4, 4), (64, 64, 64)], copied=1024, rounds=1)
    assert machine.peak == max(machine.products.values()) == machine.products[machine.shape]
    assert machine.bandwidth > 0
    assert machine.row()["products_gflops"].keys() == {"4x4x4", "64x64x64"}


def test_a_fraction_is_of_the_peak_of_the_same_round(small_task):
    task = small_task("autoencoder").task
    machine = Machine((10, 10, 10), 1.0, 1e9, {})
    flops = 4 * flops_of(task)
    # The machine does 2,000 operations in a second, and in two seconds of the slower round.
    row = fraction_row(WORKS["autoencoder"], task, [flops / 1000, flops / 800], [1.0, 2.0], machine)
    np.testing.assert_allclose([row["fraction_low"], row["fraction_high"]], [0.5, 0.8])
    assert row["limit"] == "matrix products"
    assert row["flops_per_epoch"] == flops
    fast = machine._replace(bandwidth=1.0)
    assert fraction_row(WORKS["autoencoder"], task, [1.0], [1e-9], fast)["limit"] == "memory"
