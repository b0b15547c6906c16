import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ae_jax import InvalidInput
from ae_jax.components import from_config, to_config
from ae_jax.schedules import Cosine, FromOptax, Linear, value_at

STEPS = np.array([0, 1, 50, 99, 100, 101, 10_000])
SCHEDULES = [
    (Linear(start=0.2, end=1.5, steps=100), lambda s: 0.2 + 1.3 * np.minimum(s / 100, 1)),
    (Linear(start=1.0, end=0.0, steps=100), lambda s: 1 - np.minimum(s / 100, 1)),
    (Cosine(start=0.2, end=1.5, steps=100), lambda s: 1.5 - 0.65 * (1 + np.cos(np.pi * np.minimum(s / 100, 1)))),
]


@pytest.mark.parametrize(("schedule", "formula"), SCHEDULES)
def test_equals_its_formula(schedule, formula):
    values = jax.jit(jax.vmap(schedule))(jnp.asarray(STEPS))
    np.testing.assert_allclose(values, formula(STEPS), rtol=1e-6, atol=1e-7)


def test_a_number_is_its_own_value():
    assert value_at(0.25, step=3) == 0.25
    assert value_at(Linear(start=0.0, end=1.0, steps=4), step=3) == 0.75


@pytest.mark.parametrize("schedule", [Linear, Cosine])
@pytest.mark.parametrize("steps", [0, -5])
def test_needs_steps(schedule, steps):
    with pytest.raises(InvalidInput, match=f"{schedule.__name__} was given steps={steps}: expected a number above"):
        schedule(steps=steps)


def test_schedules_of_optax_are_those_of_optax():
    settings = {"init_value": 0.0, "peak_value": 1.0, "warmup_steps": 3, "decay_steps": 9}
    ours = FromOptax(rule="warmup_cosine_decay_schedule", settings=settings)
    theirs = optax.warmup_cosine_decay_schedule(**settings)
    for step in (0, 2, 3, 7, 20):
        np.testing.assert_allclose(ours(step), theirs(step), rtol=1e-6)
    assert from_config(json.loads(json.dumps(to_config(ours)))) == ours
    assert hash(ours) == hash(FromOptax(rule="warmup_cosine_decay_schedule", settings=dict(reversed(settings.items()))))


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"rule": "cosine_decay"}, "unknown schedule of Optax 'cosine_decay': did you mean 'cosine_decay_schedule'"),
        ({"rule": "exponential_decay", "settings": {"rate": 1.0}}, "unknown setting of exponential_decay 'rate'"),
        ({"rule": "exponential_decay", "settings": {"init_value": "a"}}, "given init_value='a': expected a number"),
        ({"rule": "cosine_decay_schedule", "settings": {"init_value": 1.0}}, "given numbers that Optax refuses"),
    ],
)
def test_schedules_that_optax_has_not_are_refused(choice, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        FromOptax(**choice)
