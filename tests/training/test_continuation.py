import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.components import component
from ae_jax.data import Dataset, ReadOptions
from ae_jax.data.shards import ArrayRows
from ae_jax.data.splits import from_rows
from ae_jax.schedules import Cosine, Linear
from ae_jax.training.config import TrainConfig
from ae_jax.training.continuation import (
    configuration_of,
    require_same,
    warn_of_another_environment,
)
from ae_jax.training.plan import Plan, plan
from ae_jax.types import Number

STEPS = 4  # of an epoch over 64 examples in batches of 16


def variational(rate=1e-3, **settings):
    return ae_jax.variational(**({"code": 3, "hidden": (12,), "learning_rate": rate} | settings))


@pytest.fixture
def planned(small):
    """Plans two learning rates and two seeds, unless told otherwise."""

    def planned(autoencoder=None, data=small, **settings) -> Plan:
        choices = [variational(1e-3), variational(1e-2)] if autoencoder is None else autoencoder
        seeds = settings.pop("seeds", [5, 6])
        return plan(choices, data, TrainConfig(**({"epochs": 3, "batch_size": 16} | settings)), seeds=seeds)

    return planned


def compare(saved: dict, asked: Plan, resume=True) -> None:
    """Raises where what was saved is not what is asked for."""
    require_same(saved, configuration_of(asked), asked, resume=resume, folder="runs/one")


def difference(saved: Plan, asked: Plan, resume=True) -> str:
    """What is said of them, the saved one having been through JSON."""
    with pytest.raises(InvalidInput) as told:
        compare(json.loads(json.dumps(configuration_of(saved))), asked, resume)
    return str(told.value)


def test_the_same_training_is_itself_after_json(planned):
    for resume in (True, "extend"):
        saved = json.loads(json.dumps(configuration_of(planned())))
        compare(saved, planned(), resume)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"seeds": [5, 7]}, "(seeds.1: 6 then, 7 now; seeds.3: 6 then, 7 now)"),
        ({"batch_size": 8}, "(batch_size: 16 then, 8 now)"),
        ({"patience": 2}, "(patience: None then, 2 now)"),
        ({"on_divergence": "skip"}, "(on_divergence: stop then, skip now)"),
        ({"seeds": [5, 6, 7]}, "(number of autoencoders: 4 then, 6 now; number of seeds: 4 then, 6 now)"),
    ],
)
def test_settings_that_differ_are_listed(planned, settings, said):
    expected = f"the training in runs/one cannot be resumed with another configuration {said}: expected the same one; "
    for resume in (True, "extend"):
        assert difference(planned(), planned(**settings), resume) == expected + "or remove runs/one to start anew."


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_one_byte_of_the_data_that_differs_is_found(planned, small, split):
    x = getattr(small, split).x.copy()
    x[3, 4, 5] = 16 - x[3, 4, 5]
    other = dataclasses.replace(small, **{split: getattr(small, split)._replace(x=x)})
    said = difference(planned(), planned(data=other))
    assert said.count(" then, ") == 1
    assert "data.digest: " in said


def test_one_changed_row_of_a_stream_is_found(planned, digits):
    def streamed(x) -> Dataset:
        return from_rows(ArrayRows(x), name="streamed", scaling="unit", reading=ReadOptions(budget=16 * 64 * 32 * 4))

    x = digits.train.x[:160].copy()
    data = streamed(x.copy())
    row = int(np.setdiff1d(np.arange(160), data.stream.held_out)[5])
    x[row, 3, 3] = 16 - x[row, 3, 3]
    changed = dataclasses.replace(data, stream=streamed(x).stream)
    assert "(data.digest: " in difference(planned(data=data), planned(data=changed))
    compare(configuration_of(planned(data=data)), planned(data=streamed(digits.train.x[:160])))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("jax_enable_x64", True), ("jax_threefry_partitionable", False), ("jax_default_prng_impl", "rbg")],
)
def test_another_setting_of_jax_is_named(planned, setting, value):
    saved, before = planned(), getattr(jax.config, setting)
    configuration = json.loads(json.dumps(configuration_of(saved)))
    jax.config.update(setting, value)
    try:
        with pytest.raises(InvalidInput, match=rf"\(settings_of_jax.{setting}: {before} then, {value} now\)"):
            compare(configuration, saved)
    finally:
        jax.config.update(setting, before)


def test_other_versions_and_devices_are_a_warning():
    saved = {"versions": {"jax": "0.9.0", "numpy": "2.4.0"}, "device": "cpu x 1 (cpu)"}
    warn_of_another_environment(saved, saved, folder="runs/one")
    now = {"versions": {"jax": "0.10.2", "numpy": "2.4.0"}, "device": "cpu x 8 (cpu)"}
    said = r"another environment \(versions.jax: 0.9.0 then, 0.10.2 now; device: cpu x 1 \(cpu\) then, cpu x 8 "
    with pytest.warns(UserWarning, match=said):
        warn_of_another_environment(saved, now, folder="runs/one")


@component
class Saw:
    """A schedule that is none of the library's: it goes up and down again."""

    period: Number = 8.0

    def __call__(self, step):
        return jnp.abs(step % self.period - 4.0)


@pytest.mark.parametrize(
    ("schedule", "epochs", "steady"),
    [
        (Linear(start=0.0, end=1.0, steps=3 * STEPS), 5, True),
        (Linear(start=0.0, end=1.0, steps=4 * STEPS), 5, False),
        (Cosine(start=0.0, end=1.0, steps=2 * STEPS), 5, True),
        (Cosine(start=0.0, end=1.0, steps=20 * STEPS), 5, False),
        (Saw(), 5, True),
        (Saw(period=9.0), 4, False),
    ],
)
def test_an_extension_may_not_weigh_validation_losses_anew(planned, schedule, epochs, steady):
    saved, asked = (planned([variational(beta=schedule)], epochs=count) for count in (3, epochs))
    if steady:
        compare(configuration_of(saved), asked, "extend")
        return
    said = difference(saved, asked, "extend")
    before, now = (float(schedule(np.float32(count * STEPS))) for count in (3, epochs))
    assert said.startswith("the training cannot be extended: ")
    assert f" is {before:g} at the last step of the saved training and {now:g} at the last step of the ext" in said


def test_a_schedule_of_the_learning_rate_alone_is_no_hindrance(planned):
    saved, asked = (planned([variational(Cosine(start=1e-3, end=0.0, steps=90))], epochs=n) for n in (3, 5))
    compare(configuration_of(saved), asked, "extend")


def test_labels_that_condition_the_model_and_other_rows_for_each_member_count(planned, small):
    conditional = ae_jax.models.conditional(code=3, hidden=(12,), classes=10)
    labels = np.roll(small.train.labels, 1)
    turned = dataclasses.replace(small, train=small.train._replace(labels=labels))
    assert "(data.digest: " in difference(planned([conditional]), planned([conditional], data=turned))
    compare(configuration_of(planned()), planned(data=turned))
    subsets = planned()._replace(subsets=np.zeros((4, 32), np.int32))
    assert "(data.digest: " in difference(planned(), subsets)
