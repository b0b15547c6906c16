"""What numbers must be, and the sentences where they are not."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax._checks import (
    non_negative_whole,
    positive_whole,
    require_inside,
    require_non_negative,
    require_number,
    require_positive,
    require_probability,
    shown,
    size,
    widths,
)
from ae_jax.models import Autoencoder
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, L1, Reconstruction, SquaredError


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
def test_a_bare_function_is_sent_to_the_schedules():
    with pytest.raises(InvalidInput, match=r"given a function as learning_rate: .* a schedule of ae_jax.schedules"):
        ae_jax.Optimizer(learning_rate=optax.cosine_decay_schedule(1e-3, 10))


@pytest.mark.parametrize("value", [-1, 1.0, None, True, "2"])
def test_a_count_from_zero_on_is_whole(value):
    assert [non_negative_whole("search", "skip", good) for good in (0, 3, np.int32(2))] == [0, 3, 2]
    with pytest.raises(InvalidInput, match=f"^search was given skip={value!r}: expected zero or a whole number above"):
        non_negative_whole("search", "skip", value)


@pytest.mark.parametrize(
    "value", [-1e300, 10**400, 1e39, np.array([1.0, np.inf]), 1j, np.complex64(1), np.array(["a"]), np.bool_(True)]
)
def test_what_32_bits_cannot_hold_is_no_number(value):
    require_number("ELBO", beta=3e38)
    with pytest.raises(InvalidInput, match=r"^ELBO was given beta=.{1,60}: expected a number\.$"):
        require_number("ELBO", beta=value)
    with pytest.raises(InvalidInput, match="Gaussian was given scale=1e-46: expected a number above zero"):
        require_positive("Gaussian", scale=1e-46)


def test_sizes_have_32_bits_and_counts_64():
    assert size("MLP", "code", 2**31 - 1) == 2**31 - 1
    with pytest.raises(InvalidInput, match=r"MLP was given code=2147483648: expected a number below 2\*\*31"):
        size("MLP", "code", 2**31)
    assert positive_whole("ReadOptions", "budget", 2**40) == 2**40
    with pytest.raises(
        InvalidInput, match=r"was given budget=an integer of 16,610 bits: expected a number below 2\*\*63"
    ):
        positive_whole("ReadOptions", "budget", 10**5000)
    with pytest.raises(InvalidInput, match="was given skip=an integer of 16,610 bits: expected zero or a whole number"):
        non_negative_whole("search", "skip", -(10**5000))


def test_no_more_widths_than_layers_can_be():
    assert len(widths("MLP", "hidden", [1] * 100)) == 100
    with pytest.raises(InvalidInput, match="MLP was given 101 hidden: expected 100 at most"):
        widths("MLP", "hidden", [1] * 101)


def test_a_value_is_shown_as_far_as_one_reads():
    class Broken:
        def __repr__(self):
            return 1 / 0

    assert shown("a" * 98) == repr("a" * 98)
    assert shown("a" * 1000) == "'" + "a" * 99 + "..."
    assert shown(Broken()) == "a Broken that cannot be shown (ZeroDivisionError)"


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Reconstruction(likelihood=3), "likelihood=3: expected a likelihood, such as S"),
        (lambda: ELBO(likelihood=SquaredError), "likelihood=<class .*SquaredError'>: expected a likelih"),
        (lambda: ELBO(corruption="noise"), r"corruption='noise': expected a corruption, such as Masking\("),
        (lambda: ELBO(augmentation=3), r"augmentation=3: expected a corruption, such as Binarisation\("),
        (lambda: Reconstruction(penalties=L1()), r"penalties=L1\(weight=0.1\): expected a tuple, such as \(L1"),
        (lambda: Reconstruction(penalties=(L1(), 2)), r"penalties\[1\]=2: expected a penalty, such as L1\(\)"),
        (lambda: mine(name=3), "name=3: expected its name in results"),
        (lambda: mine(networks=MLP), r"networks=<class .*MLP'>: expected networks, such as MLP\(\)"),
        (lambda: mine(objective=None), "objective=None: expected an objective, such as Reconstru"),
        (lambda: mine(optimizer="adam"), r"optimizer='adam': expected an Optimizer\(\)"),
        (lambda: mine(optimizer={}), r"optimizer={}: expected an Optimizer\(\)"),
        (lambda: mine(optimizer={"networks": 3}), r"optimizer=3: expected an Optimizer\(\)"),
    ],
)
def test_parts_are_of_their_kinds(make, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        make()


def mine(**parts):
    return Autoencoder(**{"name": "mine", "networks": MLP(), "objective": Reconstruction()} | parts)
