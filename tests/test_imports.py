"""The direction of imports: every room stands on lower ones only."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import ae_jax

ROOT = Path(ae_jax.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")

# From the lowest up; rooms of one floor do not import each other, except on the ground floor.
FLOORS = [
    {"types", "errors", "locks", "atomic", "components", "_checks", "_reprs", "public"},
    {"schedules", "optimizers", "losses", "corruptions"},
    {"distributions"},
    {"flows"},
    {"priors"},
    {"networks"},
    {"objectives"},
    {"models"},
    {"data"},
    {"export"},
    {"training"},
    {"evaluation"},
    {"studies"},
    {"report", "estimators"},
    {"explore"},
    {"hub"},
    {"trackers"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FOREIGN = {"torch", "tensorflow", "hydra", "ray", "torchvision", "keras", "pytorch_lightning", "pickle", "cloudpickle"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


@cache
def imported(path: Path) -> set[str]:
    """Full names of everything that a file imports, wherever in it."""
    names = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{ast.unparse(node)} is relative, which hides the room"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@cache
def used(path: Path) -> set[str]:
    """Names that a file imports, and dotted names that it uses, such as ``nnx.split``."""
    attributes = {ast.unparse(node) for node in nodes(path) if isinstance(node, ast.Attribute)}
    return imported(path) | {f"flax.{name}" if name.startswith("nnx.") else name for name in attributes}


def test_imports_run_downward_only():
    assert "training/step.py" in map(name_of, FILES)
    for path in FILES:
        room = room_of(path)
        for name in imported(path):
            if name == "ae_jax" or name.startswith("ae_jax."):
                other = [*name.split("."), "__init__"][1]
                assert other in FLOOR, f"{name_of(path)} imports {name}: rooms import each other, not the whole package"
                lower = FLOOR[other] < FLOOR[room] or (FLOOR[other] == FLOOR[room] == 0)
                assert other == room or lower, f"{name_of(path)} imports {name}, which is not below it"


def test_no_other_framework_and_no_pickle_is_imported():
    for path in FILES:
        assert not {name.split(".")[0] for name in imported(path)} & FOREIGN, name_of(path)


def test_only_transformations_of_jax_are_used():
    banned = {"jit", "grad", "value_and_grad", "vmap", "scan", "Optimizer", "remat", "cond", "while_loop", "pmap"}
    for path in FILES:
        assert used(path) & {f"flax.nnx.{name}" for name in banned} == set(), name_of(path)


def test_one_file_splits_and_merges_modules_and_one_names_orbax():
    splitting = [name_of(path) for path in FILES if used(path) & {"flax.nnx.split", "flax.nnx.merge"}]
    assert splitting == ["networks/functional.py"]
    orbax = [name_of(path) for path in FILES if any(name.startswith("orbax") for name in imported(path))]
    assert orbax == ["training/checkpoint.py"]


def test_library_code_never_prints():
    for path in FILES:
        if room_of(path) not in ("cli", "__main__"):
            calls = [node.func for node in nodes(path) if isinstance(node, ast.Call)]
            assert not any(isinstance(call, ast.Name) and call.id == "print" for call in calls), name_of(path)


@pytest.mark.slow
def test_a_minimal_environment_trains_and_reports(tmp_path):
    program = """
import sys
for name in ("tensorflow_datasets", "huggingface_hub", "onnx", "optuna", "grain"):
    sys.modules[name] = None
from ae_jax.cli import main
raise SystemExit(main(["train", "undercomplete", "--code", "2", "--epochs", "1", "--out", sys.argv[1]]))
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "run")], check=True, capture_output=True)
    assert (tmp_path / "run" / "report.html").exists()
