"""What numbers must be, and the sentences where they are not."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.requirements import (
    non_negative_whole,
    positive_whole,
    require_inside,
    require_non_negative,
    require_number,
    require_positive,
    require_probability,
    widths,
)


@pytest.mark.parametrize(
    ("require", "good", "bad", "sentence"),
    [
        (require_number, [-1, 0.5], [math.nan, math.inf], "expected a number"),
        (require_positive, [1, 0.5, np.float32(2)], [0, -1, math.nan, np.float32(-2)], "expected a number above zero"),
        (require_non_negative, [0, 0.5], [-1, math.nan], "expected zero or a number above"),
        (require_probability, [0, 1, 0.5], [-0.1, 1.1, math.nan], "expected a probability, from 0 to 1"),
    ],
)
def test_only_numbers_that_hold_pass(require, good, bad, sentence):
    for value in [*good, None, jnp.asarray(1.0), np.array([0.5, 1.0]), ae_jax.schedules.Linear()]:
        require("Spring", level=value)
    for value in [*bad, jnp.asarray(math.nan), np.array([0.5, math.nan]), "0.5", True]:
        with pytest.raises(InvalidInput, match=r"(?s)^Spring was given level=.*: " + sentence):
            require("Spring", level=value)


def test_traced_numbers_are_left_alone():
    def scaled(level):
        require_positive("Spring", level=level)
        return 2 * level

    assert jax.jit(scaled)(-1.0) == -2.0


@pytest.mark.parametrize("value", [0, 1, -2, math.nan])
def test_require_inside_excludes_its_bounds(value):
    require_inside("Spring", 0, 1, target=0.5)
    with pytest.raises(InvalidInput, match=f"^Spring was given target={value}: expected a number between 0 and 1"):
        require_inside("Spring", 0, 1, target=value)


@pytest.mark.parametrize("value", [0, -1, 2.0, "2", True, None])
def test_whole_numbers_are_whole_and_above_zero(value):
    assert positive_whole("MLP", "code", np.int64(3)) == 3
    with pytest.raises(InvalidInput, match=r"^MLP was given code=.*: expected a whole number above zero"):
        positive_whole("MLP", "code", value)


def test_widths_are_sequences_of_whole_numbers():
    assert widths("MLP", "hidden", [256, np.int64(128)]) == (256, 128)
    with pytest.raises(InvalidInput, match=r"MLP was given hidden=8: expected a sequence of widths, such as \(256,\)"):
        widths("MLP", "hidden", 8)
    with pytest.raises(InvalidInput, match=r"MLP was given hidden\[1\]=0.5: expected a whole number"):
        widths("MLP", "hidden", (8, 0.5))


@pytest.mark.usefixtures("unchecked")
def test_lists_of_widths_make_networks_and_one_structure():
    of_list, of_tuple = ae_jax.undercomplete(hidden=[32, 16]), ae_jax.undercomplete(hidden=(32, 16))
    assert jax.tree.structure(of_list) == jax.tree.structure(of_tuple)


@pytest.mark.usefixtures("unchecked")
def test_a_bare_function_is_sent_to_the_schedules():
    with pytest.raises(InvalidInput, match=r"given a function as learning_rate: .* a schedule of ae_jax.schedules"):
        ae_jax.Optimizer(learning_rate=optax.cosine_decay_schedule(1e-3, 10))


@pytest.mark.parametrize("value", [-1, 1.0, None, True, "2"])
def test_a_count_from_zero_on_is_whole(value):
    assert [non_negative_whole("search", "skip", good) for good in (0, 3, np.int32(2))] == [0, 3, 2]
    with pytest.raises(InvalidInput, match=f"^search was given skip={value!r}: expected zero or a whole number above"):
        non_negative_whole("search", "skip", value)
