"""The direction of imports: every room stands on lower ones only."""

import ast
from pathlib import Path

import pytest

import ae_jax

ROOT = Path(ae_jax.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")

# From the lowest up; rooms of one floor do not import each other, except on the ground floor.
FLOORS = [
    {"types", "errors", "atomic", "locks", "components", "_checks"},
    {"schedules", "optimizers", "losses", "corruptions"},
    {"distributions"},
    {"priors"},
    {"networks"},
    {"objectives"},
    {"models"},
    {"data"},
    {"training"},
    {"evaluation"},
    {"studies"},
    {"report", "estimators"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FOREIGN = {"torch", "tensorflow", "hydra", "ray", "torchvision", "keras", "pytorch_lightning", "pickle", "cloudpickle"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Full names of everything that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{ast.unparse(node)} is relative, which hides the room"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def attributes(path: Path) -> set[str]:
    """Dotted names that a file uses, such as ``nnx.split``."""
    return {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}


def test_there_are_files_to_look_at():
    assert len(FILES) > 30
    assert "training/step.py" in map(name_of, FILES)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_downward_only(path):
    room = room_of(path)
    for name in imported(path):
        if name == "ae_jax" or name.startswith("ae_jax."):
            other = [*name.split("."), "__init__"][1]
            assert other in FLOOR, f"{name_of(path)} imports {name}: rooms import each other, not the whole package"
            lower = FLOOR[other] < FLOOR[room] or (FLOOR[other] == FLOOR[room] == 0)
            assert other == room or lower, f"{name_of(path)} imports {name}, which is not below it"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_other_framework_and_no_pickle_is_imported(path):
    assert not {name.split(".")[0] for name in imported(path)} & FOREIGN


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_transformations_of_jax_are_used(path):
    banned = {"jit", "grad", "value_and_grad", "vmap", "scan", "Optimizer", "remat", "cond", "while_loop", "pmap"}
    used = attributes(path) | imported(path)
    assert used & ({f"nnx.{name}" for name in banned} | {f"flax.nnx.{name}" for name in banned}) == set()


def test_one_file_splits_and_merges_modules():
    names = {"nnx.split", "nnx.merge", "flax.nnx.split", "flax.nnx.merge"}
    assert [name_of(path) for path in FILES if (attributes(path) | imported(path)) & names] == [
        "networks/functional.py"
    ]


def test_one_file_names_orbax():
    naming = [name_of(path) for path in FILES if any(name.startswith("orbax") for name in imported(path))]
    assert naming == ["training/checkpoint.py"]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_library_code_never_prints(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    if room_of(path) not in ("cli", "__main__"):
        assert not any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls)
