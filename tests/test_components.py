import json
import sys

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
    import_file,
    static,
    to_config,
)
from ae_jax.networks import from_nnx


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
    with pytest.raises(InvalidInput, match=r"Spring was called with other arguments than it has .too many positional"):
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


MINE = """
from typing import ClassVar

import jax.numpy as jnp
from flax import nnx

import ae_jax
from ae_jax.networks import deterministic, from_nnx
from ae_jax.objectives import Reconstruction


@ae_jax.component
class {penalty}:
    name: ClassVar[str] = "spread"
    weight: float = 0.1

    def __call__(self, model, key, batch, code):
        return jnp.square(deterministic(code)).sum(axis=-1)


class Plain(nnx.Module):
    def __init__(self, shape, rngs):
        self.enter, self.leave = nnx.Linear(64, 2, rngs=rngs), nnx.Linear(2, 64, rngs=rngs)

    def encode(self, x):
        return self.enter(x.reshape(-1, 64))

    def decode(self, z):
        return self.leave(z).reshape(-1, 8, 8)


def autoencoder():
    objective = Reconstruction(penalties=({penalty}(weight=0.01),))
    return ae_jax.Autoencoder(name="mine", networks=from_nnx(Plain, code=(2,)), objective=objective)


if __name__ == "__main__":
    ae_jax.fit(autoencoder(), ae_jax.data.digits(), epochs=1).save("saved")
"""


def test_a_file_that_is_imported_gives_its_classes_to_configurations(tmp_path):
    path = tmp_path / "of_a_user.py"
    path.write_text(MINE.format(penalty="SpreadInFile"))
    with pytest.raises(InvalidInput, match=r"import the file that defines this class first, .* --import FILE.py"):
        from_config({"type": "SpreadInFile"})
    import_file(path)
    import_file(path)  # again changes nothing
    mine = sys.modules["of_a_user"]
    config = json.loads(json.dumps(to_config(mine.autoencoder())))
    assert config["networks"]["build"]["name"] == "of_a_user:Plain"
    assert from_config(config) == mine.autoencoder()
    config["networks"]["build"]["name"] = "__main__:Plain"  # from a notebook
    assert from_config(config) == mine.autoencoder()


def test_a_class_of_a_script_has_the_name_that_importing_the_script_gives_it(tmp_path, monkeypatch):
    def build(shape, rngs): ...

    monkeypatch.setattr(build, "__module__", "__main__")
    monkeypatch.setattr(build, "__qualname__", "build")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "my_script.py"), raising=False)
    assert to_config(from_nnx(build)) == {
        "type": "FromNNX",
        "build": {"type": "function", "name": "my_script:build"},
        "code": [16],
        "condition": None,
    }


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("absent.py", None, "absent.py: expected a Python file, such as mine.py"),
        ("mine.txt", "", "mine.txt: expected a Python file"),
        ("broken_file.py", "1 / 0", r"which failed \(ZeroDivisionError: division by zero\): mend it"),
        ("json.py", "", "a module json is loaded already: rename the file"),
    ],
)
def test_a_file_that_cannot_be_imported_is_refused(tmp_path, name, text, sentence):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInput, match=sentence):
        import_file(tmp_path / name)


class Undecorated:
    name = "undecorated"
    weight = 0.1

    def __call__(self, model, key, batch, code): ...


def test_a_class_without_the_decorator_is_refused_where_it_is_given():
    objective = ae_jax.objectives.Reconstruction(penalties=(Undecorated(),))
    with pytest.raises(InvalidInput, match=r"objective.penalties.0=.* @ae_jax.component above the class Undecorated"):
        ae_jax.Autoencoder(name="mine", networks=ae_jax.networks.MLP(), objective=objective)


def test_an_autoencoder_shows_what_differs_from_the_defaults():
    shown = ae_jax.Autoencoder(
        name="<b>", networks=ae_jax.networks.MLP(code=3), objective=ae_jax.objectives.Reconstruction()
    )
    assert repr(shown).splitlines() == [
        "Autoencoder <b>",
        "  networks   MLP(code=3)",
        "  objective  Reconstruction()",
        "  optimizer  Optimizer()",
    ]
    assert "<td>MLP(code=3)</td>" in shown._repr_html_()
    assert "<b>" not in shown._repr_html_()
