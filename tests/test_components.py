import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax._checks import require_positive
from ae_jax.components import (
    component,
    from_config,
    static,
    to_config,
)


@component
class Spring:
    """A component for tests: two numbers, a structure and a part of its own."""

    stiffness: float | jax.Array | np.ndarray = 2.0
    rest: float | jax.Array | None = None
    widths: tuple[int, ...] = static(default=(3, 4))
    part: object = None

    def __post_init__(self) -> None:
        require_positive(self, stiffness=self.stiffness)


def test_numbers_are_leaves_and_structure_is_not():
    spring = Spring(stiffness=3.0, rest=1.0, part=Spring())
    assert jax.tree.leaves(spring) == [3.0, 1.0, 2.0]
    assert jax.tree.structure(spring) == jax.tree.structure(Spring(stiffness=4.0, rest=0.0, part=Spring()))
    assert jax.tree.structure(spring) != jax.tree.structure(Spring(rest=1.0, part=Spring(), widths=(3,)))


def test_checks_do_not_run_while_jax_rebuilds_a_component():
    assert jax.tree.map(lambda _: -1.0, Spring()).stiffness == -1.0
    assert jax.vmap(lambda spring: spring.stiffness * 2)(Spring(stiffness=jnp.array([1.0, 2.0])))[1] == 4.0


def test_a_component_is_frozen_and_takes_keywords_only():
    with pytest.raises(AttributeError):
        Spring().stiffness = 1.0
    with pytest.raises(TypeError, match="positional"):
        Spring(1.0)


def test_a_configuration_survives_json():
    spring = Spring(stiffness=3.0, part=(Spring(widths=()), Spring(rest=0.5)))
    assert from_config(json.loads(json.dumps(to_config(spring)))) == spring


def test_a_configuration_holds_arrays_as_lists():
    config = to_config(Spring(stiffness=np.array([1.0, 2.0]), rest=jnp.asarray(0.5), part={"a": np.float32(1.5)}))
    assert config == {
        "type": "Spring",
        "stiffness": [1.0, 2.0],
        "rest": 0.5,
        "widths": [3, 4],
        "part": {"a": 1.5},
    }


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"type": "Sprin"}, "unknown component 'Sprin': did you mean 'Spring'"),
        ({"type": "Spring", "stifness": 1.0}, "unknown key of Spring 'stifness': did you mean 'stiffness'"),
        (
            {"type": "Spring", "part": {"type": "Masking", "p": 1}},
            "unknown key of Masking 'p': .*Known are probability",
        ),
        ({"type": "Spring", "stiffness": 0.0}, "Spring was given stiffness=0.0: expected a number above zero"),
        ({"type": "Autoencoder", "name": "mine"}, "configuration of Autoencoder has no networks, objective"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(config, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        from_config(config)


def test_a_configuration_cannot_hold_functions():
    with pytest.raises(InvalidInput, match=r"a configuration cannot hold <function .*made by @component"):
        to_config(Spring(part=test_a_configuration_cannot_hold_functions))


def test_a_component_cannot_take_the_name_of_another():
    class Masking:
        probability: float = 0.5

    with pytest.raises(InvalidInput, match=r"Masking of .* has the name of one in ae_jax.corruptions: rename it"):
        component(Masking)
    assert isinstance(from_config({"type": "Masking"}), ae_jax.corruptions.Masking)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), np.float32("-inf"), np.array([1.0, np.nan])])
def test_a_configuration_cannot_hold_what_json_cannot_say(number):
    with pytest.raises(InvalidInput, match=r"a configuration cannot hold -?(nan|inf): expected finite numbers"):
        to_config({"number": number})


@pytest.mark.parametrize("kind", [[], {}, None, 3, {"type": "L1"}])
def test_a_type_that_is_no_name_is_unknown(kind):
    with pytest.raises(InvalidInput, match=r"unknown component .*: "):
        from_config({"type": kind})
